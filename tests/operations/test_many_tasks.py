"""One asynchronous client shared by many tasks, some of which are cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import AsyncJobsClient, DestinationExistsError, Retry, TransportError
from impact_jobs._transport import asynchronous as httpx_async
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs.sandbox import Sandbox

from tests.support.raw_server import Asked, Reply, serving, storing

MANY = 64
DATA = bytes(300_000)


async def drained(jobs: AsyncJobsClient, job_id: str) -> int:
    async with jobs.stream(job_id) as chunks:
        return sum([len(chunk) async for chunk in chunks])


async def read_in_thread(jobs: AsyncJobsClient, job_id: str) -> int:
    def read() -> int:
        with jobs.open(job_id) as file:
            return len(file.read())

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("way", [drained, read_in_thread])
def test_results_opened_at_the_same_time_share_one_transport(
    way: Callable[[AsyncJobsClient, str], Coroutine[Any, Any, int]], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[BlockingTransport] = []

    def make(*args: Any, **options: Any) -> BlockingTransport:
        made.append(BlockingTransport(*args, **options))
        return made[-1]

    monkeypatch.setattr(httpx_async, "BlockingTransport", make)
    job_id = sandbox.add_job()

    async def go() -> list[int]:
        async with sandbox.async_client(retry=Retry(attempts=1)) as jobs:
            return await asyncio.gather(*(way(jobs, job_id) for _ in range(6)))

    assert asyncio.run(go()) == [sandbox.result(job_id).size] * 6
    assert len(made) == 1, "a second one would close connections in use once it is collected"


def test_cancelled_calls_do_not_delay_others(sandbox: Sandbox, tmp_path: Path) -> None:
    job_id, hours, arrived = sandbox.add_job(), 7200.0, threading.Semaphore(0)

    def silent(asked: Asked) -> Reply:
        arrived.release()
        asked.over.wait()
        return Reply(ends=True)

    async def go(url: str) -> None:
        async with sandbox.async_client(request_timeout=hours) as jobs:
            sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{url}/a"}, times=MANY)
            stuck = [asyncio.ensure_future(drained(jobs, job_id)) for _ in range(MANY)]
            for _ in stuck:
                await asyncio.to_thread(arrived.acquire)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
            assert (await jobs.download(job_id, tmp_path / "a.csv")).bytes_written == sandbox.result(job_id).size

    with serving(silent) as server:
        asyncio.run(asyncio.wait_for(go(server.url), 60))


def test_closing_a_client_during_a_download_releases_the_lock(sandbox: Sandbox, tmp_path: Path) -> None:
    job_id, target = sandbox.add_job(), tmp_path / "a.csv"

    def stalling(asked: Asked) -> Reply:
        def body() -> Any:
            yield DATA[:1000]
            asked.over.wait()

        return Reply(headers=storing(DATA)(asked).headers, body=body(), ends=True)

    async def go(url: str) -> None:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{url}/a"})
        jobs, begun = sandbox.async_client(request_timeout=0.5, retry=Retry(attempts=1)), asyncio.Event()
        loop = asyncio.get_running_loop()

        def note(done: int, _: int | None) -> None:
            if done:
                loop.call_soon_threadsafe(begun.set)

        task = asyncio.ensure_future(jobs.download(job_id, target, on_progress=note))
        await begun.wait()
        await jobs.aclose()
        with pytest.raises(TransportError) as raised:
            await task
        assert raised.value, "the error is kept, and with it the frames that hold the file"
        async with sandbox.async_client() as others:
            try:
                await others.download(job_id, target)
            except DestinationExistsError:
                pytest.fail("the lock is held")

    with serving(stalling) as server:
        asyncio.run(go(server.url))
