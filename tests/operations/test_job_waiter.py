"""`JobWaiter`: jobs that come and go, in virtual time and over real sockets."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import (
    AuthenticationError,
    ConfigurationError,
    Job,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    Polling,
    ServerError,
    WaitTimeoutError,
)
from impact_jobs._api.context import ClientContext
from impact_jobs._api.parsing import parse_job
from impact_jobs._operations import wait as single
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.async_client import JobWaiter
from impact_jobs.sandbox import Sandbox

from tests.support.account import START, JobState, ManyJobs, ids, job_ending, job_id
from tests.support.simulated import Answer, Script, answer, context, transport_of
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


# Requests


@pytest.mark.parametrize("interval", [0.0, 0.1, 1.0, 10.0])
def test_jobs_that_join_one_after_another_share_the_lists(interval: float) -> None:
    end = 50 * interval + 600.0
    api = jobs_of({n: job_ending(n, after=end, CreatedDate=DAY) for n in range(50)})
    found = outcomes({n: [(n * interval, None)] for n in range(50)}, api)
    assert {outcome.status for [(_, outcome)] in found.values()} == {"COMPLETED"}
    assert max(at - end for [(at, _)] in found.values()) <= 60.0
    together = jobs_of({n: job_ending(n, after=600.0, CreatedDate=DAY) for n in range(50)})
    outcomes({n: [(0.0, None)] for n in range(50)}, together)
    most = together.counts.total() + 50 * interval  # one tick a second while jobs join
    assert api.counts.total() <= most
    assert api.counts["get"] <= 10 + 0.2 * 50 * (interval == 10.0)


@pytest.mark.parametrize("seconds", [0.0, 5.0, 90.0, 3000.0])
def test_a_single_job_costs_no_more_than_the_wait_of_the_client(seconds: float) -> None:
    state = job_ending(0, after=seconds, CreatedDate=DAY)
    shared, alone = jobs_of({0: state}), jobs_of({0: state})
    ((at, outcome),) = outcomes({0: [(0.0, None)]}, shared)[0]
    waiting = context(alone)
    done = run_sync(single.wait(waiting, job_id(0), timeout=None, polling=None, on_update=None))
    assert outcome == done
    assert shared.counts == alone.counts
    assert at == pytest.approx(transport_of(waiting).clock - START)


def test_jobs_one_after_the_other_cost_as_many_requests_as_single_waits() -> None:
    api = jobs_of({n: job_ending(n, after=100.0 * n) for n in range(5)})
    outcomes({n: [(100.0 * n + 1.0, None)] for n in range(5)}, api)
    assert api.counts == {"get": 5}


def test_a_job_that_joins_a_long_pause_is_polled_in_time() -> None:
    api = jobs_of({0: job_ending(0, after=1e5), 1: job_ending(1, after=0.0), 2: job_ending(2, after=20_010.0)})
    found = outcomes({0: [(0.0, None)], 1: [(20_000.0, None)], 2: [(20_000.0, None)]}, api)
    ((at, _),) = found[1]
    assert at - 20_000.0 <= 5.0
    ((at, _),) = found[2]
    assert at - 20_010.0 <= 30.0


def test_a_job_that_was_scheduled_a_moment_ago_is_not_polled_at_once() -> None:
    api = jobs_of({0: job_ending(0, after=100.0)})
    context = in_loop(api)
    run(waiter_of(context).wait(job(0, "QUEUED"), None))
    first, _ = transport_of(context).asked[0]
    assert first > START


def test_the_minimum_of_the_policy_holds_for_jobs_that_join() -> None:
    api = jobs_of({n: job_ending(n, after=600.0, CreatedDate=DAY) for n in range(20)})
    context = in_loop(api)
    waiter = waiter_of(context, Polling(minimum=30.0, maximum=60.0))

    async def main() -> None:
        await asyncio.gather(*[at(n, lambda n=n: waiter.wait(job_id(n), None)) for n in range(20)])  # type: ignore[misc]

    run(main())
    asked = [moment for moment, _ in transport_of(context).asked]
    assert all(later - earlier >= 10.0 for earlier, later in pairwise(asked))
    assert len(asked) <= 25


def test_jobs_that_join_while_the_server_fails_do_not_put_the_next_poll_off() -> None:
    """After a failure, the pause of the retry policy is longer than the time from one job to the next."""
    failing = answer(503, {"Message": "later"}, headers={"retry-after": "30"})
    states = {n: job_ending(n, after=20.0) for n in range(100)}
    states[0] = lambda at: failing if at < 1.0 else {"Id": job_id(0), "Status": "COMPLETED"}
    api = jobs_of(states)
    found = outcomes({n: [(1.0 * n, None)] for n in range(100)}, api)
    ((at, _),) = found[0]
    assert at <= 35.0


def test_jobs_that_join_after_a_time_without_lists_are_listed_again() -> None:
    """A list that lacked all jobs is rarely read, but it may show those that join later."""
    api = jobs_of(
        {n: job_ending(n, after=2000.0 if n < 3 else 1300.0, CreatedDate=DAY) for n in range(43)},
        hides=lambda _: ids(3),
    )
    before = evolve(api, counts=Counter())
    outcomes({n: [(0.0, None)] for n in range(3)}, before)
    outcomes({n: [(0.0 if n < 3 else 1000.0, None)] for n in range(43)}, api)
    assert api.counts["get"] - before.counts["get"] <= 10


def test_a_job_that_joins_with_a_short_timeout_is_polled_even_if_the_list_lacks_it() -> None:
    states = {n: job_ending(n, after=0.0 if n == 9 else 1e4, CreatedDate=DAY) for n in range(10)}
    api = jobs_of(states, hides=lambda _: [job_id(9)])
    found = outcomes({n: [(100.0, 0.5) if n > 5 else (0.0, 500.0)] for n in range(10)}, api)
    ((at, outcome),) = found[9]
    assert outcome.status == "COMPLETED"
    assert at == pytest.approx(100.5)


def test_a_short_quota_holds_for_jobs_that_join() -> None:
    api = jobs_of({n: job_ending(n, after=50.0 * n, CreatedDate=DAY) for n in range(200)}, limit=120)
    found = outcomes({n: [(20.0 * n, None)] for n in range(200)}, api)
    assert api.refused == 0
    assert {outcome.status for [(_, outcome)] in found.values()} == {"COMPLETED"}


def test_an_interrupted_pause_gives_its_reservation_back() -> None:
    api = jobs_of({0: job_ending(0, after=1e5), 1: job_ending(1, after=0.0)})
    context = in_loop(api)
    waiter = waiter_of(context)

    async def main() -> None:
        first = asyncio.create_task(waiter.wait(job_id(0), None))
        await asyncio.sleep(5000.0)
        for _ in range(10):
            await waiter.wait(job_id(1), None)
        first.cancel()
        await asyncio.wait([first])

    run(main())
    assert context.rate_limiter._reserved == 0


# Outcomes


def test_each_wait_has_its_own_outcome() -> None:
    api = jobs_of(
        {
            0: job_ending(0, after=30.0),
            1: job_ending(1, after=30.0, then="FAILED", StatusMessage="no data"),
            2: job_ending(2, after=30.0, then="CANCELLED"),
            4: job_ending(4, after=1e6),
        }
    )
    found = outcomes({n: [(n * 0.5, 100.0)] for n in range(5)}, api)
    kinds = [type(outcome) for [(_, outcome)] in found.values()]
    assert kinds == [Job, JobFailedError, JobCancelledError, JobNotFoundError, WaitTimeoutError]
    ((at, error),) = found[4]
    assert at == pytest.approx(102.0)
    assert error.job_id == job_id(4)
    assert "in 100 s" in str(error)


def test_two_waits_for_one_job_share_its_polls_and_have_their_own_deadlines() -> None:
    api, alone = (jobs_of({0: job_ending(0, after=500.0)}) for _ in range(2))
    found = outcomes({0: [(0.0, None), (10.0, 100.0), (20.0, None), (30.0, 1000.0), (40.0, 0.0)]}, api)
    outcomes({0: [(0.0, None)]}, alone)
    assert [type(outcome) for _, outcome in found[0]] == [Job, WaitTimeoutError, Job, Job, WaitTimeoutError]
    assert [at for at, _ in found[0]][1::3] == pytest.approx([110.0, 40.0])
    assert "in 100 s" in str(found[0][1][1])
    assert "in 0 s" in str(found[0][4][1])
    assert api.counts.total() <= alone.counts.total() + 4, "one for each deadline and some for the schedule"


def test_two_waits_for_one_job_raise_different_instances() -> None:
    api = jobs_of({0: job_ending(0, after=5.0, then="FAILED")})
    (_, first), (_, second) = outcomes({0: [(0.0, None), (0.0, None)]}, api)[0]
    assert str(first) == str(second)
    assert first is not second
    assert first.job == second.job


def test_timeout_zero_polls_each_job_once() -> None:
    api = jobs_of({n: job_ending(n, after=0.0 if n else 1e6) for n in range(3)})
    found = outcomes({n: [(0.0, 0.0)] for n in range(3)}, api)
    assert [type(outcome) for [(_, outcome)] in found.values()] == [WaitTimeoutError, Job, Job]
    assert all(at == 0.0 for [(at, _)] in found.values())


def test_an_ended_snapshot_costs_no_request() -> None:
    def script(_: float, __: Request) -> Answer:
        raise AssertionError

    waiter, seen = waiter_of(in_loop(script)), list[Job]()

    async def main() -> list[Any]:
        completed = await waiter.wait(job(0, "COMPLETED"), on_update=seen.append)
        _, failed = await at(0.0, lambda: waiter.wait(job(1, "FAILED")))
        return [completed, failed]

    completed, failed = run(main())
    assert seen == [completed]
    assert isinstance(failed, JobFailedError)


def test_a_401_ends_all_waits_with_copies() -> None:
    states = {n: job_ending(n, after=1e6, CreatedDate=DAY) for n in range(5)}
    api = jobs_of(states, listed=lambda at: answer(401, {"Message": "no"}) if at > 50.0 else None)
    found = outcomes({n: [(n * 1.0, None)] * 2 for n in range(5)}, api)
    errors = [outcome for each in found.values() for _, outcome in each]
    assert {type(error) for error in errors} == {AuthenticationError}
    assert len({id(error) for error in errors}) == 10
    assert {error.job_id for error in errors} == set(ids(5))


def test_after_a_failure_the_waiter_can_be_used_again() -> None:
    api = jobs_of({0: lambda at: answer(401) if at < 5.0 else {"Id": job_id(0), "Status": "COMPLETED"}})
    found = outcomes({0: [(0.0, None), (10.0, None)]}, api)
    assert [type(outcome) for _, outcome in found[0]] == [AuthenticationError, Job]


def test_a_server_that_is_down_ends_no_wait() -> None:
    down = ServerError("down", status_code=503)

    def state(number: int) -> JobState:
        return lambda at: down if at < 900.0 else job_ending(number, after=0.0)(at)

    api = jobs_of({n: state(n) for n in range(10)}, listed=lambda at: down if at < 900.0 else None)
    found = outcomes({n: [(n * 10.0, None)] for n in range(10)}, api)
    assert {outcome.status for [(_, outcome)] in found.values()} == {"COMPLETED"}
    assert api.counts.total() < 100


# Cancellation, updates and the end


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


def test_a_waiter_belongs_to_one_event_loop() -> None:
    waiter = waiter_of(in_loop(jobs_of({0: job_ending(0, after=0.0)})))
    run(waiter.wait(job_id(0)))
    with pytest.raises(ConfigurationError, match="another event loop"):
        run(waiter.wait(job_id(0)))


@pytest.mark.parametrize("options", [{"timeout": -1}, {"on_update": 5}, {"job": "x"}])
def test_invalid_arguments_are_rejected(options: dict[str, Any]) -> None:
    waiter = waiter_of(in_loop(jobs_of({})))
    with pytest.raises(ConfigurationError):
        run(waiter.wait(**{"job": job_id(0), **options}))
    with pytest.raises(ConfigurationError):
        waiter_of(in_loop(jobs_of({})), polling=5)  # type: ignore[arg-type]


# Over real sockets


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
