"""`export_report`, `reports` and `report_metadata`: what is requested, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from impact_jobs import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    InvalidParameterError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    ReportNotFoundError,
    UnexpectedResponseError,
)
from impact_jobs._account_kinds import BRAND, PARTNER, AccountKind
from impact_jobs._operations.export import send_export
from impact_jobs._operations.report_metadata import report_metadata
from impact_jobs._operations.result_age import refreshed
from impact_jobs._policy.daily_exports import DAILY_LIMIT
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.operations.exports import MAY, REPORT, WITHOUT_PAUSES, exports, left_today, of_kind, plan, refusing
from tests.support.driving import AnyClient
from tests.support.simulated import JOB_ID, Answer, answer, context, transport_of

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


def test_metadata_of_a_report_that_cannot_be_read_is_an_error() -> None:
    on = context(lambda *_: answer(200, {"Jobs": []}))
    with pytest.raises(UnexpectedResponseError, match=f"metadata of report {REPORT}: HTTP 200, but"):
        run_sync(report_metadata(on, REPORT))


@pytest.mark.parametrize("name", ["agency_action_listin", "Action Listing", "AGENCY_ACTION_LISTING"])
def test_an_unknown_report_is_told_with_the_one_that_was_meant(name: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    for call in (jobs.export_report, jobs.report_metadata):
        with pytest.raises(ReportNotFoundError, match=f"no such report .* '{REPORT}' \\(") as raised:
            call(name)
        assert raised.value.message
        assert name in str(raised.value)
    assert len(exports(sandbox)) == 1


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
