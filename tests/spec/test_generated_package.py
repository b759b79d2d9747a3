"""The properties of the generated package that the facade relies on; a new generator version must keep them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import httpx
import pytest
from impact_agency_api import AuthenticatedClient
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode, Job, JobStatus, JobType
from impact_agency_api.types import UNSET, File, Response, Unset

from tests.spec.test_agency_api import DATES

SID = "IRx/1"
ID = UUID("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
URL = f"/Agencies/IRx%2F1/Jobs/{ID}"
CALLS: dict[str, Callable[[AuthenticatedClient], Response[Any]]] = {
    "list": lambda client: list_jobs.sync_detailed(SID, client=client),
    "get": lambda client: get_job.sync_detailed(SID, ID, client=client),
    "download": lambda client: download_job_result.sync_detailed(SID, ID, client=client),
    "replay": lambda client: replay_job.sync_detailed(SID, ID, client=client),
    "list, asyncio": lambda client: asyncio.run(list_jobs.asyncio_detailed(SID, client=client)),
    "get, asyncio": lambda client: asyncio.run(get_job.asyncio_detailed(SID, ID, client=client)),
    "download, asyncio": lambda client: asyncio.run(download_job_result.asyncio_detailed(SID, ID, client=client)),
    "replay, asyncio": lambda client: asyncio.run(replay_job.asyncio_detailed(SID, ID, client=client)),
}


def answering(response: httpx.Response, seen: list[httpx.Request] | None = None) -> AuthenticatedClient:
    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return response

    return AuthenticatedClient(
        "https://api.invalid", token="dDpz", prefix="Basic", httpx_args={"transport": httpx.MockTransport(answer)}
    )


def test_the_four_requests_are_built_from_their_arguments() -> None:
    assert list_jobs._get_kwargs(SID) == {"method": "get", "url": "/Agencies/IRx%2F1/Jobs", "params": {}}
    day = date(2026, 5, 29)
    assert list_jobs._get_kwargs(SID, created_after=day, created_before=day)["params"] == {
        "CreatedAfter": "2026-05-29",
        "CreatedBefore": "2026-05-29",
    }
    assert get_job._get_kwargs(SID, ID) == {"method": "get", "url": URL}
    assert download_job_result._get_kwargs(SID, ID) == {"method": "get", "url": f"{URL}/Download", "params": {}}
    assert download_job_result._get_kwargs(SID, ID, mode=DownloadJobResultMode.STREAM)["params"] == {"Mode": "Stream"}
    assert replay_job._get_kwargs(SID, ID) == {"method": "put", "url": f"{URL}/Replay"}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize(
    "body", [{"html": "<html><h1>Gateway</h1></html>"}, {"content": b""}, {"json": {"Status": "ERROR"}}]
)
def test_an_error_response_of_any_shape_is_parsed_without_a_crash(
    call: Callable[[AuthenticatedClient], Response[Any]], status: int, body: dict[str, Any]
) -> None:
    seen: list[httpx.Request] = []
    response = call(answering(httpx.Response(status, **body), seen))
    assert (response.status_code, response.parsed) == (status, None)
    assert [request.headers["Authorization"] for request in seen] == ["Basic dDpz"]


def test_the_redirect_is_not_followed() -> None:
    location = "https://storage.invalid/file?signature=s"
    seen: list[httpx.Request] = []
    client = answering(httpx.Response(302, headers={"Location": location}), seen)
    response = download_job_result.sync_detailed(SID, ID, client=client)
    assert (response.status_code, response.parsed, response.headers["Location"]) == (302, None, location)
    assert len(seen) == 1


def test_a_result_and_an_unfinished_job_have_different_types() -> None:
    job = download_job_result.sync(SID, ID, client=answering(httpx.Response(202, json={"Status": "RUNNING"})))
    assert isinstance(job, Job)
    assert job.status is JobStatus.RUNNING
    file = download_job_result.sync(SID, ID, client=answering(httpx.Response(200, content=b"a,b\n")))
    assert isinstance(file, File)
    assert file.payload.read() == b"a,b\n"


def test_a_list_holds_its_jobs() -> None:
    jobs = list_jobs.sync(SID, client=answering(httpx.Response(200, json=[{"Id": str(ID)}, {}])))
    assert jobs is not None
    assert [job.id for job in jobs] == [ID, UNSET]


def test_a_job_is_parsed_as_documented() -> None:
    job = Job.from_dict(
        {
            "Id": str(ID),
            "Type": "ApiReport",
            "Status": "COMPLETED",
            "ProgramId": "1000",
            "CreatedDate": "2026-05-29T04:33:50-05:00",
            "RecordsProcessed": 12,
            "PercentageComplete": 100,
            "Replayable": True,
        }
    )
    assert (job.id, job.type_, job.status) == (ID, JobType.APIREPORT, JobStatus.COMPLETED)
    assert job.created_date == datetime(2026, 5, 29, 4, 33, 50, tzinfo=timezone(timedelta(hours=-5)))
    assert (job.program_id, job.records_processed, job.percentage_complete, job.replayable) == ("1000", 12, 100, True)
    assert isinstance(job.started_date, Unset)


def test_a_job_that_deviates_from_the_documentation_is_parsed() -> None:
    raw = {
        "Type": "ClickExport",
        "Status": "PAUSED",
        "ProgramId": 1000,
        "StartedDate": "",
        "CompletedDate": None,
        "FailedDate": "yesterday",
        "RecordsProcessed": "12",
        "PercentageComplete": "100",
        "Replayable": "true",
        "NotOnThePage": {"New": "field"},
    }
    job = Job.from_dict(raw)
    assert (job.type_, job.status) == ("ClickExport", "PAUSED")
    assert (job.started_date, job.completed_date, job.failed_date) == ("", None, "yesterday")
    assert (job.program_id, job.records_processed, job.percentage_complete, job.replayable) == (
        1000,
        "12",
        "100",
        "true",
    )
    assert job.additional_properties == {"NotOnThePage": {"New": "field"}}
    assert job.to_dict() == raw


@pytest.mark.parametrize("name", DATES)
def test_any_date_may_be_empty_null_or_a_time(name: str) -> None:
    time = "2026-05-29T04:33:50+00:00"
    assert [Job.from_dict({name: value}).to_dict()[name] for value in ("", None, time)] == ["", None, time]
    assert datetime(2026, 5, 29, 4, 33, 50, tzinfo=UTC) in attrs.astuple(Job.from_dict({name: time}))


def test_the_known_values_are_enumerated() -> None:
    assert {str(status) for status in JobStatus} == {"QUEUED", "RUNNING", "COMPLETED", "CANCELLED", "ERROR", "FAILED"}
    assert {str(kind) for kind in JobType} == {"DownloadReport", "ApiReport", "UploadAds", "TermModification"}
    assert [str(mode) for mode in DownloadJobResultMode] == ["Stream"]
