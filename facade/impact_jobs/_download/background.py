"""A thread in the background that works on the disk while the next bytes arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from attrs import define, field


@define
class BackgroundThread:
    """Runs one function at a time in a thread. If it raises an OSError, the next `start` or `join` raises that."""

    _name: str
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _error: OSError | None = field(default=None, init=False)

    def start(self, function: Callable[[], None]) -> bool:
        """Start `function`, unless the previous one is still running; return whether it was started."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return False
            self.join()
            thread = threading.Thread(target=self._run, args=(function,), name=self._name, daemon=True)
            thread.start()
            self._thread = thread  # not before, because a thread that could not be started cannot be joined
            return True

    def join(self) -> None:
        """Wait until the function has ended."""
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
