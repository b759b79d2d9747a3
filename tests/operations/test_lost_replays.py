"""The job of a replay whose process was killed before it recorded the response."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from impact_jobs import ConfigurationError, JobsClient, ReplayUncertainError, ServerError
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import find_lost_replay

Start = Callable[..., tuple[Sandbox, JobsClient]]


@pytest.fixture
def start(impact_clock: ImpactClock, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Give a function that starts a sandbox, whose clock may be ahead, and returns it with a client."""
    running: list[Any] = []

    def enter(*, ahead: float = 0.0, **options: Any) -> tuple[Sandbox, JobsClient]:
        seed = zlib.crc32(request.node.nodeid.encode())
        sandbox = Sandbox(seed=seed, clock=lambda: impact_clock.time() + ahead, **({"job_seconds": 30} | options))
        running.append(sandbox.__enter__())
        running.append(sandbox.client().__enter__())
        return sandbox, running[-1]

    yield enter
    for each in reversed(running):
        each.__exit__(None, None, None)


def replay_elsewhere(sandbox: Sandbox, job_id: str) -> str:
    """Replay a job as another process does, which this one does not remember; return the job's id."""
    url = f"{sandbox.base_url}/{COLLECTIONS[sandbox.account]}/{sandbox.account_sid}/Jobs/{job_id}/Replay"
    auth = (sandbox.account_sid, sandbox.auth_token)
    answer = httpx.put(url, auth=auth, headers={"Accept": "application/json"}).raise_for_status().json()
    return str(answer.get("Id") or answer["QueuedUri"].rpartition("/")[2].removesuffix(".json"))


COLLECTIONS = {"agency": "Agencies", "brand": "Advertisers", "partner": "Mediapartners"}


@pytest.mark.parametrize("ahead", [-7000.0, -0.5, 0.0, 0.5, 7000.0])
@pytest.mark.parametrize("late", [0.0, 5.0, 300.0])
def test_the_only_new_job_is_the_replay(start: Start, impact_clock: ImpactClock, ahead: float, late: float) -> None:
    sandbox, jobs = start(ahead=ahead)
    source = sandbox.add_job(age=3600)
    sandbox.add_job(age=900)
    sandbox.add_job(type="ClickExport")
    sent_at = impact_clock.now()
    impact_clock.advance(0.7)
    new = replay_elsewhere(sandbox, source)
    impact_clock.advance(late)
    before = impact_clock.elapsed
    found = find_lost_replay(jobs, source, sent_at.astimezone(timezone(timedelta(hours=14))))
    assert found is not None
    assert found.id == new
    assert found.id != source
    assert impact_clock.elapsed == before


def test_no_new_job_means_that_the_replay_was_not_accepted(start: Start, impact_clock: ImpactClock) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    sandbox.add_job(age=60)
    sandbox.add_job(type="ClickExport")
    sent_at = impact_clock.now()
    impact_clock.advance(20.0)
    sandbox.forget_requests()
    assert find_lost_replay(jobs, source, sent_at) is None
    assert 40.0 <= impact_clock.elapsed - 20.0 <= 45.0, "a minute in all, because the list may lag"
    assert len(sandbox.requests) <= 14
    impact_clock.advance(600.0)
    sandbox.add_job()
    sandbox.forget_requests()
    assert find_lost_replay(jobs, source, sent_at) is None
    assert len(sandbox.requests) == 2


def test_a_job_that_the_list_shows_later_is_found(start: Start, impact_clock: ImpactClock) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    sent_at = impact_clock.now()
    new = replay_elsewhere(sandbox, source)
    sandbox.answer_next("GET", "/Jobs", status=200, body="[]", times=3)
    found = find_lost_replay(jobs, source, sent_at)
    assert found is not None
    assert found.id == new
    assert impact_clock.elapsed == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("others", "count"),
    [
        ([0.0], 2),  # another job a moment later
        ([-300.0], 2),  # others export, too, so a new job may be theirs
        ([500.0], 2),
    ],
)
def test_others_of_its_kind_make_it_uncertain(
    start: Start, impact_clock: ImpactClock, others: list[float], count: int
) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    sent_at = impact_clock.now()
    new = replay_elsewhere(sandbox, source)
    impact_clock.advance(550.0)
    for seconds in others:
        sandbox.add_job(age=550.0 - seconds)
    with pytest.raises(ReplayUncertainError) as caught:
        find_lost_replay(jobs, source, sent_at)
    assert caught.value.source == source
    assert new in {job.id for job in caught.value.candidates}
    assert len(caught.value.candidates) == count - (others == [-300.0])


