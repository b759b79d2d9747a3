"""The asynchronous client is closed, however a test runs its event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import AsyncJobsClient, ConfigurationError
from impact_jobs.pytest_plugin import Arrange

Use = Callable[[AsyncJobsClient, str, Path], Coroutine[Any, Any, object]]


async def get(jobs: AsyncJobsClient, job_id: str, _: Path) -> object:
    return await jobs.get(job_id)


async def list_partly(jobs: AsyncJobsClient, job_id: str, _: Path) -> None:
    async for job in jobs.list():
        assert job.id == job_id
        return


async def download(jobs: AsyncJobsClient, job_id: str, folder: Path) -> object:
    return await jobs.download(job_id, folder / "a.csv")


async def enter(jobs: AsyncJobsClient, job_id: str, _: Path) -> None:
    async with jobs:
        await jobs.get(job_id)


async def fail(jobs: AsyncJobsClient, job_id: str, _: Path) -> None:
    await jobs.get(job_id)
    raise KeyError


async def cancel(jobs: AsyncJobsClient, job_id: str, _: Path) -> None:
    waiting = asyncio.ensure_future(jobs.wait(job_id, timeout=600))
    await jobs.get(job_id)
    waiting.cancel()


USES: list[Use] = [get, list_partly, download, enter, fail, cancel]


def run_here(coroutine: Coroutine[Any, Any, object]) -> None:
    asyncio.run(coroutine)


def run_in_a_thread(coroutine: Coroutine[Any, Any, object]) -> None:
    thread = threading.Thread(target=asyncio.run, args=(coroutine,))
    thread.start()
    thread.join()


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
@pytest.mark.parametrize("run", [run_here, run_in_a_thread], ids=lambda run: run.__name__)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_client_is_closed_when_its_loop_ends(
    use: Use,
    run: Callable[[Coroutine[Any, Any, object]], None],
    impact_scenario: Arrange,
    async_impact_jobs_client: AsyncJobsClient,
    tmp_path: Path,
) -> None:
    job_id = impact_scenario("completed")
    try:
        run(use(async_impact_jobs_client, job_id, tmp_path))
    except KeyError:
        assert use is fail
    gc.collect()  # an open transport would warn, and warnings are errors
    if use is not download:  # its threads own the connections, which the fixture closes
        assert async_impact_jobs_client._transport.api.is_closed


def test_an_unused_client_is_closed_with_the_fixture(request: pytest.FixtureRequest) -> None:
    client: AsyncJobsClient = request.getfixturevalue("async_impact_jobs_client")
    request.addfinalizer(gc.collect)
    assert not client._transport.api.is_closed


def test_a_second_event_loop_is_refused(impact_scenario: Arrange, async_impact_jobs_client: AsyncJobsClient) -> None:
    job_id = impact_scenario("completed")
    with asyncio.Runner() as runner, asyncio.Runner() as other:
        assert runner.run(async_impact_jobs_client.get(job_id)).id == job_id
        with pytest.raises(ConfigurationError, match="another event loop"):
            other.run(async_impact_jobs_client.get(job_id))


def test_the_fixture_closes_the_client_in_a_loop_that_still_exists(request: pytest.FixtureRequest) -> None:
    runner = asyncio.Runner()
    request.addfinalizer(runner.close)  # runs after the finalizer of the client, which is requested later
    client: AsyncJobsClient = request.getfixturevalue("async_impact_jobs_client")
    job_id = request.getfixturevalue("impact_scenario")("completed")
    assert runner.run(client.get(job_id)).id == job_id


def test_the_current_loop_of_the_thread_is_left_alone(request: pytest.FixtureRequest) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def check() -> None:
        try:
            assert asyncio.get_event_loop() is loop
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    request.addfinalizer(check)
    request.getfixturevalue("async_impact_jobs_client")
