"""`wait`, in virtual time."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from impact_jobs import (
    AuthenticationError,
    ConfigurationError,
    Job,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobsError,
    JobStatus,
    PermissionDeniedError,
    Polling,
    RequestTimeoutError,
    Retry,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from impact_jobs._api.context import ClientContext
from impact_jobs._api.parsing import parse_job
from impact_jobs._operations.wait import wait
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync

from tests.support.simulated import JOB_ID, Answer, SimulatedTransport, answer, context, job_json, transport_of


def wait_for(
    context: ClientContext,
    job: Job | str = JOB_ID,
    *,
    timeout: float | None = 3600.0,
    polling: Polling | None = None,
    on_update: Callable[[Job], object] | None = None,
) -> Job:
    return run_sync(wait(context, job, timeout=timeout, polling=polling, on_update=on_update))


def job_ending(
    *, done_after: float, then: str = "COMPLETED", before: str = "RUNNING"
) -> Callable[[float, Request], Answer]:
    """Return a script for a job that ends that many seconds after the start."""
    return lambda now, _: answer(200, job_json(then if now - 1000.0 >= done_after else before))


def responses(answers: Sequence[Answer]) -> Callable[[float, Request], Answer]:
    """Return these responses one by one, and then the last one repeatedly."""
    following = itertools.chain(answers, itertools.repeat(answers[-1]))
    return lambda *_: next(following)


def test_returns_the_completed_job_and_shows_every_snapshot() -> None:
    seen: list[Job] = []
    job = wait_for(context(job_ending(done_after=10)), on_update=seen.append)
    assert job.status is JobStatus.COMPLETED
    assert seen[-1] is job
    assert {snapshot.status for snapshot in seen[:-1]} == {JobStatus.RUNNING}


@pytest.mark.parametrize("maximum", [30.0, 300.0])
def test_a_long_job_costs_few_requests_and_its_end_is_noticed_within_the_longest_pause(maximum: float) -> None:
    simulated = context(job_ending(done_after=4 * 3600))
    wait_for(simulated, timeout=None, polling=Polling(maximum=maximum))
    transport = transport_of(simulated)
    assert transport.clock - 1000.0 - 4 * 3600 <= maximum
    assert len(transport.asked) < 4 * 3600 / maximum + 150


def test_a_terminal_snapshot_costs_no_request() -> None:
    simulated = context(job_ending(done_after=0))
    job = wait_for(simulated)
    asked = len(transport_of(simulated).asked)
    seen: list[Job] = []
    assert wait_for(simulated, job, on_update=seen.append) is job
    assert seen == [job]
    assert len(transport_of(simulated).asked) == asked


def test_a_job_that_was_just_scheduled_is_not_polled_at_once() -> None:
    simulated = context(job_ending(done_after=10))
    scheduled = parse_job(job_json("QUEUED", CreatedDate="2026-05-29T00:00:00Z"))
    assert wait_for(simulated, scheduled).status == "COMPLETED"
    assert 1001.0 <= transport_of(simulated).asked[0][0] <= 1005.0


@pytest.mark.parametrize(
    "snapshot",
    [
        job_json("RUNNING", PercentageComplete=1),
        job_json("RUNNING", CreatedDate="2026-05-29T00:00:00Z", StartedDate="2026-05-29T01:00:00Z"),
    ],
    ids=["it moves", "it is old"],
)
def test_a_job_with_a_possibly_old_snapshot_is_polled_at_once(snapshot: dict[str, Any]) -> None:
    simulated = context(job_ending(done_after=10))
    wait_for(simulated, parse_job(snapshot))
    assert transport_of(simulated).asked[0][0] == 1000.0


def test_timeout_zero_polls_a_snapshot_once() -> None:
    simulated = context(job_ending(done_after=5))
    with pytest.raises(WaitTimeoutError):
        wait_for(simulated, parse_job(job_json("QUEUED")), timeout=0)
    assert [at for at, _ in transport_of(simulated).asked] == [1000.0]


@pytest.mark.parametrize(
    ("status", "error"), [("FAILED", JobFailedError), ("ERROR", JobFailedError), ("CANCELLED", JobCancelledError)]
)
def test_a_failed_job_raises_at_once_with_the_reason(status: str, error: type[JobFailedError]) -> None:
    simulated = context(responses([answer(200, job_json(status, StatusMessage="Quota of report rows exceeded"))]))
    with pytest.raises(error, match="Quota of report rows exceeded") as raised:
        wait_for(simulated)
    assert raised.value.job.status == status
    assert JOB_ID in str(raised.value)
    assert len(transport_of(simulated).asked) == 1


def test_the_wait_ends_exactly_at_its_deadline() -> None:
    simulated = context(job_ending(done_after=1e9))
    with pytest.raises(WaitTimeoutError, match="RUNNING") as raised:
        wait_for(simulated, timeout=100)
    assert transport_of(simulated).clock == pytest.approx(1100.0)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.job is not None


def test_a_job_that_ends_just_before_the_deadline_is_not_missed() -> None:
    assert wait_for(context(job_ending(done_after=99.9)), timeout=100).status == "COMPLETED"


def test_request_timeouts_are_limited_to_the_rest_of_the_wait() -> None:
    simulated = context(job_ending(done_after=1e9), exchange_seconds=0.3)
    with pytest.raises(WaitTimeoutError):
        wait_for(simulated, timeout=20)
    for at, timeout in transport_of(simulated).asked:
        assert timeout <= max(1020.0 - at, 0.5) + 1e-9
    assert transport_of(simulated).clock <= 1021.0


def test_timeout_zero_polls_exactly_once() -> None:
    simulated = context(job_ending(done_after=5))
    with pytest.raises(WaitTimeoutError):
        wait_for(simulated, timeout=0)
    assert len(transport_of(simulated).asked) == 1


@pytest.mark.parametrize(
    "failure",
    [
        TransportError("reset"),
        RequestTimeoutError("slow"),
        answer(429, {"Message": "Rate limit"}),
        answer(500, b"<html>"),
        answer(503, b""),
        answer(520, b"origin"),
    ],
    ids=["reset", "timeout", "429", "500", "503", "520"],
)
def test_transient_failures_never_end_a_wait(failure: Answer) -> None:
    simulated = context(responses([failure] * 50 + [answer(200, job_json("COMPLETED"))]))
    assert wait_for(simulated, timeout=None).status == "COMPLETED"


def test_a_timed_out_wait_names_the_last_failure() -> None:
    with pytest.raises(WaitTimeoutError, match="connection reset") as raised:
        wait_for(context(responses([TransportError("connection reset")])), timeout=60)
    assert raised.value.job is None
    assert JOB_ID in str(raised.value)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationError), (403, PermissionDeniedError), (404, JobNotFoundError)]
)
def test_permanent_errors_end_the_wait_at_once(status: int, error: type[JobsError]) -> None:
    simulated = context(responses([answer(200, job_json("RUNNING")), answer(status, b"")]))
    with pytest.raises(error):
        wait_for(simulated)
    assert len(transport_of(simulated).asked) == 2


def test_unreadable_responses_end_the_wait_only_if_they_persist() -> None:
    nonsense = answer(200, b"<xml/>")
    done = answer(200, job_json("COMPLETED"))
    assert wait_for(context(responses([nonsense, nonsense, nonsense, done]))).status == "COMPLETED"
    with pytest.raises(UnexpectedResponseError):
        wait_for(context(responses([nonsense])), timeout=None)


def test_retry_after_is_honoured_up_to_the_maximum() -> None:
    limited = answer(429, {}, headers={"retry-after": "45"})
    simulated = context(responses([limited, answer(200, job_json("COMPLETED"))]))
    wait_for(simulated)
    assert transport_of(simulated).asked[1][0] == pytest.approx(1045.0)
    simulated = context(
        responses([answer(429, {}, headers={"retry-after": "604800"}), answer(200, job_json("COMPLETED"))])
    )
    wait_for(simulated)
    assert transport_of(simulated).asked[1][0] == pytest.approx(1060.0)


def test_a_suspended_machine_polls_as_soon_as_it_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the clock runs during sleep, it jumps by an hour within one pause, which is then over."""

    async def sleep(transport: SimulatedTransport, seconds: float) -> None:
        transport.clock += 3600.0 if len(transport.asked) == 5 else seconds

    monkeypatch.setattr(SimulatedTransport, "sleep", sleep)
    simulated = context(job_ending(done_after=3700))
    wait_for(simulated, timeout=None)
    asked = [at for at, _ in transport_of(simulated).asked]
    assert max(later - earlier for earlier, later in itertools.pairwise(asked)) == 3600.0
    assert transport_of(simulated).clock - 4700.0 <= 100.0


