"""One client shared by many threads or tasks: each method returns its caller's result."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from impact_jobs import AsyncJobsClient, JobsClient, Polling, Retry
from impact_jobs.sandbox import Sandbox

USERS = 12
BYTES = 20_000
OPTIONS = {"polling": Polling(minimum=0.01, maximum=0.05), "retry": Retry(base_delay=0.0)}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def use(jobs: JobsClient, job_id: str, folder: Path) -> None:
    """Use every method on a job of the caller's own, whose bytes are unique."""
    expected = jobs.download(job_id, folder / f"{job_id}.csv").sha256
    with jobs.stream(job_id) as chunks:
        assert digest(b"".join(chunks)) == expected
    with jobs.open(job_id, mode="stream") as file:
        assert digest(file.read()) == expected
    assert jobs.get(job_id).id == job_id
    assert job_id in {job.id for job in jobs.list()}
    fresh = jobs.wait(jobs.replay(job_id))
    assert set(jobs.wait_all([fresh, job_id])) == {fresh.id, job_id}
    assert {job.id for job in jobs.as_completed([fresh])} == {fresh.id}
    again = jobs.replay_if_replayable(fresh)
    assert again is not None
    assert jobs.wait_and_download(again, folder / f"{again.id}.csv", connections=2).bytes_written == BYTES
    assert len(jobs.fetch_all([fresh, again], folder / job_id, concurrency=2).files) == 2
    assert jobs.with_options(request_timeout=9.0).get(fresh).id == fresh.id


async def use_in_a_task(jobs: AsyncJobsClient, job_id: str, folder: Path) -> None:
    expected = (await jobs.download(job_id, folder / f"{job_id}.csv")).sha256
    async with jobs.stream(job_id) as chunks:
        assert digest(b"".join([chunk async for chunk in chunks])) == expected
    assert job_id in {job.id async for job in jobs.list()}
    fresh = await jobs.wait(await jobs.replay(job_id))
    assert set(await jobs.wait_all([fresh, job_id])) == {fresh.id, job_id}
    again = await jobs.replay_if_replayable(fresh)
    assert again is not None
    assert (await jobs.wait_and_download(again, folder / f"{again.id}.csv", connections=2)).bytes_written == BYTES
    assert len((await jobs.fetch_all([fresh, again], folder / job_id, concurrency=2)).files) == 2


def test_many_threads_share_a_client(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with Sandbox(job_seconds=0.01, result_bytes=BYTES, hourly_budget=None) as sandbox:
        job_ids = [sandbox.add_job(seconds=0) for _ in range(USERS)]
        with sandbox.client(**OPTIONS) as jobs, ThreadPoolExecutor(USERS) as threads:
            for future in [threads.submit(use, jobs, job_id, tmp_path) for job_id in job_ids]:
                future.result()
        for job_id in job_ids:
            assert digest((tmp_path / f"{job_id}.csv").read_bytes()) == sandbox.result(job_id).sha256
        assert len(sandbox.job_ids) == 3 * USERS, "each user made two replays"
    assert set(threading.enumerate()) <= before


def test_many_tasks_share_a_client(tmp_path: Path) -> None:
    with Sandbox(job_seconds=0.01, result_bytes=BYTES, hourly_budget=None) as sandbox:
        job_ids = [sandbox.add_job(seconds=0) for _ in range(USERS)]

        async def main() -> None:
            async with sandbox.async_client(**OPTIONS) as jobs:
                await asyncio.gather(*(use_in_a_task(jobs, job_id, tmp_path) for job_id in job_ids))

        asyncio.run(main())
        for job_id in job_ids:
            assert digest((tmp_path / f"{job_id}.csv").read_bytes()) == sandbox.result(job_id).sha256
        assert len(sandbox.job_ids) == 3 * USERS
