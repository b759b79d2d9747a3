"""`wait_all` and `as_completed`: their requests and outcomes, in virtual time."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import (
    ConfigurationError,
    Job,
    JobCancelledError,
    JobFailedError,
    JobsError,
    Polling,
    ServerError,
    WaitTimeoutError,
)
from impact_jobs._api.context import ClientContext
from impact_jobs._api.parsing import parse_job
from impact_jobs._operations.wait_many import AsCompleted, JobBatch, JobOutcome, Timeouts, wait_all
from impact_jobs._transport.base import Request, Response
from impact_jobs._transport.run_sync import SyncIterator, run_sync

from tests.support.account import START, ManyJobs, ids, job_ending, job_id
from tests.support.driving import AnyClient
from tests.support.simulated import Answer, answer, context, transport_of

DAY = "2026-05-29T04:33:50-05:00"


def batch_of(
    context: ClientContext,
    jobs: Iterable[Any],
    *,
    timeout: Timeouts = None,
    polling: Polling | None = None,
    on_update: Callable[[Job], object] | None = None,
) -> JobBatch:
    return JobBatch(context, jobs, timeout=timeout, polling=polling, on_update=on_update)


def outcomes_of(context: ClientContext, jobs: Iterable[Any], **options: Any) -> dict[str, Job | JobsError]:
    return run_sync(wait_all(batch_of(context, jobs, **options), return_exceptions=True))


def in_order(context: ClientContext, jobs: Iterable[Any], **options: Any) -> Iterator[tuple[float, JobOutcome]]:
    """Return the outcomes, each with the seconds after which it is returned."""
    batch = SyncIterator(batch_of(context, jobs, **options))
    return ((transport_of(context).clock - START, finished) for finished in batch)


def statuses(outcomes: dict[str, Job | JobsError]) -> list[str]:
    return [outcome.status if isinstance(outcome, Job) else type(outcome).__name__ for outcome in outcomes.values()]


def jobs_ending_in_turn(count: int, **options: Any) -> ManyJobs:
    """Return jobs of which one ends every ten seconds."""
    return ManyJobs({job_id(n): job_ending(n, after=10.0 * n, CreatedDate=DAY) for n in range(count)}, **options)


@pytest.mark.parametrize("page_size", [0, 7, 100])
def test_every_job_is_returned_once_and_soon_after_its_end(page_size: int) -> None:
    api = jobs_ending_in_turn(60, page_size=page_size)
    outcomes = list(in_order(context(api), ids(60)))
    assert [finished.job_id for _, finished in outcomes] == ids(60)
    assert all(0 <= at - 10.0 * n <= 90.0 for n, (at, _) in enumerate(outcomes))
    backwards = outcomes_of(context(jobs_ending_in_turn(60, page_size=page_size)), reversed(ids(60)))
    assert list(backwards) == ids(60)[::-1]
    assert set(statuses(backwards)) == {"COMPLETED"}


@pytest.mark.parametrize("page_size", [1, 7])
def test_no_page_is_requested_after_the_deadline(page_size: int) -> None:
    endless = ManyJobs({job_id(n): job_ending(n, after=1e6, CreatedDate=DAY) for n in range(60)}, page_size=page_size)
    slow = context(endless, exchange_seconds=10.0)
    outcomes = list(in_order(slow, ids(60), timeout=25.0))
    assert {type(finished.outcome) for _, finished in outcomes} == {WaitTimeoutError}
    assert max(at for at, _ in outcomes) <= 25.0 + 10.0, "the exchange in flight at the deadline may end"


def test_a_poll_for_one_job_is_limited_to_the_first_deadline_of_all() -> None:
    api = context(ManyJobs({job_id(n): job_ending(n, after=1e6) for n in range(2)}))
    list(in_order(api, ids(2), timeout={job_id(0): 3.0, job_id(1): 100.0}))
    asked = transport_of(api).asked
    assert asked
    assert all(timeout <= max(START + 3.0 - at, 0.5) for at, timeout in asked if at < START + 3.0)


def test_one_list_per_tick_answers_for_all_jobs() -> None:
    api = jobs_ending_in_turn(100)
    outcomes_of(context(api), ids(100))
    assert api.counts["list"] < 500
    assert api.counts["get"] <= 20, "one for the date of a job, and some for the last job"


def test_the_list_reaches_back_to_the_oldest_job_and_no_further() -> None:
    api = jobs_ending_in_turn(20)
    outcomes_of(context(api), ids(20))
    assert set(api.windows) == {"2026-05-28"}  # one day earlier, because the server's time zone is unknown


def test_a_window_that_is_too_narrow_is_widened() -> None:
    """At first only one job's date is known, and 99 others are older."""
    states = {
        job_id(n): job_ending(n, after=100, CreatedDate=f"2026-05-{29 if n == 0 else 10}T00:00:00Z") for n in range(100)
    }
    api = ManyJobs(states, hides=lambda _: states.keys() - {job_id(0)} if api.windows[-1] > "2026-05-10" else ())
    assert set(statuses(outcomes_of(context(api), ids(100)))) == {"COMPLETED"}
    assert api.windows[0] == "2026-05-28"
    assert set(api.windows[2:]) == {"2026-05-09"}
    assert api.counts["get"] < 20


