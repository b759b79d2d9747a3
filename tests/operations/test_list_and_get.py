"""`list` and `get`: how each response is read, over real sockets, with both clients."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from impact_agency_api.api.jobs import get_job, list_jobs
from impact_jobs import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    JobNotFoundError,
    JobsClient,
    JobsError,
    JobStatus,
    JobType,
    PermissionDeniedError,
    RateLimitError,
    Retry,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

IDS = [f"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b{digit}" for digit in range(8)]

AWKWARD = [
    {
        "Id": IDS[0],
        "Status": "RUNNING",
        "Type": "ApiReport",
        "RecordsProcessed": "1200",
        "PercentageComplete": "40",
        "Replayable": "true",
        "CreatedDate": "2026-05-29T04:33:50-05:00",
        "StartedDate": "",
        "CompletedDate": None,
    },
    {"Id": IDS[1], "Status": "COMPLETED", "Type": "ClickExport", "ProgramId": 1234, "Colour": {"new": ["field"]}},
    {"Id": IDS[2], "Status": "HIBERNATING", "Replayable": False, "CreatedDate": "2026-05-29T04:33:50"},
    {"Status": "COMPLETED", "CreatedDate": "2026-05-28T00:00:00Z"},
    {"Id": IDS[3], "Status": "FAILED", "PercentageComplete": "n/a", "StatusMessage": "out of quota"},
]


def as_array(entries: list[Any]) -> Any:
    return entries


def as_jobs(entries: list[Any]) -> Any:
    return {"Jobs": entries}


def as_last_page(entries: list[Any]) -> Any:
    paging = {"@page": "1", "@numpages": "1", "@pagesize": "100", "@total": str(len(entries)), "@nextpageuri": ""}
    return {**paging, "Jobs": entries}


@pytest.mark.parametrize("shape", [as_array, as_jobs, as_last_page])
def test_a_list_with_awkward_entries_is_read(
    shape: Callable[[list[Any]], Any], jobs: AnyClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.answer_next("GET", "/Jobs", status=200, body=json.dumps(shape(AWKWARD)))
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        found = list(jobs.list())
    assert [job.id for job in found] == IDS[:4]
    strings, unknown_type, unknown_status, unreadable = found
    assert (strings.records_processed, strings.percentage_complete, strings.replayable) == (1200, 40, True)
    assert strings.type is JobType.APIREPORT
    assert strings.created_date == datetime(2026, 5, 29, 4, 33, 50, tzinfo=timezone(timedelta(hours=-5)))
    assert strings.started_date is strings.completed_date is None
    assert unknown_type.type == "ClickExport"
    assert unknown_type.program_id == "1234"
    assert unknown_type.raw["Colour"] == {"new": ["field"]}
    assert unknown_status.status == "HIBERNATING"
    assert not unknown_status.is_terminal
    assert unknown_status.created_date == datetime(2026, 5, 29, 4, 33, 50, tzinfo=UTC)
    assert unreadable.status is JobStatus.FAILED
    assert unreadable.percentage_complete is None
    skipped, unread = sorted(record.message for record in caplog.records)
    assert "PercentageComplete" in skipped
    assert IDS[3] in skipped
    assert "entry 3" in unread
    assert "2026-05-28T00:00:00Z" in unread


@pytest.mark.parametrize("shape", ["array", "jobs", "pages"])
@pytest.mark.parametrize("stringly", [False, True])
def test_every_shape_of_a_list_is_read_to_its_end(shape: Any, *, stringly: bool) -> None:
    with Sandbox(job_seconds=0, list_shape=shape, page_size=3, stringly=stringly) as sandbox:
        made = {sandbox.add_job() for _ in range(8)}
        with sandbox.client() as jobs:
            found = list(jobs.list())
    assert {job.id for job in found} == made
    assert len(found) == 8
    assert all(job.percentage_complete == 100 and job.replayable for job in found)


def test_each_job_is_yielded_at_most_once(jobs: AnyClient, sandbox: Sandbox) -> None:
    entry = {"Id": IDS[0], "Status": "RUNNING"}
    next_uri = f"/Agencies/{sandbox.account_sid}/Jobs?Page=2"
    sandbox.answer_next("GET", "/Jobs", status=200, body=json.dumps({"Jobs": [entry], "@nextpageuri": next_uri}))
    sandbox.answer_next("GET", "/Jobs", status=200, body=json.dumps({"Jobs": [entry], "@nextpageuri": ""}))
    assert [job.id for job in jobs.list()] == [IDS[0]]
    assert sandbox.requests[-1].query == "Page=2"


def test_dates_narrow_the_list(jobs: AnyClient, sandbox: Sandbox) -> None:
    old, new = sandbox.add_job(age=86400 * 10), sandbox.add_job()
    edge = datetime.now(UTC) - timedelta(days=5)
    assert [job.id for job in jobs.list(created_after=edge)] == [new]
    assert [job.id for job in jobs.list(created_before=edge)] == [old]
    assert [job.id for job in jobs.list(edge.date().isoformat())] == [new]
    assert f"CreatedAfter={edge.date()}" in sandbox.requests[-1].query


def test_a_bad_date_is_rejected_before_any_request(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="created_after"):
        jobs.list("the day before yesterday")
    assert sandbox.requests == ()


def test_a_job_can_be_named_by_id_url_or_object(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    path = f"/Agencies/{sandbox.account_sid}/Jobs/{job_id}"
    with sandbox.client() as client:
        generated = get_job.sync(sandbox.account_sid, UUID(job_id), client=client.generated)
    job = jobs.get(job_id)
    for name in (UUID(job_id), job, generated, path, f"{path}/Download", f"{path}/Replay", sandbox.base_url + path):
        assert jobs.get(name) == job


@pytest.mark.parametrize(
    "name",
    ["", "none", "https://elsewhere.example/Agencies/IR1/Jobs/" + IDS[0], "/Agencies/IRother/Jobs/" + IDS[0], 7, None],
)
def test_names_of_other_jobs_are_rejected_before_any_request(name: Any, jobs: AnyClient, sandbox: Sandbox) -> None:
    for verb in (jobs.get, jobs.wait, jobs.replay, jobs.replay_if_replayable, jobs.stream):
        with pytest.raises(ConfigurationError):
            verb(name)
    assert sandbox.requests == ()


# Each response, the error it must raise, and a part of its message.
RESPONSES: list[tuple[str, dict[str, Any], type[JobsError], str]] = [
    ("401", {"status": 401, "body": '{"Status":"ERROR","Message":"Access Denied"}'}, AuthenticationError, "Auth Token"),
    ("403", {"status": 403, "body": '{"Status":"ERROR","Message":"No scope"}'}, PermissionDeniedError, "No scope"),
    ("404", {"status": 404, "body": '{"Status":"ERROR","Message":"Gone"}'}, JobNotFoundError, "Gone"),
    ("500 HTML", {"status": 500, "body": "<html>Oops</html>", "content_type": "text/html"}, ServerError, "HTTP 500"),
    ("400 fields", {"status": 400, "body": '{"Errors":[{"Field":"F","Message":"Bad"}]}'}, ApiError, "F: Bad"),
    ("401 empty", {"status": 401}, AuthenticationError, "HTTP 401"),
    ("404 HTML", {"status": 404, "body": "<h1>No", "content_type": "text/html"}, JobNotFoundError, "HTTP 404"),
    ("403 XML", {"status": 403, "body": "<R><Message>Closed</Message></R>"}, PermissionDeniedError, "Closed"),
    ("200 ERROR", {"status": 200, "body": '{"Status":"ERROR","Message":"Not permitted"}'}, ApiError, "Not permitted"),
    ("200 XML", {"status": 200, "body": "<ImpactRadiusResponse/>"}, UnexpectedResponseError, "XML"),
    ("200 HTML", {"status": 200, "body": "<!DOCTYPE html><html>"}, UnexpectedResponseError, "HTML"),
    ("200 empty", {"status": 200, "body": ""}, UnexpectedResponseError, "empty"),
    ("200 half", {"status": 200, "body": '{"Id": "3f6c1a52-7a5d-4f'}, UnexpectedResponseError, "not JSON"),
    ("200 shape", {"status": 200, "body": '"a text"'}, UnexpectedResponseError, "a single str"),
    ("204", {"status": 204, "content_type": ""}, UnexpectedResponseError, "HTTP 204"),
    ("520", {"status": 520, "body": "error code: 520"}, ServerError, "HTTP 520"),
    ("599", {"status": 599, "body": ""}, ServerError, "HTTP 599"),
    # The last one, because further requests would wait for it.
    ("429", {"status": 429, "body": "", "headers": {"Retry-After": "17"}}, RateLimitError, "no requests left"),
]


def test_each_response_raises_its_documented_error(jobs: AnyClient, sandbox: Sandbox) -> None:
    for name, response, error, part in RESPONSES:
        sandbox.answer_next("GET", IDS[0], **response)
        with pytest.raises(error, match=part) as raised:
            jobs.with_options(retry=Retry(attempts=1)).get(IDS[0])
        assert IDS[0] in str(raised.value), name
        assert not {"impact_agency_api", "httpx"} & modules_in(raised.value), name
        copy = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own
        assert (type(copy), str(copy), vars(copy)) == (type(raised.value), str(raised.value), vars(raised.value)), name


def test_the_generated_client_raises_the_same_errors(sandbox: Sandbox) -> None:
    with sandbox.client() as client:
        for name, response, error, part in RESPONSES:
            if name != "204":  # the generated client returns None for it, as the specification does not mention it
                sandbox.answer_next("GET", IDS[0], **response)
                with pytest.raises(error, match=part):
                    get_job.sync(sandbox.account_sid, UUID(IDS[0]), client=client.generated)


def modules_in(error: BaseException) -> set[str]:
    """Return the packages whose code appears in the traceback."""
    found, trace = set(), error.__traceback__
    while trace is not None:
        found.add(trace.tb_frame.f_globals.get("__name__", "").partition(".")[0])
        trace = trace.tb_next
    return found


def test_wrong_credentials_raise_authentication_error(sandbox: Sandbox) -> None:
    with JobsClient(sandbox.account_sid, "wrong", base_url=sandbox.base_url) as client:
        with pytest.raises(AuthenticationError):
            list(client.list())
        with pytest.raises(AuthenticationError):
            list_jobs.sync(sandbox.account_sid, client=client.generated)


def test_a_rate_limit_error_holds_retry_after(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", IDS[0], status=429, headers={"Retry-After": "17"})
    with pytest.raises(RateLimitError) as raised:
        jobs.with_options(retry=Retry(attempts=1)).get(IDS[0])
    assert raised.value.retry_after == 17.0


def test_a_get_is_retried_until_its_attempts_are_used_up(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    quick = jobs.with_options(retry=Retry(base_delay=0))
    sandbox.answer_next("GET", job_id, status=503, times=3)
    assert quick.get(job_id).id == job_id
    assert len(sandbox.requests) == 4
    sandbox.answer_next("GET", job_id, status=None, times=4)
    with pytest.raises(TransportError) as raised:
        quick.get(job_id)
    assert raised.value.request_sent
    assert len(sandbox.requests) == 8
