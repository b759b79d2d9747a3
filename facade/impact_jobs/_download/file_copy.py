"""Copy a range of a file to another one, in a thread that can be stopped."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from attrs import define, field

_BLOCK_BYTES = 1024 * 1024  # with which this is faster than `os.copy_file_range`, unless files can share blocks


@define
class RangeCopy:
    """Copies a range of a file; as a context manager, it stops another thread's copy if the block raises an error."""

    _source: Path
    _start: int
    _stop: int
    _is_stopped: threading.Event = field(factory=threading.Event, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._is_stopped.set()

    def to(self, target: BinaryIO) -> int:
        """Copy to `target`, and return how many bytes that were, which is fewer if the file became shorter."""
        left, block = self._stop - self._start, memoryview(bytearray(_BLOCK_BYTES))
        with self._source.open("rb", buffering=0) as source:
            source.seek(self._start)
            while left and not self._is_stopped.is_set():
                count = source.readinto(block[:left])
                if not count:
                    break
                write_all(target, block[:count])
                left -= count
        return self._stop - self._start - left


def write_all(target: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`; an unbuffered file may write less at once."""
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
