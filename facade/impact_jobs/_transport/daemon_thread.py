"""Run a function in a daemon thread of its own.

At exit, the interpreter waits for the threads of a `ThreadPoolExecutor` for as long as a silent server blocks them, and
meanwhile accepts no work for them, not even from threads that it waits for. A thread starts in a fraction of the time
that a request takes, so no pool is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start_in_thread(function: Callable[[], T]) -> Future[T]:
    """Call `function` in a thread; raise RuntimeError if the interpreter shuts down or no thread can be started."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from now on it cannot be cancelled

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised by `future.result`
            future.set_exception(error)

    threading.Thread(target=run, name="impact-jobs", daemon=True).start()
    return future
