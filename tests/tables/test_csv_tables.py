from __future__ import annotations

import errno
import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from impact_jobs import ConversionError, DataType, DownloadError
from impact_jobs._tables import csv_tables, parquet
from impact_jobs._tables.parquet import read_table, write_parquet
from pyarrow import parquet as arrow_parquet

from tests.tables.reports import COLUMNS, HEADER, ROW, metadata, write


def test_each_column_has_its_type(tmp_path: Path) -> None:
    table = read_table([write(tmp_path, f"{HEADER}\n{ROW}\n,,,,,\n")], metadata())
    assert table.schema.types == [
        pa.string(), pa.timestamp("us", "UTC"), pa.decimal128(38, 18), pa.int64(), pa.bool_(), pa.string(),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("0012", datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC), Decimal(5), 3, True, "fine"),
        ("", None, None, None, None, ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'a,b\nx,"1\n2"\ny,3\n',
        'a,b\r\nx,"1\n2"\r\ny,3',
        '\ufeff"a","b"\n"x","1\n2"\n\n"y","3"\n',
        '\n\na,b\nx,"1\n2"\ny,3\n\n',
    ],
    ids=["plain", "CRLF and no last newline", "byte order mark and quotes", "blank lines"],
)
def test_every_form_of_csv_is_read(tmp_path: Path, text: str) -> None:
    table = read_table([write(tmp_path, text)], metadata({"a": "String", "b": "String"}))
    assert table.to_pydict() == {"a": ["x", "y"], "b": ["1\n2", "3"]}


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    text = f"{HEADER}\n" + f"{ROW}\n" * 3
    table = read_table([write(tmp_path, gzip.compress(text.encode()))], metadata())
    assert table.equals(read_table([write(tmp_path, text, "plain.csv")], metadata()))


@pytest.mark.parametrize("length", [15, -9])
def test_a_compressed_file_that_breaks_off_is_refused(tmp_path: Path, length: int) -> None:
    text = "Note,Items\n" + "".join(f"{number * 7919 % 10007},{number}\n" for number in range(2000))
    path = write(tmp_path, gzip.compress(text.encode())[:length])
    with pytest.raises(ConversionError, match=r"'actions\.csv' could not be read as CSV"):
        read_table([path], metadata())


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\n", f"{HEADER}\r\n\r\n"])
def test_an_empty_result_is_an_empty_table(tmp_path: Path, text: str) -> None:
    table = read_table([write(tmp_path, text)], metadata())
    assert (table.num_rows, table.schema.names) == (0, list(COLUMNS))
    assert table.schema.field("Sale_Amount").type == pa.decimal128(38, 18)


def test_files_follow_each_other_and_may_order_their_columns_differently(tmp_path: Path) -> None:
    sources = [
        write(tmp_path, "", "0.csv"),
        write(tmp_path, "Items,Note\n", "1.csv"),
        write(tmp_path, "Note,Items\nx,1\n", "2.csv"),
        write(tmp_path, "Items,Note\n2,y", "3.csv"),
    ]
    table = read_table(sources, metadata({"Items": DataType.INTEGER, "Note": DataType.STRING}))
    assert table.to_pydict() == {"Items": [1, 2], "Note": ["x", "y"]}


def test_files_with_different_columns_are_refused(tmp_path: Path) -> None:
    sources = [write(tmp_path, "Items,Note\n", "may.csv"), write(tmp_path, "Items,Notes\n", "june.csv")]
    with pytest.raises(DownloadError, match=r"'may\.csv' and 'june\.csv' have different columns: \['Note', 'Notes'\]"):
        read_table(sources, metadata())


def test_a_column_that_the_file_lacks_is_null(tmp_path: Path) -> None:
    table = read_table([write(tmp_path, "Note,Items\nx,1\n")], metadata())
    assert table["Sale_Amount"].to_pylist() == [None]
    assert table.schema.field("Sale_Amount").type == pa.decimal128(38, 18)


@pytest.mark.parametrize("rows_before", [0, 3, 40_000])
def test_a_value_that_does_not_fit_is_named(tmp_path: Path, rows_before: int) -> None:
    rows = f"{ROW}\n" * rows_before
    path = write(tmp_path, f"{HEADER}\n\n{rows}1,2026-05-29T00:00:00Z,about 5,3,true,\n")
    with pytest.raises(ConversionError) as caught:
        read_table([path], metadata())
    assert (caught.value.row, caught.value.column) == (rows_before + 1, "Sale_Amount")
    assert str(caught.value) == (
        f"'actions.csv', row {rows_before + 1}, column 'Sale_Amount': 'about 5' is not of the type decimal128(38, 18), "
        "which the report's metadata states. Call export_and_download for the file as the server wrote it."
    )


