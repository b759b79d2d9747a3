"""`export_report`, `reports` and `report_metadata`: one job from one call, even if the response is lost."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from attrs import evolve
from impact_jobs import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ExportUncertainError,
    InvalidParameterError,
    Job,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    ReplayUncertainError,
    ReportNotFoundError,
    Retry,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs._account import Account
from impact_jobs._account_kinds import BRAND, PARTNER, AccountKind
from impact_jobs._operations.export import ExportArguments, plan_export, send_export
from impact_jobs._operations.report_metadata import report_metadata
from impact_jobs._operations.result_age import refreshed
from impact_jobs._policy.daily_exports import DAILY_LIMIT
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.simulated import EPOCH, JOB_ID, Answer, answer, context, transport_of

REPORT = "agency_action_listing"
MAY: dict[str, Any] = {"start_date": "2026-05-01", "end_date": "2026-05-31"}
WITHOUT_PAUSES = Retry(attempts=3, base_delay=0)
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


def exports(sandbox: Sandbox) -> list[str]:
    """Return the queries of all exports that were requested."""
    return [request.query for request in sandbox.requests if "/ReportExport/" in request.path]


def left_today(sandbox: Sandbox) -> int:
    """Return how many exports are left by this process's count."""
    with sandbox.client() as client:
        return client._context.daily_exports.left(datetime.now(UTC))


def without_pauses(jobs: AnyClient) -> AnyClient:
    return jobs.with_options(retry=WITHOUT_PAUSES)


# Requests


def test_an_export_names_a_job_that_can_be_waited_for(jobs: AnyClient, sandbox: Sandbox) -> None:
    job = jobs.export_report(REPORT, start_date=date(2026, 5, 1), end_date=datetime(2026, 5, 31, 12, tzinfo=UTC))
    assert job.id == sandbox.job_ids[-1]
    assert jobs.wait(job).status == "COMPLETED"
    assert exports(sandbox) == ["ResultFormat=CSV&START_DATE=2026-05-01&END_DATE=2026-05-31"]
    assert [request.path.rpartition("/")[2] for request in sandbox.requests] == [REPORT, job.id][
        : len(sandbox.requests)
    ]


def test_an_equal_export_returns_the_same_job(jobs: AnyClient) -> None:
    first, second = (jobs.export_report(REPORT, result_format=form, **MAY) for form in ("json", " JSON "))
    assert first.id == second.id
    assert jobs.export_report(REPORT, **MAY).id != first.id


def test_filters_are_checked_against_metadata_that_is_read_once(jobs: AnyClient, sandbox: Sandbox) -> None:
    for number in (7, 8):
        copy = jobs.with_options(request_timeout=10)
        copy.export_report(REPORT, filters={"program": number, "Start Date": date(2026, 5, 1)}, end_date="2026-05-31")
    assert exports(sandbox) == [
        f"ResultFormat=CSV&START_DATE=2026-05-01&END_DATE=2026-05-31&SUBAID={number}" for number in (7, 8)
    ]
    assert sum(request.path.endswith("/MetaData") for request in sandbox.requests) == 1


def test_metadata_is_read_again_after_an_hour_and_for_each_brand() -> None:
    asked: list[str] = []

    def script(_: float, request: Request) -> Answer:
        asked.append(request.url.reveal().partition("impact.com")[2])
        return answer(200, {"Id": REPORT, "Filters": [{"Name": "Program"}]})

    on = context(script)
    plan(on, filters={"Program": "x"})
    plan(on, filters={"Program": "x"})
    assert asked == [f"/Agencies/IRtest/Reports/{REPORT}/MetaData"]
    plan(on.for_advertiser(17), filters={"Program": "x"})
    assert asked[1:] == [f"/Agencies/IRtest/Advertisers/17/Reports/{REPORT}/MetaData"]
    transport_of(on).clock += 3601
    plan(on, filters={"Program": "x"})
    assert len(asked) == 3


