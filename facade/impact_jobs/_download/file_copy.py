"""Copy a range of a file to another one, in a thread that can be stopped; and write a part file in order."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from attrs import define, field

from impact_jobs._download.part_file import PartFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BLOCK_BYTES = 1024 * 1024  # with which this is faster than `os.copy_file_range`, unless files can share blocks


class Output(Protocol):
    """What a file is joined into: a binary file, or a `PartWriter`."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write some bytes at the position, and return how many."""
        ...

    def seekable(self) -> bool:
        """Return whether the three methods below can be called."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...

    def seek(self, offset: int, /) -> int:
        """Change the position."""
        ...

    def truncate(self) -> int:
        """Cut the file at the position."""
        ...


class PartWriter(io.RawIOBase):
    """Writes a part file from its beginning to its end. What a failed write leaves, the part file discards itself."""

    def __init__(self, part: PartFile) -> None:
        super().__init__()
        self._part = part
        self._position = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data`."""
        view = memoryview(data)
        self._part.write(view, self._position)
        self._position += len(view)
        return len(view)


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

    def to(self, target: Output) -> int:
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


def write_all(target: Output, data: bytes | memoryview) -> None:
    """Write all of `data`; an unbuffered file may write less at once."""
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
