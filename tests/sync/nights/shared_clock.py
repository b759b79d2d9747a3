"""A virtual clock that processes share."""

from __future__ import annotations

import fcntl
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Self

_EPOCH: Final = struct.Struct("d")
_TICK: Final = 2.0**-8  # seconds; floats add multiples of it exactly


class SharedClock:
    """Epoch seconds in a file, which only sleeping moves, in whichever process.

    Attributes:
        behind: By how many seconds the wall clock of this process is behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.behind = 0.0
        self._lock = Lock()  # because flock holds for the whole process
        self._file = path.open("r+b")
        self._epoch = mmap.mmap(self._file.fileno(), _EPOCH.size)

    @classmethod
    def create(cls, path: Path, epoch: float) -> Self:
        """Create the file."""
        path.write_bytes(_EPOCH.pack(epoch))
        return cls(path)

    def close(self) -> None:
        """Close the file, which stays."""
        self._epoch.close()
        self._file.close()

    def time(self) -> float:
        return self.monotonic() - self.behind

    def monotonic(self) -> float:
        found: float = _EPOCH.unpack(self._epoch[:])[0]
        return found

    def sleep(self, seconds: float, /) -> None:
        with self._exclusive():
            self._epoch[:] = _EPOCH.pack(self.monotonic() + seconds)

    def tick(self) -> float:
        """Let a moment pass, so that no two requests are at the same time, and return the time."""
        self.sleep(_TICK)
        return self.monotonic()

    def move_to(self, epoch: float) -> None:
        """Let the time pass until a moment, unless it is over."""
        with self._exclusive():
            self._epoch[:] = _EPOCH.pack(max(self.monotonic(), epoch))

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
