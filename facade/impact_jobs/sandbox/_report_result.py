"""The file of an exported report, in CSV, JSON or XML; its days are generated when they are read."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Final, Literal
from xml.sax.saxutils import escape

from attrs import evolve, frozen

from impact_jobs.sandbox._account_rules import LAST_SECOND
from impact_jobs.sandbox._catalogue import EXPORTABLE, Column
from impact_jobs.sandbox._report_data import LARGEST_CACHED_DAY, ReportData
from impact_jobs.sandbox._result import CHUNK, sha256_of

ResultFormat = Literal["CSV", "JSON", "XML"]
JsonShape = Literal["records", "array", "pages"]

_PLACES: Final = 18  # of decimals in JSON and XML


@frozen(kw_only=True)
class ReportResult:
    """The result of an export. Equal results have equal bytes, on every machine.

    Args:
        data: The actions that it shows.
        format: CSV, JSON or XML.
        json_shape: How JSON wraps the records: ``"records"`` for an envelope, ``"array"``, or ``"pages"`` of envelopes.
        json_page_rows: Records on a page.
        number: The page that this file is.
        has_open_end: Whether the export named no last day, so that a replay covers the days up to its own.
    """

    data: ReportData
    format: ResultFormat = "CSV"
    json_shape: JsonShape = "records"
    json_page_rows: int = 1_000
    number: int = 1
    has_open_end: bool = False

    @property
    def extension(self) -> str:
        """The ending of its file name."""
        return self.format.lower()

    @property
    def rows(self) -> int:
        """The number of rows on all pages."""
        return sum(count for _, count in _counts(self.data, self.format))

    @property
    def size(self) -> int:
        """The length in bytes."""
        return sum(segment.size for segment in _layout(self))

    @property
    def etag(self) -> str:
        """A strong entity tag."""
        return f'"{hashlib.sha256(repr(self).encode()).hexdigest()[:32]}"'

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file in hex."""
        return sha256_of(self)

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return max(1, -(-self.rows // self.json_page_rows)) if self._is_paged else 1

    @property
    def _is_paged(self) -> bool:
        return self.format == "JSON" and self.json_shape == "pages"

    def page(self, number: int) -> ReportResult:
        """Return another page of it."""
        return evolve(self, number=number)

    def replayed(self, seed: int, *, as_of: date) -> ReportResult:  # noqa: ARG002 - the account's seed decides
        """Return the result of a replay, with the corrections until its day and, if the end is open, the days."""
        end = datetime.combine(as_of, LAST_SECOND) if self.has_open_end else self.data.end
        return evolve(self, data=evolve(self.data, as_of=as_of, end=end))

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Generate the bytes from ``start`` up to, but not including, ``stop``."""
        position, stop = 0, self.size if stop is None else stop
        for segment in _layout(self):
            first, last = max(0, start - position), min(segment.size, stop - position)
            if first < last:
                content = segment.content()
                for begin in range(first, last, CHUNK):
                    yield content[begin : min(begin + CHUNK, last)]
            position += segment.size
            if position >= stop:
                return


@frozen
class _Segment:
    """A part of a file, whose content is generated again whenever it is read."""

    size: int
    content: Callable[[], bytes]


@functools.lru_cache(maxsize=256)
def _layout(result: ReportResult) -> tuple[_Segment, ...]:
    begin, end = _frame(result)
    days = tuple(_day_segments(result))
    return (_fixed(begin), *days, _fixed(end))


def _fixed(content: bytes) -> _Segment:
    return _Segment(len(content), lambda: content)


def _day_segments(result: ReportResult) -> Iterator[_Segment]:
    """Yield the parts of the days, or of those that the page shows."""
    size = result.json_page_rows
    first, last = (size * (result.number - 1), size * result.number) if result.pages > 1 else (0, result.rows)
    position, is_first = 0, True
    for day, count in _counts(result.data, result.format):
        begin, end = max(0, first - position), min(count, last - position)
        position += count
        if begin < end:
            content = functools.partial(_content, result, day, (begin, end) if end - begin < count else None, is_first)
            yield _Segment(len(content()), content)
            is_first = False


def _content(result: ReportResult, day: date, rows: tuple[int, int] | None, is_first: bool) -> bytes:  # noqa: FBT001
    part = _part(result.data, result.format, day) if rows is None else _render(result.data.on(day), result.format, rows)
    content = part[1]
    # Each record but the first of an array follows a comma.
    return content[1:] if is_first and result.format == "JSON" else content


@functools.lru_cache(maxsize=256)
def _counts(data: ReportData, result_format: ResultFormat) -> tuple[tuple[date, int], ...]:
    """Return the days that have rows, and how many."""
    counts = ((day, _part(data, result_format, day)[0]) for day in data.days())
    return tuple((day, count) for day, count in counts if count)


def _part(data: ReportData, result_format: ResultFormat, day: date) -> tuple[int, bytes]:
    render = _cached_part if data.rows_per_day <= LARGEST_CACHED_DAY else _render
    return render(data.on(day), result_format)


def _render(data: ReportData, result_format: ResultFormat, rows: tuple[int, int] | None = None) -> tuple[int, bytes]:
    """Return the number of rows of a day, and their bytes."""
    columns = EXPORTABLE[data.report_id].columns
    texts = [column.text for column in columns]
    chosen = itertools.islice(data.actions(), *(rows or (0, None)))
    values = [[text(action) for text in texts] for action in chosen]
    return len(values), _WRITERS[result_format](columns, values)


_cached_part = functools.lru_cache(maxsize=512)(_render)


def _write_csv(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bytes:  # noqa: ARG001 - one of `_WRITERS`
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _write_json(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bytes:
    return "".join(f",{json.dumps(_record(columns, row), ensure_ascii=False)}" for row in rows).encode()


def _write_xml(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bytes:
    records = (
        "".join(f"<{name}>{escape(text)}</{name}>" for name, text in _record(columns, row).items()) for row in rows
    )
    return "".join(f"<Record>{record}</Record>" for record in records).encode()


_WRITERS: Final[dict[ResultFormat, Callable[[Sequence[Column], Sequence[Sequence[str]]], bytes]]] = {
    "CSV": _write_csv,
    "JSON": _write_json,
    "XML": _write_xml,
}


def _record(columns: Sequence[Column], row: Sequence[str]) -> dict[str, str]:
    """Return a row as the API's records show it: all values are text, and decimals have 18 places."""
    return {
        column.name: text.ljust(text.index(".") + 1 + _PLACES, "0") if column.data_type == "Decimal" else text
        for column, text in zip(columns, row, strict=True)
    }


def _frame(result: ReportResult) -> tuple[bytes, bytes]:
    """Return what stands before and after the rows."""
    if result.format == "CSV":
        return _write_csv((), [[column.name for column in EXPORTABLE[result.data.report_id].columns]]), b""
    page_rows = result.json_page_rows if result.json_shape == "pages" else result.rows
    numbers = {"page": result.number, "numpages": result.pages, "pagesize": page_rows, "total": result.rows}
    if result.format == "XML":
        shown = "".join(f' {name}="{number}"' for name, number in numbers.items())
        begin = f'<?xml version="1.0" encoding="UTF-8"?><ImpactRadiusResponse><Records{shown}>'
        return begin.encode(), b"</Records></ImpactRadiusResponse>"
    if result.json_shape == "array":
        return b"[", b"]"
    envelope = json.dumps({f"@{name}": str(number) for name, number in numbers.items()})
    return f'{envelope[:-1]}, "Records": ['.encode(), b"]}"
