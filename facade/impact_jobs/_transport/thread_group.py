"""Threads that work together, and that all end if one of them fails or the caller is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Self


class GroupCancelled(BaseException):
    """Ends a thread of a group that was stopped; it never leaves the group.

    It is not an `Exception`, so that code which handles failures cannot continue after it.
    """


class ThreadGroup:
    """The threads of one `run_many`; `stop` makes them end soon.

    If the calling thread belongs to a group itself, stopping that group, `within`, stops this one, too.
    """

    def __init__(self, stop: Callable[[], None], *, within: ThreadGroup | None) -> None:
        self.inner: set[ThreadGroup] = set()
        self._stop = stop
        self._within = within
        self._stopped = threading.Event()
        self._failures: list[BaseException] = []

    def __enter__(self) -> Self:
        if self._within is not None:
            self._within.inner.add(self)
            self._within.check()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._within is not None:
            self._within.inner.discard(self)
            if kind is None:  # threads that were stopped may end without an error
                self._within.check()

    def work(self, functions: Sequence[Callable[[], None]]) -> None:
        """Call each function in a thread of its own, and wait until all have ended; then raise the first failure.

        The threads are daemons and belong to no pool: at exit, the interpreter would wait for the threads of a pool,
        even if the thread that waits for their results is a daemon itself.
        """
        tasks = [Task(partial(self._run, function)) for function in functions]
        threads = [
            threading.Thread(target=task.run, name=f"impact-jobs_{number}", daemon=True)
            for number, task in enumerate(tasks)
        ]
        try:
            for thread in threads:
                thread.start()
            for task in tasks:
                task.wait()
        except BaseException:  # Ctrl-C too: the threads must end before their files are closed
            self.stop()
            for task in tasks:
                task.prevent()
            raise
        finally:
            for thread in threads:
                with suppress(RuntimeError):  # it was not started
                    thread.join()
        if self._failures:
            raise self._failures[0]

    def _run(self, function: Callable[[], None]) -> None:
        current.set(self)
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised by `work`
            self._failures.append(error)
            self.stop()

    def stop(self) -> None:
        """Make all threads end soon, also those of inner groups."""
        self._stopped.set()  # first, because an inner group that is added after the loop below checks it
        self._stop()
        for group in tuple(self.inner):
            group.stop()

    def sleep(self, seconds: float) -> None:
        """Sleep; raise GroupCancelled if the group is stopped meanwhile."""
        self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise GroupCancelled if the group was stopped."""
        if self.is_stopped:
            raise GroupCancelled

    @property
    def is_stopped(self) -> bool:
        """Whether all threads must end."""
        return self._stopped.is_set()


class Task:
    """A function that another thread calls, unless that is prevented.

    It uses bare locks, because Ctrl-C may interrupt the waiting thread at any line: within a `Condition`, on which
    events and futures are built, that could leave a lock acquired forever.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._claim = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        """Call the function, unless that was prevented."""
        if self._claim.acquire(blocking=False):
            try:
                self._function()
            finally:
                self._running.release()

    @property
    def has_ended(self) -> bool:
        """Whether the function has returned, or was prevented."""
        return not self._running.locked()

    def wait(self) -> None:
        """Wait until the function has returned."""
        with self._running:
            pass

    def prevent(self) -> None:
        """Prevent the call; if it has begun, wait for it. A thread whose start Ctrl-C interrupted may run later."""
        if self._claim.acquire(blocking=False):
            self._running.release()
        else:
            self.wait()


class GroupLock:
    """A lock for the threads of a group."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()
        group = current.get()
        if group is not None and group.is_stopped:
            self._lock.release()
            raise GroupCancelled

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


current: ContextVar[ThreadGroup | None] = ContextVar("impact_jobs_thread_group", default=None)
"""The group that this thread belongs to, if any."""
