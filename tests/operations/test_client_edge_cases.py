"""The clients once they are closed, over custom httpx clients, and through the generated code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from impact_agency_api import AuthenticatedClient
from impact_agency_api.api.jobs import download_job_result, get_job
from impact_agency_api.models import Job as GeneratedJob
from impact_jobs import ConfigurationError, JobsClient, Retry, TransportError, UnexpectedResponseError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

TRIED_ONCE = Retry(attempts=1)
CALLS: dict[str, Callable[[AnyClient, str, Path], object]] = {
    "list": lambda jobs, _, __: list(jobs.list()),
    "get": lambda jobs, job_id, _: jobs.get(job_id),
    "wait": lambda jobs, job_id, _: jobs.wait(job_id),
    "wait_all": lambda jobs, job_id, _: jobs.wait_all([job_id]),
    "download": lambda jobs, job_id, folder: jobs.download(job_id, folder),
    "stream": lambda jobs, job_id, _: jobs.stream(job_id).__enter__(),
    "open": lambda jobs, job_id, _: jobs.open(job_id),
    "replay": lambda jobs, job_id, _: jobs.replay(job_id),
}


@pytest.mark.parametrize("verb", CALLS)
def test_a_closed_client_raises_and_sends_no_request(
    verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    jobs.close()
    jobs.close()
    with pytest.raises(ConfigurationError, match="closed: make a new one"):
        CALLS[verb](jobs, job_id, tmp_path)
    assert sandbox.requests == ()
    assert list(tmp_path.iterdir()) == []


def test_fetch_all_reports_a_closed_client_for_each_job(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    jobs.close()
    with pytest.raises(ConfigurationError, match="closed: make a new one"):
        raise jobs.fetch_all([job_id], tmp_path).errors[job_id]


def test_a_stream_raises_once_its_client_is_closed(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=8_000_000)

    async def read() -> None:
        async with sandbox.async_client() as jobs, jobs.stream(job_id) as chunks:
            await anext(chunks)
            await jobs.aclose()
            with pytest.raises(ConfigurationError, match="closed: make a new one"):
                await anext(chunks)

    asyncio.run(read())


class CustomError(Exception):
    """Raised by a custom transport."""


class CustomTransport(httpx.MockTransport):
    """A custom transport that raises an exception of its own."""

    def __init__(self) -> None:
        super().__init__(self.fail)

    def fail(self, _: httpx.Request) -> httpx.Response:
        raise CustomError("the vault is sealed")


@pytest.fixture(params=["http_client", "storage_client"])
def over_custom_client(request: pytest.FixtureRequest, sandbox: Sandbox, jobs: AnyClient) -> Iterator[AnyClient]:
    """Return `jobs` over a custom httpx client for the API or the storage, whose transport fails."""
    if isinstance(jobs, JobsClient):
        with (
            httpx.Client(transport=CustomTransport()) as own,
            sandbox.client(**{request.param: own}, retry=TRIED_ONCE) as client,
        ):
            yield client
        return
    own_async = httpx.AsyncClient(transport=CustomTransport())
    wrapped = type(jobs)(sandbox.async_client(**{request.param: own_async}, retry=TRIED_ONCE), jobs._runner)
    with wrapped as client:
        yield client
    jobs._runner.run(own_async.aclose())


def test_an_exception_of_a_custom_transport_is_not_wrapped(
    over_custom_client: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    with pytest.raises(CustomError, match="the vault is sealed"):
        over_custom_client.download(job_id, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["http_client", "storage_client"])
def test_open_is_refused_over_a_custom_asynchronous_client(which: str, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()

    async def opened() -> None:
        async with httpx.AsyncClient() as own, sandbox.async_client(**{which: own}) as jobs:
            with pytest.raises(ConfigurationError, match="use stream or download"):
                jobs.open(job_id)

    asyncio.run(opened())


def test_list_and_as_completed_can_be_iterated(sandbox: Sandbox) -> None:
    job_ids = sorted(sandbox.add_job() for _ in range(3))
    with sandbox.client() as blocking:
        assert [sorted(job.id for job in found) for found in (blocking.list(), blocking.as_completed(job_ids))] == [
            job_ids,
            job_ids,
        ]

    async def iterated() -> list[list[str]]:
        async with sandbox.async_client() as jobs:
            return [
                sorted([job.id async for job in jobs.list()]),
                sorted([job.id async for job in jobs.as_completed(job_ids)]),
            ]

    assert asyncio.run(iterated()) == [job_ids, job_ids]


class GetFile:
    """Stands in for a generated operation, because none returns a file from this address."""

    @staticmethod
    def sync_detailed(path: str, *, client: AuthenticatedClient) -> httpx.Response:
        return client.get_httpx_client().get(path)

    @staticmethod
    async def asyncio_detailed(path: str, *, client: AuthenticatedClient) -> httpx.Response:
        return await client.get_async_httpx_client().get(path)


class TestGeneratedClient:
    """`jobs.generated`, called through `sync_detailed` or `asyncio_detailed`, as the client requires."""

    @pytest.fixture
    def call(self, jobs: AnyClient) -> Callable[..., Any]:
        def called(operation: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(jobs, JobsClient):
                return operation.sync_detailed(*args, client=jobs.generated, **kwargs)
            return jobs._runner.run(operation.asyncio_detailed(*args, client=jobs._inner.generated, **kwargs))

        return called

    def test_a_job_is_parsed(self, call: Callable[..., Any], sandbox: Sandbox) -> None:
        job_id = sandbox.add_job()
        found = call(get_job, sandbox.account_sid, UUID(job_id)).parsed
        assert isinstance(found, GeneratedJob)
        assert str(found.id) == job_id

    def test_a_redirect_is_returned_and_not_followed(self, call: Callable[..., Any], sandbox: Sandbox) -> None:
        job_id = sandbox.add_job()
        answer = call(download_job_result, sandbox.account_sid, UUID(job_id))
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(sandbox.storage_url)
        assert {request.origin for request in sandbox.requests} == {"api"}

    @pytest.mark.parametrize(
        ("status", "content_type", "body"),
        [(200, "application/pdf", b"%PDF-1.7"), (200, "text/csv; charset=utf-8", b"a,b\n"), (204, "", b"")],
    )
    def test_a_file_and_a_response_without_a_body_are_passed_on(
        self, call: Callable[..., Any], sandbox: Sandbox, status: int, content_type: str, body: bytes
    ) -> None:
        sandbox.answer_next("GET", "/Invoice.pdf", status=status, body=body, content_type=content_type)
        answer = call(GetFile, f"/Agencies/{sandbox.account_sid}/Invoice.pdf")
        assert (answer.status_code, answer.content) == (status, body)

    @pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/xml", "application/hal+json", ""])
    def test_what_a_gateway_sends_is_no_file(
        self, call: Callable[..., Any], sandbox: Sandbox, content_type: str
    ) -> None:
        sandbox.answer_next("GET", "/Invoice.pdf", status=200, body="<p>Sign in</p>", content_type=content_type)
        with pytest.raises(UnexpectedResponseError, match="instead of JSON"):
            call(GetFile, f"/Agencies/{sandbox.account_sid}/Invoice.pdf")

    def test_a_missing_response_raises_transport_error(self, call: Callable[..., Any], sandbox: Sandbox) -> None:
        sandbox.answer_next("GET", re.compile("Jobs"), status=None)
        with pytest.raises(TransportError, match="Check network and proxy"):
            call(get_job, sandbox.account_sid, UUID(sandbox.add_job()))
