"""Windows of an export that are made again: failed, lost or gone jobs, and results that are too old."""

from __future__ import annotations

import json
import re
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    ExportIncompleteError,
    ExportReport,
    ExportUncertainError,
    ExportWindow,
    JobCancelledError,
    JobFailedError,
    ReportNotFoundError,
    Retry,
    WaitTimeoutError,
)
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.operations import windows
from tests.operations.exports import REPORT
from tests.operations.windows import EXPORT, JANUARY, MONTHS, QUARTER, TEMPLATE, left_over, windows_exported
from tests.support.driving import AnyClient

sandbox = windows.sandbox
in_a_folder = windows.in_a_folder


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


def test_a_window_whose_job_is_gone_is_exported_again(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(3600)
        Path(REPORT, MONTHS[1]).unlink()
        sandbox.answer_next("GET", re.compile(r"/Jobs/[^/]+$"), status=404, times=2)
        assert jobs.export_and_download(REPORT, TEMPLATE, **QUARTER).is_complete
    assert windows_exported(sandbox)[date(2025, 2, 1), date(2025, 2, 28)] == 2
    assert len(sandbox.exports) == 4


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


@pytest.mark.parametrize("step", ["replay_current", "WindowExports.use"])
def test_a_replay_is_not_repeated_if_its_process_ended_before_the_answer_was_recorded(
    step: str, impact_clock: ImpactClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        jobs.export_and_download(REPORT, TEMPLATE, **QUARTER)
        impact_clock.advance(7 * 3600)

        async def end(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(f"impact_jobs._operations.windows.exports.{step}", end)
            with pytest.raises(KeyboardInterrupt):
                jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
        jobs._context.replay_claims._claimed.clear()  # as in another process
        impact_clock.advance(90)
        again = jobs.export_and_download(REPORT, TEMPLATE, **QUARTER, max_age=timedelta(hours=6))
    assert {file.fresh for file in again.files.values()} == {True}
    assert sum(request.method == "PUT" for request in sandbox.requests) == 3
    assert len(sandbox.job_ids) == 6


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
