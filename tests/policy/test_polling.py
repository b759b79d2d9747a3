"""When to ask next: the decision by itself."""

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

BEGUN = datetime(2026, 5, 29, tzinfo=UTC)
positive = st.floats(min_value=0, exclude_min=True, max_value=1e300)
fractions = st.floats(0, 1)
seconds = st.floats(0, 1e9)
dates = st.none() | st.datetimes(timezones=st.just(UTC))


def half() -> float:
    return 0.5


def job(percentage: int | None = None, **changes: Any) -> Job:
    return Job(id="x", status=JobStatus.RUNNING, percentage_complete=percentage, **changes)


def progress_of(*looks: tuple[float, int | None]) -> JobProgress:
    progress = JobProgress()
    for waited, percentage in looks:
        progress.update(job(percentage), waited=waited)
    return progress


def pause_after(*looks: tuple[float, int | None], polling: Polling = Polling()) -> float:
    return polling.pause(looks[-1][0], progress=progress_of(*looks), random=half)


@given(positive, positive, st.floats(min_value=0), fractions)
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
def test_whatever_the_server_tells_the_pause_lies_within_its_bounds(
    looks: list[Any], waited: float, request_cost: float, fraction: float
) -> None:
    """Progress that falls, exceeds 100 or is negative; dates in any order; a clock that stands still or goes back."""
    progress, polling = JobProgress(), Polling(request_cost=request_cost)
    for at, percentage, created, started, moved in looks:
        snapshot = job(percentage, created_date=created, started_date=started, last_progress_update_date=moved)
        progress.update(snapshot, waited=at)
    assert 1.0 <= polling.pause(waited, progress=progress, random=lambda: fraction) <= 300.0


@given(st.floats(0, 1e9), st.floats(0, 1e9), fractions)
def test_who_has_waited_longer_asks_no_sooner(waited: float, longer: float, fraction: float) -> None:
    shorter, longer = sorted((waited, longer))
    polling = Polling()
    assert polling.pause(shorter, random=lambda: fraction) <= polling.pause(longer, random=lambda: fraction)


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.lists(st.tuples(seconds, st.integers(0, 100)), max_size=4))
def test_dearer_requests_are_never_more_frequent(cost: float, dearer: float, looks: list[tuple[float, int]]) -> None:
    cost, dearer = sorted((cost, dearer))
    progress = progress_of(*sorted(looks))
    often, seldom = (
        Polling(request_cost=each).pause(progress.seen_at or 0.0, progress=progress, random=half)
        for each in (cost, dearer)
    )
    assert often <= seldom


def test_a_job_of_hours_costs_a_small_part_of_the_account() -> None:
    waited, requests = 0.0, 0
    while waited < 3 * 3600:
        waited += Polling().pause(waited, random=half)
        requests += 1
    assert requests < 150, "in three hours, of the account's 1,000 in one"


def test_the_jitter_is_a_tenth_either_way() -> None:
    lowest, middle, highest = (
        Polling().pause(1000.0, random=itertools.repeat(draw).__next__) for draw in (0.0, 0.5, 1.0)
    )
    assert (lowest / middle, highest / middle) == pytest.approx((0.9, 1.1))


def test_steady_progress_is_extrapolated() -> None:
    """A tenth in 100 s: some 900 s are left; nine tenths in 900 s: some 100 s."""
    rich = Polling(request_cost=100)
    assert pause_after((0, 0), (100, 10), polling=Polling(request_cost=100, maximum=3600)) > 400
    assert 50 < pause_after((0, 0), (100, 10), (900, 90), polling=rich) < 200
    assert pause_after((0, 0), (50, 50), (99, 99)) < 3 < pause_after((99, None))


def test_a_stall_ends_the_belief_in_progress() -> None:
    fresh, stalled = pause_after((0, 0), (99, 99)), pause_after((0, 0), (99, 99), (3600, 99))
    assert fresh < 3
    assert stalled == pytest.approx(pause_after((3600, None)), rel=0.3)