def plan(on: Any, report_id: Any = REPORT, **options: Any) -> Any:
    given = {"start_date": None, "end_date": None, "result_format": "CSV", "filters": None} | options
    return run_sync(plan_export(on, ExportArguments(report_id=report_id, **given)))


def refuse(_: float, request: Request) -> Answer:
    raise AssertionError(f"{request.url} was requested")


TOMORROW = date.today() + timedelta(days=1)  # noqa: DTZ011 - a day more or less is accepted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report_id": "a/b"}, "is not the id of a report"),
        ({"result_format": "PDF"}, "give 'CSV', 'JSON' or 'XML'"),
        ({"result_format": None}, "give 'CSV', 'JSON' or 'XML'"),
        ({"start_date": "2026-05-02", "end_date": "2026-05-01"}, "swap them"),
        ({"start_date": "soon"}, "start_date='soon' is not a date"),
        ({"end_date": 20260501}, "end_date is a int"),
        ({"start_date": TOMORROW + timedelta(days=2)}, "is in the future"),
        ({"start_date": "2026-05-01", "filters": {"START_DATE": "2026-05-01"}}, "start_date is given twice"),
        ({"filters": {"End Date": "2026-05-01"}, "start_date": "2026-05-02"}, "swap them"),
        ({"filters": {"ResultFormat": "XML"}}, "pass result_format"),
        ({"filters": "SUBAID=7"}, "give a mapping"),
    ],
)
def test_bad_input_is_refused_before_any_request(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plan(context(refuse), **options)


def test_today_and_tomorrow_may_be_exported() -> None:
    assert plan(context(refuse), start_date=TOMORROW, end_date=TOMORROW).start == TOMORROW


def test_a_request_has_a_stable_key_and_windows() -> None:
    on = context(lambda *_: answer(200, {"Filters": [{"Name": "B"}, {"Name": "A"}]}))
    one = plan(on, **MAY, filters={"A": "1", "B": "2"})
    other = plan(on, **MAY, filters={"b": "2", "a": "1"}, result_format="csv")
    assert one.key == other.key
    assert one == other
    june = one.for_window(date(2026, 6, 1), date(2026, 6, 30))
    assert june.key != one.key
    assert (june.start, june.parameters) == (date(2026, 6, 1), {"A": "1", "B": "2"})


def of_kind(kind: AccountKind, script: Any) -> Any:
    on = context(script, retry=WITHOUT_PAUSES)
    return evolve(
        on, account=Account.create("IRtest", Secret("token"), secret_url("https://api.impact.com"), kind=kind)
    )


@pytest.mark.parametrize(
    ("kind", "path", "query"),
    [
        (
            BRAND,
            "/Advertisers/IRtest/ReportExport/r",
            {"StartDate": ["2026-05-01T00:00:00Z"], "EndDate": ["2026-05-31T23:59:59Z"]},
        ),
        (PARTNER, "/Mediapartners/IRtest/ReportExport/r", {"START_DATE": ["2026-05-01"], "END_DATE": ["2026-05-31"]}),
    ],
)
def test_other_kinds_of_account_state_the_days_in_their_own_way(
    kind: AccountKind, path: str, query: dict[str, list[str]]
) -> None:
    asked: list[str] = []

    def script(_: float, request: Request) -> Answer:
        asked.append(request.url.reveal().removeprefix("https://api.impact.com"))
        return answer(200, {"Status": "QUEUED", "QueuedUri": f"/{kind.collection}/IRtest/Jobs/{JOB_ID}"})

    on = of_kind(kind, script)
    job = run_sync(send_export(on, plan(on, "r", **MAY)))
    (url,) = asked
    assert job.id == JOB_ID
    assert url.partition("?")[0] == path
    assert parse_qs(url.partition("?")[2]) == {"ResultFormat": ["CSV"], **query}


@pytest.mark.parametrize("days", [{}, {"start_date": "2026-05-01"}, {"end_date": "2026-05-01"}])
def test_a_partners_export_needs_both_days(days: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="needs both start_date and end_date"):
        plan(of_kind(PARTNER, refuse), **days)


# A fixed day of the sandbox, which is in the past of this machine
NOON = 1_780_056_000.0  # 2026-05-29T12:00:00Z


@pytest.mark.parametrize("kind", ["agency", "brand", "partner", "passthrough"])
def test_all_kinds_of_account_export_and_refresh(kind: str) -> None:
    now = [NOON]
    account: Any = "agency" if kind == "passthrough" else kind
    with (
        Sandbox(account=account, job_seconds=0, clock=lambda: now[0]) as sandbox,
        sandbox.client(retry=WITHOUT_PAUSES) as client,
    ):
        jobs = client.for_advertiser(2747168) if kind == "passthrough" else client
        assert jobs.report_metadata(REPORT).columns
        sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=504, perform=True)
        job = jobs.export_report(REPORT, filters={"new customer": True}, **MAY)
        assert len(sandbox.exports) == 1
        assert (sandbox.exports[0].start, sandbox.exports[0].end) == (date(2026, 5, 1), date(2026, 5, 31))
        assert sandbox.exports[0].parameters["NEW_CUSTOMER"] == "true"
        assert jobs.wait(job).status == "COMPLETED"
        with pytest.raises(InvalidParameterError, match="far in the future"):
            jobs.export_report(REPORT, start_date="2026-05-01", end_date="2199-01-01")
        with pytest.raises(ReportNotFoundError, match="Did you mean"):
            jobs.export_report("agency_action_list", **MAY)
        now[0] += 3600
        again = jobs.export_report(REPORT, filters={"NEW_CUSTOMER": "TRUE"}, **MAY)
        assert again.id == job.id
        replayed, fresh = run_sync(refreshed(jobs._context, again, timedelta(minutes=30)))
        assert fresh is True
        assert (replayed.id != job.id) is (kind == "agency")
        assert jobs.wait(replayed).status == "COMPLETED"


