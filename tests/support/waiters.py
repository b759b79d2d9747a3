"""A `JobWaiter` in virtual time, and calls of it at chosen moments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from attrs import evolve
from impact_jobs import Job, Polling
from impact_jobs._api.context import ClientContext
from impact_jobs._api.parsing import parse_job
from impact_jobs.async_client import JobWaiter

from tests.support.account import START, JobState, ManyJobs, job_id
from tests.support.simulated import Script, context, transport_of
from tests.support.virtual_loop import LoopTransport, run

DAY = "2026-05-29T04:33:50-05:00"


def in_loop(script: Script, **options: Any) -> ClientContext:
    """Return a context whose clock is that of the virtual event loop."""
    found = context(script, **options)
    seconds = transport_of(found).exchange_seconds
    return evolve(found, transport=LoopTransport(script, exchange_seconds=seconds))


def waiter_of(context: ClientContext, polling: Polling | None = None) -> JobWaiter:
    return JobWaiter(SimpleNamespace(_context=context), polling=polling)


def now() -> float:
    """Return the seconds since the start."""
    return asyncio.get_running_loop().time() - START


async def at(moment: float, call: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Make a call at that moment; return when it has ended, and its result or error."""
    await asyncio.sleep(moment - now())
    try:
        outcome = await call()
    except Exception as error:  # noqa: BLE001 - the tests compare any
        outcome = error
    return now(), outcome


def jobs_of(states: dict[int, JobState], **options: Any) -> ManyJobs:
    return ManyJobs({job_id(number): state for number, state in states.items()}, **options)


def job(number: int, status: str, **fields: Any) -> Job:
    return parse_job({"Id": job_id(number), "Status": status, **fields}, str)


def outcomes(waits: dict[int, list[tuple[float, float | None]]], api: Script, **options: Any) -> dict[int, list[Any]]:
    """Run waits, by the number of their job, each as (when it begins, its timeout); return when and how each ends."""
    waiter = waiter_of(in_loop(api, **options))

    async def main() -> list[tuple[float, Any]]:
        calls = [
            at(begin, lambda number=number, timeout=timeout: waiter.wait(job_id(number), timeout))  # type: ignore[misc]
            for number, each in waits.items()
            for begin, timeout in each
        ]
        return await asyncio.gather(*calls)

    found = iter(run(main()))
    return {number: [next(found) for _ in each] for number, each in waits.items()}