@pytest.mark.parametrize("date", ["9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", "2031-05-29T00:00:00Z", None, "?"])
def test_nonsensical_dates_lose_no_job(date: str | None) -> None:
    states = {job_id(n): job_ending(n, after=n, CreatedDate=date) for n in range(30)}
    api = ManyJobs(states, hides=lambda _: states if api.windows[-1] > "2026-06" else ())
    assert set(statuses(outcomes_of(context(api), ids(30)))) == {"COMPLETED"}


def test_the_list_may_state_slightly_different_dates_than_the_job() -> None:
    """The oldest job is polled alone, and the list states its time without an offset."""
    api = jobs_ending_in_turn(10)

    def script(now: float, request: Request) -> Answer:
        found = api(now, request)
        assert isinstance(found, Response)
        is_list = request.url.reveal().partition("?")[0].endswith("/Jobs")
        return evolve(found, body=found.body.replace(b"-05:00", b"")) if is_list else found

    assert len(list(in_order(context(script), ids(10)))) == 10
    assert api.counts["get"] <= 6


def test_a_job_named_in_several_ways_counts_once() -> None:
    api = jobs_ending_in_turn(3)
    shouted = job_id(2).upper()
    names = [parse_job({"Id": job_id(0), "Status": "RUNNING"}), job_id(0), f"/Agencies/IRtest/Jobs/{job_id(1)}"]
    outcomes = outcomes_of(context(api), (name for name in [*names, shouted, job_id(2)]))
    assert list(outcomes) == [job_id(0), job_id(1), shouted]
    assert set(statuses(outcomes)) == {"COMPLETED"}


def test_a_job_that_the_list_shows_twice_in_another_case_is_returned_once() -> None:
    def listed(at: float) -> Any:
        shown = [state(at) for state in api.states.values()]
        entries = [{**entry, "Id": entry["Id"].upper()} for entry in shown]
        odd: list[Any] = [7, None, [], {}, {"Id": 4}, {"Id": job_id(0)}, {"Id": ["x"], "Status": "RUNNING"}]
        return answer(200, {"Jobs": [*odd, *entries, *shown, *entries]})

    api = jobs_ending_in_turn(10, listed=listed)
    seen: list[Job] = []
    outcomes = list(in_order(context(api), ids(10), on_update=seen.append))
    assert [finished.job_id for _, finished in outcomes] == ids(10)
    assert sum(job.is_terminal for job in seen) == 10
    assert api.counts["get"] <= 6


