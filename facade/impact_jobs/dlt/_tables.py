"""Parquet files as Arrow tables with the columns by which dlt replaces a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ACCOUNT, WINDOW, DELETED = "_impact_account", "_impact_window", "_impact_deleted"
MERGE_KEY = [ACCOUNT, WINDOW]
COLUMNS: dict[str, Any] = {
    ACCOUNT: {"data_type": "text", "nullable": False},
    WINDOW: {"data_type": "text", "nullable": False},
    DELETED: {"data_type": "bool", "hard_delete": True},
}


def window_tables(path: Path, account: str, start: str) -> Iterator[pa.Table]:
    """Yield the rows of a file with the columns of the merge key; without rows, what removes the window's rows."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load
    from pyarrow import parquet  # noqa: PLC0415 - the same

    with parquet.ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield removal(account, [start])
            yield _with_key(file.schema_arrow.empty_table(), account, start)  # has the columns
        for batch in file.iter_batches():
            yield _with_key(pa.Table.from_batches([batch]), account, start)


def removal(account: str, starts: Sequence[str]) -> pa.Table:
    """Return one row for each window, which makes dlt delete its rows; it deletes those of the keys that it gets."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    table = pa.table({DELETED: pa.repeat(True, len(starts))})  # noqa: FBT003 - a value
    return _with_key(table, account, pa.array(starts, pa.string()))


def _with_key(table: pa.Table, account: str, starts: Any) -> pa.Table:  # noqa: ANN401 - one value, or an array
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    columns = [pa.repeat(account, len(table)), pa.repeat(starts, len(table)) if isinstance(starts, str) else starts]
    for place, (name, values) in enumerate(zip(MERGE_KEY, columns, strict=True)):
        table = table.add_column(place, pa.field(name, pa.string(), nullable=False), values)
    return table
