"""CSV files as batches of typed columns, one after another, so that memory does not grow with the files."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from impact_jobs._tables.columns import MisfitError, convert
from impact_jobs._tables.schema import table_schema, unique_names
from impact_jobs._validators import shown
from impact_jobs.errors import ConversionError, DownloadError, shorten
from impact_jobs.report_models import ReportMetadata

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1024 * 1024  # the text that is parsed at a time, and the most that one row may have
_GZIP = b"\x1f\x8b"
_HELP = "Call export_and_download for the file as the server wrote it"


@define(kw_only=True)
class CsvTable:
    """The rows of several CSV files in their order, as one table.

    Raises:
        DownloadError: The columns of two files differ.
        ConversionError: A file is not CSV; while iterating, a value does not fit.
    """

    sources: Sequence[Path]
    metadata: ReportMetadata
    schema: pa.Schema = field(init=False)
    _files: list[_CsvFile] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._files = [file for file in map(_CsvFile.open, self.sources) if file is not None]
        for other in self._files[1:]:
            self._check_columns(self._files[0], other)
        self.schema = table_schema(self.metadata, self._files[0].header if self._files else None)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for file in self._files:
            yield from file.batches(self.schema)

    @staticmethod
    def _check_columns(first: _CsvFile, other: _CsvFile) -> None:
        if sorted(first.header) != sorted(other.header):
            differing = sorted(set(first.header).symmetric_difference(other.header)) or ["(the number of equal names)"]
            raise DownloadError(
                f"{first.path.name!r} and {other.path.name!r} have different columns: {shown(differing)}. "
                "Replay the older job, or keep one file for each window."
            )


@define
class _CsvFile:
    """A file with a header."""

    path: Path
    header: list[str]
    rows_before: int  # up to and including the header, which blank lines may precede
    is_empty: bool  # but for the header

    @classmethod
    def open(cls, path: Path) -> _CsvFile | None:
        """Read the header; return None for a file without any bytes."""
        with _reading_rows(path) as rows:
            for number, row in enumerate(rows, 1):
                if row:
                    if broken := [name for name in row if not _is_utf8(name)]:
                        raise ConversionError(f"{path.name!r}: the column {shown(broken[0])} is not UTF-8. {_HELP}.")
                    return cls(path, row, number, is_empty=not any(rows))
        return None

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the rows as batches of `schema`, which may have more columns, or others in another order."""
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

        row, names = 0, set(unique_names(self.header))
        for texts in self._texts():
            columns = []
            for name, target in zip(schema.names, schema.types, strict=True):
                if name not in names:
                    columns.append(pa.nulls(len(texts), target))
                    continue
                try:
                    columns.append(convert(texts[name], target))
                except MisfitError as error:
                    number = row + error.index + 1
                    raise ConversionError(
                        f"{self.path.name!r}, row {number}, column {name!r}: {shown(error.value)} is not of the "
                        f"type {target}, which the report's metadata states. {_HELP}.",
                        row=number,
                        column=name,
                    ) from None
            row += len(texts)
            yield pa.record_batch(columns, schema=schema)

    def _texts(self) -> Iterator[pa.RecordBatch]:
        if self.is_empty:
            return
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load
        from pyarrow import csv as arrow_csv  # noqa: PLC0415 - the same

        names = unique_names(self.header)
        try:
            stream = pa.input_stream(str(self.path), compression="gzip" if _is_gzip(self.path) else None)
            with arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    column_names=names, skip_rows_after_names=self.rows_before, block_size=_BLOCK_BYTES
                ),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            ) as reader:
                yield from reader
        except (pa.ArrowInvalid, OSError) as error:
            if getattr(error, "errno", None) is not None:  # of the disk
                raise
            raise self._broken_row(str(error)) from None

    def _broken_row(self, reason: str) -> ConversionError:
        """Return the error for a file that Arrow cannot parse, with the first row that is wrong if there is one."""
        with _reading_rows(self.path) as rows:
            for number, row in enumerate(filter(None, rows)):
                where = f"{self.path.name!r}, row {number}"
                if len(row) != len(self.header):
                    return ConversionError(
                        f"{where}: it has {len(row)} values, but there are {len(self.header)} columns. {_HELP}.",
                        row=number,
                    )
                for name, value in zip(self.header, row, strict=True):
                    if not _is_utf8(value):
                        return ConversionError(
                            f"{where}, column {name!r}: {shown(value)} is not UTF-8. {_HELP}.", row=number, column=name
                        )
        return ConversionError(f"{self.path.name!r} could not be read as CSV: {shorten(reason)}. {_HELP}.")


@contextmanager
def _reading_rows(path: Path) -> Iterator[Iterator[list[str]]]:
    """Open a CSV file for reading with the standard library; a byte that is not UTF-8 becomes a surrogate."""
    try:
        opened = gzip.open if _is_gzip(path) else open
        with opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield csv.reader(file)
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConversionError(f"{path.name!r} could not be read as CSV: {shorten(str(error))}. {_HELP}.") from None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
