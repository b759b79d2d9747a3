"""Parsers of the header fields that describe a body's length and position (RFC 9110, sections 8.6 and 14.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_LENGTH = re.compile(r"[0-9]{1,20}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")

LARGEST = (1 << 63) - 1
"""The size of the largest file that there can be."""


class Span(NamedTuple):
    """Bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


def content_length(headers: Mapping[str, str]) -> int | None:
    """The `Content-Length`, or None where there is none or it makes no sense."""
    stated = headers.get("content-length", "")
    return int(stated) if _LENGTH.fullmatch(stated) else None


class ContentRange(NamedTuple):
    """What a 206 says it holds."""

    span: Span
    total: int | None


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """The `Content-Range`, or None where there is none or it makes no sense."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    is_sound = first <= last < (LARGEST if total is None else total) <= LARGEST
    return ContentRange(Span(first, last + 1), total) if is_sound else None
