"""Threads that work together, and that all end when one fails, or the one who waits for them is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Self


class StoppedError(BaseException):
    """The others are over, and so are we. It ends a thread; nobody is told of it.

    No Exception, for whoever handles failures must not go on after this one.
    """


class Crew:
    """The threads of one `run_many`.

    Args:
        stop: Called once, when they are to end soon.
        within: The crew that one of them belongs to: when that one is stopped, so is this.
    """

    def __init__(self, stop: Callable[[], None], *, within: Crew | None) -> None:
        self._stop = stop
        self._within = within
        self._parts: set[Crew] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        if self._within is not None:
            self._within.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._within is not None:
            self._within.remove(self)
            # What was stopped from above is not done, though all its threads have ended in order.
            if kind is None:
                self._within.check()

    def add(self, part: Crew) -> None:
        """Have another crew stopped with this one; at once, if it is too late."""
        with self._lock:
            self._parts.add(part)
        self.check()

    def remove(self, part: Crew) -> None:
        """Be done with it."""
        with self._lock:
            self._parts.discard(part)

    def stop(self) -> None:
        """Make all threads end soon."""
        with self._lock:
            self._stopped.set()
            parts = tuple(self._parts)
        self._stop()
        for part in parts:
            part.stop()

    def sleep(self, seconds: float) -> None:
        """Sleep, unless stopped.

        Raises:
            StoppedError: It was.
        """
        self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raises StoppedError when stopped."""
        if self.is_stopped:
            raise StoppedError

    @property
    def is_stopped(self) -> bool:
        """Whether all threads are to end."""
        return self._stopped.is_set()


class CrewLock:
    """A lock for the threads of a crew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()
        crew = current.get()
        if crew is not None and crew.is_stopped:
            self._lock.release()
            crew.check()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


current: ContextVar[Crew | None] = ContextVar("impact_jobs_crew", default=None)
"""The crew that this thread works for, if it does for any."""
