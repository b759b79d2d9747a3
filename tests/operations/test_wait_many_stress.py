"""`wait_all` where the server, the network, the clock or the jobs misbehave, in virtual time."""

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

from tests.operations.test_wait_many import in_order, many, outcomes_of, statuses
from tests.support.account import START, ManyJobs, Told, ending, ids, job_id
from tests.support.simulated import Answer, SimulatedTransport, answer, context, transport_of

HOUR = 3600.0


def of_age(percentage: Callable[[float], int | None], *, seconds: float, number: int = 0) -> Told:
    """A job that shows such progress for so many seconds, and then is done."""

    def told(at: float) -> dict[str, Any]:
        status = "COMPLETED" if at >= seconds else "RUNNING"
        return {"Id": job_id(number), "Status": status, "PercentageComplete": percentage(at)}

    return told


# The machine


@pytest.mark.parametrize("name", ["x-ratelimit-reset", "retry-after"])
def test_a_clock_that_is_set_back_does_no_harm(name: str) -> None:
    """This machine's time of day falls by a day midway, and the server names its reset as an epoch."""
    api = many(100)

    def script(now: float, request: Request) -> Answer:
        response = api(now, request)
        assert isinstance(response, Response)
        moment = response.head.received_at + timedelta(seconds=now - (86400 if now > START + 300 else 0))
        reset = f"{(response.head.received_at + timedelta(seconds=START + HOUR)).timestamp():.0f}"
        headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "700", name: reset}
        return Response(head=evolve(response.head, headers=headers, received_at=moment), body=response.body)

    simulated = context(script)
    told = list(in_order(simulated, ids(100)))
    assert [finished.job_id for _, finished in told] == ids(100)
    assert max(at - 10.0 * n for n, (at, _) in enumerate(told)) < 120.0


def test_a_machine_that_sleeps_for_an_hour_catches_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(port: SimulatedTransport, seconds: float) -> None:
        if not slept and port.clock > START + 100:
            slept.append(port.clock)
            seconds = HOUR
        port.clock += seconds

    monkeypatch.setattr(SimulatedTransport, "sleep", sleep)
    api = many(400)
    told = list(in_order(context(api), ids(400)))
    woken = slept[0] - START + HOUR
    assert sum(at == woken for at, _ in told) >= 359, "all that ended meanwhile, with the first list"
    assert len(told) == 400


def test_a_deadline_that_passed_in_the_machines_sleep_is_told_after_a_last_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def sleep(port: SimulatedTransport, seconds: float) -> None:
        port.clock += HOUR if port.clock > START + 30 else seconds

    monkeypatch.setattr(SimulatedTransport, "sleep", sleep)
    api = ManyJobs({job_id(n): ending(n, after=100 if n % 2 else 1e9) for n in range(10)})
    assert statuses(outcomes_of(context(api), ids(10), timeout=600)) == ["WaitTimeoutError", "COMPLETED"] * 5


def test_a_cancelled_task_says_what_goes_on(sandbox: Sandbox) -> None:
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
def test_a_job_that_vanishes_midway_is_told_and_the_others_go_on(others: int) -> None:
    def told(at: float) -> dict[str, str] | None:
        return {"Id": job_id(0), "Status": "RUNNING"} if at < 300 else None

    api = ManyJobs({job_id(0): told, **{job_id(n): ending(n, after=900) for n in range(1, 1 + others)}})
    found = list(in_order(context(api), ids(1 + others)))
    at, first = found[0]
    assert first.job_id == job_id(0)
    assert isinstance(first.outcome, JobNotFoundError)
    assert 300 <= at < 400
    assert all(isinstance(finished.outcome, Job) for _, finished in found[1:])
    assert len(found) == 1 + others


def test_a_status_never_seen_before_warns_once_a_job_and_is_bounded_by_the_deadline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = ManyJobs({job_id(n): ending(n, after=60, then="HIBERNATING" if n < 2 else "COMPLETED") for n in range(10)})
    with caplog.at_level(logging.WARNING, "impact_jobs"):
        found = statuses(outcomes_of(context(api), ids(10), timeout=600))
    assert found == ["WaitTimeoutError"] * 2 + ["COMPLETED"] * 8
    assert sum("HIBERNATING" in record.message for record in caplog.records) == 2


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(
    "percentage",
    [lambda at: 90 - int(at / 50), lambda at: min(int(at), 99), lambda at: int(at) % 100, lambda _: 10**30],
    ids=["backwards", "99 for an hour", "over and over", "huge"],
)
def test_odd_progress_neither_floods_the_server_nor_hides_the_end(
    percentage: Callable[[float], int], count: int
) -> None:
    api = ManyJobs({job_id(n): of_age(percentage, seconds=HOUR + n, number=n) for n in range(count)}, limit=1000)
    told = list(in_order(context(api), ids(count)))
    assert len(told) == count
    assert told[0][0] - HOUR < 150
    assert sum(api.counts.values()) <= 920
    assert api.refused == 0


