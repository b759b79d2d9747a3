"""Many replays at once, from threads and from tasks: each call has a job of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from impact_jobs import ReplayUncertainError, Retry
from impact_jobs.sandbox import Sandbox

CALLS = 24
# They look until it is certain, however slow the machine: every lost replay has been carried out here.
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
    """The clients know nothing of each other, but that they are of one account."""
    half = len(job_ids) // 2
    with ThreadPoolExecutor(1) as thread:
        tasks = thread.submit(replay_in_tasks, sandbox, job_ids[:half])
        in_threads = replay_in_threads(sandbox, job_ids[half:])
        return tasks.result() + in_threads


ways = pytest.mark.parametrize("replay", [replay_in_threads, replay_in_tasks, replay_in_both])
Way = Callable[[Sandbox, list[str]], list[str]]


@pytest.fixture
def spacious() -> Sandbox:
    return Sandbox(job_seconds=0, hourly_budget=None)


@ways
def test_each_call_makes_one_job_and_none_is_told_twice(replay: Way, spacious: Sandbox) -> None:
    with spacious as sandbox:
        job_id = sandbox.add_job(age=3600)
        told = replay(sandbox, [job_id] * CALLS)
        assert sorted(told) == sorted(set(sandbox.job_ids) - {job_id})


@ways
@pytest.mark.parametrize("status", [None, 502])
def test_when_answers_are_lost_each_call_still_has_its_own(replay: Way, status: int | None, spacious: Sandbox) -> None:
    with spacious as sandbox:
        job_id = sandbox.add_job(age=3600)
        sandbox.answer_next("PUT", "/Replay", status=status, perform=True, times=CALLS // 2)
        told = replay(sandbox, [job_id] * CALLS)
        assert sorted(told) == sorted(set(sandbox.job_ids) - {job_id})
        assert sum(request.method == "PUT" for request in sandbox.requests) == CALLS


@ways
def test_jobs_of_other_kinds_do_not_hold_each_other_up(replay: Way, spacious: Sandbox) -> None:
    with spacious as sandbox:
        programs = [str(random.Random(number).getrandbits(32)) for number in range(CALLS)]  # noqa: S311 - no secret
        sources = [sandbox.add_job(age=3600, program_id=program) for program in programs]
        sandbox.answer_next("PUT", "/Replay", status=504, perform=True, times=CALLS // 2)
        told = replay(sandbox, sources)
        with sandbox.client() as jobs:
            assert [jobs.get(job_id).program_id for job_id in told] == programs


def test_where_it_cannot_be_told_whose_a_job_is_nobody_takes_it(spacious: Sandbox) -> None:
    with spacious as sandbox, sandbox.client(retry=Retry(attempts=2, base_delay=0)) as jobs:
        first, second = sandbox.add_job(age=3600), sandbox.add_job(age=3600)
        sandbox.answer_next("PUT", "/Replay", status=502)  # lost, and never carried out
        with pytest.raises(ReplayUncertainError):
            jobs.replay(first)
        sandbox.answer_next("PUT", "/Replay", status=502, perform=True)
        with pytest.raises(ReplayUncertainError) as raised:
            jobs.replay(second)
        assert [job.id for job in raised.value.candidates] == [sandbox.job_ids[-1]]
