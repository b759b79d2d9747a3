from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from impact_jobs import Job
from impact_jobs._policy.recent_replays import RecentReplays

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
OTHER_ID = "00000000-0000-4000-8000-000000000000"
BEGUN = datetime(2026, 5, 29, 12, 0, 0, 700_000, tzinfo=UTC)
NOON = datetime(2026, 5, 29, 12, tzinfo=UTC)


def test_a_replay_is_recent_for_a_minute_whatever_the_case_of_its_id() -> None:
    replays = RecentReplays()
    replays.record(JOB_ID.upper(), now=100.0)
    assert replays.holds(JOB_ID, 159.9)
    assert not replays.holds(JOB_ID, 160.0)
    assert not replays.holds(OTHER_ID, 100.0)


def test_only_the_last_minute_is_kept() -> None:
    replays = RecentReplays()
    for number in range(1000):
        replays.record(f"{number}", now=float(number))
    assert len(replays._replays) == 60


@pytest.mark.parametrize(
    ("fields", "is_earlier"),
    [
        ({"status": "COMPLETED", "completed_date": NOON - timedelta(seconds=1)}, True),
        ({"status": "COMPLETED", "completed_date": NOON}, False),  # in the same second
        ({"status": "COMPLETED", "completed_date": NOON + timedelta(seconds=9)}, False),
        ({"status": "COMPLETED"}, True),
        ({"status": "FAILED", "failed_date": NOON - timedelta(days=1)}, True),
        ({"status": "FAILED", "failed_date": NOON, "completed_date": NOON - timedelta(days=1)}, False),
        ({"status": "FAILED", "abandoned_date": NOON}, False),
        ({"status": "CANCELLED", "cancelled_date": NOON - timedelta(days=1)}, True),
        ({"status": "RUNNING", "completed_date": NOON - timedelta(days=1)}, False),
        ({"status": "HIBERNATING"}, False),
    ],
)
def test_an_end_before_the_replay_is_that_of_the_earlier_run(fields: dict[str, object], *, is_earlier: bool) -> None:
    replays = RecentReplays()
    replays.record(JOB_ID, now=100.0, begun=BEGUN)
    job = Job(id=JOB_ID.upper(), **fields)  # type: ignore[arg-type]
    assert replays.is_earlier_run(job, 100.0) == is_earlier
    assert not replays.is_earlier_run(job, 160.0), "it is accepted after a minute"


@pytest.mark.parametrize(
    ("started", "ended", "is_earlier"),
    [
        (NOON - timedelta(seconds=9), NOON, True),
        (NOON - timedelta(seconds=8), NOON, False),  # another run, by its start
        (NOON - timedelta(seconds=9), NOON + timedelta(seconds=1), False),  # another run, by its end
        (NOON, NOON, False),  # the next run, too, may have taken less than a second
        (None, NOON, False),
    ],
)
def test_an_end_in_the_second_of_the_replay_is_compared_with_a_snapshot_from_before(
    started: datetime | None, ended: datetime, *, is_earlier: bool
) -> None:
    seen_before = NOON - timedelta(seconds=9) if started != NOON else NOON
    before = Job(id=JOB_ID, status="COMPLETED", started_date=seen_before, completed_date=NOON)
    replays = RecentReplays()
    replays.record(JOB_ID, now=100.0, begun=BEGUN, before=before)
    job = Job(id=JOB_ID, status="COMPLETED", started_date=started, completed_date=ended)
    assert replays.is_earlier_run(job, 100.0) == is_earlier


def test_a_replay_that_made_a_new_job_has_no_earlier_run() -> None:
    replays = RecentReplays()
    replays.record(JOB_ID, now=100.0)
    assert not replays.is_earlier_run(Job(id=JOB_ID, status="COMPLETED"), 100.0)
