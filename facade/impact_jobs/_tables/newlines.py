"""A stream whose blocks do not end between CR and LF."""

from __future__ import annotations

from typing import Protocol

from attrs import define


class Readable(Protocol):
    """A stream of bytes, such as pyarrow's."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        ...


@define
class WholeNewlines:
    """A stream that returns CR and LF together, as a file for pyarrow.

    Arrow (26.0.1) drops an LF at the beginning of a block if the block before ends with CR, even within quotes.
    """

    _stream: Readable
    _held: bytes = b""
    closed: bool = False

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, of which there must be two or more."""
        data, self._held = self._held + self._stream.read(size - len(self._held)), b""
        if data.endswith(b"\r"):
            self._held = self._stream.read(1)
            if self._held == b"\n" and len(data) < size:
                data, self._held = data + self._held, b""
            elif self._held == b"\n":
                data, self._held = data[:-1], b"\r\n"
        return data

    def close(self) -> None:
        """Do nothing, because the stream is closed by its owner."""