# Refusals


def test_reports_and_their_metadata(jobs: AnyClient) -> None:
    reports = list(jobs.reports())
    assert REPORT in [report.id for report in reports]
    metadata = jobs.report_metadata(REPORT)
    assert {"START_DATE", "END_DATE"} <= {each.parameter for each in metadata.filters}
    assert len(metadata.columns) > 3


@pytest.mark.parametrize("name", ["agency_action_listin", "Action Listing", "AGENCY_ACTION_LISTING"])
def test_an_unknown_report_is_told_with_the_one_that_was_meant(name: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    for call in (jobs.export_report, jobs.report_metadata):
        with pytest.raises(ReportNotFoundError, match=f"no such report .* '{REPORT}' \\(") as raised:
            call(name)
        assert raised.value.message
        assert name in str(raised.value)
    assert len(exports(sandbox)) == 1


def refusing(message: str, *, status: int = 200, errors: Any = (), **headers: str) -> Callable[[Sandbox], None]:
    body = json.dumps({"Status": "ERROR", "Message": message, "Errors": errors})
    return lambda sandbox: sandbox.answer_next(
        "GET", f"/ReportExport/{REPORT}", status=status, body=body, headers=headers
    )


def redirecting(sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=302, headers={"Location": "/login"})


@pytest.mark.parametrize(
    ("prepare", "error", "text"),
    [
        (refusing(f"Not permitted to run report {REPORT}"), PermissionDeniedError, "may not run it"),
        (refusing("Invalid value for END_DATE: too late"), InvalidParameterError, "END_DATE: too late"),
        (refusing("Date range exceeds 3 years"), InvalidParameterError, "exceeds 3 years"),
        (
            refusing("Validation Failed", status=400, errors=[{"Field": "START_DATE", "Message": "is wrong"}]),
            InvalidParameterError,
            "START_DATE: is wrong",
        ),
        (refusing("Report not found", status=404), ReportNotFoundError, "check base_url"),
        (refusing("Something else"), ApiError, "Something else"),
        (refusing("Bad token", status=401), AuthenticationError, "HTTP 401"),
        (refusing("No", status=403), PermissionDeniedError, "may read and export reports"),
        (redirecting, UnexpectedResponseError, "HTTP 302 where 200 was due"),
        (refusing("Export limit reached", status=429), RateLimitError, "100 a day"),
        (refusing("Too many requests", status=429, **{"Retry-After": "40000"}), RateLimitError, "100 a day"),
        (refusing("Too many requests", status=429, **{"Retry-After": "700"}), RateLimitError, "this hour"),
    ],
)
def test_a_refusal_says_why_and_is_final(
    prepare: Callable[[Sandbox], None], error: type[JobsError], text: str, jobs: AnyClient, sandbox: Sandbox
) -> None:
    prepare(sandbox)
    with pytest.raises(error, match=re.escape(text)) as raised:
        jobs.export_report(REPORT)
    assert type(raised.value) is error
    assert len(exports(sandbox)) == 1
    assert sandbox.job_ids == ()
    assert left_today(sandbox) == DAILY_LIMIT


def test_a_refusal_in_xml_is_final(jobs: AnyClient, sandbox: Sandbox) -> None:
    body = "<ImpactRadiusResponse><Status>ERROR</Status><Message>Invalid END_DATE</Message></ImpactRadiusResponse>"
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=200, body=body, content_type="application/xml")
    with pytest.raises(InvalidParameterError, match="HTTP 200: Invalid END_DATE"):
        jobs.export_report(REPORT)
    assert len(sandbox.requests) == 1


