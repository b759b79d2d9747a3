"""Random sessions of a `JobWaiter`, in virtual time: many tasks, some of them cancelled, and a server that fails."""

from __future__ import annotations

import asyncio
import zlib
from random import Random

import pytest
from attrs import define, evolve
from impact_jobs import Job, JobFailedError, WaitTimeoutError

from tests.support.account import ManyJobs, job_ending, job_id
from tests.support.simulated import answer
from tests.support.virtual_loop import run
from tests.support.waiters import DAY, in_loop, now, waiter_of

LATE = 400.0  # seconds by which a job's end may be noticed late: the longest pause, and a failing server
_FAILING = 60.0


@define(kw_only=True)
class _Call:
    """One wait: of which job, from when to when, and how it ended."""

    number: int
    begins: float
    timeout: float | None
    cancelled_at: float | None
    ended_at: float = -1.0
    outcome: object = None


def session(random: Random, jobs: int) -> list[_Call]:
    return [
        _Call(
            number=random.randrange(jobs),
            begins=random.choice([0.0, random.uniform(0, 10), random.uniform(0, 3000)]),
            timeout=random.choice([None, 0.0, random.uniform(0, 5), random.uniform(0, 4000)]),
            cancelled_at=random.uniform(0, 4000) if random.random() < 0.3 else None,
        )
        for _ in range(random.choice([2, 10, 60]))
    ]


@pytest.mark.parametrize("number", range(40))
def test_every_wait_ends_as_its_job_and_its_time_say(number: int) -> None:
    seed = zlib.crc32(f"a session of the waiter {number}".encode())
    print(f"seed {seed}")  # noqa: T201 - pytest shows it if the test fails
    random = Random(seed)  # noqa: S311 - not for secrets
    ends = [
        random.choice([0.0, random.uniform(0, 100), random.uniform(0, 5000)]) for _ in range(random.choice([1, 12]))
    ]
    fails = [random.random() < 0.2 for _ in ends]
    hidden = {job_id(n) for n in range(len(ends)) if random.random() < 0.2}
    fails_at = random.uniform(0, 1000) if random.random() < 0.5 else 1e9
    states = {
        job_id(n): job_ending(n, after=end, then="FAILED" if fails[n] else "COMPLETED", CreatedDate=DAY)
        for n, end in enumerate(ends)
    }
    api = ManyJobs(
        states,
        page_size=random.choice([0, 5]),
        hides=lambda _: hidden,
        listed=lambda at: answer(503, {}) if fails_at <= at < fails_at + _FAILING else None,
    )
    exchange_seconds = random.choice([0.0, 0.3])
    context = evolve(in_loop(api, exchange_seconds=exchange_seconds), random=random.random)
    waiter, calls = waiter_of(context), session(random, len(ends))

    async def wait(call: _Call) -> None:
        await asyncio.sleep(call.begins)
        task = asyncio.create_task(waiter.wait(job_id(call.number), call.timeout))
        if call.cancelled_at is not None:
            asyncio.get_running_loop().call_later(max(call.cancelled_at - now(), 0.0), task.cancel)
        await asyncio.wait([task])
        call.ended_at = now()
        call.outcome = asyncio.CancelledError() if task.cancelled() else task.exception() or task.result()

    async def main() -> None:
        await asyncio.gather(*map(wait, calls))
        await asyncio.sleep(exchange_seconds * 10)  # a poll in flight may end

    run(main())
    for call in calls:
        check(call, ends[call.number], fails=fails[call.number], slack=20 * exchange_seconds)  # a poll for each job
    assert waiter._shared == {}
    assert waiter._batch is None
    assert context.rate_limiter._reserved == 0


def check(call: _Call, end: float, *, fails: bool, slack: float) -> None:
    deadline = float("inf") if call.timeout is None else call.begins + call.timeout
    match call.outcome:
        case Job() | JobFailedError():
            assert isinstance(call.outcome, JobFailedError) == fails, call
            assert end <= call.ended_at <= min(max(end, call.begins) + LATE, deadline + slack + 0.01), call
        case WaitTimeoutError():
            assert deadline - 0.01 <= call.ended_at <= deadline + slack + 0.01, call
            assert deadline <= end + LATE or "the last request failed" in str(call.outcome), call
            assert call.timeout is not None
            assert f"in {round(call.timeout, 2):g} s" in str(call.outcome), call
        case asyncio.CancelledError():
            assert call.cancelled_at is not None, call
            assert call.ended_at == pytest.approx(max(call.cancelled_at, call.begins)), call
        case _:
            pytest.fail(f"{call} ended otherwise")
