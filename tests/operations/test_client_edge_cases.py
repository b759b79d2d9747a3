"""What the clients do at their edges: once closed, over clients of the user's own, and through the generated code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from impact_agency_api.api.jobs import download_job_result, get_job
from impact_agency_api.models import Job as GeneratedJob
from impact_jobs import ConfigurationError, JobsClient, Retry, TransportError
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
def test_a_closed_client_says_so_and_asks_nothing(verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    jobs.close()
    jobs.close()
    with pytest.raises(ConfigurationError, match="closed: make a new one"):
        CALLS[verb](jobs, job_id, tmp_path)
    assert sandbox.requests == ()
    assert list(tmp_path.iterdir()) == []


def test_of_a_set_each_job_says_that_the_client_is_closed(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    jobs.close()
    with pytest.raises(ConfigurationError, match="closed: make a new one"):
        raise jobs.fetch_all([job_id], tmp_path).errors[job_id]


def test_a_stream_whose_client_is_closed_says_so(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=8_000_000)

    async def read() -> None:
        async with sandbox.async_client() as jobs, jobs.stream(job_id) as chunks:
            await anext(chunks)
            await jobs.aclose()
            with pytest.raises(ConfigurationError, match="closed: make a new one"):
                await anext(chunks)

    asyncio.run(read())


class OwnError(Exception):
    """Of a transport or hook that the user wrote."""


class OwnTransport(httpx.MockTransport):
    """One that fails in its own way."""

    def __init__(self) -> None:
        super().__init__(self.fail)

    def fail(self, _: httpx.Request) -> httpx.Response:
        raise OwnError("the vault is sealed")


@pytest.fixture(params=["http_client", "storage_client"])
def over_own_clients(request: pytest.FixtureRequest, sandbox: Sandbox, jobs: AnyClient) -> Iterator[AnyClient]:
    """Give `jobs` anew, over a client of the user's own whose transport fails, for the API or the storage."""
    if isinstance(jobs, JobsClient):
        with (
            httpx.Client(transport=OwnTransport()) as own,
            sandbox.client(**{request.param: own}, retry=TRIED_ONCE) as client,
        ):
            yield client
        return
    own_async = httpx.AsyncClient(transport=OwnTransport())
    wrapped = type(jobs)(sandbox.async_client(**{request.param: own_async}, retry=TRIED_ONCE), jobs._runner)
    with wrapped as client:
        yield client
    jobs._runner.run(own_async.aclose())


def test_an_exception_of_the_user_s_own_transport_passes_as_it_is(
    over_own_clients: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    with pytest.raises(OwnError, match="the vault is sealed"):
        over_own_clients.download(job_id, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["http_client", "storage_client"])
def test_an_asynchronous_client_of_the_user_s_own_cannot_be_read_as_a_file(which: str, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()

    async def opened() -> None:
        async with httpx.AsyncClient() as own, sandbox.async_client(**{which: own}) as jobs:
            with pytest.raises(ConfigurationError, match="use stream or download"):
                jobs.open(job_id)

    asyncio.run(opened())


def test_jobs_are_iterated_over_as_users_do(sandbox: Sandbox) -> None:
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


class TestThroughTheGeneratedCode:
    """`jobs.generated`, called by `sync` or `asyncio` as the client is."""

    @pytest.fixture
    def call(self, jobs: AnyClient) -> Callable[..., Any]:
        def called(operation: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(jobs, JobsClient):
                return operation.sync_detailed(*args, client=jobs.generated, **kwargs)
            return jobs._runner.run(operation.asyncio_detailed(*args, client=jobs._inner.generated, **kwargs))

        return called

    def test_a_job_is_read(self, call: Callable[..., Any], sandbox: Sandbox) -> None:
        job_id = sandbox.add_job()
        found = call(get_job, sandbox.account_sid, UUID(job_id)).parsed
        assert isinstance(found, GeneratedJob)
        assert str(found.id) == job_id

    def test_a_redirect_is_told_and_not_followed(self, call: Callable[..., Any], sandbox: Sandbox) -> None:
        job_id = sandbox.add_job()
        answer = call(download_job_result, sandbox.account_sid, UUID(job_id))
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(sandbox.storage_url)
        assert {request.origin for request in sandbox.requests} == {"api"}

    def test_an_answer_that_never_comes_is_our_error(self, call: Callable[..., Any], sandbox: Sandbox) -> None:
        sandbox.answer_next("GET", re.compile("Jobs"), status=None)
        with pytest.raises(TransportError, match="Check network and proxy"):
            call(get_job, sandbox.account_sid, UUID(sandbox.add_job()))
