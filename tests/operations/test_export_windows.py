"""Exports in windows against the sandbox: a file for each window, the manifest, and what is refused."""

from __future__ import annotations

import csv
import gzip
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import ConfigurationError, DestinationExistsError, ExportReport, Polling, ReportNotFoundError, Retry
from impact_jobs.sandbox import Sandbox

from tests.operations import windows
from tests.operations.exports import REPORT
from tests.operations.windows import JANUARY, MONTHS, QUARTER, TEMPLATE, left_over, windows_exported
from tests.support.driving import AnyClient

sandbox = windows.sandbox
in_a_folder = windows.in_a_folder


@pytest.mark.parametrize("kind", ["brand", "partner", "passthrough"])
def test_other_kinds_of_account_export_in_windows(kind: str) -> None:
    account: Any = "agency" if kind == "passthrough" else kind
    with Sandbox(account=account, job_seconds=0, rows_per_day=2) as sandbox, sandbox.client() as client:
        jobs = client.for_advertiser(2747168) if kind == "passthrough" else client
        report_id = next(report.id for report in jobs.reports() if report.is_exportable)
        days: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-03-31"}
        one = jobs.export_and_download(report_id, "one.csv", **days)
        sandbox.prepare_export(status="FAILED")
        # So many that the list of jobs is read first.
        joined = jobs.export_and_download(report_id, "joined.csv", **days, split=timedelta(days=15), join=True)
    assert (joined.sha256, joined.rows) == (one.sha256, one.rows)
    assert len(sandbox.exports) == 7


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_download_endpoint_that_lags_behind_is_waited_for(name: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", re.compile("/Download"), status=202, body='{"Status": "RUNNING"}', times=2)
    result = jobs.with_options(retry=Retry(attempts=1)).export_and_download(
        REPORT,
        name,
        **JANUARY,
        result_format="CSV" if name == "a.csv" else "JSON",
        polling=Polling(minimum=0.01, maximum=0.01),
    )
    assert result.bytes_written == result.path.stat().st_size > 0


def test_each_window_has_its_file_and_is_not_exported_again(jobs: AnyClient, sandbox: Sandbox) -> None:
    report: ExportReport = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert report.is_complete
    assert not report.left
    assert [str(window) for window in report.outcomes] == [
        "2025-01-01 to 2025-01-31",
        "2025-02-01 to 2025-02-28",
        "2025-03-01 to 2025-03-31",
    ]
    assert [file.path for file in report.files.values()] == [Path(REPORT, name) for name in MONTHS]
    assert sorted(path.name for path in Path(REPORT).iterdir()) == [*MONTHS, "manifest.jsonl"]
    for file in report.files.values():
        with file.path.open(newline="") as opened:
            assert len(list(csv.reader(opened))) == (file.rows or 0) + 1
        assert file.fresh
    assert not left_over()
    sandbox.forget_requests()
    again = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert again.is_complete
    assert {file.unchanged for file in again.files.values()} == {True}
    assert [(file.rows, file.sha256) for file in again.files.values()] == [
        (file.rows, file.sha256) for file in report.files.values()
    ]
    assert not sandbox.requests
    longer = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER | {"end_date": "2025-04-30"})
    assert longer.is_complete
    assert set(windows_exported(sandbox).values()) == {1}


def test_a_file_that_was_deleted_is_fetched_again_without_an_export(jobs: AnyClient, sandbox: Sandbox) -> None:
    jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    february = Path(REPORT, MONTHS[1])
    before = february.read_bytes()
    february.unlink()
    sandbox.forget_requests()
    assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert february.read_bytes() == before
    assert len(sandbox.exports) == 3
    assert sum("/results/" in request.path for request in sandbox.requests) == 1


def test_the_rows_of_a_compressed_result_are_not_counted(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export(content=gzip.compress(b"a,b\n1,2\n"))
    report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert [file.rows is None for file in report.files.values()] == [True, False, False]


def test_a_file_of_another_origin_is_not_replaced(jobs: AnyClient, sandbox: Sandbox) -> None:
    Path(REPORT).mkdir()
    march = Path(REPORT, MONTHS[2])
    march.write_text("mine")
    with pytest.raises(DestinationExistsError, match=r"2025-03\.csv.* exists: pass overwrite=True"):
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert not sandbox.requests
    assert march.read_text() == "mine"
    assert not left_over()
    assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, overwrite=True).is_complete
    assert march.read_text().startswith("Action")
    march.write_text("changed")
    with pytest.raises(DestinationExistsError):
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": {"SUBAID": "7"}}, "holds the report without filters: use another folder"),
        ({"result_format": "JSON"}, "holds the report as CSV: use another folder"),
        ({"start_date": "2025-01-02"}, "holds 2025-01-01 to 2025-01-31, but 2025-01-02 to 2025-01-31 is asked for"),
        ({"end_date": "2025-03-30"}, "holds 2025-03-01 to 2025-03-31, but 2025-03-01 to 2025-03-30 is asked for"),
    ],
)
def test_files_of_another_request_are_not_replaced(
    changes: dict[str, Any], message: str, jobs: AnyClient, sandbox: Sandbox
) -> None:
    jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    with pytest.raises(DestinationExistsError, match=message) as caught:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER | changes)
    assert "pass overwrite=True to replace it." in str(caught.value)
    assert len(sandbox.exports) == 3


