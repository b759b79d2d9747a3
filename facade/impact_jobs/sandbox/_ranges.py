"""Range requests (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

_SINGLE: Final = re.compile(r"bytes\s*=\s*(?:([0-9]+)-([0-9]*)|-([0-9]+))\s*", re.IGNORECASE)


@frozen
class Span:
    """The bytes from ``start`` up to, but not including, ``stop``; never empty."""

    start: int
    stop: int


class RangeNotSatisfiableError(Exception):
    """A well-formed range lies beyond the end of the file."""


def parse_range(header: str, size: int) -> Span | None:
    """Parse a Range header for a file of `size` bytes; return None if the response must be the whole file.

    That is so if the header is empty or malformed, has another unit, or has several ranges, whose support is optional.
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
            return None  # the RFC calls such a range invalid, so it is ignored
    if start >= stop:
        raise RangeNotSatisfiableError
    return Span(start, stop)


def if_range_matches(if_range: str, *, etag: str, last_modified: str) -> bool:
    """Return whether an If-Range header, "" if absent, allows a partial response, because the file has not changed."""
    return not if_range or if_range.strip() in {etag, last_modified}
