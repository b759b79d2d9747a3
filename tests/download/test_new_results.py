"""A result that was completed a moment ago: a refusal of it may pass, so it is tried again before it is called gone."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import JobsError, ResultExpiredError, ResultNotReadyError, Retry
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients

QUICK = Retry(attempts=4, base_delay=0.0)
OLD = 3600.0  # seconds
SIZE = 300_000


def read(jobs: AnyClient, job: Any) -> int:
    with jobs.stream(job) as chunks:
        return sum(map(len, chunks))


def read_file(jobs: AnyClient, job: Any) -> int:
    with jobs.open(job) as file:
        return len(file.read())


def fetch(jobs: AnyClient, job: Any, folder: Path) -> int:
    (outcome,) = jobs.fetch_all([job], folder).outcomes.values()
    if isinstance(outcome, JobsError):
        raise outcome
    size: int = outcome.bytes_written
    return size


USES: dict[str, Callable[[AnyClient, Any, Path], int]] = {
    "download": lambda jobs, job, folder: jobs.download(job, folder / "a.csv").bytes_written,
    "several connections": lambda jobs, job, folder: jobs.download(job, folder / "a.csv", connections=3).bytes_written,
    "wait_and_download": lambda jobs, job, folder: jobs.wait_and_download(job, folder / "a.csv").bytes_written,
    "stream": lambda jobs, job, _: read(jobs, job),
    "open": lambda jobs, job, _: read_file(jobs, job),
    "fetch_all": fetch,
}
each_use = pytest.mark.parametrize("use", USES)


def asked(sandbox: Sandbox, ending: str) -> int:
    return sum(re.search(ending, request.path) is not None for request in sandbox.requests)


@each_use
def test_a_refusal_of_a_fresh_link_passes(use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for status in (400, 403, 404):
        job_id, folder = sandbox.add_job(), tmp_path / f"{status}"
        folder.mkdir()
        sandbox.forget_requests()
        sandbox.answer_next("GET", ".csv", status=status, times=4)
        assert USES[use](jobs.with_options(retry=QUICK), job_id, folder) == SIZE, status
        assert asked(sandbox, r"/Download$") == 5, "one fresh link for each try, and two for the first"
        assert asked(sandbox, rf"Jobs/{job_id}$") == 1, "the job's date is known from then on"


@each_use
def test_a_new_result_that_stays_refused_is_not_called_gone(
    use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", ".csv", status=404, times=99)
    with pytest.raises(ResultExpiredError, match=r"completed only \d s ago: download it again in a minute") as raised:
        USES[use](jobs.with_options(retry=QUICK), job_id, tmp_path)
    assert raised.value.is_too_early
    assert "replay" not in str(raised.value)
    assert (asked(sandbox, ".csv"), asked(sandbox, "/Download$")) == (5, 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", ["download", "stream", "fetch_all"])
def test_an_old_result_that_is_refused_is_gone_at_once(
    use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job(age=OLD)
    sandbox.answer_next("GET", ".csv", status=404, times=99)
    with pytest.raises(ResultExpiredError, match=r"may be gone .*: replay the job") as raised:
        USES[use](jobs.with_options(retry=QUICK), job_id, tmp_path)
    assert not raised.value.is_too_early
    assert asked(sandbox, ".csv") == 2


def test_a_job_that_was_passed_in_is_not_asked_for(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for age in (0.0, OLD):
        job = jobs.get(sandbox.add_job(age=age))
        sandbox.forget_requests()
        sandbox.answer_next("GET", ".csv", status=404, times=5 if age == 0 else 2)
        for use in ("download", "stream"):
            with pytest.raises(ResultExpiredError) as raised:
                USES[use](jobs.with_options(retry=Retry(attempts=1)), job, tmp_path)
            assert raised.value.is_too_early == (age == 0)
            sandbox.answer_next("GET", ".csv", status=404, times=2)
        assert asked(sandbox, rf"Jobs/{job.id}$") == 0


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_the_age_is_measured_by_the_clock_of_the_server(make: MakeClient, tmp_path: Path) -> None:
    def a_year_behind() -> float:
        return time.time() - 31_536_000.0

    with (
        Sandbox(job_seconds=0, clock=a_year_behind) as sandbox,
        asyncio.Runner() as runner,
        make(sandbox, runner, retry=QUICK) as jobs,
    ):
        for age, refusals in ((0.0, 5), (OLD, 2)):
            sandbox.answer_next("GET", ".csv", status=403, times=refusals)
            with pytest.raises(ResultExpiredError) as raised:
                jobs.download(sandbox.add_job(age=age), tmp_path / "a.csv")
            assert raised.value.is_too_early == (age == 0)


def test_a_date_that_cannot_be_learnt_counts_as_old(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", ".csv", status=404, times=2)
    sandbox.answer_next("GET", job_id, status=503)
    with pytest.raises(ResultExpiredError, match="replay"):
        jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")


def test_a_job_that_runs_again_has_no_result_yet(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", ".csv", status=404, times=2)
    sandbox.answer_next("GET", job_id, status=200, body=f'{{"Id": "{job_id}", "Status": "RUNNING"}}')
    with pytest.raises(ResultNotReadyError, match="is RUNNING"):
        jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")


@pytest.mark.parametrize("use", ["download", "several connections", "stream", "open"])
def test_an_old_link_that_is_refused_while_resuming_is_renewed_and_the_refusal_may_pass(
    use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    whole = b"".join(sandbox.result(job_id).read())
    headers = {"Content-Length": str(SIZE), "ETag": sandbox.result(job_id).etag, "Accept-Ranges": "bytes"}
    sandbox.answer_next("GET", ".csv", status=200, body=whole[:100_000], headers=headers)
    sandbox.answer_next("GET", ".csv", status=404, times=4)
    assert USES[use](jobs.with_options(retry=QUICK), job_id, tmp_path) == SIZE


# 202, and the job says COMPLETED


@each_use
def test_a_completed_job_without_its_result_is_asked_again(
    use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    completed = f'{{"Id": "{job_id}", "Status": "COMPLETED"}}'
    sandbox.answer_next("GET", "/Download", status=202, body=completed, times=3)
    assert USES[use](jobs.with_options(retry=QUICK), job_id, tmp_path) == SIZE


@pytest.mark.parametrize("use", ["download", "stream", "open"])
def test_only_a_completed_job_is_asked_again(use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for status, requests in (("COMPLETED", 4), ("RUNNING", 1), ("QUEUED", 1), ("HIBERNATING", 1)):
        job_id = sandbox.add_job()
        body = f'{{"Id": "{job_id}", "Status": "{status}"}}'
        sandbox.answer_next("GET", f"{job_id}/Download", status=202, body=body, times=4)
        sandbox.forget_requests()
        hint = "download again in a minute" if status == "COMPLETED" else "wait for it, then download"
        with pytest.raises(ResultNotReadyError, match=f"is {status} and has no result yet: {hint}") as raised:
            USES[use](jobs.with_options(retry=QUICK), job_id, tmp_path)
        assert (raised.value.is_too_early, asked(sandbox, "/Download$")) == (status == "COMPLETED", requests)