# The list


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDeniedError)])
def test_a_list_that_is_refused_ends_the_wait_for_all(status: int, kind: type[Exception]) -> None:
    api = many(20, listed=lambda at: answer(status, b"") if at > 55 else None)
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
def test_a_list_that_stays_broken_is_replaced_by_questions_for_each(broken: Answer) -> None:
    api = many(30, listed=lambda at: broken if at > 50 else None, limit=1000)
    told = list(in_order(context(api), ids(30)))
    assert {type(finished.outcome) for _, finished in told} == {Job}
    assert max(at - 10.0 * int(finished.job_id[-12:], 16) for at, finished in told) < 120.0
    assert api.refused == 0


@pytest.mark.parametrize("broken", [answer(502, b""), TransportError("reset"), answer(200, b"[{")])
def test_a_list_that_breaks_midway_keeps_what_it_told(broken: Answer) -> None:
    api = many(50, page_size=10)

    def script(now: float, request: Request) -> Answer:
        return broken if "page=3" in request.url.reveal() and now - START < 400 else api(now, request)

    told = list(in_order(context(script), ids(50)))
    assert sorted(finished.job_id for _, finished in told) == ids(50)
    assert {type(finished.outcome) for _, finished in told} == {Job}


def test_after_an_outage_the_list_is_asked_again() -> None:
    api = many(250)

    def script(now: float, request: Request) -> Answer:
        return TransportError("no route") if 300 < now - START < 2100 else api(now, request)

    simulated = context(script)
    told = list(in_order(simulated, ids(250)))
    assert len(told) == 250
    assert max(at for at, finished in told if finished.job_id <= job_id(200)) < 2100 + 300
    assert api.counts["get"] < 200
    outage = [at for at, _ in transport_of(simulated).asked if 300 < at - START < 2100]
    assert len(outage) < 60


# Single questions


def unlisted(**odd: Any) -> ManyJobs:
    """Four jobs that no list shows, the first of which is odd."""
    return ManyJobs({job_id(0): lambda _: odd["told"], **{job_id(n): ending(n, after=100) for n in range(1, 4)}})


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (answer(404, b""), JobNotFoundError),
        (answer(403, {"Message": "Not yours"}), PermissionDeniedError),
        (answer(200, b"<xml/>"), UnexpectedResponseError),
        (answer(200, {"Id": "?"}), UnexpectedResponseError),
    ],
    ids=["404", "403", "XML", "no job"],
)
def test_what_is_wrong_with_one_job_is_told_of_that_one_alone(told: Answer, kind: type[Exception]) -> None:
    found = outcomes_of(context(unlisted(told=told)), ids(4), timeout=3600)
    assert type(found[job_id(0)]) is kind
    assert found[job_id(0)].job_id == job_id(0)  # type: ignore[union-attr]
    assert statuses(found)[1:] == ["COMPLETED"] * 3


@pytest.mark.parametrize("told", [answer(500, b""), TransportError("reset")], ids=["500", "reset"])
def test_a_job_that_cannot_be_asked_for_does_not_hold_up_the_others(told: Answer) -> None:
    simulated = context(unlisted(told=told))
    at_and_told = list(in_order(simulated, ids(4), timeout=900))
    assert [type(finished.outcome).__name__ for _, finished in at_and_told] == ["Job"] * 3 + ["WaitTimeoutError"]
    assert max(at for at, _ in at_and_told[:3]) < 200
    assert len(transport_of(simulated).asked) < 150


def test_401_to_one_ends_the_wait_for_all() -> None:
    found = outcomes_of(context(unlisted(told=answer(401, b""))), ids(4))
    assert {type(outcome) for outcome in found.values()} == {AuthenticationError}
    assert [outcome.job_id for outcome in found.values()] == ids(4)  # type: ignore[union-attr]


# The budget


@pytest.mark.parametrize("page_size", [0, 10])
def test_a_budget_that_is_nearly_spent_is_not_overdrawn(page_size: int) -> None:
    api = many(200, page_size=page_size, limit=1000)
    api._used = 850
    told = list(in_order(context(api), ids(200)))
    assert len(told) == 200
    assert api.refused == 0


def test_retry_after_holds_back_the_whole_group() -> None:
    limited = answer(429, {}, headers={"retry-after": "900"})
    api = many(100, listed=lambda at: limited if 200 < at < 1000 else None)
    simulated = context(api)
    assert len(outcomes_of(simulated, ids(100))) == 100
    asked = [at - START for at, _ in transport_of(simulated).asked]
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert max(pauses) == pytest.approx(900.0, abs=5)


def test_a_spent_budget_ends_at_the_deadline_with_the_reason() -> None:
    api = ManyJobs({job_id(n): ending(n, after=1e9) for n in range(20)}, limit=10)
    found = outcomes_of(context(api), ids(20), timeout=600)
    assert set(statuses(found)) == {"WaitTimeoutError"}
    assert api.refused <= 1
