"""The generated client against Prism, which checks requests against our OpenAPI document and answers from it."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import date, datetime
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from impact_agency_api import AuthenticatedClient
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode, Job, JobStatus, JobType
from impact_agency_api.types import File

pytestmark = pytest.mark.interop

SID = "IRprismAccount"
ID = UUID("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
TOKEN = b64encode(f"{SID}:secret".encode()).decode()

Call = Callable[..., Any]
Client = Callable[..., AuthenticatedClient]


@pytest.fixture
def client(prism: str) -> Client:
    """Give a function that makes a client; `prefer` chooses Prism's response."""

    def make(*, prefer: str | None = None, prefix: str = "Basic") -> AuthenticatedClient:
        headers = {"Prefer": prefer} if prefer else {}
        return AuthenticatedClient(prism, token=TOKEN, prefix=prefix, headers=headers)

    return make


@pytest.fixture(params=["sync", "asyncio"])
def call(request: pytest.FixtureRequest) -> Call:
    """Give a function that calls an operation; each test runs with the blocking and the asynchronous one."""

    def blocking(operation: ModuleType, *args: object, client: AuthenticatedClient, **options: object) -> object:
        with client:
            return operation.sync_detailed(*args, client=client, **options)

    async def waiting(operation: ModuleType, *args: object, client: AuthenticatedClient, **options: object) -> object:
        async with client:
            return await operation.asyncio_detailed(*args, client=client, **options)

    return blocking if request.param == "sync" else lambda *args, **options: asyncio.run(waiting(*args, **options))


def assert_sound(job: object) -> None:
    assert isinstance(job, Job)
    assert isinstance(job.id, UUID)
    assert job.type_ is JobType.DOWNLOADREPORT
    assert job.status is JobStatus.QUEUED
    assert isinstance(job.created_date, datetime)
    assert job.created_date.tzinfo is not None
    assert job.replayable is True
    assert job.additional_properties == {}


def test_list(call: Call, client: Client) -> None:
    days = {"created_after": date(2026, 5, 1), "created_before": date(2026, 5, 31)}
    response = call(list_jobs, SID, client=client(), **days)
    assert response.status_code == 200
    assert "sl-violations" not in response.headers
    assert len(response.parsed) == 1
    assert_sound(response.parsed[0])


@pytest.mark.parametrize("operation", [get_job, replay_job])
def test_get_and_replay(call: Call, client: Client, operation: ModuleType) -> None:
    response = call(operation, SID, ID, client=client())
    assert response.status_code == 200
    assert "sl-violations" not in response.headers
    assert_sound(response.parsed)


def test_a_download_of_an_unfinished_job(call: Call, client: Client) -> None:
    response = call(download_job_result, SID, ID, client=client(prefer="code=202"))
    assert response.status_code == 202
    assert "sl-violations" not in response.headers
    assert_sound(response.parsed)


def test_a_download_that_streams(call: Call, client: Client) -> None:
    response = call(download_job_result, SID, ID, client=client(), mode=DownloadJobResultMode.STREAM)
    assert response.status_code == 200
    assert isinstance(response.parsed, File)
    assert response.parsed.payload.read() == response.content != b""


def test_a_download_that_redirects(call: Call, client: Client) -> None:
    response = call(download_job_result, SID, ID, client=client(prefer="code=302"))
    assert (response.status_code, response.parsed) == (302, None)
    assert response.headers["Location"].startswith("http")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_the_documented_errors(call: Call, client: Client, status: int) -> None:
    response = call(replay_job, SID, ID, client=client(prefer=f"code={status}"))
    assert (response.status_code, response.parsed) == (status, None)


def test_other_credentials_than_basic_are_refused(call: Call, client: Client) -> None:
    assert call(list_jobs, SID, client=client(prefix="Bearer")).status_code == 401


def test_any_job_that_the_document_allows_is_parsed(call: Call, client: Client) -> None:
    """Prism invents random jobs with strings for numbers, unknown states, null dates and all else that is allowed."""
    for _ in range(20):
        response = call(list_jobs, SID, client=client(prefer="dynamic=true"))
        assert response.status_code == 200
        assert all(isinstance(job, Job) for job in response.parsed)
