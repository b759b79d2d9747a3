"""A thread in the background that works on the disk while the next bytes arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from attrs import define, field

from impact_jobs._transport.thread_group import Task


@define
class BackgroundThread:
    """Runs one function at a time in a thread. If it raises an OSError, the next `start` or `join` raises that."""

    _name: str
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    # Ctrl-C within `Thread.join` would make the thread look as if it had ended.
    _task: Task | None = field(default=None, init=False)
    _error: OSError | None = field(default=None, init=False)

    def start(self, function: Callable[[], None]) -> bool:
        """Start `function`, unless the previous one is still running; return whether it was started."""
        with self._lock:
            if self._task is not None and not self._task.has_ended:
                return False
            self.join()
            self._task = Task(partial(self._run, function))
            try:
                threading.Thread(target=self._task.run, name=self._name, daemon=True).start()
            except BaseException:
                self._task.prevent()
                raise
            return True

    def join(self) -> None:
        """Wait until the function has ended."""
        if self._task is not None:
            self._task.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except OSError as error:
            self._error = error
