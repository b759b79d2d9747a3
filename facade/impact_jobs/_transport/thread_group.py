"""Threads that work together, and that all end if one of them fails or the caller is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Self


class GroupCancelled(BaseException):
    """Ends a thread of a group that was stopped; it never leaves the group.

    It is not an `Exception`, so that code which handles failures cannot continue after it.
    """


class ThreadGroup:
    """The threads of one `run_many`.

    Args:
        stop: Called once to make the threads end soon.
        within: The group that the calling thread belongs to; stopping that group stops this one, too.
    """

    def __init__(self, stop: Callable[[], None], *, within: ThreadGroup | None) -> None:
        self._stop = stop
        self._within = within
        self._inner: set[ThreadGroup] = set()
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
            if kind is None:  # the threads may have ended in order, although they were stopped
                self._within.check()

    def work(self, functions: Sequence[Callable[[], None]]) -> None:
        """Call each function in a thread of its own, until all have returned.

        The threads are daemons and belong to no pool: at exit, the interpreter would wait for the threads of a pool,
        even if the thread that waits for their results is a daemon itself.

        Raises:
            BaseException: The first failure, or what interrupted the caller; no function runs any more by then.
        """
        tasks = [_Task(self, function) for function in functions]
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
            _join(threads)
            raise
        _join(threads)
        if self._failures:
            raise self._failures[0]

    def fail(self, error: BaseException) -> None:
        """Record the failure of one thread, and stop the others."""
        self._failures.append(error)
        self.stop()

    def add(self, inner: ThreadGroup) -> None:
        """Stop `inner`, too, if this group is stopped; raise GroupCancelled if it was stopped already."""
        with self._lock:
            self._inner.add(inner)
        self.check()

    def remove(self, inner: ThreadGroup) -> None:
        """Forget a group that has ended."""
        with self._lock:
            self._inner.discard(inner)

    def stop(self) -> None:
        """Make all threads end soon."""
        with self._lock:
            self._stopped.set()
            inner = tuple(self._inner)
        self._stop()
        for group in inner:
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


class _Task:
    """A function that another thread calls, unless that is prevented.

    It uses bare locks, because Ctrl-C may interrupt the waiting thread at any line: within a `Condition`, on which
    events and futures are built, that could leave a lock acquired for ever.
    """

    def __init__(self, group: ThreadGroup, function: Callable[[], None]) -> None:
        self._group = group
        self._function = function
        self._claim = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        """Call the function, unless that was prevented."""
        if self._claim.acquire(blocking=False):
            try:
                current.set(self._group)
                self._function()
            except BaseException as error:  # noqa: BLE001 - raised by `work`
                self._group.fail(error)
            finally:
                self._running.release()

    def wait(self) -> None:
        """Wait until the function has returned."""
        with self._running:
            pass

    def prevent(self) -> None:
        """Prevent the call; if it has begun, wait for it. Ctrl-C may leave a thread half started, to run later."""
        if not self._claim.acquire(blocking=False):
            self.wait()


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        with suppress(RuntimeError):  # it was not started
            thread.join()


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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


current: ContextVar[ThreadGroup | None] = ContextVar("impact_jobs_thread_group", default=None)
"""The group that this thread belongs to, if any."""
