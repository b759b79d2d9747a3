"""What a file is joined into: any binary file, or a part file that is written in order."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

from impact_jobs._download.part_file import PartFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Output(Protocol):
    """What a file is joined into: a binary file, or a `PartWriter`."""

    def write(self, data: memoryview, /) -> int:
        """Write some bytes at the position, and return how many."""
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


def write_all(target: Output, data: bytes | bytearray) -> None:
    """Write all of `data`; an unbuffered file may write less at once."""
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
