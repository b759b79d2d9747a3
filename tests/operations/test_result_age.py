"""The identical-request rule: an equal export returns an existing job, whose result may be too old."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from impact_jobs import Job, ReplayUncertainError, Retry
from impact_jobs._account_kinds import BRAND
from impact_jobs._operations.export import send_export
from impact_jobs._operations.result_age import refreshed
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.operations.exports import REPORT, WITHOUT_PAUSES, of_kind, plan
from tests.support.simulated import EPOCH, JOB_ID, Answer, answer, context, transport_of


@pytest.fixture
def clocked() -> Iterator[tuple[Sandbox, Any, list[float]]]:
    """Give a sandbox, a client of it, and the sandbox's clock."""
    now = [time.time()]
    with Sandbox(job_seconds=10, clock=lambda: now[0]) as sandbox, sandbox.client(retry=WITHOUT_PAUSES) as jobs:
        yield sandbox, jobs, now


def refresh(jobs: Any, job: Job, **max_age: float) -> tuple[Job, bool]:
    return run_sync(refreshed(jobs._context, job, timedelta(**max_age) if max_age else None))


def test_a_new_job_is_fresh(clocked: tuple[Sandbox, Any, list[float]]) -> None:
    _, jobs, now = clocked
    job = jobs.export_report(REPORT)
    assert refresh(jobs, job) == (jobs.get(job), True)
    now[0] += 60
    for max_age in ({}, {"seconds": 1}):
        found, fresh = refresh(jobs, job, **max_age)
        assert (found.id, found.status, fresh) == (job.id, "COMPLETED", True)


def test_a_job_of_a_lost_request_is_fresh_although_it_was_sent_again() -> None:
    created = (EPOCH + timedelta(seconds=1000)).isoformat()
    uris = {"Status": "QUEUED", "QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}"}
    answers = iter([answer(502), answer(200, uris)])

    def script(_: float, request: Request) -> Answer:
        assert request.method == "GET", "it is replayed"
        if "/ReportExport/" in request.url.reveal():
            return next(answers)
        job = {"Id": JOB_ID, "Status": "COMPLETED", "CreatedDate": created, "CompletedDate": created}
        return answer(200, job if JOB_ID in request.url.reveal() else [])

    on = context(script, retry=Retry(attempts=3, base_delay=10))
    job = run_sync(send_export(on, plan(on)))
    assert transport_of(on).clock > 1010
    assert run_sync(refreshed(on, job, timedelta(seconds=1)))[1] is True


def test_an_existing_job_that_has_not_ended_is_used(clocked: tuple[Sandbox, Any, list[float]]) -> None:
    _, jobs, now = clocked
    job = jobs.export_report(REPORT)
    now[0] += 5
    again = jobs.export_report(REPORT)
    found, fresh = refresh(jobs, again, seconds=1)
    assert (found.id, found.status, fresh) == (job.id, "RUNNING", True)


def test_an_older_result_is_replayed(clocked: tuple[Sandbox, Any, list[float]]) -> None:
    sandbox, jobs, now = clocked
    job = jobs.export_report(REPORT)
    now[0] += 3600
    assert jobs.export_report(REPORT).id == job.id
    found, fresh = refresh(jobs, job)
    assert (found.id, fresh) == (job.id, False)
    found, fresh = refresh(jobs, job, hours=2)
    assert (found.id, fresh) == (job.id, True)
    sandbox.forget_requests()
    found, fresh = refresh(jobs, job, minutes=30)
    assert (found.id, fresh) == (sandbox.job_ids[-1], True)
    assert [request.method for request in sandbox.requests] == ["GET", "PUT"]
    assert found.id != job.id


@pytest.mark.parametrize(
    "refusal",
    [
        {"method": "GET", "status": 200, "body": '"Replayable": false'},
        {"method": "PUT", "status": 403, "body": '{"Message": "Job is not in a replayable state"}'},
        {"method": "PUT", "status": 403, "body": '{"Message": "The token may only read"}'},
        {"method": "PUT", "status": 404, "body": ""},
        {"method": "PUT", "status": 500, "body": ""},
    ],
)
def test_an_older_result_that_cannot_be_replayed_is_used(
    refusal: dict[str, Any], clocked: tuple[Sandbox, Any, list[float]]
) -> None:
    sandbox, jobs, now = clocked
    job = jobs.export_report(REPORT)
    now[0] += 3600
    jobs.export_report(REPORT)
    if refusal["method"] == "PUT":
        sandbox.answer_next("PUT", "/Replay", status=refusal["status"], body=refusal["body"])
    else:
        raw = dict(jobs.get(job).raw) | {"Replayable": "false"}
        sandbox.answer_next("GET", job.id, status=200, body=json.dumps(raw))
    found, fresh = refresh(jobs, job, minutes=30)
    assert (found.id, fresh, len(sandbox.job_ids)) == (job.id, False, 1)


def test_a_failed_job_whose_replay_is_lost_leaves_that_to_the_caller(sandbox: Sandbox) -> None:
    with sandbox.client(retry=WITHOUT_PAUSES) as jobs:
        job = jobs.get(sandbox.add_job(status="FAILED", age=3600))
        sandbox.answer_next("PUT", "/Replay", status=500)
        with pytest.raises(ReplayUncertainError):
            refresh(jobs, job)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "ERROR"])
def test_an_existing_job_that_has_failed_is_replayed(status: str, sandbox: Sandbox) -> None:
    with sandbox.client() as jobs:
        job = jobs.get(sandbox.add_job(status=status, age=3600))
        for max_age in ({}, {"days": 9}):
            found, fresh = refresh(jobs, job, **max_age)
            assert (found.id, fresh) == (sandbox.job_ids[-1], True)
            assert found.id != job.id


def test_a_job_in_error_is_left_to_a_server_that_retries_it() -> None:
    moment = datetime(2026, 5, 29, tzinfo=UTC)
    raw = {"Id": JOB_ID, "Status": "ERROR", "CreatedDate": moment.isoformat(), "Replayable": "false"}

    def script(_: float, request: Request) -> Answer:
        assert request.method == "GET"
        return answer(200, raw)

    on = of_kind(BRAND, script)
    job = Job(id=JOB_ID, status="QUEUED")
    assert run_sync(refreshed(on, job, None))[1] is True
    transport_of(on).clock += 7200
    assert run_sync(refreshed(on, job, None))[1] is False