def test_a_row_counts_once_however_many_lines_it_has(tmp_path: Path) -> None:
    path = write(tmp_path, 'Note,Items\n"a\nb\nc",1\n"d\n",many\n')
    with pytest.raises(ConversionError, match="row 2, column 'Items': 'many'"):
        read_table([path], metadata())


@pytest.mark.parametrize(
    ("text", "message", "row", "column"),
    [
        ("a,b\n1,2\n\n3\n", "row 2: it has 1 values, but there are 2 columns", 2, None),
        ("a,b\n1,2,3\n", "row 1: it has 3 values, but there are 2 columns", 1, None),
        ('a,b\n1,2\n"3\n4,5\n', "row 2: it has 1 values, but there are 2 columns", 2, None),
        (b"a,b\n1,2\n3,\xff4\n", r"row 2, column 'b': '\\udcff4' is not UTF-8", 2, "b"),
        (b"a,\xff\n1,2\n", r"the column '\\udcff' is not UTF-8", None, None),
    ],
    ids=["short", "long", "open quote", "encoding", "encoding of the header"],
)
def test_a_broken_file_is_refused_with_the_row(
    tmp_path: Path, text: str | bytes, message: str, row: int | None, column: str | None
) -> None:
    with pytest.raises(ConversionError, match=message) as caught:
        read_table([write(tmp_path, text)], metadata({"a": "String", "b": "String"}))
    assert (caught.value.row, caught.value.column) == (row, column)


@pytest.mark.parametrize("before", ["", "b,2\n"])
def test_a_value_may_be_larger_than_the_csv_module_accepts(tmp_path: Path, before: str) -> None:
    large = "x" * 200_000
    table = read_table([write(tmp_path, f"Note,Items\n{before}{large},1\n")], metadata())
    assert table["Note"].to_pylist()[-1] == large
    with pytest.raises(ConversionError, match="Expected 2 columns, got 1"):
        read_table([write(tmp_path, f"Note,Items\n{before}{large},1\nshort\n")], metadata())


@pytest.mark.parametrize("length", range(50, 66))
def test_a_newline_in_quotes_is_kept_where_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(csv_tables, "_BLOCK_BYTES", 64)
    rows = [("x" * (length - 44), "1"), ("y" * 30, "\r\n\r\r\n"), ("z", "\r")]
    text = "a,b\r\n" + "".join(f'"{one}","{two}"\r\n' for one, two in rows)
    table = read_table([write(tmp_path, text)], metadata({"a": "String", "b": "String"}))
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


def test_a_row_that_is_larger_than_a_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "_BLOCK_BYTES", 1000)
    path = write(tmp_path, "a,b\n1,2\n3," + "x" * 5000 + "\n")
    with pytest.raises(ConversionError, match=r"'actions\.csv' could not be read as CSV: "):
        read_table([path], metadata({"a": "String", "b": "String"}))


def test_a_parquet_file_holds_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "_BLOCK_BYTES", 4000)
    monkeypatch.setattr(parquet, "_ROW_GROUP_BYTES", 20_000)
    sources = [write(tmp_path, f"{HEADER}\n" + f"{ROW}\n" * 500, f"{number}.csv") for number in range(2)]
    target = tmp_path / "actions.parquet"
    assert write_parquet(sources, target, metadata()) == 1000
    file = arrow_parquet.ParquetFile(target)
    assert file.read().equals(read_table(sources, metadata()))
    assert file.schema_arrow.field("Action_Date").type == pa.timestamp("us", "UTC")
    assert file.num_row_groups > 2
    assert file.metadata.metadata[b"impact_jobs.report"] == b"agency_action_listing"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_the_error_of_the_system(tmp_path: Path) -> None:
    source = write(tmp_path, f"{HEADER}\n{ROW}\n")
    with pytest.raises(OSError, match="No space left") as caught:
        write_parquet([source], Path("/dev/full"), metadata())
    assert caught.value.errno == errno.ENOSPC