def test_a_report_of_the_web_application_is_told_as_such(jobs: AnyClient, sandbox: Sandbox) -> None:
    refusing(f"Not permitted to run report {REPORT}")(sandbox)
    body = json.dumps({"Reports": [{"Id": REPORT, "Name": "x", "ApiAccessible": "false"}]})
    sandbox.answer_next("GET", "/Reports", status=200, body=body)
    with pytest.raises(ReportNotFoundError, match="in the web application only"):
        jobs.export_report(REPORT)


def test_a_refusal_is_told_even_if_the_list_of_reports_cannot_be_read(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", "/Reports", status=503)
    with pytest.raises(ReportNotFoundError, match="Not permitted to run report nonsense"):
        jobs.export_report("nonsense")


def test_a_refused_list_of_reports_says_nothing_of_jobs(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", "/Reports", status=404)
    with pytest.raises(ApiError, match="Check base_url and the kind of account") as raised:
        list(jobs.reports())
    assert type(raised.value) is ApiError
    assert "job" not in str(raised.value)


@pytest.mark.parametrize("message", ["Too many export requests", "Limits reset every day", "Too many requests"])
def test_a_busy_server_is_asked_again(message: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    refusing(message, status=429, **{"Retry-After": "0"})(sandbox)
    assert jobs.export_report(REPORT).id == sandbox.job_ids[-1]
    assert len(exports(sandbox)) == 2


def test_a_uri_that_names_no_job_is_not_asked_for_again(jobs: AnyClient, sandbox: Sandbox) -> None:
    uri = f"/Agencies/{sandbox.account_sid}/ComplianceAPISubmissions/content_api_7"
    body = json.dumps({"Status": "QUEUED", "QueuedUri": uri})
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=200, body=body)
    with pytest.raises(UnexpectedResponseError, match="content_api_7' does not name a job"):
        jobs.export_report(REPORT)
    assert len(sandbox.requests) == 1


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


# The identical-request rule


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


def test_metadata_of_a_report_that_cannot_be_read_is_an_error() -> None:
    on = context(lambda *_: answer(200, {"Jobs": []}))
    with pytest.raises(UnexpectedResponseError, match=f"metadata of report {REPORT}: HTTP 200, but"):
        run_sync(report_metadata(on, REPORT))
