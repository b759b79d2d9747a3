"""How many requests a `JobWaiter` sends, and when, while jobs come and go."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from attrs import evolve
from impact_jobs import (
    Polling,
)
from impact_jobs._operations import wait as single
from impact_jobs._transport.run_sync import run_sync

from tests.support.account import START, ids, job_ending, job_id
from tests.support.simulated import answer, context, transport_of
from tests.support.virtual_loop import run
from tests.support.waiters import DAY, at, in_loop, job, jobs_of, outcomes, waiter_of


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
