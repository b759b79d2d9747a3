"""`JobWaiter`: cancelled waits, updates, and its end."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from typing import Any

import pytest
from impact_jobs import (
    ConfigurationError,
    Job,
)
from impact_jobs._transport.base import Request

from tests.support.account import START, job_ending, job_id
from tests.support.simulated import Answer, transport_of
from tests.support.virtual_loop import run
from tests.support.waiters import DAY, at, in_loop, jobs_of, now, waiter_of


def test_a_cancelled_wait_is_forgotten_alone() -> None:
    api = jobs_of({n: job_ending(n, after=100.0) for n in range(2)})
    waiter = waiter_of(in_loop(api))

    async def main() -> list[Job]:
        tasks = [asyncio.create_task(waiter.wait(job_id(n), None)) for n in (0, 0, 1)]
        await asyncio.sleep(20.0)
        tasks[0].cancel()
        tasks[2].cancel()
        cancelled = await asyncio.gather(tasks[0], tasks[2], return_exceptions=True)
        assert [type(error) for error in cancelled] == [asyncio.CancelledError] * 2
        before = api.counts.total()
        done = [await tasks[1]]
        assert api.counts["get"] - before <= 12
        return done

    (done,) = run(main())
    assert done.status == "COMPLETED"


def test_a_cancelled_wait_names_its_job() -> None:
    waiter = waiter_of(in_loop(jobs_of({0: job_ending(0, after=1e6)})))

    async def main() -> None:
        async with asyncio.timeout(10.0):
            await waiter.wait(job_id(0), None)

    with pytest.raises(TimeoutError) as caught:
        run(main())
    assert f"wait({job_id(0)!r})" in "".join(getattr(caught.value.__cause__, "__notes__", []))


@pytest.mark.parametrize("moment", [0.0, 0.5, 20.0, 1000.0])
def test_when_the_last_wait_is_cancelled_nothing_runs(moment: float) -> None:
    api = jobs_of({0: job_ending(0, after=1e6)})
    waiter = waiter_of(in_loop(api, exchange_seconds=1.0))

    async def main() -> None:
        task = asyncio.create_task(waiter.wait(job_id(0), None))
        await asyncio.sleep(moment)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(2.0)  # a request in flight may end
        before = api.counts.total()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(10_000.0)
        assert api.counts.total() == before

    run(main())


def test_jobs_that_join_or_leave_do_not_cancel_a_request_in_flight() -> None:
    ended = list[float]()
    api = jobs_of({n: job_ending(n, after=30.0) for n in range(3)})

    def script(at: float, request: Request) -> Answer:
        ended.append(at - START)
        return api(at, request)

    context = in_loop(script, exchange_seconds=10.0)

    async def main() -> None:
        waiter = waiter_of(context)
        gone = asyncio.create_task(waiter.wait(job_id(0), None))
        await asyncio.sleep(5.0)
        others = [asyncio.create_task(waiter.wait(job_id(n), None)) for n in (1, 2)]
        await asyncio.sleep(1.0)
        gone.cancel()
        await asyncio.wait([gone, *others])
        assert {task.result().status for task in others} == {"COMPLETED"}

    run(main())
    assert len(ended) == len(transport_of(context).asked)


def test_a_wait_that_was_cancelled_and_begun_again_during_a_request_ends() -> None:
    api = jobs_of({0: job_ending(0, after=3.0)})
    waiter = waiter_of(in_loop(api, exchange_seconds=10.0))

    async def main() -> Job:
        first = asyncio.create_task(waiter.wait(job_id(0), None))
        await asyncio.sleep(5.0)
        first.cancel()
        await asyncio.wait([first])
        return await waiter.wait(job_id(0), None)

    assert run(main()).status == "COMPLETED"


def test_an_error_in_on_update_ends_its_own_wait_only() -> None:
    api = jobs_of({n: job_ending(n, after=60.0, CreatedDate=DAY) for n in range(3)})
    waiter, seen = waiter_of(in_loop(api)), list[Job]()

    def fail(_: Job) -> None:
        raise ZeroDivisionError

    async def main() -> list[Any]:
        waits = [waiter.wait(job_id(0), on_update=update) for update in (fail, seen.append)]
        return await asyncio.gather(*waits, waiter.wait(job_id(1)), return_exceptions=True)

    failed, *others = run(main())
    assert isinstance(failed, ZeroDivisionError)
    assert {done.status for done in others} == {"COMPLETED"}
    assert seen[-1] == others[0]
    assert len(seen) > 2


def test_on_update_runs_in_the_context_of_its_call_and_polls_in_none(caplog: pytest.LogCaptureFixture) -> None:
    name = ContextVar("name", default="nobody")
    api = jobs_of({n: job_ending(n, after=60.0) for n in range(2)})
    waiter, seen, logged = waiter_of(in_loop(api)), set[tuple[int, str]](), set[str]()

    class Handler(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            logged.add(name.get())

    async def wait(number: int) -> None:
        name.set(f"task {number}")
        await waiter.wait(job_id(number), on_update=lambda _: seen.add((number, name.get())))

    async def main() -> None:
        await asyncio.gather(wait(0), wait(1))

    handler = Handler()
    caplog.set_level("INFO", "impact_jobs")
    logging.getLogger("impact_jobs").addHandler(handler)
    try:
        run(main())
    finally:
        logging.getLogger("impact_jobs").removeHandler(handler)
    assert seen == {(0, "task 0"), (1, "task 1")}
    assert logged == {"nobody"}


@pytest.mark.parametrize("moment", [0.0, 0.5, 20.0])
def test_aclose_ends_all_waits(moment: float) -> None:
    waiter = waiter_of(in_loop(jobs_of({n: job_ending(n, after=1e6) for n in range(3)}), exchange_seconds=1.0))

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(waiter.wait(job_id(n), None)) for n in range(3)]
        await asyncio.sleep(moment)
        await waiter.aclose()
        assert now() == moment
        assert asyncio.all_tasks() <= {asyncio.current_task(), *tasks}
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await waiter.aclose()
        return [*found, (await at(moment, lambda: waiter.wait(job_id(0))))[1]]

    assert {type(error) for error in run(main())} == {ConfigurationError}
