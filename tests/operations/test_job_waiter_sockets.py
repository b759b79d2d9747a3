"""`JobWaiter` over real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

from impact_jobs import (
    AuthenticationError,
    Job,
    JobFailedError,
    Polling,
)
from impact_jobs.async_client import JobWaiter
from impact_jobs.sandbox import Sandbox


def over_sockets(sandbox: Sandbox, main: Callable[[JobWaiter], Coroutine[Any, Any, Any]]) -> Any:
    async def go() -> Any:
        async with sandbox.async_client(polling=Polling(minimum=0.01, maximum=0.02)) as client:
            waiter = JobWaiter(client)
            try:
                return await main(waiter)
            finally:
                await waiter.aclose()

    return asyncio.run(asyncio.wait_for(go(), 60))


def test_many_tasks_wait_over_real_sockets(sandbox: Sandbox) -> None:
    async def main(waiter: JobWaiter) -> None:
        for _ in range(2):
            new = [sandbox.add_job() for _ in range(10)]
            failed = sandbox.add_job(status="FAILED")
            waits = [waiter.wait(job_id, 30.0) for job_id in [*new, *new, failed]]
            *done, error = await asyncio.gather(*waits, return_exceptions=True)
            assert [each.id for each in done if isinstance(each, Job)] == [*new, *new]
            assert isinstance(error, JobFailedError)

    over_sockets(sandbox, main)


def test_an_expired_token_ends_all_waits_over_real_sockets(sandbox: Sandbox) -> None:
    new = [sandbox.add_job(status="RUNNING") for _ in range(3)]

    async def main(waiter: JobWaiter) -> list[Any]:
        waits = [asyncio.create_task(waiter.wait(job_id, 30.0)) for job_id in new]
        await asyncio.sleep(0.1)
        sandbox.answer_next("GET", re.compile("/Jobs"), status=401, times=50)
        return await asyncio.gather(*waits, return_exceptions=True)

    errors = over_sockets(sandbox, main)
    assert [type(error) for error in errors] == [AuthenticationError] * 3
    assert [error.job_id for error in errors] == new
