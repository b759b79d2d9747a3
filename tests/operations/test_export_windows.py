"""Exports in windows against the sandbox: joined and single files, the journal, the manifest, and the daily limit."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    DestinationExistsError,
    ExportIncompleteError,
    ExportReport,
    ExportWindow,
)
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

REPORT = "agency_action_listing"
YEAR: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
QUARTER: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-03-31", "split": "month"}
TEMPLATE = "{report}/{start:%Y-%m}.csv"
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


@pytest.mark.parametrize("shape", ["records", "array"])
def test_a_year_of_json_joined_has_the_rows_of_the_year_in_one(shape: Any, sandbox: Sandbox) -> None:
    with Sandbox(job_seconds=0, rows_per_day=1, json_shape=shape) as sandbox, sandbox.client() as jobs:
        one = jobs.export_and_download(REPORT, "one.json", **YEAR, result_format="JSON")
        joined = jobs.export_and_download(
            REPORT, "joined.jsonl", **YEAR, result_format="JSON", split="month", join=True
        )
    found = json.loads(one.path.read_text())
    assert lines("joined.jsonl") == (found if shape == "array" else found["Records"])
    assert joined.rows == len(lines("joined.jsonl")) > 100


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


def test_files_of_another_request_are_not_taken_for_its_own(jobs: AnyClient, sandbox: Sandbox) -> None:
    jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    with pytest.raises(DestinationExistsError):
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, filters={"SUBAID": "7"})
    assert len(sandbox.exports) == 3


def test_overwrite_exports_every_window_again(jobs: AnyClient, sandbox: Sandbox) -> None:
    jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
    report = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, overwrite=True)
    assert report.is_complete
    assert set(windows_exported(sandbox).values()) == {2}
    assert {file.fresh for file in report.files.values()} <= {True, False}
    joined = jobs.export_and_download(REPORT, Path(REPORT, MONTHS[0]), **QUARTER, join=True, overwrite=True)
    assert joined.rows == sum(file.rows or 0 for file in report.files.values())


def test_an_older_result_is_replayed(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(5 * 3600)
        sandbox.forget_requests()
        young = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
        assert not sandbox.requests
        impact_clock.advance(2 * 3600)
        old = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
    assert young.is_complete
    assert old.is_complete
    assert {file.fresh for file in old.files.values()} == {True}
    assert not {file.job_id for file in old.files.values()} & {file.job_id for file in young.files.values()}
    assert len(sandbox.exports) == 3
    assert sum(request.method == "PUT" for request in sandbox.requests) == 3


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
        assert "30 left from 2025-04-11 on, because the account has no exports left." in str(caught.value)
        assert f"Make the same call again after {report.again_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)
        with sandbox.client() as jobs, pytest.raises(ExportIncompleteError):  # at once
            jobs.export_and_download(REPORT, "days.csv", **options)
        assert len(sandbox.exports) == 100
        impact_clock.advance((report.again_at - impact_clock.now()).total_seconds() + 60)
        with sandbox.client() as jobs:
            joined = jobs.export_and_download(REPORT, "days.csv", **options)
            one = jobs.export_and_download(REPORT, "one.csv", start_date="2025-01-01", end_date="2025-05-10")
    assert Path("days.csv").read_bytes() == one.path.read_bytes()
    assert joined.rows == one.job.records_processed
    assert set(windows_exported(sandbox).values()) == {1}
    assert sum("/ReportExport/" in request.path for request in sandbox.requests) == 131, "none was refused"
    assert not left_over()


def test_exports_of_other_programs_count_against_the_day(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=1, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        for number in range(95):
            sandbox.add_job(age=60 * number)
        sandbox.add_job(age=90_000)
        report = jobs.export_and_download(
            REPORT, "{start}.csv", start_date="2025-01-01", end_date="2025-01-10", split="day"
        )
    assert (len(report.files), len(report.left)) == (5, 5)
    assert report.again_at is not None
    assert abs(report.again_at - impact_clock.now() - timedelta(seconds=86_400 - 94 * 60)) < timedelta(seconds=5)


def test_a_429_ends_exporting_and_the_rest_is_left(jobs: AnyClient, sandbox: Sandbox) -> None:
    real = jobs.export_and_download(REPORT, "{start}.csv", start_date="2025-01-01", end_date="2025-01-02", split="day")
    assert real.is_complete
    sandbox.answer_next(
        "GET", f"/Agencies/{sandbox.account_sid}/ReportExport/{REPORT}", status=429, headers={"Retry-After": "7200"}
    )
    report = jobs.export_and_download(
        REPORT, "{start}.csv", start_date="2025-01-01", end_date="2025-01-04", split="day"
    )
    assert (len(report.files), len(report.left), report.is_complete) == (2, 2, False)
    assert report.again_at is not None
    assert jobs.export_and_download(
        REPORT, "{start}.csv", start_date="2025-01-01", end_date="2025-01-04", split="day"
    ).is_complete
    assert set(windows_exported(sandbox).values()) == {1}


@pytest.mark.parametrize("replayable", [True, False])
def test_a_window_whose_job_fails_is_retried_alone(replayable: bool, jobs: AnyClient, sandbox: Sandbox) -> None:  # noqa: FBT001
    sandbox.prepare_export()
    sandbox.prepare_export(status="FAILED", message="Out of memory.", replayable=replayable)
    outcome = jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True) if replayable else None
    if outcome is None:
        with pytest.raises(
            ExportIncompleteError, match=r"2 of 3 windows are there; 2025-02-01 to 2025-02-28 failed .*memory"
        ):
            jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
        assert windows_exported(sandbox)[date(2025, 2, 1), date(2025, 2, 28)] >= 2
        return
    assert outcome.fresh
    assert len(sandbox.exports) == 3
    assert sum(request.method == "PUT" for request in sandbox.requests) == 1
