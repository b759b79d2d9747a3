"""`wait_all` when the server, the network, the clock or the jobs misbehave, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import (
    AuthenticationError,
    Job,
    JobNotFoundError,
    PermissionDeniedError,
    RequestTimeoutError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs._transport.base import Request, Response
from impact_jobs.sandbox import Sandbox

from tests.operations.test_wait_many import in_order, jobs_ending_in_turn, outcomes_of, statuses
from tests.support.account import START, JobState, ManyJobs, ids, job_ending, job_id
from tests.support.simulated import Answer, SimulatedTransport, answer, context, transport_of

HOUR = 3600.0


def job_with_progress(percentage: Callable[[float], int | None], *, seconds: float, number: int = 0) -> JobState:
    """Return a job that shows this progress for so many seconds and is then completed."""

    def state(at: float) -> dict[str, Any]:
        status = "COMPLETED" if at >= seconds else "RUNNING"
        return {"Id": job_id(number), "Status": status, "PercentageComplete": percentage(at)}

    return state


# The machine


@pytest.mark.parametrize("name", ["x-ratelimit-reset", "retry-after"])
def test_a_clock_that_is_set_back_does_no_harm(name: str) -> None:
    """The local time falls by a day midway, and the server states its reset as an epoch."""
    api = jobs_ending_in_turn(50)

    def script(now: float, request: Request) -> Answer:
        response = api(now, request)
        assert isinstance(response, Response)
        moment = response.head.received_at + timedelta(seconds=now - (86400 if now > START + 300 else 0))
        reset = f"{(response.head.received_at + timedelta(seconds=START + HOUR)).timestamp():.0f}"
        headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "700", name: reset}
        return Response(head=evolve(response.head, headers=headers, received_at=moment), body=response.body)

    simulated = context(script)
    outcomes = list(in_order(simulated, ids(50)))
    assert [finished.job_id for _, finished in outcomes] == ids(50)
    assert max(at - 10.0 * n for n, (at, _) in enumerate(outcomes)) < 120.0


def test_a_machine_that_slept_for_half_an_hour_catches_up_with_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(transport: SimulatedTransport, seconds: float) -> None:
        if not slept and transport.clock > START + 100:
            slept.append(transport.clock)
            seconds = HOUR / 2
        transport.clock += seconds

    monkeypatch.setattr(SimulatedTransport, "sleep", sleep)
    api = jobs_ending_in_turn(200)
    outcomes = list(in_order(context(api), ids(200)))
    woken = slept[0] - START + HOUR / 2
    assert sum(at == woken for at, _ in outcomes) >= 179, "the first list returns all jobs that ended during the sleep"
    assert len(outcomes) == 200


def test_a_deadline_that_passed_during_sleep_still_allows_a_last_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def sleep(transport: SimulatedTransport, seconds: float) -> None:
        transport.clock += HOUR if transport.clock > START + 30 else seconds

    monkeypatch.setattr(SimulatedTransport, "sleep", sleep)
    api = ManyJobs({job_id(n): job_ending(n, after=100 if n % 2 else 1e9) for n in range(10)})
    assert statuses(outcomes_of(context(api), ids(10), timeout=600)) == ["WaitTimeoutError", "COMPLETED"] * 5


def test_a_cancelled_task_names_the_remaining_jobs(sandbox: Sandbox) -> None:
    made = [sandbox.add_job(status="RUNNING") for _ in range(3)]

    async def cancelled() -> list[str]:
        async with sandbox.async_client() as jobs:
            waiting: asyncio.Task[Any] = asyncio.create_task(
                jobs.wait_all(made, on_update=lambda _: bool(waiting.cancel()))
            )
            with pytest.raises(asyncio.CancelledError) as raised:
                await waiting
            return raised.value.__notes__

    (note,) = asyncio.run(cancelled())
    assert note.startswith("3 of 3 jobs continue on the server")
    assert all(name in note for name in made)


# The jobs


@pytest.mark.parametrize("others", [0, 1, 50])
def test_a_job_that_disappears_is_reported_and_the_others_continue(others: int) -> None:
    def state(at: float) -> dict[str, str] | None:
        return {"Id": job_id(0), "Status": "RUNNING"} if at < 300 else None

    api = ManyJobs({job_id(0): state, **{job_id(n): job_ending(n, after=900) for n in range(1, 1 + others)}})
    found = list(in_order(context(api), ids(1 + others)))
    at, first = found[0]
    assert first.job_id == job_id(0)
    assert isinstance(first.outcome, JobNotFoundError)
    assert 300 <= at < 400
    assert all(isinstance(finished.outcome, Job) for _, finished in found[1:])
    assert len(found) == 1 + others


def test_an_unknown_status_warns_once_per_job_and_the_wait_goes_on_until_the_deadline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = ManyJobs(
        {job_id(n): job_ending(n, after=60, then="HIBERNATING" if n < 2 else "COMPLETED") for n in range(10)}
    )
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        found = statuses(outcomes_of(context(api), ids(10), timeout=600))
    assert found == ["WaitTimeoutError"] * 2 + ["COMPLETED"] * 8
    assert sum("HIBERNATING" in record.message for record in caplog.records) == 2


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize(
    "percentage",
    [lambda at: 90 - int(at / 50), lambda at: min(int(at), 99), lambda at: int(at) % 100, lambda _: 10**30],
    ids=["backwards", "99 for an hour", "over and over", "huge"],
)
def test_odd_progress_neither_floods_the_server_nor_delays_the_end(
    percentage: Callable[[float], int], count: int
) -> None:
    api = ManyJobs(
        {job_id(n): job_with_progress(percentage, seconds=HOUR + n, number=n) for n in range(count)}, limit=1000
    )
    outcomes = list(in_order(context(api), ids(count)))
    assert len(outcomes) == count
    assert outcomes[0][0] - HOUR < 150
    assert sum(api.counts.values()) <= 920
    assert api.refused == 0


# The list


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)])
def test_a_rejected_list_ends_the_wait_for_all_jobs(status: int, kind: type[Exception]) -> None:
    api = jobs_ending_in_turn(20, listed=lambda at: answer(status, b"") if at > 55 else None)
    found = list(in_order(context(api), ids(20)))
    assert [type(finished.outcome) for _, finished in found] == [Job] * 6 + [kind] * 14
    outcomes = [finished.outcome for _, finished in found]
    assert [outcome.job_id for outcome in outcomes[6:]] == ids(20)[6:]  # type: ignore[union-attr]
    assert found[-1][0] < 70


LOOP = {"@total": "20", "@nextpageuri": "/Agencies/IRtest/Jobs?CreatedAfter=2026-05-28", "Jobs": []}


@pytest.mark.parametrize(
    "broken",
    [
        answer(500, b"<html>"),
        answer(503, b""),
        answer(200, b"<xml/>"),
        answer(200, {"surprise": 1}),
        answer(200, LOOP),
        answer(200, {**LOOP, "@nextpageuri": "https://elsewhere.example/Jobs"}),
        TransportError("reset"),
        RequestTimeoutError("slow"),
    ],
    ids=["500", "503", "XML", "no list", "a loop", "elsewhere", "reset", "timeout"],
)
def test_a_list_that_stays_broken_is_replaced_by_single_polls(broken: Answer) -> None:
    api = jobs_ending_in_turn(30, listed=lambda at: broken if at > 50 else None, limit=1000)
    outcomes = list(in_order(context(api), ids(30)))
    assert {type(finished.outcome) for _, finished in outcomes} == {Job}
    assert max(at - 10.0 * int(finished.job_id[-12:], 16) for at, finished in outcomes) < 120.0
    assert api.refused == 0


@pytest.mark.parametrize("broken", [answer(502, b""), TransportError("reset"), answer(200, b"[{")])
def test_a_list_that_breaks_midway_loses_no_job(broken: Answer) -> None:
    api = jobs_ending_in_turn(50, page_size=10)

    def script(now: float, request: Request) -> Answer:
        return broken if "page=3" in request.url.reveal() and now - START < 400 else api(now, request)

    outcomes = list(in_order(context(script), ids(50)))
    assert sorted(finished.job_id for _, finished in outcomes) == ids(50)
    assert {type(finished.outcome) for _, finished in outcomes} == {Job}


def test_the_list_is_read_again_after_an_outage() -> None:
    api = jobs_ending_in_turn(150)

    def script(now: float, request: Request) -> Answer:
        return TransportError("no route") if 300 < now - START < 1200 else api(now, request)

    simulated = context(script)
    outcomes = list(in_order(simulated, ids(150)))
    assert len(outcomes) == 150
    assert max(at for at, finished in outcomes if finished.job_id <= job_id(110)) < 1200 + 300
    assert api.counts["get"] < 200
    outage = [at for at, _ in transport_of(simulated).asked if 300 < at - START < 1200]
    assert len(outage) < 60


# Single polls


def unlisted(first: Answer) -> ManyJobs:
    """Return four jobs that no list shows; the first one has this response."""
    return ManyJobs({job_id(0): lambda _: first, **{job_id(n): job_ending(n, after=100) for n in range(1, 4)}})


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(404, b""), JobNotFoundError),
        (answer(403, {"Message": "Not yours"}), PermissionDeniedError),
        (answer(200, b"<xml/>"), UnexpectedResponseError),
        (answer(200, {"Id": "?"}), UnexpectedResponseError),
    ],
    ids=["404", "403", "XML", "no job"],
)
def test_an_error_of_one_job_concerns_that_job_only(response: Answer, kind: type[Exception]) -> None:
    found = outcomes_of(context(unlisted(response)), ids(4), timeout=3600)
    assert type(found[job_id(0)]) is kind
    assert found[job_id(0)].job_id == job_id(0)  # type: ignore[union-attr]
    assert statuses(found)[1:] == ["COMPLETED"] * 3


@pytest.mark.parametrize("response", [answer(500, b""), TransportError("reset")], ids=["500", "reset"])
def test_a_job_that_cannot_be_polled_does_not_delay_the_others(response: Answer) -> None:
    simulated = context(unlisted(response))
    outcomes = list(in_order(simulated, ids(4), timeout=900))
    assert [type(finished.outcome).__name__ for _, finished in outcomes] == ["Job"] * 3 + ["WaitTimeoutError"]
    assert max(at for at, _ in outcomes[:3]) < 200
    assert len(transport_of(simulated).asked) < 150


def test_a_401_for_one_job_ends_the_wait_for_all() -> None:
    found = outcomes_of(context(unlisted(answer(401, b""))), ids(4))
    assert {type(outcome) for outcome in found.values()} == {AuthenticationError}
    assert [outcome.job_id for outcome in found.values()] == ids(4)  # type: ignore[union-attr]


# The budget


@pytest.mark.parametrize("page_size", [0, 10])
def test_a_nearly_spent_budget_is_not_overdrawn(page_size: int) -> None:
    api = jobs_ending_in_turn(200, page_size=page_size, limit=1000)
    api._used = 850
    outcomes = list(in_order(context(api), ids(200)))
    assert len(outcomes) == 200
    assert api.refused == 0


def test_retry_after_pauses_the_whole_batch() -> None:
    limited = answer(429, {}, headers={"retry-after": "900"})
    api = jobs_ending_in_turn(100, listed=lambda at: limited if 200 < at < 1000 else None)
    simulated = context(api)
    assert len(outcomes_of(simulated, ids(100))) == 100
    asked = [at - START for at, _ in transport_of(simulated).asked]
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert max(pauses) == pytest.approx(900.0, abs=5)


def test_a_spent_budget_ends_at_the_deadline_with_its_cause() -> None:
    api = ManyJobs({job_id(n): job_ending(n, after=1e9) for n in range(20)}, limit=10)
    found = outcomes_of(context(api), ids(20), timeout=600)
    assert set(statuses(found)) == {"WaitTimeoutError"}
    assert api.refused <= 1