def test_a_clock_that_stops_while_the_machine_sleeps_does_no_harm() -> None:
    """Progress jumps from 10 to 60 between two polls and then continues as before."""

    def life(now: float, _: Request) -> Answer:
        age = now - 1000.0 + (3600.0 if now > 1700.0 else 0.0)
        return answer(200, job_json("COMPLETED" if age >= 7200 else "RUNNING", PercentageComplete=int(age / 72)))

    simulated = context(life)
    wait_for(simulated, timeout=None)
    assert transport_of(simulated).clock - (1000.0 + 3600.0) <= 100.0
    assert len(transport_of(simulated).asked) < 150


def test_a_server_clock_that_is_years_off_does_not_matter() -> None:
    def requests_with_dates_of(year: int) -> list[tuple[float, float]]:
        def life(now: float, _: Request) -> Answer:
            moved = datetime(year, 5, 29, tzinfo=UTC) + timedelta(seconds=now - 1000.0)
            status = "COMPLETED" if now - 1000.0 >= 600 else "RUNNING"
            dates = {"CreatedDate": f"{year}-05-29T00:00:00Z", "LastProgressUpdateDate": moved.isoformat()}
            return answer(200, job_json(status, PercentageComplete=int((now - 1000.0) / 6.0), **dates))

        simulated = context(life)
        wait_for(simulated)
        return transport_of(simulated).asked

    assert requests_with_dates_of(1999) == requests_with_dates_of(2026) == requests_with_dates_of(2077)


