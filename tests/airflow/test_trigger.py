"""The triggers: their rows in the database, and their events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, cast

import pytest
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseTrigger
from impact_jobs.airflow import ImpactHook, ImpactJobTrigger, ImpactQuotaTrigger, _waiters, trigger
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import CONN_ID, connection_to, set_connection
from tests.airflow.triggers import NO_JOB, job_trigger, run, through_the_database


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=1.0, hourly_budget=None) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox
    assert _waiters._SHARED == {}


@pytest.mark.parametrize(
    "waiting",
    [
        ImpactJobTrigger(CONN_ID, NO_JOB, deadline=1780282800.5),
        ImpactJobTrigger(CONN_ID, NO_JOB, deadline=None, polling={"minimum": 5.0}, advertiser_id="2747168"),
        ImpactQuotaTrigger(1780282800.5),
        ImpactQuotaTrigger(1780282800.5, seed="019adf3c"),
    ],
)
def test_a_trigger_comes_back_from_the_database_as_it_was(waiting: BaseTrigger) -> None:
    again = through_the_database(waiting)

    assert type(again) is type(waiting)
    assert again.serialize() == waiting.serialize()
    assert encode_trigger(cast("Any", again))["classpath"] == waiting.serialize()[0]


def test_a_trigger_has_ids_the_deadline_and_the_polling_and_no_secret(sandbox: Sandbox) -> None:
    waiting = job_trigger(NO_JOB, advertiser_id="2747168")

    _, kwargs = waiting.serialize()

    assert kwargs.keys() == {"impact_conn_id", "job_id", "deadline", "polling", "advertiser_id"}
    for text in (json.dumps(kwargs), repr(waiting)):
        assert sandbox.auth_token not in text
        assert sandbox.account_sid not in text


@pytest.mark.parametrize("seconds", [-3600.0, 0.3])
def test_a_deadline_that_has_passed_is_an_event_with_the_job(seconds: float, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(status="RUNNING")

    (event,) = run(job_trigger(job_id, seconds=seconds))

    assert (event["outcome"], event["is_final"], event["error"]) == ("timeout", False, "WaitTimeoutError")
    assert event["message"].startswith("the deadline 20")
    assert f"has passed: job {job_id} did not complete" in event["message"]
    assert "It continues on the server" in event["message"]


def test_a_job_that_ended_while_no_triggerer_ran_is_seen_after_the_deadline(sandbox: Sandbox) -> None:
    (event,) = run(job_trigger(sandbox.add_job(seconds=0.0), seconds=-3600.0))

    assert event["outcome"] == "completed"


@pytest.mark.parametrize(("status", "outcome"), [("FAILED", "failed"), ("ERROR", "failed"), ("CANCELLED", "cancelled")])
def test_a_job_that_failed_is_an_event_and_no_error_of_the_trigger(status: str, outcome: str, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(status=status, seconds=0.0, message="Too many\nrecords.")

    (event,) = run(job_trigger(job_id))

    assert (event["job_id"], event["outcome"], event["is_final"]) == (job_id, outcome, False)
    assert event["message"].startswith(f"job {job_id} ended as {status}: Too many records.")


def test_a_job_that_the_server_hides_at_first_is_waited_for(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(seconds=0.0)
    sandbox.answer_next("GET", f"/Jobs/{job_id}", status=404, times=6)

    (event,) = run(job_trigger(job_id))

    assert event["outcome"] == "completed"
    assert len(sandbox.requests) == 7


def test_an_unknown_job_is_a_final_event(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger, "_HIDDEN_SECONDS", 0.2)

    (event,) = run(job_trigger(NO_JOB))

    assert (event["outcome"], event["is_final"], event["error"]) == ("error", True, "JobNotFoundError")
    assert event["message"].startswith(f"the wait for job {NO_JOB} (connection '{CONN_ID}') failed: ")
    assert sandbox.auth_token not in str(event)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"impact_conn_id": "impact_tset"}, "connection 'impact_tset' is not defined"),
        ({"advertiser_id": "seven"}, f"connection '{CONN_ID}': advertiser_id='seven' is not"),
    ],
)
def test_a_connection_that_was_usable_before_is_no_final_event(
    changes: dict[str, Any], message: str, sandbox: Sandbox
) -> None:
    """Airflow says that a connection is not defined if its API does not answer, too."""
    (event,) = run(job_trigger(sandbox.add_job(), **changes))

    assert (event["outcome"], event["is_final"]) == ("error", False)
    assert message in event["message"]


def test_a_wrong_argument_is_a_final_event(sandbox: Sandbox) -> None:
    (event,) = run(job_trigger(sandbox.add_job(), polling={"min": 1}))

    assert (event["outcome"], event["is_final"]) == ("error", True)
    assert "polling={'min': 1} is not valid" in event["message"]


def test_an_error_that_nobody_expected_is_an_event_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(conn_id: str) -> Any:
        raise RuntimeError(f"no backend for {conn_id}")

    monkeypatch.setattr(ImpactHook, "aget_connection", staticmethod(broken))

    (event,) = run(job_trigger(sandbox.add_job()))

    assert (event["outcome"], event["is_final"], event["error"]) == ("error", False, "RuntimeError")
    assert event["message"].endswith(f"failed: no backend for {CONN_ID}")


OWNER: ContextVar[str] = ContextVar("owner", default="nobody")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the triggers sleep in virtual time, from 1000 s after the epoch on."""
    slept = list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(trigger, "epoch_seconds", lambda: 1000.0 + sum(slept))
    monkeypatch.setattr("impact_jobs.airflow.trigger.asyncio.sleep", sleep)
    return slept


def test_the_quota_trigger_fires_at_its_moment(slept: list[float]) -> None:
    assert run(ImpactQuotaTrigger(1150.0)) == [{"outcome": "quota"}]
    assert slept == [60.0, 60.0, 30.0]
    assert run(ImpactQuotaTrigger(10.0)) == [{"outcome": "quota"}]


def test_quota_triggers_of_many_tasks_fire_one_after_another(slept: list[float]) -> None:
    delays = []
    for number in range(200):
        for waiting in [ImpactQuotaTrigger(1150.0, seed=f"task {number}")] * 2:
            slept.clear()
            run(through_the_database(waiting))
            delays.append(sum(slept) - 150.0)

    assert delays[::2] == delays[1::2]
    assert min(delays) >= 0.0
    assert max(delays) <= 180.0
    for begin in range(0, 180, 20):
        assert 5 <= sum(begin <= delay < begin + 20 for delay in delays[::2]) <= 50