def test_progress_that_goes_back_starts_over() -> None:
    progress = progress_of((0, 0), (50, 90), (60, 10))
    assert progress.remaining is None
    progress.update(job(20), waited=70.0)
    assert progress.remaining == pytest.approx(79.5)


def test_progress_that_comes_and_goes_is_kept() -> None:
    assert progress_of((0, 0), (50, 50), (60, None)) == progress_of((0, 0), (50, 50), (60, 50))


def test_a_queue_is_no_part_of_the_progress() -> None:
    assert progress_of((0, None), (1000, 0), (1010, 10)).remaining == pytest.approx(89.5)


def test_a_job_met_midway_tells_its_age_by_the_servers_own_dates() -> None:
    progress = JobProgress()
    hours = {"created_date": BEGUN, "started_date": BEGUN + timedelta(hours=1)}
    progress.update(job(50, **hours, last_progress_update_date=BEGUN + timedelta(hours=2)), waited=5.0)
    assert progress.age_at_start == pytest.approx(7200 - 5)
    assert progress.remaining == pytest.approx(49.5 * 72)
    assert Polling().pause(5.0, progress=progress, random=half) > 10 * Polling().pause(5.0, random=half)


def test_a_job_met_midway_without_dates_is_watched_until_it_moves() -> None:
    assert progress_of((0, 50)).remaining is None
    assert progress_of((0, 50), (10, 51)).remaining == pytest.approx(485)


def test_dates_that_make_no_sense_are_no_age() -> None:
    progress = JobProgress()
    progress.update(job(created_date=BEGUN, started_date=BEGUN - timedelta(days=9)), waited=0.0)
    assert progress.age_at_start == 0.0


def test_who_has_not_been_answered_for_long_asks_soon() -> None:
    """After an outage, or a night's sleep of the machine, the job may well be done."""
    progress = progress_of((0, 0), (100, None))
    assert Polling().pause(3700.0, progress=progress, random=half) == 1.0


def test_history_moves_the_question_to_where_jobs_end() -> None:
    past = [
        Job(
            id="past",
            type="Export",
            status=JobStatus.COMPLETED,
            created_date=BEGUN,
            completed_date=BEGUN + timedelta(seconds=length),
        )
        for length in (110, 120, 130) * 30
    ]
    progress = JobProgress()
    progress.update(job(type="Export"), waited=0.0)
    assert 80 < Polling(history=past).pause(0.0, progress=progress, random=half) < 150
    progress.update(job(type="Other"), waited=0.0)
    assert Polling(history=past).pause(0.0, progress=progress, random=half) < 5


@given(seconds, st.floats(0, 1000), st.floats(0, 1e4))
def test_the_last_question_falls_on_the_deadline(waited: float, at_least: float, left: float) -> None:
    pause = Polling().pause(waited, random=half, at_least=at_least, left=left)
    assert 0 <= pause <= left
    assert pause == left or left - pause >= 1.0, "none is so near to the last one"
    assert pause >= min(at_least, left)


@pytest.mark.parametrize("left", [0.0, -1.0])
def test_past_the_deadline_there_is_no_pause(left: float) -> None:
    assert Polling().pause(10.0, random=half, left=left) == 0.0


@given(st.lists(st.floats(1, 300), min_size=1, max_size=50), st.floats(1, 50))
def test_many_jobs_are_asked_for_together_no_less_often_than_each_is_worth(
    pauses: list[float], requests: float
) -> None:
    together = Polling().together(pauses, random=half)
    assert together <= min(pauses) * 1.000001
    assert Polling().together(pauses, random=half, requests=requests) >= together


def test_chances_add_up() -> None:
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
def test_a_setting_out_of_range_is_refused_at_once(changes: dict[str, Any]) -> None:
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


def test_what_a_wait_remembers_does_not_grow() -> None:
    progress = JobProgress()
    for waited in itertools.islice(itertools.count(), 10_000):
        progress.update(job(waited % 100), waited=float(waited))
    assert len(pickle.dumps(progress)) < 1000
