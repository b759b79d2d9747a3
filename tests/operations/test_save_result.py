"""The result of a completed job as a file, with its rows."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    ConfigurationError,
    DestinationExistsError,
    Job,
    JobFailedError,
    JobNotFoundError,
    ResultNotReadyError,
    WaitTimeoutError,
)
from impact_jobs.client import JobsClient
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import save_result, split_range

from tests.operations.exports import MAY, REPORT


def exported(jobs: JobsClient, **options: Any) -> Job:
    return jobs.get(jobs.export_report(REPORT, **MAY, **options))


def test_csv_has_its_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.client() as jobs:
        job = exported(jobs)
        sandbox.forget_requests()
        result = save_result(jobs, job, tmp_path / "a.csv")
        assert sandbox.requests[0].path.endswith("/Download")
        whole = jobs.export_and_download(REPORT, tmp_path / "b.csv", **MAY)
    assert result.rows == whole.rows == job.records_processed
    assert result.sha256 == whole.sha256
    assert result.path == tmp_path / "a.csv"
    assert result.job_id == job.id


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "json"])
def test_all_pages_of_json_become_lines(tmp_path: Path, ending: str) -> None:
    with Sandbox(job_seconds=0, json_shape="pages", json_page_rows=300) as sandbox, sandbox.client() as jobs:
        job = exported(jobs, result_format="JSON")
        result = save_result(jobs, job.id, tmp_path / f"a.{ending}", result_format="json")
    if ending == "json":
        assert result.rows is None
        assert result.pages_total is not None
        assert result.pages_total > 1
    else:
        assert result.rows == job.records_processed
        assert len([json.loads(line) for line in result.path.read_text().splitlines()]) == result.rows


def test_the_file_in_a_folder_has_the_name_of_the_server(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.client() as jobs:
        result = save_result(jobs, exported(jobs), tmp_path)
    assert result.path.parent == tmp_path
    assert result.path.is_file()
    assert result.rows


def test_an_existing_file_is_refused_before_any_request(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    with sandbox.client() as jobs:
        job = exported(jobs)
        sandbox.forget_requests()
        with pytest.raises(DestinationExistsError):
            save_result(jobs, job.id, tmp_path / "a.csv")
        with pytest.raises(ConfigurationError, match="result_format"):
            save_result(jobs, job.id, tmp_path / "b.csv", result_format="xlsx")
        assert sandbox.requests == ()
        assert save_result(jobs, job.id, tmp_path / "a.csv", overwrite=True).rows == job.records_processed


@pytest.mark.parametrize(
    ("status", "error"), [("RUNNING", ResultNotReadyError), ("FAILED", JobFailedError), ("ERROR", JobFailedError)]
)
def test_a_job_without_a_result_is_an_error_at_once(
    sandbox: Sandbox, tmp_path: Path, status: str, error: type[Exception]
) -> None:
    job_id = sandbox.add_job(status=status)
    with sandbox.client() as jobs:
        with pytest.raises(error):
            save_result(jobs, job_id, tmp_path / "a.csv")
        with pytest.raises(JobNotFoundError):
            save_result(jobs, "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_lags_behind_its_job_is_waited_for(impact_clock: ImpactClock, tmp_path: Path) -> None:
    with Sandbox(job_seconds=0, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        job = exported(jobs)
        sandbox.answer_next("GET", "/Download", status=202, body=json.dumps(job.raw), times=5)
        assert save_result(jobs, job, tmp_path / "a.csv").rows == job.records_processed


def test_a_late_result_is_waited_for_as_long_as_the_caller_says(impact_clock: ImpactClock, tmp_path: Path) -> None:
    with Sandbox(job_seconds=0, clock=impact_clock.time) as sandbox, sandbox.client() as jobs:
        job = exported(jobs)
        sandbox.answer_next("GET", "/Download", status=202, body=json.dumps(job.raw), times=100)
        for timeout in (0, 20):
            before = impact_clock.time()
            with pytest.raises(WaitTimeoutError, match="COMPLETED"):
                save_result(jobs, job, tmp_path / "a.csv", timeout=timeout)
            assert timeout <= impact_clock.time() - before < timeout + 10


def test_the_windows_of_a_range_are_those_of_an_export() -> None:
    windows = split_range(date(2026, 1, 1), date(2026, 3, 31), "month")
    assert [(each.start, each.end) for each in windows][1] == (date(2026, 2, 1), date(2026, 2, 28))
