"""The facade against Prism, a mock server that answers from our OpenAPI document alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from impact_jobs import (
    AsyncJobsClient,
    AuthenticationError,
    JobNotFoundError,
    JobsClient,
    JobStatus,
    RateLimitError,
    ResultNotReadyError,
    Retry,
)

from tests.support.driving import AnyClient, Driven

pytestmark = pytest.mark.interop

JOB_ID = "38a5a5bb-dc30-49a2-b175-1de0d1488c43"  # with which Prism answers wherever a UUID is due
ONCE = Retry(attempts=1)


@pytest.fixture(params=["blocking", "asynchronous"])
def prefers(request: pytest.FixtureRequest, prism: str) -> Any:
    """Give a context manager: a client whose requests ask Prism for a certain status code."""

    @contextmanager
    def make(code: int | None = None) -> Iterator[AnyClient]:
        headers = {"Prefer": f"code={code}"} if code else {}
        if request.param == "blocking":
            with (
                httpx.Client(headers=headers) as http,
                JobsClient("IRprism", "token", base_url=prism, http_client=http, retry=ONCE) as client,
            ):
                yield client
        else:
            with asyncio.Runner() as runner:
                http_async = httpx.AsyncClient(headers=headers)
                inner = AsyncJobsClient("IRprism", "token", base_url=prism, http_client=http_async, retry=ONCE)
                with Driven(http_async, runner), Driven(inner, runner) as client:
                    yield client

    return make


def test_list(prefers: Any) -> None:
    with prefers() as jobs:
        (job,) = jobs.list("2026-05-01", "2026-05-31")
    assert isinstance(job.status, JobStatus)
    assert job.created_date is not None


def test_get(prefers: Any) -> None:
    with prefers() as jobs:
        assert jobs.get(JOB_ID).raw["Id"]


def test_replay(prefers: Any) -> None:
    with prefers() as jobs:
        assert isinstance(jobs.replay(JOB_ID).status, JobStatus)


def test_a_download_of_a_running_job(prefers: Any, tmp_path: Path) -> None:
    with prefers(202) as jobs, pytest.raises(ResultNotReadyError) as raised:
        jobs.download(JOB_ID, tmp_path / "a.csv")
    assert raised.value.job.status is JobStatus.QUEUED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "error"), [(401, AuthenticationError), (404, JobNotFoundError), (429, RateLimitError)]
)
def test_documented_errors_without_a_body(code: int, error: type[Exception], prefers: Any) -> None:
    with prefers(code) as jobs, pytest.raises(error):
        jobs.get(JOB_ID)
