"""The agency tests its tool with public names of the library and of its plugin only."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from impact_jobs import AsyncJobsClient, JobsClient, RateLimitError, WaitTimeoutError
from impact_jobs.pytest_plugin import Arrange, ImpactClock, Sandbox, Scenario

from . import persistently, pull, unfinished

pytestmark = pytest.mark.usefixtures("impact_environ", "impact_offline")


def test_every_result_is_pulled(impact_sandbox: Sandbox, impact_scenario: Arrange, tmp_path: Path) -> None:
    job_ids = [impact_scenario("completed"), impact_scenario("expired_link"), impact_scenario("cut_download")]
    pulled = pull(job_ids, tmp_path)
    assert pulled.problems == {}
    for job_id in job_ids:
        assert pulled.files[job_id].stat().st_size == impact_sandbox.result(job_id).size


def test_a_failed_job_is_replayed_once(impact_sandbox: Sandbox, impact_scenario: Arrange, tmp_path: Path) -> None:
    job_id = impact_scenario("failed")
    assert list(pull([job_id], tmp_path).files) == [job_id]
    assert [request.method for request in impact_sandbox.requests].count("PUT") == 1


def test_a_failed_job_that_cannot_be_replayed_is_reported(impact_sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = impact_sandbox.add_job(status="FAILED", message="No such program.", replayable=False)
    assert "No such program" in pull([job_id], tmp_path).problems[job_id]


@pytest.mark.usefixtures("impact_clock")
@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        ("stuck_at_99", "WaitTimeoutError"),
        ("result_gone", "ResultExpiredError"),
        ("corrupt_download", "IntegrityError"),
        ("not_found", "JobNotFoundError"),
    ],
)
def test_a_problem_is_reported_and_the_other_jobs_are_pulled(
    scenario: Scenario, problem: str, impact_scenario: Arrange, tmp_path: Path
) -> None:
    bad, good = impact_scenario(scenario), impact_scenario("completed")
    pulled = pull([bad, good], tmp_path)
    assert list(pulled.files) == [good]
    assert pulled.problems[bad].startswith(problem)


def test_an_hour_of_waiting_takes_no_time(
    impact_scenario: Arrange, impact_jobs_client: JobsClient, impact_clock: ImpactClock
) -> None:
    job_id = impact_scenario("stuck_at_99")
    with pytest.raises(WaitTimeoutError, match="99"):
        impact_jobs_client.wait(job_id, timeout=3600)
    assert impact_clock.elapsed == 3600


def test_an_expired_link_is_renewed(
    impact_sandbox: Sandbox, impact_scenario: Arrange, impact_clock: ImpactClock, tmp_path: Path
) -> None:
    job_id = impact_scenario("completed")
    impact_sandbox.answer_next(
        "GET", f"/Jobs/{job_id}/Download", status=302, headers={"Location": impact_sandbox.result_url(job_id)}
    )
    impact_clock.advance(301)
    assert list(pull([job_id], tmp_path).files) == [job_id]


@pytest.mark.impact_sandbox(hourly_budget=2)
def test_a_request_beyond_the_budget_is_retried_an_hour_later(
    impact_scenario: Arrange,
    impact_jobs_client: JobsClient,
    impact_clock: ImpactClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nightly.retrying.time.sleep", impact_clock.sleep)
    job_id = impact_scenario("completed")
    for _ in range(2):
        impact_jobs_client.get(job_id)
    with pytest.raises(RateLimitError):
        impact_jobs_client.get(job_id)
    assert persistently(lambda: impact_jobs_client.get(job_id)).id == job_id
    assert 3600 <= impact_clock.elapsed < 2 * 3600


def test_unfinished_jobs_are_listed(impact_scenario: Arrange, async_impact_jobs_client: AsyncJobsClient) -> None:
    running, _ = impact_scenario("running"), impact_scenario("completed")
    assert asyncio.run(unfinished(async_impact_jobs_client)) == [running]


def test_the_exit_code_is_1_if_a_result_is_missing(impact_scenario: Arrange, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "nightly",
        str(tmp_path),
        impact_scenario("completed"),
        impact_scenario("not_found"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - trusted
    assert done.returncode == 1
    assert done.stdout.endswith(".csv\n")
    assert done.stderr.startswith("JobNotFoundError")
