"""Which bytes of a file are on disk, which are missing, and how many connections fetch them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

from attrs import Factory, field, frozen

from impact_jobs._transport.base import Head
from impact_jobs._transport.headers import Span, content_codings, content_range, length_of_file

_SENDABLE = re.compile("[ -~]+")  # a journal may hold a validator that no header can carry
_STRONG_TAG = re.compile(r'"[^"]+"|[0-9A-Za-z_-]+')  # Swift omits the quotes
# A date is a strong validator if the file was a minute old when it was served: RFC 9110, section 8.8.2.2.
_STRONG_AGE = timedelta(seconds=60)

PARTIAL_CONTENT = 206
_PAST_THE_END = frozenset({400, 416})  # some storages answer 400 where 416 would be right

END = 1 << 62
"""Past the end of any file: the stop of a span whose end is not known."""

MEASURED_BYTES = 32 * 1024 * 1024
MEASURED_SECONDS = 0.5
_SPLIT_FROM_BYTES = 64 * 1024 * 1024
_SPLIT_FROM_SECONDS = 2.0
# The link does not limit a connection this fast, so further connections would only cost CPU time.
_FAST_BYTES_PER_SECOND = 150e6

AUTOMATIC_CONNECTIONS = 8
"""How many connections a download uses if the user does not say and several are worth it."""


@frozen
class Coverage:
    """The bytes of a file that are there: disjoint spans, in order, no two adjacent."""

    spans: tuple[Span, ...] = ()
    size: int = field(
        default=Factory(lambda self: sum(stop - start for start, stop in self.spans), takes_self=True), init=False
    )
    # How many bytes are there from the beginning on: the stop of the span that starts at 0.
    prefix: int = field(default=Factory(lambda self: dict(self.spans).get(0, 0), takes_self=True), init=False)

    def plus(self, start: int, stop: int) -> Coverage:
        """Return this coverage with one more span."""
        if stop <= start:
            return self
        if self.spans and self.spans[-1].stop == start:  # the usual case, and there are thousands
            return Coverage((*self.spans[:-1], Span(self.spans[-1].start, stop)))
        before = [span for span in self.spans if span.stop < start]
        after = [span for span in self.spans if span.start > stop]
        touching = [edge for span in self.spans if span.stop >= start and span.start <= stop for edge in span]
        joined = Span(min([start, *touching]), max([stop, *touching]))
        return Coverage((*before, joined, *after))

    def fits(self, size: int) -> bool:
        """Return whether a file of `size` bytes can hold it."""
        return not self.spans or self.spans[-1].stop <= size

    def gaps(self, length: int) -> list[Span]:
        """Return the spans that are missing from a file of `length` bytes."""
        edges = [0, *(edge for span in self.spans for edge in span), length]
        return [Span(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


@frozen(kw_only=True)
class Representation:
    """One version of a file at the storage (RFC 9110, section 8). Responses with equal ones hold parts of one file."""

    length: int | None  # of the whole file, in bytes
    validator: str | None  # its strong entity tag, or else a strong modification date

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Representation:
        """Return the representation that a response, whole or partial, belongs to."""
        found = content_range(headers)
        length = length_of_file(headers) if found is None else found.total
        return cls(length=length, validator=None if content_codings(headers) else _strong_validator(headers))

    @property
    def is_resumable(self) -> bool:
        """Whether its parts can be requested safely."""
        return self.length is not None and bool(_SENDABLE.fullmatch(self.validator or ""))

    def matches(self, headers: Mapping[str, str]) -> bool:
        """Return whether a response belongs to it: by its date, too, if the storage has added an entity tag since."""
        found = Representation.from_headers(headers)
        if found == self:
            return True
        without_tag = {name: value for name, value in headers.items() if name != "etag"}
        return found.validator is not None and Representation.from_headers(without_tag) == self


UNKNOWN = Representation(length=None, validator=None)


def _strong_validator(headers: Mapping[str, str]) -> str | None:
    tag = headers.get("etag", "").strip()
    if tag:
        return tag if _STRONG_TAG.fullmatch(tag) else None
    try:
        modified = parsedate_to_datetime(headers["last-modified"])
        return headers["last-modified"] if parsedate_to_datetime(headers["date"]) - modified >= _STRONG_AGE else None
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def split_ranges(gaps: list[Span], connections: int) -> list[Span]:
    """Cut the missing spans into about as many even ones as there are connections."""
    size = -(-sum(gap.stop - gap.start for gap in gaps) // connections) or 1
    return [Span(start, min(start + size, gap.stop)) for gap in gaps for start in range(gap.start, gap.stop, size)]


def connections_for(missing: int, *, bytes_per_second: float) -> int:
    """Return how many connections to use for `missing` bytes, given how fast the first one proved to be."""
    seconds = missing / max(bytes_per_second, 1.0)
    is_slow = seconds >= _SPLIT_FROM_SECONDS and bytes_per_second < _FAST_BYTES_PER_SECOND
    return AUTOMATIC_CONNECTIONS if is_slow and missing >= _SPLIT_FROM_BYTES else 1


def range_mismatch(head: Head, position: int, expected: Representation) -> str:
    """Return why a response does not continue the expected file at `position`; "" if it does."""
    if head.status_code in _PAST_THE_END:
        return "the file at the storage is shorter now"
    # Compared here as well, because few storages honour `If-Range`.
    if not expected.matches(head.headers):
        return "another file is at the storage now"
    if head.status_code == PARTIAL_CONTENT:
        found = content_range(head.headers)
        return "" if found is not None and found.span.start == position else "the storage sent another part"
    return "" if position == 0 else "the storage does not serve parts"