def test_a_malformed_entry_is_polled_alone_and_only_awaited_jobs_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = [{"Id": "?"}, {"Id": job_id(77), "Status": 4}, *({"Id": job_id(n), "Status": None} for n in range(2))]

    def listed(at: float) -> Any:
        return answer(200, [*odd, *(state(at) for state in itertools.islice(api.states.values(), 2, None))])

    api = jobs_ending_in_turn(10, listed=listed)
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        assert set(statuses(outcomes_of(context(api), ids(10)))) == {"COMPLETED"}
    assert not any(job_id(77) in record.message or "'?'" in record.message for record in caplog.records)
    assert any(job_id(1) in record.message for record in caplog.records)


@pytest.mark.parametrize("hides", [lambda _: ids(100), lambda _: ids(50), lambda at: ids(100) if at < 60 else ()])
def test_a_job_missing_from_the_list_never_counts_as_completed(hides: Callable[[float], list[str]]) -> None:
    api = jobs_ending_in_turn(100, hides=hides, limit=1000)
    outcomes = list(in_order(context(api, exchange_seconds=0.1), ids(100)))
    assert len({finished.job_id for _, finished in outcomes}) == 100
    assert all(at >= 10.0 * int(finished.job_id[-12:], 16) for at, finished in outcomes)
    assert api.refused == 0


def test_a_list_that_lags_does_not_cost_hundreds_of_requests() -> None:
    api = jobs_ending_in_turn(150, hides=lambda at: ids(150) if at < 3 else ())
    outcomes_of(context(api, exchange_seconds=0.1), ids(150), timeout=60)
    assert api.counts["get"] < 40


def test_a_list_that_never_shows_the_jobs_is_rarely_read() -> None:
    states = {job_id(n): job_ending(n, after=3000) for n in range(50)}
    api = ManyJobs(states, hides=lambda _: states)
    outcomes_of(context(api), ids(50))
    assert api.counts["list"] < 30


def test_a_huge_list_of_other_jobs_is_not_read_for_a_few() -> None:
    states = {job_id(n): job_ending(n, after=300) for n in range(1000)}
    api = ManyJobs(states, page_size=10)
    wanted = ids(1000)[-4:]
    assert set(statuses(outcomes_of(context(api), wanted))) == {"COMPLETED"}
    assert api.counts["list"] <= 8


def test_terminal_snapshots_cost_no_request_and_no_callback_before_the_iteration() -> None:
    snapshots = [parse_job({"Id": job_id(n), "Status": "FAILED" if n == 1 else "COMPLETED"}) for n in range(3)]
    seen: list[Job] = []
    simulated = context(jobs_ending_in_turn(3))
    finished = AsCompleted(batch_of(simulated, snapshots, on_update=seen.append), return_exceptions=True)
    assert seen == []
    assert [type(outcome) for outcome in SyncIterator(finished)] == [Job, JobFailedError, Job]
    assert seen == snapshots
    assert transport_of(simulated).asked == []


def test_an_empty_batch_ends_at_once() -> None:
    simulated = context(jobs_ending_in_turn(1))
    assert outcomes_of(simulated, []) == {}
    assert list(in_order(simulated, iter(()))) == []
    assert transport_of(simulated).asked == []


def test_error_grace_applies_to_a_batch() -> None:
    def state(at: float) -> dict[str, str]:
        return {"Id": job_id(0), "Status": "ERROR" if at < 900 else "COMPLETED"}

    api = ManyJobs({job_id(0): state, **{job_id(n): job_ending(n, after=2000) for n in range(1, 5)}})
    snapshots = [parse_job(state(0)), *ids(5)[1:]]
    patient = Polling(error_grace=timedelta(minutes=20))
    assert set(statuses(outcomes_of(context(api), snapshots, polling=patient))) == {"COMPLETED"}
    assert statuses(outcomes_of(context(api), snapshots))[0] == "JobFailedError"


# Failures and deadlines


def failing() -> ManyJobs:
    ends = ["COMPLETED", "FAILED", "CANCELLED", "ERROR", "COMPLETED"]
    return ManyJobs({job_id(n): job_ending(n, after=100.0 * n, then=end) for n, end in enumerate(ends)})


