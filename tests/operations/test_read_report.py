"""Reports as Arrow tables and Parquet files, against the sandbox."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest
from impact_jobs import (
    ConfigurationError,
    ConversionError,
    DataType,
    DownloadError,
    ExportIncompleteError,
    ExportReport,
    JobFailedError,
)
from impact_jobs.sandbox import Sandbox
from pyarrow import parquet

from tests.support.driving import AnyClient

REPORT = "agency_action_listing"
YEAR: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
MONTH: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-01-31"}
CONVERTERS: dict[str, Callable[[str], object]] = {
    DataType.BOOLEAN: lambda text: text == "true",
    DataType.DATE: lambda text: datetime.fromisoformat(text) if text else None,
    DataType.DECIMAL: Decimal,
    DataType.INTEGER: int,
    DataType.STRING: str,
}


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(
        seed=crc32(request.node.nodeid.encode()), job_seconds=0, rows_per_day=2, hourly_budget=None
    ) as started:
        yield started


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder for temporary files, and another one the current folder."""
    temporary, current = tmp_path / "temporary", tmp_path / "current"
    temporary.mkdir()
    current.mkdir()
    monkeypatch.chdir(current)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert gettempdir() == str(temporary)
    return temporary


def expected(jobs: AnyClient, **window: str) -> list[dict[str, object]]:
    types = {column.name: column.data_type for column in jobs.report_metadata(REPORT).columns}
    result = jobs.export_and_download(REPORT, "expected.csv", **window)
    with result.path.open(encoding="utf-8", newline="") as file:
        rows = [{name: CONVERTERS[types[name]](text) for name, text in row.items()} for row in csv.DictReader(file)]
    assert set(types.values()) == set(DataType)
    return rows


def test_a_table_has_the_rows_of_the_file_with_their_types(jobs: AnyClient, temporary: Path) -> None:
    table = jobs.read_report(REPORT, **YEAR)
    assert table.to_pylist() == expected(jobs, **YEAR)
    assert any("\n" in note for note in table["Note"].to_pylist())
    assert {str(kind) for kind in table.schema.types} == {
        "string", "timestamp[us, tz=UTC]", "decimal128(38, 18)", "int64", "bool",
    }  # fmt: skip
    assert table.schema.field("Partner_Id").type == pa.string()
    assert list(temporary.iterdir()) == []


def test_a_year_by_month_is_the_year_in_one(jobs: AnyClient, sandbox: Sandbox) -> None:
    year = jobs.read_report(REPORT, **YEAR)
    assert jobs.read_report(REPORT, **YEAR, split="month").equals(year)
    one = jobs.to_parquet(REPORT, "one.parquet", **YEAR)
    joined = jobs.to_parquet(REPORT, "joined.parquet", **YEAR, split="month")
    assert parquet.read_table(one.path).equals(year)
    assert parquet.read_table(joined.path).equals(year)
    assert one.rows == joined.rows == year.num_rows
    assert sorted(path.name for path in Path().iterdir()) == ["joined.parquet", "one.parquet"]
    assert len({(export.start, export.end) for export in sandbox.exports}) == 13
    assert parquet.read_metadata("one.parquet").metadata[b"impact_jobs.report"] == REPORT.encode()


def test_each_window_may_have_its_own_file(jobs: AnyClient) -> None:
    report: ExportReport = jobs.to_parquet(
        REPORT, "{report}/{start:%Y-%m}.parquet", **YEAR | {"end_date": "2025-03-31"}, split="month", join=False
    )
    assert report.is_complete
    tables = [parquet.read_table(file.path) for file in report.files.values()]
    assert [table.num_rows for table in tables] == [file.rows for file in report.files.values()]
    assert pa.concat_tables(tables).equals(jobs.read_report(REPORT, **YEAR | {"end_date": "2025-03-31"}))


