"""Join the results of several jobs into one file: CSV with one header, or JSON lines; streamed, in order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import zip_longest
from pathlib import Path

from attrs import define

from impact_jobs._download.csv_scanner import CsvFile
from impact_jobs._download.joined_output import Output, write_all
from impact_jobs._download.json_records import JsonRecords, Page
from impact_jobs._redaction import shorten
from impact_jobs.errors import DownloadError, IntegrityError

_LINES_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"


def join_csv(sources: Sequence[Path], target: Output, *, known_rows: Mapping[Path, int] = {}) -> int:
    """Write the records of CSV files, in order, below one header, and return their number.

    The bytes are those of the sources: no field is parsed or quoted anew. A byte order mark is kept at the beginning of
    the first source only. A newline is added between two sources if the first lacks its last one. Empty sources, and
    those with a header alone, add nothing. Discard `target` after an error.

    Args:
        sources: The files.
        target: What to write to.
        known_rows: What `csv_rows` has returned for sources that have not changed since; they are not counted again,
            which takes more time than copying them.

    Raises:
        DownloadError: Headers differ, or a source ends within a quoted field.
    """
    files = [found for found in map(CsvFile.inspect, sources) if found.header]
    for other in files[1:]:
        _check_header(files[0], other)
    if not files:
        return 0
    newline = next((found.newline for found in files if found.newline), b"\n")
    rows, is_ended = 0, bool(files[0].newline)
    write_all(target, files[0].bom + files[0].header + files[0].newline)
    write = partial(write_all, target)
    for found in files:
        if found.start == found.stop:
            continue
        if not is_ended:
            write(newline)
        if (known := known_rows.get(found.path)) is None:
            rows += _count_complete(found, write)
        else:
            rows += known
            for block in found.blocks():
                write(block)
        is_ended = found.is_ended
    return rows


def _count_complete(found: CsvFile, on_block: Callable[[bytearray], object] | None = None) -> int:
    """Return the number of records, none of which continues in the next file, so that the numbers can be added."""
    counter = found.scan(on_block)
    if counter.is_in_quotes:
        raise DownloadError(
            f"{str(found.path)!r} ends within a quoted field, so it was cut short. Remove it, and download it again."
        )
    return counter.records


def csv_rows(path: Path) -> int | None:
    """Return the number of records of a result, without empty lines at its end.

    None if it is compressed, or something else than complete CSV.
    """
    with path.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
    if not is_compressed:
        with suppress(DownloadError):
            return _count_complete(CsvFile.inspect(path))
    return None


def join_json_lines(sources: Sequence[Path], target: Output) -> int:
    """Write the records of JSON files, in order, as JSON lines, and return their number.

    Each source is an array, an object with one list of records, such as `{"Records": […]}`, or JSON lines. The text of
    a record is kept, numbers and escapes included; only line breaks and indentation are removed. The pages of a result
    must be complete and in order. Discard `target` after an error.

    Raises:
        DownloadError: A source is not JSON, is cut short, or is only a page of a result.
        IntegrityError: The number of records is not the one that the result states.
    """
    count, pages = 0, PageSequence()
    for path in sources:
        records = JsonRecords(path)
        lines: list[str] = []
        size = 0
        for line in records:
            lines.append(line)
            size += len(line)
            if size >= _LINES_BYTES:
                write_all(target, _encoded(lines))
                lines, size = [], 0
        write_all(target, _encoded(lines))
        pages.add(path, records.page, records.count)
        count += records.count
    pages.finish()
    return count


@define
class PageSequence:
    """Checks that the pages of each result arrive completely and in order, and hold as many records as they state."""

    _previous: Page | None = None  # of a result whose pages are not all there
    _path: Path = Path()
    _count: int = 0

    def add(self, path: Path, page: Page, count: int) -> None:
        """Check the next page; a file without an envelope is the only page of its result."""
        expected = 1 if self._previous is None else self._previous.number + 1
        if page.number != expected or (self._previous is not None and page.pages != self._previous.pages):
            raise DownloadError(
                f"{str(path)!r} is page {page.number} of {page.pages or 'several'}, but page {expected} was expected. "
                "Download the result again."
            )
        self._path, self._count = path, self._count + count
        self._previous = page if page.is_followed else None
        if not page.is_followed:
            if page.total is not None and page.total != self._count:
                raise IntegrityError(
                    f"{str(path)!r} states {page.total} records in all, and {self._count} are there. "
                    "Download the result again."
                )
            self._count = 0

    def finish(self) -> None:
        """Raise if the last page is missing."""
        if self._previous is not None:
            raise DownloadError(
                f"{str(self._path)!r} is page {self._previous.number} of {self._previous.pages or 'several'} only. "
                "Export it with join=True, or as CSV, to get all of it."
            )


def _encoded(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _check_header(first: CsvFile, other: CsvFile) -> None:
    """Raise if the columns differ; the same columns may be quoted in another way."""
    if first.header == other.header:
        return
    expected, found = _columns(first), _columns(other)
    if expected == found:
        return
    number, (one, two) = next(
        (number, pair) for number, pair in enumerate(zip_longest(expected, found), 1) if pair[0] != pair[1]
    )
    raise DownloadError(
        f"{str(other.path)!r} has other columns than {str(first.path)!r}: column {number} is {_named(two)} instead of "
        f"{_named(one)}. Keep one file each, or export again what is older than the change of the report."
    )


def _columns(found: CsvFile) -> list[str]:
    text = found.header.decode("utf-8", "backslashreplace")
    try:
        return next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error:  # a field of more than 128 KiB
        return [text]


def _named(column: str | None) -> str:
    return "missing" if column is None else repr(shorten(column)[:80])
