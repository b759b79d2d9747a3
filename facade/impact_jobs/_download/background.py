"""Work on a file in the background of its transfer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from attrs import define, field


@define
class BackgroundThread:
    """Runs one function at a time in a thread, and raises its OSError in the thread that calls next."""

    _name: str
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _error: OSError | None = field(default=None, init=False)

    def start(self, function: Callable[[], None]) -> bool:
        """Start `function`, unless the previous one is still running; return whether it was started.

        Raises:
            OSError: What the previous function has raised.
        """
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return False
            self.join()
            thread = threading.Thread(target=self._run, args=(function,), name=self._name, daemon=True)
            thread.start()
            self._thread = thread  # not before, because a thread that could not be started cannot be joined
            return True

    def join(self) -> None:
        """Wait until the function has ended.

        Raises:
            OSError: What it has raised.
        """
        if self._thread is not None:
            self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except OSError as error:
            self._error = error
