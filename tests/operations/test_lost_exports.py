"""One job from one call of `export_report`, even if the response is lost or calls are concurrent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from impact_jobs import ExportUncertainError, ReplayUncertainError, Retry, TransportError
from impact_jobs._operations.export import send_export
from impact_jobs._policy.daily_exports import DAILY_LIMIT
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.operations.exports import MAY, REPORT, WITHOUT_PAUSES, exports, left_today, plan, refusing, without_pauses
from tests.support.driving import AnyClient
from tests.support.simulated import EPOCH, JOB_ID, Answer, answer, context, transport_of

LOST: list[dict[str, Any]] = [
    {"status": None},
    {"status": 500},
    {"status": 504, "body": "<h1>Gateway</h1>"},
    {"status": 408},
    {"status": 204},
    {"status": 200, "body": ""},
    {"status": 200, "body": '{"Status": "QUEU'},
    {"status": 200, "body": "<html></html>"},
    {"status": 200, "body": "<ImpactRadiusResponse/>"},
    {"status": 200, "body": '{"Status": "QUEUED"}'},
]
lost_responses = pytest.mark.parametrize("lost", LOST, ids=str)


# Lost responses


@lost_responses
def test_the_job_of_a_lost_response_is_found_in_the_list(
    lost: dict[str, Any], jobs: AnyClient, sandbox: Sandbox
) -> None:
    sandbox.add_job(age=3600)
    sandbox.add_job(type="UploadAds")
    sandbox.add_job(type="ClickExport")
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", perform=True, **lost)
    job = without_pauses(jobs).export_report(REPORT, **MAY)
    assert job.id == sandbox.job_ids[-1]
    assert len(exports(sandbox)) == 1
    assert jobs.export_report(REPORT, **MAY).id == job.id


@lost_responses
def test_an_export_that_is_not_in_the_list_is_sent_again(
    lost: dict[str, Any], jobs: AnyClient, sandbox: Sandbox
) -> None:
    sandbox.add_job(age=3600)
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", **lost)
    job = without_pauses(jobs).export_report(REPORT, **MAY)
    assert sandbox.job_ids[1:] == (job.id,)
    assert [request.path.rpartition("/")[2] for request in sandbox.requests] == [REPORT, *["Jobs"] * 3, REPORT]


def created(seconds: float) -> str:
    return (EPOCH + timedelta(seconds=seconds)).isoformat()


FIRST_SENT = 1000.7  # of the server's clock, whose dates are whole seconds


@pytest.mark.parametrize(
    ("fields", "is_own"),
    [
        ({}, True),
        ({"CreatedDate": created(999)}, False),
        ({"Type": "SomethingNew"}, False),
        ({"Type": ""}, False),
        ({"ProgramId": "9"}, False),
        ({"ProgramId": ""}, True),
    ],
    ids=str,
)
def test_only_a_job_that_certainly_fits_is_taken(fields: dict[str, Any], *, is_own: bool) -> None:
    listed = {"Id": str(UUID(int=1)), "Status": "QUEUED", "Type": "ApiReport", "CreatedDate": created(1000)} | fields
    named = {"Status": "QUEUED", "QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}"}
    answers = iter([answer(502), answer(200, named)])

    def script(_: float, request: Request) -> Answer:
        return next(answers) if "/ReportExport/" in request.url.reveal() else answer(200, [listed])

    on = context(script, retry=Retry(attempts=2, base_delay=0))
    transport_of(on).clock = FIRST_SENT
    assert run_sync(send_export(on, plan(on))).id == (listed["Id"] if is_own else JOB_ID)


@pytest.mark.parametrize(
    ("status", "message"), [(429, "Daily limit of exports"), (403, "No"), (200, "Too many concurrent requests")]
)
def test_an_export_that_is_refused_after_a_loss_stays_in_doubt(
    status: int, message: str, jobs: AnyClient, sandbox: Sandbox
) -> None:
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502)
    refusing(message, status=status)(sandbox)
    with pytest.raises(ExportUncertainError, match=f"sent again: .*HTTP {status}: {message}"):
        without_pauses(jobs).export_report(REPORT, **MAY)
    late = sandbox.add_job()  # of the first request
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502)
    assert without_pauses(jobs).export_report(REPORT).id == sandbox.job_ids[-1] != late


def test_several_new_jobs_are_settled_by_the_same_request(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.add_job()
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=None, perform=True)
    job = without_pauses(jobs).export_report(REPORT, **MAY)
    assert sandbox.job_ids[1:] == (job.id,)
    assert [request.path.rpartition("/")[2] for request in sandbox.requests] == [REPORT, "Jobs", REPORT]


def test_the_job_of_another_process_is_not_taken(jobs: AnyClient, sandbox: Sandbox) -> None:
    """Another process exports, too, as its job of a minute ago shows; the new job may be its next one."""
    sandbox.add_job(age=60)
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502)
    stranger = sandbox.add_job()
    job = without_pauses(jobs).export_report(REPORT, **MAY)
    assert job.id == sandbox.job_ids[-1] != stranger


def test_claimed_jobs_and_other_programs_are_not_taken(sandbox: Sandbox) -> None:
    with sandbox.client(retry=WITHOUT_PAUSES) as jobs:
        claimed = sandbox.add_job(program_id="7")
        sandbox.add_job(program_id="8")
        sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502, perform=True)
        request = plan(jobs._context, filters={"SUBAID": 7})
        job = run_sync(send_export(jobs._context, request, claimed=[claimed.upper()]))
        assert job.id == sandbox.job_ids[-1]
        assert len(exports(sandbox)) == 1


def test_a_job_of_a_replay_is_not_taken(sandbox: Sandbox) -> None:
    with sandbox.client(retry=WITHOUT_PAUSES) as jobs:
        replayed = jobs.replay(sandbox.add_job(age=3600))
        sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502)
        assert jobs.export_report(REPORT).id not in {replayed.id, *sandbox.job_ids[:-1]}


def test_a_job_that_another_export_has_returned_is_not_taken(jobs: AnyClient, sandbox: Sandbox) -> None:
    first = jobs.export_report(REPORT, **MAY)
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502)
    assert without_pauses(jobs).export_report(REPORT).id != first.id
    source = sandbox.add_job(age=3600)
    sandbox.answer_next("PUT", "/Replay", status=502)
    with pytest.raises(ReplayUncertainError) as raised:
        without_pauses(jobs).replay(source)
    assert raised.value.candidates == ()


def test_a_job_that_the_list_shows_late_is_found_after_the_second_loss() -> None:
    first_sent = 1000.0
    exports_seen = 0

    def script(_: float, request: Request) -> Answer:
        nonlocal exports_seen
        if "/ReportExport/" in request.url.reveal():
            exports_seen += 1
            return answer(502)
        created = (EPOCH + timedelta(seconds=first_sent)).isoformat()
        shown = [{"Id": JOB_ID, "Status": "QUEUED", "Type": "ApiReport", "CreatedDate": created}]
        return answer(200, shown if exports_seen > 1 else [])

    on = context(script, retry=Retry(attempts=3, base_delay=10))
    assert run_sync(send_export(on, plan(on))).id == JOB_ID
    assert exports_seen == 2


def test_a_list_that_cannot_be_read_leaves_the_export_uncertain(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=None, perform=True)
    sandbox.answer_next("GET", "/Jobs", status=400)
    with pytest.raises(ExportUncertainError, match="the list could not be read: list jobs: HTTP 400") as raised:
        without_pauses(jobs).export_report(REPORT)
    assert raised.value.report_id == REPORT
    assert len(exports(sandbox)) == 1
    assert without_pauses(jobs).export_report(REPORT).id == sandbox.job_ids[-1]


def test_an_export_whose_responses_are_all_lost_is_uncertain(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=502, times=9)
    with pytest.raises(ExportUncertainError, match="HTTP 502"):
        without_pauses(jobs).export_report(REPORT)
    assert len(exports(sandbox)) == WITHOUT_PAUSES.attempts


@pytest.mark.parametrize("hours", [-50, -5, 5, 50])
def test_the_servers_clock_counts_not_the_local_one(hours: int) -> None:
    clock: Callable[[], float] = lambda: time.time() + hours * 3600  # noqa: E731 - short
    with Sandbox(job_seconds=0, clock=clock) as elsewhen, elsewhen.client(retry=WITHOUT_PAUSES) as jobs:
        elsewhen.add_job(age=3600)
        elsewhen.answer_next("GET", f"/ReportExport/{REPORT}", status=None, perform=True)
        assert jobs.export_report(REPORT).id == elsewhen.job_ids[-1]
        assert len(exports(elsewhen)) == 1


def test_an_export_that_cannot_be_sent_is_retried_and_then_raises() -> None:
    with Sandbox(job_seconds=0) as sandbox:
        jobs = sandbox.client(retry=WITHOUT_PAUSES)
    with jobs, pytest.raises(TransportError) as raised:
        jobs.export_report(REPORT)
    assert not raised.value.request_sent
    assert left_today(sandbox) == DAILY_LIMIT


def test_a_new_job_that_the_server_does_not_show_yet_is_waited_for(jobs: AnyClient, sandbox: Sandbox) -> None:
    job = jobs.export_report(REPORT)
    sandbox.answer_next("GET", job.id, status=404, times=2)
    assert without_pauses(jobs).get(job).status == "COMPLETED"


# Concurrent calls

CALLS = 8
PATIENT = Retry(attempts=4, base_delay=0.005, max_delay=0.02)


def export_in_threads(sandbox: Sandbox, formats: list[tuple[str, str]]) -> list[str]:
    def export(which: tuple[str, str]) -> str:
        return jobs.export_report(REPORT, start_date=which[0], result_format=which[1]).id

    with sandbox.client(retry=PATIENT) as jobs, ThreadPoolExecutor(len(formats)) as threads:
        return list(threads.map(export, formats))


def export_in_tasks(sandbox: Sandbox, formats: list[tuple[str, str]]) -> list[str]:
    async def export_all() -> list[str]:
        async with sandbox.async_client(retry=PATIENT) as jobs:
            calls = (jobs.export_report(REPORT, start_date=day, result_format=form) for day, form in formats)
            return [job.id for job in await asyncio.gather(*calls)]

    return asyncio.run(export_all())


Export = Callable[[Sandbox, list[tuple[str, str]]], list[str]]


@pytest.mark.parametrize("export", [export_in_threads, export_in_tasks])
@pytest.mark.parametrize("perform", [True, False])
@pytest.mark.parametrize("status", [None, 502])
def test_concurrent_calls_share_a_job_only_if_they_are_equal(
    export: Callable[[Sandbox, list[tuple[str, str]]], list[str]],
    status: int | None,
    *,
    perform: bool,
    sandbox: Sandbox,
) -> None:
    requests = [(f"2026-05-{number // 2 + 1:02}", "CSV") for number in range(CALLS)]  # each one twice
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=status, perform=perform, times=CALLS)
    found = export(sandbox, requests)
    assert len(sandbox.job_ids) == CALLS // 2
    assert found[::2] == found[1::2]
    assert len(set(found)) == CALLS // 2
    # The server's own answer says which job belongs to which request.
    assert export(sandbox, requests) == found
