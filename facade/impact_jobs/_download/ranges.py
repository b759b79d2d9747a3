"""Which bytes of a file are on disk, which are missing, and how many connections fetch them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

from attrs import Factory, field, frozen

from impact_jobs._transport.base import Head
from impact_jobs._transport.headers import Span, content_length, content_range

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
    """The bytes of a file that are there: disjoint spans, in order, no two adjacent.

    Attributes:
        spans: The spans.
        size: How many bytes they hold.
        prefix: How many bytes are there from the beginning on, without a gap.
    """

    spans: tuple[Span, ...] = ()
    size: int = field(
        default=Factory(lambda self: sum(stop - start for start, stop in self.spans), takes_self=True), init=False
    )
    prefix: int = field(default=Factory(lambda self: _prefix(self.spans), takes_self=True), init=False)

    def plus(self, start: int, stop: int) -> Coverage:
        """Return this coverage with one more span."""
        if self.spans and self.spans[-1].stop == start:  # the usual case, and there are thousands
            return Coverage((*self.spans[:-1], Span(self.spans[-1].start, max(start, stop))))
        before = [span for span in self.spans if span.stop < start]
        after = [span for span in self.spans if span.start > stop]
        touching = [span for span in self.spans if span.stop >= start and span.start <= stop]
        joined = Span(min([start, *(s.start for s in touching)]), max([stop, *(s.stop for s in touching)]))
        return Coverage((*before, joined, *after)) if stop > start else self

    def fits(self, size: int) -> bool:
        """Return whether a file of `size` bytes can hold it."""
        return not self.spans or self.spans[-1].stop <= size

    def gaps(self, length: int) -> list[Span]:
        """Return the spans that are missing from a file of `length` bytes."""
        edges = [0, *(edge for span in self.spans for edge in span), length]
        return [Span(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


def _prefix(spans: tuple[Span, ...]) -> int:
    return spans[0].stop if spans and spans[0].start == 0 else 0


EMPTY = Coverage()


@frozen(kw_only=True)
class Representation:
    """One version of a file at the storage (RFC 9110, section 8): responses with an equal one hold parts of one file.

    Attributes:
        length: The size of the file in bytes; None if the storage does not state it.
        validator: Its strong entity tag, or else a strong modification date; None if it has neither, and then its
            parts cannot be requested safely.
    """

    length: int | None
    validator: str | None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Representation:
        """Return the representation that a response, whole or partial, belongs to."""
        found = content_range(headers)
        if found is not None:
            length = found.total
        else:
            # The length of an encoded body is not that of the file, and a chunked body has none.
            is_length_of_file = not {"content-encoding", "transfer-encoding"} & headers.keys()
            length = content_length(headers) if is_length_of_file else None
        return cls(length=length, validator=None if "content-encoding" in headers else _strong_validator(headers))

    @property
    def is_resumable(self) -> bool:
        """Whether its parts can be requested safely."""
        # A foreign journal may hold a validator that no header can carry.
        return self.length is not None and (self.validator or "\n").isprintable() and str(self.validator).isascii()

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


def split_ranges(gaps: Iterable[Span], connections: int) -> list[Span]:
    """Cut the missing spans into about as many even ones as there are connections."""
    gaps = list(gaps)
    size = -(-sum(gap.stop - gap.start for gap in gaps) // connections) or 1
    return [Span(start, min(start + size, gap.stop)) for gap in gaps for start in range(gap.start, gap.stop, size)]


def connections_for(missing: int, *, bytes_per_second: float) -> int:
    """Return how many connections to use for `missing` bytes, given how fast the first one proved to be."""
    seconds = missing / max(bytes_per_second, 1.0)
    is_slow = seconds >= _SPLIT_FROM_SECONDS and bytes_per_second < _FAST_BYTES_PER_SECOND
    return AUTOMATIC_CONNECTIONS if is_slow and is_worth_splitting(missing) else 1


def is_worth_splitting(missing: int) -> bool:
    """Return whether a second connection could shorten the download of `missing` bytes at all."""
    return missing >= _SPLIT_FROM_BYTES


def range_mismatch(head: Head, position: int, expected: Representation) -> str:
    """Return why a response is not the rest of `expected` from `position` on; "" if it is."""
    if head.status_code in _PAST_THE_END:
        return "the file at the storage is shorter now"
    # Compared here as well, because few storages honour `If-Range`.
    if not expected.matches(head.headers):
        return "another file is at the storage now"
    if head.status_code == PARTIAL_CONTENT:
        found = content_range(head.headers)
        return "" if found is not None and found.span.start == position else "the storage sent another part"
    return "" if position == 0 else "the storage does not serve parts"