@pytest.mark.parametrize("seconds", [-8.0, 30.0])
def test_a_job_from_some_seconds_before_or_later_is_uncertain(
    start: Start, impact_clock: ImpactClock, seconds: float
) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    sent_at = impact_clock.now()
    impact_clock.advance(100.0)
    other = sandbox.add_job(age=100.0 - seconds)
    with pytest.raises(ReplayUncertainError) as caught:
        find_lost_replay(jobs, source, sent_at)
    assert [job.id for job in caught.value.candidates] == [other]


def test_a_job_that_another_replay_of_this_process_made_is_not_taken(start: Start, impact_clock: ImpactClock) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    sent_at = impact_clock.now()
    jobs.replay(source)
    assert find_lost_replay(jobs, source, sent_at) is None
    new = replay_elsewhere(sandbox, source)
    found = find_lost_replay(jobs, source, impact_clock.now())
    assert found is not None
    assert found.id == new
    assert find_lost_replay(jobs, source, impact_clock.now()) is None, "it is taken"


@pytest.mark.parametrize("account", ["brand", "partner"])
@pytest.mark.parametrize("as_snapshot", [False, True])
@pytest.mark.parametrize("late", [0.0, 25.0, 90.0])
def test_where_a_replay_keeps_the_job_it_is_the_job_itself(
    start: Start, impact_clock: ImpactClock, account: str, late: float, *, as_snapshot: bool
) -> None:
    sandbox, jobs = start(account=account)
    job_id = sandbox.add_job(age=3600)
    source = jobs.get(job_id)
    sent_at = impact_clock.now()
    assert replay_elsewhere(sandbox, job_id) == job_id
    impact_clock.advance(late)
    found = find_lost_replay(jobs, source if as_snapshot else job_id, sent_at)
    assert found is not None
    assert found.id == job_id
    assert found.status == ("COMPLETED" if late == 90.0 else found.status)


@pytest.mark.parametrize("as_snapshot", [False, True])
def test_where_a_replay_keeps_the_job_its_earlier_run_is_no_replay(
    start: Start, impact_clock: ImpactClock, *, as_snapshot: bool
) -> None:
    sandbox, jobs = start(account="brand")
    job_id = sandbox.add_job(age=3600)
    source = jobs.get(job_id) if as_snapshot else job_id
    assert find_lost_replay(jobs, source, impact_clock.now()) is None
    sandbox.add_job()
    with pytest.raises(ReplayUncertainError):
        find_lost_replay(jobs, source, impact_clock.now())


def test_an_unreadable_list_is_an_error(start: Start, impact_clock: ImpactClock) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    sandbox.answer_next("GET", "/Jobs", status=503, times=4)
    with pytest.raises(ServerError):
        find_lost_replay(jobs, source, impact_clock.now())


@pytest.mark.parametrize("sent_at", [datetime(2026, 5, 29), "2026-05-29", None])  # noqa: DTZ001 - refused
def test_a_moment_without_a_zone_is_refused(start: Start, sent_at: Any) -> None:
    _, jobs = start()
    with pytest.raises(ConfigurationError, match="sent_at"):
        find_lost_replay(jobs, "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", sent_at)


def test_a_moment_far_in_the_future_does_not_delay_the_answer(start: Start, impact_clock: ImpactClock) -> None:
    sandbox, jobs = start()
    source = sandbox.add_job(age=3600)
    assert find_lost_replay(jobs, source, datetime.now(UTC) + timedelta(days=2)) is None
    assert impact_clock.elapsed <= 61.0
