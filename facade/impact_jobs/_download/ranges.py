"""The download plan: which bytes are there, which are to be asked for, and by how many connections. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

from attrs import frozen

from impact_jobs._transport.base import Head
from impact_jobs._transport.headers import Span, content_length, content_range

# Swift leaves the quotes out.
_STRONG_TAG = re.compile(r'"[^"]+"|[0-9A-Za-z_-]+')
# A date as validator is strong when the file was a minute old: RFC 9110, 8.8.2.2.
_STRONG_AGE = timedelta(seconds=60)

_PARTIAL = 206
_PAST_THE_END = frozenset({400, 416})  # 400 from those that do not know the better word

END = 1 << 62
"""Past the end of any file: the stop of a span whose end is not known."""

MEASURED_BYTES = 32 * 1024 * 1024
MEASURED_SECONDS = 0.5
_WORTH_SPLITTING_BYTES = 64 * 1024 * 1024
_WORTH_SPLITTING_SECONDS = 2.0
# A connection this fast is not what the link holds back: more of them cost CPU and win nothing.
_FAST_BYTES_PER_SECOND = 150e6
AUTOMATIC_CONNECTIONS = 8


@frozen
class Coverage:
    """Which bytes of a file are there: disjoint spans, in order, none touching the next."""

    spans: tuple[Span, ...] = ()

    def plus(self, start: int, stop: int) -> Coverage:
        """The same with one more span."""
        if self.spans and self.spans[-1].stop == start:  # the usual case, and there are thousands
            return Coverage((*self.spans[:-1], Span(self.spans[-1].start, max(start, stop))))
        before = [span for span in self.spans if span.stop < start]
        after = [span for span in self.spans if span.start > stop]
        touching = [span for span in self.spans if span.stop >= start and span.start <= stop]
        joined = Span(min([start, *(s.start for s in touching)]), max([stop, *(s.stop for s in touching)]))
        return Coverage((*before, joined, *after)) if stop > start else self

    @property
    def prefix(self) -> int:
        """How many bytes are there from the beginning on, without a gap."""
        return self.spans[0].stop if self.spans and self.spans[0].start == 0 else 0

    @property
    def size(self) -> int:
        """How many bytes are there in all."""
        return sum(span.stop - span.start for span in self.spans)

    def fits(self, size: int) -> bool:
        """Whether a file of `size` bytes can hold it."""
        return not self.spans or self.spans[-1].stop <= size

    def gaps(self, length: int) -> list[Span]:
        """What is missing of a file of `length` bytes."""
        edges = [0, *(edge for span in self.spans for edge in span), length]
        return [Span(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


@frozen(kw_only=True)
class Representation:
    """Which bytes they are: answers that agree in it are parts of one file.

    Attributes:
        length: The file's size in bytes; None where the storage does not say.
        validator: Its strong entity tag, or else a date that is as good; None where there is neither, and then
            no part of it can be asked for safely.
    """

    length: int | None
    validator: str | None

    @property
    def is_resumable(self) -> bool:
        """Whether parts of it can be asked for safely."""
        # What no header can hold cannot be asked with; it comes from a journal that is not ours.
        return self.length is not None and (self.validator or "\n").isprintable() and str(self.validator).isascii()

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Representation:
        """The version that an answer, whole or partial, belongs to."""
        found = content_range(headers)
        if found is not None:
            length = found.total
        else:
            # Of an encoded body, positions on the wire are not those in the file; of a chunked one, it says nothing.
            is_meant = not {"content-encoding", "transfer-encoding"} & headers.keys()
            length = content_length(headers) if is_meant else None
        return cls(length=length, validator=None if "content-encoding" in headers else _strong_validator(headers))

    def is_of(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer belongs to this version: one noted by its date is known by it, though it has a tag now."""
        found = Representation.of(headers)
        if found == self:
            return True
        without_tag = {name: value for name, value in headers.items() if name != "etag"}
        return found.validator is not None and Representation.of(without_tag) == self


def _strong_validator(headers: Mapping[str, str]) -> str | None:
    tag = headers.get("etag", "").strip()
    if tag:
        return tag if _STRONG_TAG.fullmatch(tag) else None
    try:
        modified = parsedate_to_datetime(headers["last-modified"])
        return headers["last-modified"] if parsedate_to_datetime(headers["date"]) - modified >= _STRONG_AGE else None
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def pieces(gaps: Iterable[Span], connections: int) -> list[Span]:
    """What is missing, cut into about as many even spans as there are connections."""
    gaps = list(gaps)
    size = -(-sum(gap.stop - gap.start for gap in gaps) // connections) or 1
    return [Span(start, min(start + size, gap.stop)) for gap in gaps for start in range(gap.start, gap.stop, size)]


def connections_for(missing: int, *, bytes_per_second: float) -> int:
    """How many connections suit what is missing, given how fast the first one proved to be."""
    seconds = missing / max(bytes_per_second, 1.0)
    is_worth_it = missing >= _WORTH_SPLITTING_BYTES and seconds >= _WORTH_SPLITTING_SECONDS
    return AUTOMATIC_CONNECTIONS if is_worth_it and bytes_per_second < _FAST_BYTES_PER_SECOND else 1


def is_worth_measuring(missing: int) -> bool:
    """Whether a second connection could be worth it at all."""
    return missing >= _WORTH_SPLITTING_BYTES


def range_mismatch(head: Head, position: int, version: Representation) -> str:
    """Why an answer is not the rest, from `position` on, of that version; "" when it is."""
    if head.status_code in _PAST_THE_END:
        return "the file at the storage is shorter now"
    # Compared here, for hardly a storage heeds `If-Range`.
    if not version.is_of(head.headers):
        return "another file is at the storage now"
    if head.status_code == _PARTIAL:
        found = content_range(head.headers)
        return "" if found is not None and found.span.start == position else "the storage sent another part"
    return "" if position == 0 else "the storage sends no parts"
