"""What the storage serves as the result of a job."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Final, Protocol

from attrs import field, frozen

CHUNK: Final = 256 * 1024

MEDIA_TYPES: Final = {"csv": "text/csv", "json": "application/json", "xml": "application/xml"}


class Result(Protocol):
    """The result of a job, whose bytes are generated when they are read."""

    @property
    def size(self) -> int:
        """The length in bytes."""
        ...

    @property
    def rows(self) -> int:
        """The number of rows or records."""
        ...

    @property
    def etag(self) -> str:
        """A strong entity tag, with its quotation marks."""
        ...

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file in hex."""
        ...

    @property
    def extension(self) -> str:
        """The ending of its file name: csv, json or xml."""
        ...

    @property
    def pages(self) -> int:
        """How many pages it has; the file itself is the first."""
        ...

    def page(self, number: int) -> Result:
        """Return another page of it, counted from 1."""
        ...

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Generate the bytes from ``start`` up to, but not including, ``stop``; None means the end."""
        ...

    def replayed(self, seed: int, *, as_of: date) -> Result:
        """Return the result of a replay on a day; no other result has the seed."""
        ...

    def __hash__(self) -> int:
        """Hash it; equal results have equal bytes."""
        ...


@frozen
class FixedResult:
    """A result with the bytes that a test gives."""

    content: bytes = field(repr=False)
    extension: str = "csv"
    pages: int = 1

    @property
    def size(self) -> int:
        """The length in bytes."""
        return len(self.content)

    @property
    def rows(self) -> int:
        """The number of lines after the first."""
        return max(0, len(self.content.splitlines()) - 1)

    @property
    def etag(self) -> str:
        """A strong entity tag."""
        return f'"{self.sha256[:32]}"'

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def page(self, number: int) -> FixedResult:  # noqa: ARG002 - it has one page
        """Return the file itself."""
        return self

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in chunks."""
        stop = self.size if stop is None else min(stop, self.size)
        for position in range(start, stop, CHUNK):
            yield self.content[position : min(position + CHUNK, stop)]

    def replayed(self, seed: int, *, as_of: date) -> FixedResult:  # noqa: ARG002 - the content is fixed
        """Return the same file."""
        return self


@functools.lru_cache(maxsize=256)
def sha256_of(result: Result) -> str:
    """Compute the SHA-256 of a result; results are hashable, and equal ones have equal bytes."""
    digest = hashlib.sha256()
    for chunk in result.read():
        digest.update(chunk)
    return digest.hexdigest()
