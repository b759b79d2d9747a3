"""Range requests (RFC 9110, section 14): what a header asks of a file, and whether it still counts."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

_SINGLE: Final = re.compile(r"bytes\s*=\s*(?:([0-9]+)-([0-9]*)|-([0-9]+))\s*", re.IGNORECASE)


@frozen
class Span:
    """The bytes from ``start`` up to, and without, ``stop``; never empty."""

    start: int
    stop: int


class UnsatisfiableError(Exception):
    """A well-formed range that has no byte in common with the file."""


def read_range(header: str, size: int) -> Span | None:
    """Say which bytes of a file a Range header asks for.

    Args:
        header: The header's value; "" when there is none.
        size: The file's length.

    Returns:
        The span, or None when the whole file is the answer: no header, several ranges (a server need not
        serve those), another unit, or a text that is no range.

    Raises:
        UnsatisfiableError: The range lies beyond the file.

    Example:
        >>> read_range("bytes=-100", 1_000)
        Span(start=900, stop=1000)
    """
    found = _SINGLE.fullmatch(header.strip())
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, stop = max(0, size - int(suffix)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None  # not a range at all, says the RFC: to be ignored
    if start >= stop:
        raise UnsatisfiableError
    return Span(start, stop)


def still_counts(if_range: str, *, etag: str, last_modified: str) -> bool:
    """Say whether a range may be served in spite of an If-Range header.

    Args:
        if_range: The header's value; "" when there is none.
        etag: The file's strong entity tag.
        last_modified: The file's Last-Modified value.

    Returns:
        False when the client's part is of another version, so that the whole file is the answer.
    """
    return not if_range or if_range.strip() in {etag, last_modified}