def test_failures_are_returned_or_raised_and_the_iteration_continues() -> None:
    as_values = AsCompleted(batch_of(context(failing()), ids(5)), return_exceptions=True)
    kinds = [Job, JobFailedError, JobCancelledError, JobFailedError, Job]
    assert [type(outcome) for outcome in SyncIterator(as_values)] == kinds
    raising = SyncIterator(AsCompleted(batch_of(context(failing()), ids(5)), return_exceptions=False))
    for kind, name in zip(kinds, ids(5), strict=True):
        if kind is Job:
            assert next(raising).id == name  # type: ignore[union-attr]
        else:
            with pytest.raises(JobFailedError, match=name) as raised:
                next(raising)
            assert type(raised.value) is kind
            assert raised.value.job_id == name
    assert next(raising, None) is None


def test_wait_all_raises_the_first_failure_at_once() -> None:
    simulated = context(failing())
    with pytest.raises(JobFailedError) as raised:
        run_sync(wait_all(batch_of(simulated, ids(5)), return_exceptions=False))
    assert raised.value.job_id == job_id(1)
    assert transport_of(simulated).clock - START < 130


@pytest.mark.parametrize("count", [1, 2, 5, 100])
def test_a_common_deadline_is_met_exactly(count: int) -> None:
    api = ManyJobs({job_id(n): job_ending(n, after=99.9 if n % 2 else math.inf) for n in range(count)})
    simulated = context(api)
    found = statuses(outcomes_of(simulated, ids(count), timeout=100))
    assert transport_of(simulated).clock - START == pytest.approx(100.0)
    assert found == ["COMPLETED" if n % 2 else "WaitTimeoutError" for n in range(count)]


def test_each_job_may_have_its_own_deadline() -> None:
    api = ManyJobs({job_id(n): job_ending(n, after=math.inf) for n in range(20)})
    timeouts = {name.upper(): 50.0 + n for n, name in enumerate(ids(20))}
    outcomes = list(in_order(context(api), ids(20), timeout=timeouts))
    assert [at for at, _ in outcomes] == pytest.approx(list(timeouts.values()))
    assert all(isinstance(finished.outcome, WaitTimeoutError) for _, finished in outcomes)


def test_hundreds_of_deadlines_do_not_overdraw_a_short_budget() -> None:
    api = ManyJobs({job_id(n): job_ending(n, after=math.inf) for n in range(200)}, limit=200)
    found = outcomes_of(context(api), ids(200), timeout={name: 60 + n for n, name in enumerate(ids(200))})
    assert set(statuses(found)) == {"WaitTimeoutError"}
    assert api.refused == 0


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("is_listed", [True, False])
def test_timeout_zero_polls_each_job_once(count: int, *, is_listed: bool) -> None:
    states = {job_id(n): job_ending(n, after=0 if n % 2 else math.inf) for n in range(count)}
    api = ManyJobs(states, hides=lambda _: () if is_listed else states)
    found = statuses(outcomes_of(context(api), ids(count), timeout=0))
    assert found == ["COMPLETED" if n % 2 else "WaitTimeoutError" for n in range(count)]
    assert sum(api.counts.values()) <= (2 if is_listed else count + 1)


def test_the_deadline_limits_a_long_retry_after_and_every_request() -> None:
    limited = answer(429, {}, headers={"retry-after": "604800"})
    simulated = context(jobs_ending_in_turn(50, listed=lambda at: limited if at > 5 else None), exchange_seconds=0.2)
    outcomes_of(simulated, ids(50), timeout=40)
    assert transport_of(simulated).clock - START <= 41.0
    assert all(timeout <= max(START + 40 - at, 0.5) + 1e-9 for at, timeout in transport_of(simulated).asked)


async def _none() -> AsyncIterator[str]:
    return
    yield


