"""Copy a range of a file to another one, in a thread that can be stopped; and write a part file in order."""

from __future__ import annotations

import errno
import io
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from attrs import define, field

from impact_jobs._download.part_file import PartFile

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_os: Any = os  # because mypy also checks for platforms that lack some of its functions
_BLOCK_BYTES = 4 * 1024 * 1024
_KERNEL_BYTES = 64 * 1024 * 1024
# Among them: another file system, a file that was opened to append, and a file system without the call.
_NOT_IN_KERNEL = frozenset({errno.EXDEV, errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})


class Output(Protocol):
    """What a file is joined into: a binary file, or a `PartWriter`."""

    def write(self, data: bytes | memoryview, /) -> int:
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
        """Copy to `target`, and return how many bytes that were, which is fewer if the file became shorter.

        The kernel copies where it can. It takes more CPU time than blocks do, but after each block this thread would
        wait for Python's lock, which a thread that counts records holds nearly all the time.
        """
        with self._source.open("rb", buffering=0) as source:
            source.seek(self._start)
            if isinstance(target, io.FileIO | io.BufferedWriter | io.BufferedRandom):
                self._copy_in_kernel(source, target)
            self._copy_blocks(source, target)
            return source.tell() - self._start

    def _copy_in_kernel(self, source: io.FileIO, target: io.FileIO | io.BufferedWriter | io.BufferedRandom) -> None:
        """Copy as much as the kernel can; both files then stand after that."""
        target.flush()
        descriptor = target.fileno()
        try:
            while not self._is_stopped.is_set() and (left := self._stop - source.tell()):
                if not _os.copy_file_range(source.fileno(), descriptor, min(left, _KERNEL_BYTES)):
                    break
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _NOT_IN_KERNEL:
                raise
        finally:
            # A buffered file does not notice that the position has moved.
            target.seek(os.lseek(descriptor, 0, os.SEEK_CUR))

    def _copy_blocks(self, source: io.FileIO, target: Output) -> None:
        block = memoryview(bytearray(min(_BLOCK_BYTES, self._stop - source.tell())))
        while not self._is_stopped.is_set() and (left := self._stop - source.tell()):
            count = source.readinto(block[:left])
            if not count:
                return
            write_all(target, block[:count])


def write_all(target: Output, data: bytes | memoryview) -> None:
    """Write all of `data`; an unbuffered file may write less at once."""
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
