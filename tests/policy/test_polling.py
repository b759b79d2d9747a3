"""When to poll next: the decision alone, without I/O."""

from __future__ import annotations

import itertools
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import assume, given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, Job, JobStatus
from impact_jobs._policy.polling import JobProgress, Polling

CREATED = datetime(2026, 5, 29, tzinfo=UTC)
positive_floats = st.floats(min_value=0, exclude_min=True, max_value=1e300)
fractions = st.floats(0, 1)
seconds = st.floats(0, 1e9)
dates = st.none() | st.datetimes(timezones=st.just(UTC))


def half() -> float:
    return 0.5


def job(percentage: int | None = None, **changes: Any) -> Job:
    return Job(id="x", status=JobStatus.RUNNING, percentage_complete=percentage, **changes)


def progress_of(*snapshots: tuple[float, int | None]) -> JobProgress:
    progress = JobProgress()
    for waited, percentage in snapshots:
        progress.update(job(percentage), waited=waited)
    return progress


def pause_after(*snapshots: tuple[float, int | None], polling: Polling = Polling()) -> float:
    return polling.pause(snapshots[-1][0], progress=progress_of(*snapshots), random=half)


@given(positive_floats, positive_floats, st.floats(min_value=0), fractions)
def test_a_pause_lies_within_its_bounds(minimum: float, maximum: float, waited: float, fraction: float) -> None:
    assume(minimum <= maximum)
    pause = Polling(minimum=minimum, maximum=maximum).pause(waited, random=lambda: fraction)
    assert minimum <= pause <= maximum


@given(
    st.lists(st.tuples(seconds, st.none() | st.integers(), dates, dates, dates), max_size=8),
    seconds,
    st.floats(0.001, 1e6),
    fractions,
)
def test_odd_snapshots_keep_the_pause_within_its_bounds(
    snapshots: list[Any], waited: float, request_cost: float, fraction: float
) -> None:
    """Progress may fall, exceed 100 or be negative, dates may come in any order, and the clock may go back."""
    progress, polling = JobProgress(), Polling(request_cost=request_cost)
    for at, percentage, created, started, moved in snapshots:
        snapshot = job(percentage, created_date=created, started_date=started, last_progress_update_date=moved)
        progress.update(snapshot, waited=at)
    assert 1.0 <= polling.pause(waited, progress=progress, random=lambda: fraction) <= 300.0


@given(st.floats(0, 1e9), st.floats(0, 1e9), fractions)
def test_pauses_grow_with_the_time_waited(waited: float, longer: float, fraction: float) -> None:
    shorter, longer = sorted((waited, longer))
    polling = Polling()
    assert polling.pause(shorter, random=lambda: fraction) <= polling.pause(longer, random=lambda: fraction)


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.lists(st.tuples(seconds, st.integers(0, 100)), max_size=4))
def test_a_higher_request_cost_never_polls_more_often(
    cost: float, higher: float, snapshots: list[tuple[float, int]]
) -> None:
    cost, higher = sorted((cost, higher))
    progress = progress_of(*sorted(snapshots))
    often, seldom = (
        Polling(request_cost=each).pause(progress.seen_at or 0.0, progress=progress, random=half)
        for each in (cost, higher)
    )
    assert often <= seldom


def test_a_job_of_three_hours_costs_a_fraction_of_the_hourly_limit() -> None:
    waited, requests = 0.0, 0
    while waited < 3 * 3600:
        waited += Polling().pause(waited, random=half)
        requests += 1
    assert requests < 150, "the account may send 1,000 in each of the three hours"


def test_jitter_is_ten_percent_either_way() -> None:
    lowest, middle, highest = (
        Polling().pause(1000.0, random=itertools.repeat(draw).__next__) for draw in (0.0, 0.5, 1.0)
    )
    assert (lowest / middle, highest / middle) == pytest.approx((0.9, 1.1))


def test_steady_progress_is_extrapolated() -> None:
    """With a tenth done in 100 s, 900 s remain; with nine tenths done in 900 s, 100 s remain."""
    rich = Polling(request_cost=100)
    assert pause_after((0, 0), (100, 10), polling=Polling(request_cost=100, maximum=3600)) > 400
    assert 50 < pause_after((0, 0), (100, 10), (900, 90), polling=rich) < 200
    assert pause_after((0, 0), (50, 50), (99, 99)) < 3 < pause_after((99, None))


def test_stalled_progress_is_no_longer_trusted() -> None:
    fresh, stalled = pause_after((0, 0), (99, 99)), pause_after((0, 0), (99, 99), (3600, 99))
    assert fresh < 3
    assert stalled == pytest.approx(pause_after((3600, None)), rel=0.3)


def test_falling_progress_restarts_the_extrapolation() -> None:
    progress = progress_of((0, 0), (50, 90), (60, 10))
    assert progress.remaining is None
    progress.update(job(20), waited=70.0)
    assert progress.remaining == pytest.approx(79.5)


def test_missing_progress_keeps_the_last_value() -> None:
    assert progress_of((0, 0), (50, 50), (60, None)) == progress_of((0, 0), (50, 50), (60, 50))


def test_time_in_the_queue_does_not_count_as_progress() -> None:
    assert progress_of((0, None), (1000, 0), (1010, 10)).remaining == pytest.approx(89.5)