@pytest.mark.parametrize(
    "percentage",
    [
        lambda age: min(int(age), 99),
        lambda age: 90 - int(age / 50),
        lambda age: int(age) % 100,
        lambda _: 100,
        lambda _: -5,
        lambda _: 10**30,
        lambda age: None if int(age) % 2 else 50,
    ],
    ids=["99 for an hour", "backwards", "over and over", "100 too soon", "negative", "huge", "now and then"],
)
def test_odd_progress_neither_floods_the_server_nor_delays_the_end(percentage: Callable[[float], int | None]) -> None:
    def life(now: float, _: Request) -> Answer:
        age = now - 1000.0
        return answer(200, job_json("COMPLETED" if age >= 3700 else "RUNNING", PercentageComplete=percentage(age)))

    simulated = context(life)
    wait_for(simulated, timeout=None)
    assert transport_of(simulated).clock - 4700.0 <= 150.0
    assert len(transport_of(simulated).asked) <= 200


def test_a_job_that_disappears_ends_the_wait_at_once() -> None:
    def life(now: float, _: Request) -> Answer:
        return answer(200, job_json("RUNNING")) if now < 1300.0 else answer(404, {"Message": "Not found"})

    simulated = context(life)
    with pytest.raises(JobNotFoundError, match=JOB_ID):
        wait_for(simulated)
    assert transport_of(simulated).clock < 1350.0


def test_the_wait_resumes_soon_after_an_outage() -> None:
    def life(now: float, _: Request) -> Answer:
        return TransportError("no route") if 1100.0 < now < 4700.0 else job_ending(done_after=2000)(now, _)

    simulated = context(life)
    wait_for(simulated, timeout=None)
    assert transport_of(simulated).clock <= 4700.0 + 60.0


def test_an_unknown_status_warns_once_and_the_wait_goes_on_until_the_deadline(caplog: pytest.LogCaptureFixture) -> None:
    simulated = context(responses([answer(200, job_json("HIBERNATING"))]))
    with caplog.at_level(logging.WARNING, "impact_jobs"), pytest.raises(WaitTimeoutError, match="HIBERNATING"):
        wait_for(simulated, timeout=300)
    assert [record.message for record in caplog.records if "HIBERNATING" in record.message] == [
        f"job {JOB_ID} has the unknown status 'HIBERNATING'; the wait continues"
    ]


def test_error_grace_waits_for_the_server_to_retry_the_job() -> None:
    def life(now: float, _: Request) -> Answer:
        age = now - 1000.0
        return answer(200, job_json("RUNNING" if age < 60 else "ERROR" if age < 900 else "COMPLETED"))

    assert wait_for(context(life), polling=Polling(error_grace=timedelta(minutes=20))).status == "COMPLETED"
    with pytest.raises(JobFailedError):
        wait_for(context(life), polling=Polling(error_grace=timedelta(minutes=5)))
    with pytest.raises(JobFailedError):
        wait_for(context(life))


def test_error_grace_restarts_after_the_job_has_run() -> None:
    def life(now: float, _: Request) -> Answer:
        age = now - 1000.0
        return answer(200, job_json("COMPLETED" if age > 3000 else "ERROR" if age % 1000 > 300 else "RUNNING"))

    patient = Polling(error_grace=timedelta(seconds=800))
    assert wait_for(context(life), polling=patient).status == "COMPLETED"


def test_an_interrupted_wait_names_the_job_that_continues() -> None:
    def interrupt(*_: object) -> Answer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        wait_for(context(interrupt))
    assert any(JOB_ID in note for note in raised.value.__notes__)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "60", True])
def test_a_bad_timeout_is_rejected_before_any_request(timeout: float) -> None:
    simulated = context(job_ending(done_after=0))
    with pytest.raises(ConfigurationError, match="timeout"):
        wait_for(simulated, timeout=timeout)
    assert transport_of(simulated).asked == []


def test_a_failed_poll_is_not_retried_before_the_next_pause() -> None:
    """There is one request per pause, however many attempts the retry policy allows."""
    simulated = context(responses([answer(503, b"")]), retry=Retry(attempts=10))
    with pytest.raises(WaitTimeoutError):
        wait_for(simulated, timeout=300, polling=Polling(minimum=30, maximum=30))
    assert len(transport_of(simulated).asked) <= 11