@pytest.mark.parametrize(
    ("jobs", "timeout", "words"),
    [
        (job_id(0), None, "several jobs"),
        (parse_job({"Id": job_id(0), "Status": "RUNNING"}), None, "several jobs"),
        (_none(), None, "async_generator"),
        (None, None, "several jobs"),
        (b"abc", None, "int"),
        ([job_id(0), "nonsense"], None, "nonsense"),
        ([job_id(0), None], None, "NoneType"),
        (ids(2), {job_id(0): 5.0}, job_id(1)),
        (ids(1), {"nonsense": 5.0}, "nonsense"),
        (ids(1), {job_id(0): "5"}, "timeout"),
        (ids(1), -1, "timeout"),
        ([], math.nan, "timeout"),
    ],
)
def test_invalid_arguments_are_rejected_before_any_request(jobs: Any, timeout: Any, words: str) -> None:
    simulated = context(jobs_ending_in_turn(2))
    with pytest.raises(ConfigurationError, match=words):
        batch_of(simulated, jobs, timeout=timeout)
    assert transport_of(simulated).asked == []


# Callbacks and interruptions


@pytest.mark.parametrize("kind", [ValueError, ServerError, JobFailedError])
def test_an_error_in_on_update_is_raised_and_loses_no_job(kind: type[Exception]) -> None:
    other = parse_job({"Id": job_id(99), "Status": "FAILED"})
    errors: list[Exception] = [ValueError(), ServerError("x", status_code=500), JobFailedError.of(other)]
    error = next(error for error in errors if isinstance(error, kind))
    remaining = [3]

    def on_update(_: Job) -> None:
        remaining[0] -= 1
        if remaining[0] == 0:
            raise error

    waiting = SyncIterator(
        AsCompleted(batch_of(context(jobs_ending_in_turn(5)), ids(5), on_update=on_update), return_exceptions=True)
    )
    found: list[str] = []
    with pytest.raises(kind) as raised:
        found.extend(job.id for job in waiting)  # type: ignore[union-attr]
    assert raised.value is error
    found.extend(job.id for job in waiting)  # type: ignore[union-attr]
    assert found == ids(5)


def test_an_interrupted_wait_names_the_remaining_jobs_and_can_be_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = context(jobs_ending_in_turn(50))
    waiting = SyncIterator(AsCompleted(batch_of(simulated, ids(50)), return_exceptions=False))
    assert [next(waiting).id for _ in range(10)] == ids(10)  # type: ignore[union-attr]

    async def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(simulated.transport), "sleep", interrupt)
        with pytest.raises(KeyboardInterrupt) as raised:
            next(waiting)
    (note,) = raised.value.__notes__
    assert note.startswith(f"40 of 50 jobs continue on the server ({job_id(10)}, ")
    assert "20 more" in note
    assert [job.id for job in waiting] == ids(50)[10:]  # type: ignore[union-attr]
    assert simulated.rate_limiter._reserved == 0


# Over sockets, with both clients


def test_both_clients_wait_for_many(jobs: AnyClient, sandbox: Any) -> None:
    made = [sandbox.add_job() for n in range(12)]
    done = jobs.wait_all([*made, made[0].upper()], timeout=60)
    assert list(done) == made
    assert {job.status for job in done.values()} == {"COMPLETED"}
    assert {job.id for job in jobs.as_completed(done.values())} == set(made)
    listed = [request for request in sandbox.requests if request.path.endswith("/Jobs")]
    assert 1 <= len(listed) <= 3
    assert len(sandbox.requests) <= 6


def test_both_clients_report_failures(jobs: AnyClient, sandbox: Any) -> None:
    good, missing = sandbox.add_job(), job_id(404)
    bad = sandbox.add_job(status="FAILED")
    found = jobs.wait_all([good, bad, missing], timeout=60, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in found.values()] == ["Job", "JobFailedError", "JobNotFoundError"]
    assert [found[name].job_id for name in (bad, missing)] == [bad, missing]
    with pytest.raises(JobFailedError):
        jobs.wait_all([good, bad])
    with pytest.raises(ConfigurationError):
        jobs.as_completed(good)
