"""Parsers of the header fields that describe a body's length and position (RFC 9110, sections 8.6 and 14.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_LENGTH = re.compile(r"[0-9]{1,20}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")

# Codings that change the bytes. Other names, such as "identity", "utf-8" or "aws-chunked", are a server's mistake.
_CODINGS = frozenset({"br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "pack200-gzip", "zstd"})
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}

LARGEST = (1 << 63) - 1
"""The size of the largest possible file."""


class Span(NamedTuple):
    """Bytes from `start` up to, but not including, `stop`."""

    start: int
    stop: int


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the `Content-Length`, or None if it is missing or invalid."""
    stated = headers.get("content-length", "")
    return int(stated) if _LENGTH.fullmatch(stated) else None


class ContentRange(NamedTuple):
    """The part of a file that a 206 holds."""

    span: Span
    total: int | None


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return the `Content-Range`, or None if it is missing or invalid."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    is_valid = first <= last < (LARGEST if total is None else total) <= LARGEST
    return ContentRange(Span(first, last + 1), total) if is_valid else None


def content_codings(headers: Mapping[str, str], name: str = "content-encoding") -> list[str]:
    """Return the codings, in order of their application, that change the bytes of a body; usually there are none."""
    names = (each.strip().lower() for each in headers.get(name, "").split(","))
    return [coding for coding in (_ALIASES.get(each, each) for each in names) if coding in _CODINGS]


def length_of_file(headers: Mapping[str, str]) -> int | None:
    """Return the `Content-Length` if it is that of the decoded body; None for an encoded or chunked one."""
    is_plain = not content_codings(headers) and "transfer-encoding" not in headers
    return content_length(headers) if is_plain else None


def framed_length(headers: Mapping[str, str]) -> int:
    """Return the length of a body that ends by its `Content-Length`; -1 if it ends otherwise or is encoded."""
    length = length_of_file(headers)
    return -1 if length is None else length