def test_a_window_that_has_grown_replaces_its_file(jobs: AnyClient, sandbox: Sandbox) -> None:
    jobs.export_and_download(REPORT, TEMPLATE, **QUARTER | {"start_date": "2025-01-05", "end_date": "2025-03-10"})
    before = Path(REPORT, MONTHS[2]).read_bytes()
    report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert [file.unchanged for file in report.files.values()] == [False, True, False]
    assert Path(REPORT, MONTHS[2]).read_bytes().startswith(before)
    assert len(sandbox.exports) == 3 + 2
    march = Path(REPORT, MONTHS[2])
    march.write_bytes(bytes(reversed(march.read_bytes())))  # of the same size
    with pytest.raises(DestinationExistsError, match=r"exists: pass overwrite=True"):
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER | {"end_date": "2025-03-30"})


def test_a_file_that_an_incomplete_call_has_written_is_not_called_unchanged(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export()
    sandbox.prepare_export(status="FAILED", replayable=False)
    assert not jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    unchanged = [file.unchanged for file in jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).files.values()]
    assert unchanged == [None, None]


def test_overwrite_exports_every_window_again(jobs: AnyClient, sandbox: Sandbox) -> None:
    jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, overwrite=True)
    assert report.is_complete
    assert set(windows_exported(sandbox).values()) == {2}
    assert {file.fresh for file in report.files.values()} <= {True, False}
    for unchanged in (False, True):
        joined = jobs.export_and_download(REPORT, Path(REPORT, MONTHS[0]), **QUARTER, join=True, overwrite=True)
        assert joined.rows == sum(file.rows or 0 for file in report.files.values())
        assert joined.unchanged is unchanged


def test_a_result_with_fewer_rows_than_the_job_states_is_warned_of(
    jobs: AnyClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.prepare_export(content=b"a,b\n1,2\n", fields={"RecordsProcessed": 7})
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "it states 7 records, and its result has 1"
    ]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("{start:%Y}.csv", {}, "'2025.csv' would be the file of the window 2025-01-01 to 2025-01-31 and of the window"),
        ("joined.csv", {}, "path='joined.csv' is not a template, and there are 3 windows: give one, such as"),
        ("{month}.csv", {}, "{month} is not one of its fields"),
        ("{strat}.csv", {}, "Did you mean {start}?"),
        ("no/such/folder/a.csv", {"join": True}, "does not exist: create it first"),
        (".", {"join": True}, "is a folder: give the path of a file in it"),
        ("a.xml", {"join": True, "result_format": "XML"}, "XML results are not joined"),
        ("{start}.csv", {"split": "months"}, "Did you mean 'month'?"),
        ("{start}.csv", {"end_date": None}, "split='month' needs start_date and end_date"),
        ("{start}.csv", {"end_date": "2024-01-01"}, "is later than end_date"),
        ("{start}.csv", {"join": "yes"}, "join='yes': give True or False"),
        ("{start}.csv", {"max_age": 6}, "max_age=6: give a timedelta"),
        ("{start}.csv", {"max_age": timedelta(-1)}, "give a timedelta"),
        ("{start}.csv", {"timeout": -1}, "timeout=-1"),
        ("{start}.csv", {"on_update": 1}, "on_update=1: give a function, or None."),
        ("{start}.csv", {"on_window": 1}, "on_window=1: give a function, or None."),
        ("{start}.csv", {"split": None, "on_update": 1}, "on_update=1: give a function, or None."),
        ("{start}.csv", {"split": None, "polling": 1}, "polling=1: give a Polling."),
        ("{end}.csv", {"split": None, "end_date": None}, "names {end}: give end_date, too."),
        ("file/{start}.csv", {}, "/file' does not exist: create it first"),
    ],
)
def test_wrong_input_is_refused_before_a_request(
    path: str, options: dict[str, Any], message: str, jobs: AnyClient, sandbox: Sandbox
) -> None:
    Path("file").touch()
    with pytest.raises(ConfigurationError) as caught:
        jobs.export_and_download(REPORT, path, **QUARTER | options)
    assert message in str(caught.value)
    assert not sandbox.requests
    assert sorted(path.name for path in Path().iterdir()) == ["file"]


@pytest.mark.parametrize("options", [QUARTER, {**QUARTER, "join": True}, JANUARY], ids=["windows", "joined", "single"])
def test_an_unknown_report_leaves_no_folders(options: dict[str, Any], jobs: AnyClient) -> None:
    Path("mine").mkdir()
    with pytest.raises(ReportNotFoundError):
        jobs.export_and_download("unknown", "mine/{report}/x/{start:%Y-%m}.csv", **options)
    assert [str(path) for path in Path().rglob("*")] == ["mine"]
