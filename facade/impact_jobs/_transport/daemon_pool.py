"""Threads that neither hold up the end of the interpreter nor refuse work while it waits for other threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_Queue: TypeAlias = "SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]"


class DaemonThreads(Executor):
    """A pool of daemon threads, started as they are needed.

    `ThreadPoolExecutor` has the interpreter wait for its threads at the end, for as long as a server lets them hang,
    even where whoever waits for them is a daemon itself; and as soon as the main thread is over it takes no more work,
    not even from threads that are still waited for. Here it is whoever waits for the work that decides.

    Args:
        most: How many threads.
        name: What they are called.
    """

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._queue: _Queue = SimpleQueue()
        self._idle = Semaphore(0)
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._is_shut = False

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread call `function`.

        Raises:
            RuntimeError: There are no more threads: it is shut down, or the interpreter is.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._is_shut:
                raise RuntimeError("these threads are shut down")
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
                thread = Thread(target=_serve, args=(self._queue, self._idle), name=self._name, daemon=True)
                thread.start()
                self._threads.append(thread)
            self._queue.put((future, partial(function, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's own
        """Take no more work, and end the threads once they have done what there is."""
        with self._lock:
            self._is_shut = True
            if cancel_futures:
                with suppress(Empty):  # not by `empty()`, for a thread may be quicker than we are
                    while True:
                        if (item := self._queue.get_nowait()) is not None:
                            item[0].cancel()
            self._queue.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def __del__(self) -> None:
        with suppress(Exception):  # as in an interpreter that is half gone
            self._queue.put(None)  # without the lock, which a thread that a fork left behind may hold


def _serve(queue: _Queue, idle: Semaphore) -> None:
    """A thread's work; no method, for the threads of a pool that nobody holds any more are to end."""
    while (item := queue.get()) is not None:
        future, function = item
        if future.set_running_or_notify_cancel():
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - whoever waits is told
                future.set_exception(error)
            else:
                future.set_result(result)
                del result
        del item, future, function  # else an idle thread keeps what it worked on
        idle.release()
    # One for all: Ctrl-C in the middle of a start leaves a thread that nobody counts, which would take another's.
    queue.put(None)
