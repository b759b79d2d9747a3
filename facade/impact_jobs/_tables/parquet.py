"""CSV files as one Arrow table, or as one Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from impact_jobs._tables.csv_tables import CsvTable
from impact_jobs.report_models import ReportMetadata

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_ROW_GROUP_BYTES = 32 * 1024 * 1024  # in memory: some 100,000 rows, which readers take at a time and in parallel
_COMPRESSION = "zstd"  # two thirds of snappy's size in the same time


def read_table(sources: Sequence[Path], metadata: ReportMetadata) -> pa.Table:
    """Return the rows of CSV files as a table; raise as `CsvTable` does."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    rows = CsvTable(sources=sources, metadata=metadata)
    return pa.Table.from_batches(rows, rows.schema)


def write_parquet(sources: Sequence[Path], target: Path, metadata: ReportMetadata) -> int:
    """Write the rows of CSV files to a new Parquet file, with bounded memory, and return their number.

    Raises:
        DownloadError, ConversionError: As for `CsvTable`.
    """
    from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to load

    rows = CsvTable(sources=sources, metadata=metadata)
    count = 0
    with (
        target.open("wb") as file,
        parquet.ParquetWriter(file, rows.schema, compression=_COMPRESSION) as writer,
        ThreadPoolExecutor(1, "impact-jobs-parquet") as pool,
    ):
        for group in _one_ahead(_row_groups(rows, rows.schema), pool):
            writer.write_table(group)
            count += len(group)
    return count


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(held, schema)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held, schema)


def _one_ahead(items: Iterator[T], pool: Executor) -> Iterator[T]:
    """Produce each item in another thread while the one before is used, because Arrow works without the GIL."""
    following = pool.submit(next, items, None)
    while (item := following.result()) is not None:
        following = pool.submit(next, items, None)
        yield item
