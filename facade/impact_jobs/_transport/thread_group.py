"""Threads that work together, and that all end when one fails, or the one who waits for them is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Self


class GroupCancelled(BaseException):
    """The others are over, and so are we. It ends a thread; nobody is told of it.

    No Exception, for whoever handles failures must not go on after this one.
    """


class ThreadGroup:
    """The threads of one `run_many`.

    Args:
        stop: Called once, when they are to end soon.
        within: The crew that one of them belongs to: when that one is stopped, so is this.
    """

    def __init__(self, stop: Callable[[], None], *, within: ThreadGroup | None) -> None:
        self._stop = stop
        self._within = within
        self._parts: set[ThreadGroup] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failures: list[BaseException] = []

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

    def work(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Do each task in a thread of its own, until all have ended.

        They are daemons, and no pool's: a pool has the interpreter wait for its threads at the end, even where whoever
        waits for them is a daemon itself.

        Raises:
            BaseException: What the first one to fail raised, or what interrupted us; no task is under way then.
        """
        works = [_Work(self, task) for task in tasks]
        threads = [
            threading.Thread(target=work.do, name=f"impact-jobs_{number}", daemon=True)
            for number, work in enumerate(works)
        ]
        try:
            for thread in threads:
                thread.start()
            for work in works:
                work.wait()
        except BaseException:  # Ctrl-C too: the threads must end before what they write to is closed
            self.stop()
            for work in works:
                work.end()
            _join(threads)
            raise
        _join(threads)
        if self._failures:
            raise self._failures[0]

    def fail(self, error: BaseException) -> None:
        """Have one of the threads told of, and the others end."""
        self._failures.append(error)
        self.stop()

    def add(self, part: ThreadGroup) -> None:
        """Have another crew stopped with this one; at once, if it is too late."""
        with self._lock:
            self._parts.add(part)
        self.check()

    def remove(self, part: ThreadGroup) -> None:
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
            GroupCancelled: It was.
        """
        self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raises GroupCancelled when stopped."""
        if self.is_stopped:
            raise GroupCancelled

    @property
    def is_stopped(self) -> bool:
        """Whether all threads are to end."""
        return self._stopped.is_set()


class _Work:
    """A task that is done by another thread, or by none.

    Of bare locks, for Ctrl-C may fall into any line of the thread that waits. In those of `Condition`, which is what
    events and futures are made of, it can leave a lock taken that the others then wait for without end.
    """

    def __init__(self, crew: ThreadGroup, task: Callable[[], None]) -> None:
        self._crew = crew
        self._task = task
        self._begun = threading.Lock()
        self._under_way = threading.Lock()
        self._under_way.acquire()

    def do(self) -> None:
        """Do it, unless it is not wanted any more."""
        if self._begun.acquire(blocking=False):
            try:
                current.set(self._crew)
                self._task()
            except BaseException as error:  # noqa: BLE001 - whoever waits is told
                self._crew.fail(error)
            finally:
                self._under_way.release()

    def wait(self) -> None:
        """Wait until it is done."""
        with self._under_way:
            pass

    def end(self) -> None:
        """Have it never begin: Ctrl-C in the middle of a thread's start leaves it free to. Else wait."""
        if not self._begun.acquire(blocking=False):
            self.wait()


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        with suppress(RuntimeError):  # it was not started
            thread.join()


class GroupLock:
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


current: ContextVar[ThreadGroup | None] = ContextVar("impact_jobs_crew", default=None)
"""The crew that this thread works for, if it does for any."""
