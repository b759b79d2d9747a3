"""Exports in windows against the sandbox: joined and single files, the journal, the manifest, and the daily limit."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import gzip
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from impact_jobs import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    DownloadResult,
    ExportIncompleteError,
    ExportReport,
    ExportUncertainError,
    ExportWindow,
    Job,
    JobCancelledError,
    JobFailedError,
    Polling,
    ReportNotFoundError,
    Retry,
    WaitTimeoutError,
)
from impact_jobs._download.export_journal import ExportJournal
from impact_jobs._operations.windows import run
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, Driven

REPORT = "agency_action_listing"
YEAR: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
QUARTER: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-03-31", "split": "month"}
JANUARY: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-01-31"}
TEMPLATE = "{report}/{start:%Y-%m}.csv"
EXPORT = re.compile(rf"/ReportExport/{REPORT}")
MONTHS = ["2025-01.csv", "2025-02.csv", "2025-03.csv"]


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(seed=hash(request.node.nodeid) & 0xFFFF, job_seconds=0, rows_per_day=2, hourly_budget=None) as started:
        yield started


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def windows_exported(sandbox: Sandbox) -> Counter[tuple[date, date]]:
    return Counter((export.start, export.end) for export in sandbox.exports)


def left_over() -> list[str]:
    """Return the files and folders that an export keeps while it is incomplete."""
    return sorted(str(path) for path in Path().rglob("*") if ".windows" in str(path) or ".part" in path.name)


def lines(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_year_by_month_joined_is_the_year_in_one(jobs: AnyClient, sandbox: Sandbox) -> None:
    one = jobs.export_and_download(REPORT, "one.csv", **YEAR)
    joined = jobs.export_and_download(REPORT, "joined.csv", **YEAR, split="month", join=True)
    assert Path("joined.csv").read_bytes() == Path("one.csv").read_bytes()
    assert (joined.sha256, joined.bytes_written) == (one.sha256, one.bytes_written)
    assert joined.rows == one.job.records_processed > 300
    assert (one.fresh, joined.fresh) == (True, True)
    assert set(windows_exported(sandbox).values()) == {1}
    assert len(sandbox.exports) == 13
    assert not left_over()


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


def test_the_age_of_a_result_is_measured_by_the_clock_of_the_server() -> None:
    behind = timedelta(hours=5)
    with (
        Sandbox(job_seconds=0, rows_per_day=2, clock=lambda: time.time() - behind.total_seconds()) as sandbox,
        sandbox.client() as jobs,
    ):
        jobs.wait(jobs.export_report(REPORT, **JANUARY))
        behind = timedelta(hours=3)  # two hours later
        days = {**JANUARY, "split": "month"}
        young = jobs.export_and_download(REPORT, "{start}.csv", **days, max_age=timedelta(hours=4))
        old = jobs.export_and_download(REPORT, "other/{start}.csv", **days, max_age=timedelta(hours=1))
    assert [file.fresh for file in (*young.files.values(), *old.files.values())] == [True, True]
    replays = [request.path for request in sandbox.requests if request.method == "PUT"]
    assert len(replays) == 1


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


@pytest.mark.parametrize("digest", [True, False])
def test_a_kill_before_a_joined_file_has_its_name_is_noticed(
    jobs: AnyClient, monkeypatch: pytest.MonkeyPatch, *, digest: bool
) -> None:
    options: dict[str, Any] = {**QUARTER, "join": True, "digest": digest}
    expected = jobs.export_and_download(REPORT, "expected.csv", **options).path.read_bytes()
    Path("quarter.csv").write_bytes(b"x" * len(expected))  # an older file of the same size
    with monkeypatch.context() as patched:
        patched.setattr(run, "commit_file", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            jobs.export_and_download(REPORT, "quarter.csv", **options, overwrite=True)
    jobs.export_and_download(REPORT, "quarter.csv", **options, overwrite=True)
    assert Path("quarter.csv").read_bytes() == expected
    assert not left_over()


@pytest.mark.parametrize("shape", ["records", "array"])
def test_a_year_of_json_joined_has_the_rows_of_the_year_in_one(shape: Any) -> None:
    with Sandbox(job_seconds=0, rows_per_day=1, json_shape=shape) as sandbox, sandbox.client() as jobs:
        one = jobs.export_and_download(REPORT, "one.json", **YEAR, result_format="JSON")
        joined = jobs.export_and_download(
            REPORT, "joined.jsonl", **YEAR, result_format="JSON", split="month", join=True
        )
    found = json.loads(one.path.read_text())
    assert lines("joined.jsonl") == (found if shape == "array" else found["Records"])
    assert joined.rows == len(lines("joined.jsonl")) > 100


def test_json_in_pages_is_complete_in_json_lines() -> None:
    with (
        Sandbox(job_seconds=0, rows_per_day=1, json_shape="pages", json_page_rows=12) as sandbox,
        sandbox.client() as jobs,
    ):
        days: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-03-31", "result_format": "JSON"}
        one = jobs.export_and_download(REPORT, "one.jsonl", **days)
        joined = jobs.export_and_download(REPORT, "joined.jsonl", **days, split="month", join=True)
        report = jobs.export_and_download(REPORT, "{start:%Y-%m}.ndjson", **days, split="month")
        first_page = jobs.export_and_download(REPORT, "one.json", **days)
    assert Path("joined.jsonl").read_bytes() == Path("one.jsonl").read_bytes()
    assert b"".join(file.path.read_bytes() for file in report.files.values()) == Path("one.jsonl").read_bytes()
    assert one.rows == joined.rows == len(lines("one.jsonl")) == sum(file.rows or 0 for file in report.files.values())
    assert one.rows > 2 * 12
    assert first_page.pages_total == -(-one.rows // 12)
    assert not left_over()


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


def test_a_window_whose_job_is_gone_is_exported_again(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(3600)
        Path(REPORT, MONTHS[1]).unlink()
        sandbox.answer_next("GET", re.compile(r"/Jobs/[^/]+$"), status=404, times=2)
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert windows_exported(sandbox)[date(2025, 2, 1), date(2025, 2, 28)] == 2
    assert len(sandbox.exports) == 4


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


def test_an_older_result_is_replayed(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(5 * 3600)
        sandbox.forget_requests()
        young = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
        assert len(sandbox.requests) == 1, "for the server's time"
        assert {file.fresh for file in young.files.values()} == {True}
        impact_clock.advance(2 * 3600)
        old = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
    assert young.is_complete
    assert old.is_complete
    assert {file.fresh for file in old.files.values()} == {True}
    assert not {file.job_id for file in old.files.values()} & {file.job_id for file in young.files.values()}
    assert len(sandbox.exports) == 3
    assert sum(request.method == "PUT" for request in sandbox.requests) == 3


def test_the_age_of_a_file_is_measured_by_the_clock_of_the_server() -> None:
    ahead = 5 * 3600
    with Sandbox(job_seconds=0, rows_per_day=2, clock=lambda: time.time() + ahead) as sandbox, sandbox.client() as jobs:
        days = {**JANUARY, "split": "month", "max_age": timedelta(hours=1)}
        jobs.export_and_download(REPORT, "{start}.csv", **days)
        ahead += 2 * 3600
        (again,) = jobs.export_and_download(REPORT, "{start}.csv", **days).files.values()
    assert again.fresh is True
    assert again.job_id == sandbox.job_ids[-1] != sandbox.job_ids[0]


def test_an_older_result_that_cannot_be_replayed_is_kept(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        for _ in MONTHS:
            sandbox.prepare_export(replayable=False)
        first = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(7 * 3600)
        sandbox.forget_requests()
        old = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
    assert {file.fresh for file in old.files.values()} == {False}
    assert [file.job_id for file in old.files.values()] == [file.job_id for file in first.files.values()]
    assert not any("/Download" in request.path for request in sandbox.requests)


def test_130_windows_stay_within_100_exports_a_day(impact_clock: ImpactClock) -> None:
    options: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-05-10", "split": "day", "join": True}
    with Sandbox(job_seconds=20, rows_per_day=1, clock=impact_clock.time, hourly_budget=None) as sandbox:
        with sandbox.client() as jobs, pytest.raises(ExportIncompleteError) as caught:
            jobs.export_and_download(REPORT, "days.csv", **options)
        report = caught.value.report
        assert (len(report.files), len(report.errors), len(report.left)) == (100, 0, 30)
        assert report.left[0] == ExportWindow(date(2025, 4, 11), date(2025, 4, 11))
        assert report.again_at is not None
        assert "30 left from 2025-04-11 on, because the account has no exports left, by this client's count" in str(
            caught.value
        )
        assert f"Make the same call again after {report.again_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)
        with sandbox.client() as jobs, pytest.raises(ExportIncompleteError):  # at once
            jobs.export_and_download(REPORT, "days.csv", **options)
        assert len(sandbox.exports) == 100
        impact_clock.advance((report.again_at - impact_clock.now()).total_seconds() + 60)
        with sandbox.client() as jobs:
            joined = jobs.export_and_download(REPORT, "days.csv", **options)
            one = jobs.export_and_download(REPORT, "one.csv", start_date="2025-01-01", end_date="2025-05-10")
    assert Path("days.csv").read_bytes() == one.path.read_bytes()
    assert one.job is not None
    assert joined.rows == one.job.records_processed
    assert set(windows_exported(sandbox).values()) == {1}
    assert sum("/ReportExport/" in request.path for request in sandbox.requests) == 131, "none was refused"
    assert not left_over()


def test_exports_of_other_programs_count_against_the_day(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=1, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        for number in range(95):
            sandbox.add_job(age=60 * number)
        sandbox.add_job(age=90_000)
        days: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-01-10"}
        report = jobs.export_and_download(REPORT, "{start}.csv", **days, split="day")
    assert (len(report.files), len(report.left)) == (5, 5)
    assert report.again_at is not None
    assert report.again_at.tzinfo is UTC
    assert (report.again_at.second, report.again_at.microsecond) == (0, 0)
    exact = impact_clock.now() + timedelta(seconds=86_400 - 94 * 60)
    assert timedelta(seconds=-5) < report.again_at - exact <= timedelta(minutes=1)


def test_a_429_ends_exporting_and_the_rest_is_left(jobs: AnyClient, sandbox: Sandbox) -> None:
    options = {"start_date": "2025-01-01", "end_date": "2025-01-02", "split": "day"}
    assert jobs.export_and_download(REPORT, "{start}.csv", **options).is_complete
    sandbox.answer_next("GET", EXPORT, status=429, headers={"Retry-After": "7200"})
    options["end_date"] = "2025-01-04"
    report = jobs.export_and_download(REPORT, "{start}.csv", **options)
    assert (len(report.files), len(report.left), report.is_complete) == (2, 2, False)
    assert timedelta(hours=1.9) < report.again_at - datetime.now(UTC) <= timedelta(hours=2, minutes=1)
    assert jobs.export_and_download(REPORT, "{start}.csv", **options).is_complete
    assert set(windows_exported(sandbox).values()) == {1}


def test_a_window_whose_job_fails_is_replayed_alone(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export()
    sandbox.prepare_export(status="FAILED", message="Out of memory.")
    joined = jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert joined.rows == sum(job.records_processed or 0 for job in jobs.list() if job.status == "COMPLETED")
    assert joined.fresh
    assert len(sandbox.exports) == 3
    assert sum(request.method == "PUT" for request in sandbox.requests) == 1


def test_a_window_that_cannot_be_replayed_is_exported_again_and_does_not_stop_the_others(
    jobs: AnyClient, sandbox: Sandbox
) -> None:
    sandbox.prepare_export()
    sandbox.prepare_export(status="FAILED", message="Out of memory.", replayable=False)
    with pytest.raises(ExportIncompleteError) as caught:
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    failed = ExportWindow(date(2025, 2, 1), date(2025, 2, 28))
    assert list(caught.value.report.errors) == [failed]
    assert isinstance(caught.value.report.errors[failed], JobFailedError)
    assert f"2 of 3 windows are there; {failed} failed (job " in str(caught.value)
    assert not Path("joined.csv").exists()
    assert windows_exported(sandbox)[failed.start, failed.end] == 2
    assert len(sandbox.exports) == 4
    sandbox.answer_next(
        "GET",
        EXPORT,
        status=200,
        body=json.dumps(
            {"QueuedUri": f"/Agencies/{sandbox.account_sid}/Jobs/{sandbox.add_job(content=february(sandbox, jobs))}"}
        ),
    )
    assert jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True).rows
    assert len(sandbox.exports) == 5, "only the file of the test itself"


def february(sandbox: Sandbox, jobs: AnyClient) -> bytes:
    job = jobs.export_report(REPORT, start_date="2025-02-01", end_date="2025-02-27")
    return b"".join(sandbox.result(job.id).read())


def test_a_job_that_somebody_cancels_is_replayed_by_the_next_call_only(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        sandbox.prepare_export(status="CANCELLED")
        (error,) = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).errors.values()
        assert isinstance(error, JobCancelledError)
        assert len(sandbox.exports) == 3
        impact_clock.advance(60)
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
        assert sum(request.method == "PUT" for request in sandbox.requests) == 1


def test_a_window_that_is_not_done_in_time_is_awaited_by_the_next_call(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        sandbox.prepare_export(seconds=1000.0)
        report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, timeout=600.0)
        (error,) = report.errors.values()
        assert isinstance(error, WaitTimeoutError)
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
        assert len(sandbox.exports) == 3


def test_an_empty_window_adds_no_rows(jobs: AnyClient, sandbox: Sandbox) -> None:
    header = sandbox_header(jobs)
    for content in (b"", header, header.rstrip()):
        sandbox.prepare_export(content=content)
    joined = jobs.export_and_download(REPORT, "empty.csv", **QUARTER, join=True)
    assert joined.rows == 0
    assert Path("empty.csv").read_bytes() == header
    for _ in MONTHS:
        sandbox.prepare_export(content=b"[]")
    joined = jobs.export_and_download(REPORT, "empty.jsonl", **QUARTER, join=True, result_format="JSON")
    assert (joined.rows, joined.bytes_written) == (0, 0)


def sandbox_header(jobs: AnyClient) -> bytes:
    jobs.export_and_download(REPORT, "one.csv", start_date="2025-06-01", end_date="2025-06-01")
    return Path("one.csv").read_bytes().splitlines(keepends=True)[0]


def test_windows_with_other_columns_are_not_joined(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export()
    sandbox.prepare_export(content=b"a,b\n1,2\n")
    with pytest.raises(DownloadError, match=r"2025-02-01.* has other columns than .*2025-01-01"):
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert not Path("joined.csv").exists()


def test_a_result_with_fewer_rows_than_the_job_states_is_warned_of(
    jobs: AnyClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.prepare_export(content=b"a,b\n1,2\n", fields={"RecordsProcessed": 7})
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "it states 7 records, and its result has 1"
    ]


def test_an_error_that_affects_all_windows_is_raised_or_given_to_each(sandbox: Sandbox) -> None:
    with sandbox.client(retry=Retry(attempts=1)) as jobs:
        with pytest.raises(ReportNotFoundError):
            jobs.export_and_download("unknown_report", TEMPLATE, **QUARTER)
        assert not left_over()
        sandbox.answer_next("GET", EXPORT, status=503)
        sandbox.answer_next("GET", re.compile(r"/Jobs"), status=503)
        report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        assert {type(error) for error in report.errors.values()} == {ExportUncertainError}
        assert len(report.errors) == 3
        assert left_over()
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert not left_over()


@pytest.mark.parametrize(("others", "requests"), [(0, 1), (1, 2)], ids=["alone", "others export as well"])
def test_an_export_whose_answer_was_lost_is_found_by_the_next_call(
    others: int, requests: int, sandbox: Sandbox
) -> None:
    with sandbox.client(retry=Retry(attempts=1)) as jobs:
        sandbox.answer_next("GET", EXPORT, status=503, perform=True)
        sandbox.answer_next("GET", re.compile(r"/Jobs"), status=503)
        assert len(jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).errors) == 3
        assert len(sandbox.exports) == 1
    for _ in range(others):
        sandbox.add_job(age=60)
    with sandbox.client() as jobs:
        report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert report.is_complete
    january, *rest = report.files.values()
    assert january.job_id == sandbox.exports[0].job_id
    assert windows_exported(sandbox)[date(2025, 1, 1), date(2025, 1, 31)] == requests
    assert len({export.job_id for export in sandbox.exports}) == 3 == len(rest) + 1


@pytest.mark.parametrize("foreign", [{"type": "SomethingNew"}, {"program_id": "9"}, {"age": 5.0}], ids=str)
def test_a_job_that_does_not_fit_is_not_taken_for_a_lost_window(foreign: dict[str, Any], sandbox: Sandbox) -> None:
    with sandbox.client(retry=Retry(attempts=1)) as jobs:
        sandbox.answer_next("GET", EXPORT, status=503)
        sandbox.answer_next("GET", re.compile(r"/Jobs"), status=503)
        assert len(jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).errors) == 3
    stranger = sandbox.add_job(**foreign)
    with sandbox.client() as jobs:
        report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    assert report.is_complete
    assert stranger not in {file.job_id for file in report.files.values()}


def test_of_two_calls_with_the_same_target_one_works(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export(stuck_at=40)
    with pytest.raises(ExportIncompleteError):
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True, timeout=0)
    with Path("joined.csv.windows/journal.jsonl").open() as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        sandbox.forget_requests()
        with pytest.raises(DestinationExistsError, match=r"'.*joined\.csv' is being downloaded by another process"):
            jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert not sandbox.requests


def test_an_interrupted_call_says_how_to_go_on(jobs: AnyClient, sandbox: Sandbox) -> None:
    interruption = asyncio.CancelledError if isinstance(jobs, Driven) else KeyboardInterrupt

    def interrupt(_: Job) -> None:
        raise interruption

    with pytest.raises(interruption) as caught:
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True, on_update=interrupt)
    assert (
        f"0 of 3 windows of report {REPORT} are there, and jobs continue on the server "
        f"({', '.join(export.job_id for export in sandbox.exports)}): make the same call again to go on"
    ) in caught.value.__notes__
    assert jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True).rows
    assert len(sandbox.exports) == 3


def test_the_progress_of_all_windows_is_added_up(jobs: AnyClient) -> None:
    seen: list[tuple[int, int | None]] = []
    joined = jobs.export_and_download(
        REPORT, "joined.csv", **QUARTER, join=True, on_progress=lambda done, total: seen.append((done, total))
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] >= joined.bytes_written
    assert {total for _, total in seen} == {None}


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


@pytest.mark.parametrize("is_link", [False, True])
def test_a_work_folder_of_others_is_refused(jobs: AnyClient, sandbox: Sandbox, *, is_link: bool) -> None:
    Path("mine").mkdir()
    thesis = Path("mine/thesis.txt")
    thesis.write_text("10 years")
    if is_link:
        Path("joined.csv.windows").symlink_to("mine")
    else:
        Path("joined.csv.windows").mkdir()
        thesis = thesis.rename("joined.csv.windows/thesis.txt")
    with pytest.raises(ConfigurationError, match=r"joined\.csv\.windows' is needed .* move it"):
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert thesis.read_text() == "10 years"
    assert not sandbox.requests


@pytest.mark.parametrize("parquet", [False, True])
def test_files_of_others_in_the_work_folder_are_kept(sandbox: Sandbox, *, parquet: bool) -> None:
    with sandbox.client() as jobs:
        export = partial(jobs.to_parquet if parquet else jobs.export_and_download, REPORT, "joined", **QUARTER)
        with pytest.raises(KeyboardInterrupt):
            export(join=True, on_update=Mock(side_effect=KeyboardInterrupt))
        Path("note.txt").write_text("mine")
        Path("joined.windows/assembled").symlink_to("../note.txt")
        Path("joined.windows/note.txt").write_text("mine")
        assert export(join=True).rows
        assert Path("note.txt").read_text() == Path("joined.windows/note.txt").read_text() == "mine"
        assert left_over() == ["joined.windows", "joined.windows/journal.jsonl", "joined.windows/note.txt"]
        Path("joined").unlink()
        assert export(join=True).rows


HOURLY: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-02-10", "split": "day", "join": True}


def test_the_hourly_limit_is_waited_for(impact_clock: ImpactClock) -> None:
    with (
        Sandbox(job_seconds=1, rows_per_day=1, clock=impact_clock.time, hourly_budget=30) as sandbox,
        sandbox.client() as jobs,
    ):
        assert jobs.export_and_download(REPORT, "days.csv", **HOURLY, timeout=None).rows
    assert set(windows_exported(sandbox).values()) == {1}
    assert impact_clock.elapsed > 3600


def test_the_hourly_limit_is_named_if_the_time_ends_before_it(impact_clock: ImpactClock) -> None:
    with (
        Sandbox(job_seconds=1, rows_per_day=1, clock=impact_clock.time, hourly_budget=30) as sandbox,
        sandbox.client() as jobs,
        pytest.raises(ExportIncompleteError, match="because the account has no requests left in this hour") as caught,
    ):
        jobs.export_and_download(REPORT, "days.csv", **HOURLY, timeout=60.0)
    report = caught.value.report
    assert report.left
    assert report.again_at is not None
    assert timedelta() < report.again_at - impact_clock.now() <= timedelta(hours=1, minutes=1)


@pytest.mark.parametrize("parquet", [False, True])
def test_a_window_that_was_not_over_is_made_again(impact_clock: ImpactClock, *, parquet: bool) -> None:
    impact_clock.advance((36 - impact_clock.now().hour) % 24 * 3600)  # noon, when the server has the same date
    today = impact_clock.now().date()
    with Sandbox(job_seconds=0, rows_per_day=1, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        export = partial(jobs.to_parquet, join=False) if parquet else jobs.export_and_download
        days: dict[str, Any] = {"start_date": today - timedelta(days=1), "end_date": today, "split": "day"}
        name = "{start}.parquet" if parquet else "{start}.csv"
        replays = []
        for _ in range(4):
            report = export(REPORT, name, **days)
            assert isinstance(report, ExportReport)
            assert report.is_complete
            replays.append(sum(request.method == "PUT" for request in sandbox.requests))
            impact_clock.advance(86_400)
    assert replays == [0, 1, 1, 1]
    assert len(sandbox.exports) == 2
    formats = {json.loads(line)["format"] for line in Path("manifest.jsonl").read_text().splitlines()}
    assert formats == {"PARQUET" if parquet else "CSV"}


def test_a_kill_after_a_joined_file_has_its_name_is_noticed(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ExportJournal, "remove", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    before = Path("joined.csv").read_bytes()
    sandbox.forget_requests()
    again = jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert again.bytes_written == len(before)
    assert not sandbox.requests
    assert not left_over()


def test_damage_of_the_same_size_does_not_get_into_a_joined_file(sandbox: Sandbox) -> None:
    with sandbox.client() as jobs:
        expected = jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True, overwrite=True).sha256

        def interrupt(_: ExportWindow, news: object) -> None:
            if isinstance(news, DownloadResult):
                raise KeyboardInterrupt

        options: dict[str, Any] = {**QUARTER, "join": True, "overwrite": True}
        with pytest.raises(KeyboardInterrupt):
            jobs.export_and_download(REPORT, "joined.csv", **options, on_window=interrupt)
        (january,) = Path("joined.csv.windows").glob("2025-01-01.*.csv")
        january.write_bytes(january.read_bytes()[:-5] + b"XXXX\n")
        assert jobs.export_and_download(REPORT, "joined.csv", **options).sha256 == expected


@pytest.mark.parametrize("options", [QUARTER, {**QUARTER, "join": True}, JANUARY], ids=["windows", "joined", "single"])
def test_an_unknown_report_leaves_no_folders(options: dict[str, Any], jobs: AnyClient) -> None:
    Path("mine").mkdir()
    with pytest.raises(ReportNotFoundError):
        jobs.export_and_download("unknown", "mine/{report}/x/{start:%Y-%m}.csv", **options)
    assert [str(path) for path in Path().rglob("*")] == ["mine"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_result_that_is_gone_is_made_again(status: int, impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(3600)
        Path(REPORT, MONTHS[1]).unlink()
        sandbox.answer_next("GET", re.compile("/Download"), status=status)
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert sum(request.method == "PUT" for request in sandbox.requests) == 1
    assert len(sandbox.exports) == 3
