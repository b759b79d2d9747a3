"""Many concurrent replays, from threads and tasks: each call returns its own job."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from impact_jobs import ReplayUncertainError, Retry
from impact_jobs.sandbox import Sandbox

CALLS = 24
# The calls read the list until it is certain, however slow the machine is: every lost replay was carried out.
PATIENT = Retry(attempts=10_000, base_delay=0.01, max_delay=0.05)


def replay_in_threads(sandbox: Sandbox, job_ids: list[str]) -> list[str]:
    with sandbox.client(retry=PATIENT) as jobs, ThreadPoolExecutor(len(job_ids)) as threads:
        return [job.id for job in threads.map(jobs.replay, job_ids)]


def replay_in_tasks(sandbox: Sandbox, job_ids: list[str]) -> list[str]:
    async def replay_all() -> list[str]:
        async with sandbox.async_client(retry=PATIENT) as jobs:
            return [job.id for job in await asyncio.gather(*map(jobs.replay, job_ids))]

    return asyncio.run(replay_all())


def replay_in_both(sandbox: Sandbox, job_ids: list[str]) -> list[str]:
    """Replay with two clients that have only their account in common."""
    half = len(job_ids) // 2
    with ThreadPoolExecutor(1) as thread:
        tasks = thread.submit(replay_in_tasks, sandbox, job_ids[:half])
        in_threads = replay_in_threads(sandbox, job_ids[half:])
        return tasks.result() + in_threads


each_way = pytest.mark.parametrize("replay", [replay_in_threads, replay_in_tasks, replay_in_both])
Replay = Callable[[Sandbox, list[str]], list[str]]


@pytest.fixture
def sandbox_without_limit() -> Sandbox:
    return Sandbox(job_seconds=0, hourly_budget=None)


@each_way
def test_each_call_creates_one_job_and_returns_its_own(replay: Replay, sandbox_without_limit: Sandbox) -> None:
    with sandbox_without_limit as sandbox:
        job_id = sandbox.add_job(age=3600)
        returned = replay(sandbox, [job_id] * CALLS)
        assert sorted(returned) == sorted(set(sandbox.job_ids) - {job_id})


@each_way
@pytest.mark.parametrize("status", [None, 502])
def test_each_call_returns_its_own_job_even_if_responses_are_lost(
    replay: Replay, status: int | None, sandbox_without_limit: Sandbox
) -> None:
    with sandbox_without_limit as sandbox:
        job_id = sandbox.add_job(age=3600)
        sandbox.answer_next("PUT", "/Replay", status=status, perform=True, times=CALLS // 2)
        returned = replay(sandbox, [job_id] * CALLS)
        assert sorted(returned) == sorted(set(sandbox.job_ids) - {job_id})
        assert sum(request.method == "PUT" for request in sandbox.requests) == CALLS


@each_way
def test_replays_of_different_kinds_do_not_delay_each_other(replay: Replay, sandbox_without_limit: Sandbox) -> None:
    with sandbox_without_limit as sandbox:
        programs = [str(random.Random(number).getrandbits(32)) for number in range(CALLS)]  # noqa: S311 - no secret
        sources = [sandbox.add_job(age=3600, program_id=program) for program in programs]
        sandbox.answer_next("PUT", "/Replay", status=504, perform=True, times=CALLS // 2)
        returned = replay(sandbox, sources)
        with sandbox.client() as jobs:
            assert [jobs.get(job_id).program_id for job_id in returned] == programs


def test_a_job_that_another_replay_may_have_made_is_not_taken(sandbox_without_limit: Sandbox) -> None:
    with sandbox_without_limit as sandbox, sandbox.client(retry=Retry(attempts=2, base_delay=0)) as jobs:
        first, second = sandbox.add_job(age=3600), sandbox.add_job(age=3600)
        sandbox.answer_next("PUT", "/Replay", status=502)  # the response is lost, and no job was created
        with pytest.raises(ReplayUncertainError):
            jobs.replay(first)
        sandbox.answer_next("PUT", "/Replay", status=502, perform=True)
        with pytest.raises(ReplayUncertainError) as raised:
            jobs.replay(second)
        assert [job.id for job in raised.value.candidates] == [sandbox.job_ids[-1]]
