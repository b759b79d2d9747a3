"""Any bytes are a table or an error of ours, and what the standard library writes is read back exactly."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impact_jobs import DataType, DownloadError
from impact_jobs._download.joining import csv_rows
from impact_jobs._tables import csv_tables
from impact_jobs._tables.parquet import read_table

from tests.tables.reports import metadata, write

TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from('",\n\r \t'), max_size=8)
PIECES = st.lists(
    st.sampled_from([b"a", b"1", b",", b'"', b"\n", b"\r", b"\r\n", b"\xff", b"\xef\xbb\xbf", b"\0", b" "])
)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@in_one_folder
@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_what_the_standard_library_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, str]], end: str, mark: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)  # not all versions quote a carriage return
    writer.writerows([("a", "b"), *rows])
    path = write(tmp_path, mark + file.getvalue())
    table = read_table([path], metadata({"a": DataType.STRING, "b": DataType.STRING}))
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@in_one_folder
@given(
    lines=st.lists(st.sampled_from(["", "", "x", '"a\n\nb"', '"\n"', '"a""\r"', '"b\r\n,"', '""']), max_size=40),
    columns=st.sampled_from([1, 2]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    ends=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    block=st.sampled_from([64, 71, 1024]),
)
def test_an_empty_line_is_a_row_in_a_single_column_only(  # noqa: PLR0917 - drawn
    tmp_path: Path, lines: list[str], columns: int, newline: str, ends: tuple[int, int], block: int
) -> None:
    names = ["a", "b"][:columns]
    rows = [",".join([line] * columns) if line else "" for line in lines]
    text = newline * ends[0] + newline.join([",".join(names), *rows]) + newline * ends[1]
    _, *expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row or columns == 1][
        ends[0] if columns == 1 else 0 :
    ]
    path = write(tmp_path, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_tables, "_BLOCK_BYTES", block)
        table = read_table([path], metadata(dict.fromkeys(names, DataType.STRING)))
    assert [list(row.values()) for row in table.to_pylist()] == [row or [""] for row in expected]
    assert csv_rows(path) == len(expected)


@in_one_folder
@given(PIECES.map(b"".join))
def test_any_bytes_are_a_table_or_an_error_of_ours(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    try:
        table = read_table([path], metadata({"a": DataType.DECIMAL, "1": DataType.STRING}))
    except DownloadError as error:
        assert path.name in str(error)  # noqa: PT017 - either is fine
    else:
        table.validate(full=True)