def test_an_empty_result_is_an_empty_table(jobs: AnyClient) -> None:
    # There are no actions before 2020.
    table = jobs.read_report(REPORT, start_date="2019-01-01", end_date="2019-02-28", split="month")
    assert (table.num_rows, table.schema.field("Sale_Amount").type) == (0, pa.decimal128(38, 18))
    jobs.to_parquet(REPORT, "empty.parquet", start_date="2019-01-01", end_date="2019-02-28")
    assert parquet.read_table("empty.parquet").equals(table)


def test_filters_apply(jobs: AnyClient) -> None:
    table = jobs.read_report(REPORT, **YEAR, filters={"New Customer": True, "Minimum Amount": Decimal("100.5")})
    assert table.num_rows > 0
    assert table["New_Customer"].unique().to_pylist() == [True]
    assert min(table["Sale_Amount"].to_pylist()) >= Decimal("100.5")


@pytest.mark.parametrize("call", ["read_report", "to_parquet"])
def test_a_value_that_does_not_fit_is_named(call: str, jobs: AnyClient, sandbox: Sandbox, temporary: Path) -> None:
    body = "Sale_Amount,Quantity\n1.5,1\n2.5,several\n"
    sandbox.answer_next("GET", re.compile("/results/"), status=200, body=body)
    arguments = ["actions.parquet"] if call == "to_parquet" else []
    with pytest.raises(ConversionError, match="row 2, column 'Quantity': 'several' is not of the type int64") as caught:
        getattr(jobs, call)(REPORT, *arguments, **MONTH)
    assert (caught.value.row, caught.value.column) == (2, "Quantity")
    assert not Path("actions.parquet").exists()
    assert list(temporary.iterdir()) == []


def test_windows_with_different_columns_are_refused(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", re.compile("/results/"), status=200, body="Status,Colour\nAPPROVED,red\n")
    with pytest.raises(DownloadError, match="have different columns"):
        jobs.read_report(REPORT, **MONTH | {"end_date": "2025-02-28"}, split="month")


def test_a_table_without_all_windows_is_refused(jobs: AnyClient, sandbox: Sandbox, temporary: Path) -> None:
    sandbox.prepare_export(status="FAILED", replayable=False)
    with pytest.raises(ExportIncompleteError, match="read_report keeps no files: call to_parquet, which continues"):
        jobs.read_report(REPORT, **MONTH, split=timedelta(days=16))
    assert list(temporary.iterdir()) == []


def test_a_single_table_raises_the_error_of_its_job(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export(status="FAILED", replayable=False)
    with pytest.raises(JobFailedError):
        jobs.read_report(REPORT, **MONTH)
    sandbox.answer_next("GET", re.compile("ReportExport"), status=429, headers={"Retry-After": "80000"})
    with pytest.raises(ExportIncompleteError, match=r"0 of 1 windows are there; 1 left, because the account has no"):
        jobs.read_report(REPORT)


@pytest.mark.parametrize("call", ["read_report", "to_parquet"])
def test_without_pyarrow_nothing_is_sent(
    call: str, jobs: AnyClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    arguments = ["actions.parquet"] if call == "to_parquet" else []
    with pytest.raises(ConfigurationError, match=r'need the extra `frames`: pip install "\.\[frames\]" in the clone'):
        getattr(jobs, call)(REPORT, *arguments, **MONTH)
    assert not sandbox.requests


def test_a_path_of_another_format_is_refused(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match=r"'a\.CSV' would hold Parquet: name it 'a\.parquet'"):
        jobs.to_parquet(REPORT, "a.CSV", **MONTH)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_date": "2025-02-01", "end_date": "2025-01-01"}, "is later than end_date"),
        ({**MONTH, "split": "year"}, "split='year'"),
        ({**MONTH, "filters": {"Colour": "red"}}, "Colour"),
        ({**MONTH, "max_age": 6}, "max_age=6"),
    ],
)
def test_bad_arguments_export_nothing(
    arguments: dict[str, Any], message: str, jobs: AnyClient, sandbox: Sandbox, temporary: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        jobs.read_report(REPORT, **arguments)
    assert not sandbox.exports
    assert list(temporary.iterdir()) == []