@pytest.mark.parametrize(("ran", "remaining"), [(1, 8.0), (0, 4.0), (7, 41.0), (-1, 41.0)])
def test_the_servers_dates_tell_the_run_from_the_queue(ran: int, remaining: float) -> None:
    """A job was queued when its export was answered, and shows 11 % five seconds later; `ran` is in whole seconds."""
    progress = progress_of((0, 0))
    dates = {"started_date": CREATED, "last_progress_update_date": CREATED + timedelta(seconds=ran)}
    progress.update(job(11, **dates), waited=5.0)
    assert progress.remaining == pytest.approx(remaining, rel=0.05)


def test_a_jobs_age_is_derived_from_the_servers_dates() -> None:
    progress = JobProgress()
    hours = {"created_date": CREATED, "started_date": CREATED + timedelta(hours=1)}
    progress.update(job(50, **hours, last_progress_update_date=CREATED + timedelta(hours=2)), waited=5.0)
    assert progress.age_at_start == pytest.approx(7200 - 5)
    assert progress.remaining == pytest.approx(49.5 * 72)
    assert Polling().pause(5.0, progress=progress, random=half) > 10 * Polling().pause(5.0, random=half)


def test_progress_is_extrapolated_only_once_it_has_moved() -> None:
    assert progress_of((0, 50)).remaining is None
    assert progress_of((0, 50), (10, 51)).remaining == pytest.approx(485)


def test_contradictory_dates_give_no_age() -> None:
    progress = JobProgress()
    progress.update(job(created_date=CREATED, started_date=CREATED - timedelta(days=9)), waited=0.0)
    assert progress.age_at_start == 0.0


def test_the_first_poll_after_an_outage_comes_soon() -> None:
    """After an outage, or after the machine has slept, the job may well be completed."""
    progress = progress_of((0, 0), (100, None))
    assert Polling().pause(3700.0, progress=progress, random=half) == 1.0


def test_history_moves_the_poll_to_when_jobs_end() -> None:
    past = [
        Job(
            id="past",
            type="Export",
            status=JobStatus.COMPLETED,
            created_date=CREATED,
            completed_date=CREATED + timedelta(seconds=length),
        )
        for length in (110, 120, 130) * 30
    ]
    progress = JobProgress()
    progress.update(job(type="Export"), waited=0.0)
    assert 80 < Polling(history=past).pause(0.0, progress=progress, random=half) < 150
    progress.update(job(type="Other"), waited=0.0)
    assert Polling(history=past).pause(0.0, progress=progress, random=half) < 5


@given(seconds, st.floats(0, 1000), st.floats(0, 1e4))
def test_the_last_poll_falls_on_the_deadline(waited: float, at_least: float, left: float) -> None:
    pause = Polling().pause(waited, random=half, at_least=at_least, left=left)
    assert 0 <= pause <= left
    assert pause == left or left - pause >= 1.0, "no poll falls just before the last one"
    assert pause >= min(at_least, left)


@pytest.mark.parametrize("left", [0.0, -1.0])
def test_past_the_deadline_there_is_no_pause(left: float) -> None:
    assert Polling().pause(10.0, random=half, left=left) == 0.0


@given(st.lists(st.floats(1, 300), min_size=1, max_size=50), st.floats(1, 50))
def test_many_jobs_are_polled_at_least_as_often_as_each_alone(pauses: list[float], requests: float) -> None:
    together = Polling().together(pauses, random=half)
    assert together <= min(pauses) * 1.000001
    assert Polling().together(pauses, random=half, requests=requests) >= together


def test_the_pause_for_many_jobs_adds_up_their_chances() -> None:
    assert Polling().together([8.0] * 4, random=half) == pytest.approx(4.0)
    assert Polling().together([8.0] * 4, random=half, requests=4) == pytest.approx(8.0)
    assert Polling().together([1.0] * 10_000, random=half) == 1.0
    assert Polling().together([], random=half) == 300.0


@pytest.mark.parametrize(
    "changes",
    [
        {"minimum": 0},
        {"minimum": -1},
        {"minimum": float("nan")},
        {"minimum": "1"},
        {"maximum": 0},
        {"maximum": float("inf")},
        {"maximum": True},
        {"minimum": 301},
        {"maximum": 0.5},
        {"request_cost": 0},
        {"request_cost": float("inf")},
        {"error_grace": 900},
        {"error_grace": "15 min"},
    ],
)
def test_a_setting_out_of_range_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"Polling|error_grace=.*: give a timedelta"):
        Polling(**changes)


def test_it_is_a_frozen_value() -> None:
    polling = Polling(minimum=5, maximum=5, error_grace=timedelta(hours=2))
    assert polling == Polling(minimum=5, maximum=5, error_grace=timedelta(hours=2))
    assert hash(polling) != hash(Polling())
    assert pickle.loads(pickle.dumps(polling)) == polling  # noqa: S301 - our own bytes
    assert repr(Polling(minimum=5, maximum=120)) == (
        "Polling(minimum=5, maximum=120, request_cost=1.0, error_grace=None, history=None)"
    )
    with pytest.raises(FrozenInstanceError):
        polling.minimum = 3  # type: ignore[misc]


def test_job_progress_takes_constant_memory() -> None:
    progress = JobProgress()
    for waited in itertools.islice(itertools.count(), 10_000):
        progress.update(job(waited % 100), waited=float(waited))
    assert len(pickle.dumps(progress)) < 1000
