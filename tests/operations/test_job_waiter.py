"""How the waits of a `JobWaiter` end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from impact_jobs import (
    AuthenticationError,
    ConfigurationError,
    Job,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    ServerError,
    WaitTimeoutError,
)
from impact_jobs._transport.base import Request

from tests.support.account import JobState, ids, job_ending, job_id
from tests.support.simulated import Answer, answer
from tests.support.virtual_loop import run
from tests.support.waiters import DAY, at, in_loop, job, jobs_of, outcomes, waiter_of


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


# Jobs that another process has scheduled a moment ago


def _hidden_for(seconds: float) -> JobState:
    return lambda at: None if at < seconds else {"Id": job_id(0), "Status": "COMPLETED"}


def test_a_new_job_may_be_hidden_for_a_while() -> None:
    api = jobs_of({0: _hidden_for(20.0)})
    waiter = waiter_of(in_loop(api))
    assert run(waiter.wait(job_id(0), hidden_seconds=60.0)).status == "COMPLETED"
    assert api.counts["get"] <= 12


def test_a_job_that_stays_hidden_is_not_found() -> None:
    waiter = waiter_of(in_loop(jobs_of({0: _hidden_for(1e6)})))
    ended_at, outcome = run(at(0.0, lambda: waiter.wait(job_id(0), None, hidden_seconds=60.0)))
    assert isinstance(outcome, JobNotFoundError)
    assert 60.0 <= ended_at <= 90.0


@pytest.mark.parametrize("timeout", [0.0, 10.0])
def test_a_hidden_job_times_out(timeout: float) -> None:
    api = jobs_of({0: _hidden_for(1e6)})
    waiter = waiter_of(in_loop(api))
    ended_at, outcome = run(at(0.0, lambda: waiter.wait(job_id(0), timeout, hidden_seconds=60.0)))
    assert isinstance(outcome, WaitTimeoutError)
    assert ended_at == timeout
    assert api.counts["get"] <= 10


def test_a_hidden_job_does_not_end_the_waits_for_others() -> None:
    api = jobs_of({0: _hidden_for(30.0), 1: job_ending(1, after=10.0)})
    waiter = waiter_of(in_loop(api))

    async def main() -> list[tuple[float, Any]]:
        waits = [lambda n=n: waiter.wait(job_id(n), hidden_seconds=60.0) for n in (0, 1)]
        return await asyncio.gather(*[at(0.0, wait) for wait in waits])

    (hidden_until, _), (ended_at, _) = run(main())
    assert ended_at <= 15.0
    assert 30.0 <= hidden_until <= 45.0


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
