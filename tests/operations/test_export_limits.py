"""Exports in windows within the daily and the hourly limit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import ExportIncompleteError, ExportWindow
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.operations import windows
from tests.operations.exports import REPORT
from tests.operations.windows import EXPORT, left_over, windows_exported
from tests.support.driving import AnyClient

sandbox = windows.sandbox
in_a_folder = windows.in_a_folder


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
