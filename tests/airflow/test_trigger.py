from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from functools import partial
from threading import Thread
from typing import Any, cast

import pytest
from airflow._shared.module_loading import import_string
from airflow.models.trigger import Trigger
from airflow.sdk import Connection
from airflow.sdk.serde import serialize
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseTrigger
from impact_jobs.airflow import ImpactHook, ImpactJobTrigger, ImpactQuotaTrigger, _waiters, trigger
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import CONN_ID, connection_to, set_connection

FAST = {"minimum": 0.05, "maximum": 0.1}  # seconds
NO_JOB = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=1.0, hourly_budget=None) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox
    assert _waiters._SHARED == {}


def job_trigger(job_id: str, *, seconds: float | None = 60.0, **changes: Any) -> ImpactJobTrigger:
    deadline = None if seconds is None else time.time() + seconds
    return ImpactJobTrigger(
        **{"impact_conn_id": CONN_ID, "job_id": job_id, "deadline": deadline, "polling": FAST} | changes
    )


async def events_of(waiting: BaseTrigger) -> list[Any]:
    generator: Any = waiting.run()  # which Airflow's type calls an iterator
    async with aclosing(generator) as events:
        return [event.payload async for event in events]


async def until(is_true: Callable[[], object]) -> None:
    """Wait for the other tasks and the sandbox's thread."""
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110 - the sandbox runs in another thread
            await asyncio.sleep(0.01)


def run(*triggers: BaseTrigger) -> list[Any]:
    """Run the triggers in one event loop, as the triggerer does, and return the one event of each."""

    async def together() -> Sequence[list[Any]]:
        return await asyncio.gather(*[events_of(each) for each in triggers])

    found = []
    for events in asyncio.run(together()):
        (event,) = events
        found.append(event)
    return found


def through_the_database(waiting: BaseTrigger) -> BaseTrigger:
    """Return the trigger as the worker, the API server, the scheduler and the triggerer pass it on."""
    classpath, kwargs = waiting.serialize()
    row = Trigger(classpath=classpath, kwargs=json.loads(json.dumps(serialize(kwargs))))
    stored = Trigger._decrypt_kwargs(row.encrypted_kwargs)
    again = import_string(row.classpath)(**{key: smart_decode_trigger_kwargs(value) for key, value in stored.items()})
    assert isinstance(again, BaseTrigger)
    return again


@pytest.mark.parametrize(
    "waiting",
    [
        ImpactJobTrigger(CONN_ID, NO_JOB, deadline=1780282800.5),
        ImpactJobTrigger(CONN_ID, NO_JOB, deadline=None, polling={"minimum": 5.0}, advertiser_id="2747168"),
        ImpactQuotaTrigger(1780282800.5),
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


def test_fifty_triggers_of_a_connection_make_one_list_a_tick(sandbox: Sandbox) -> None:
    job_ids = [sandbox.add_job() for _ in range(50)]

    events = run(*[job_trigger(job_id) for job_id in job_ids])

    assert [event["outcome"] for event in events] == ["completed"] * 50
    assert [event["job_id"] for event in events] == job_ids
    lists = [request for request in sandbox.requests if request.path.endswith("/Jobs")]
    print(len(lists), "lists,", len(sandbox.requests), "requests")  # noqa: T201 - the measure
    # The jobs take a second, and the pauses are at least 0.05 s; alone, 50 jobs would need that for each.
    assert len(sandbox.requests) <= 30
    assert len(sandbox.requests) - len(lists) <= 3


def test_triggers_that_differ_in_brand_or_polling_do_not_share(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch, [connection_to(sandbox)])
    job_ids = [sandbox.add_job(seconds=0.0), sandbox.add_job(seconds=0.0), sandbox.add_job(advertiser=2747168)]

    events = run(
        job_trigger(job_ids[0]),
        job_trigger(job_ids[1], polling={"minimum": 0.1, "maximum": 0.2}),
        job_trigger(job_ids[2], advertiser_id="2747168"),
    )

    assert [event["outcome"] for event in events] == ["completed"] * 3
    assert len(reads) == 3


def test_a_trigger_that_runs_twice_only_reads(sandbox: Sandbox) -> None:
    waiting = job_trigger(sandbox.add_job())

    events = run(waiting, through_the_database(waiting))

    assert events[0] == events[1]
    assert {request.method for request in sandbox.requests} == {"GET"}
    assert len(sandbox.job_ids) == 1


def test_triggers_in_two_loops_do_not_meet(sandbox: Sandbox) -> None:
    job_ids = [sandbox.add_job() for _ in range(2)]
    found: list[Any] = []
    threads = [Thread(target=lambda each=job_id: found.extend(run(job_trigger(each)))) for job_id in job_ids]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(event["job_id"] for event in found) == sorted(job_ids)


def test_after_a_restart_the_trigger_waits_on_until_the_same_deadline(sandbox: Sandbox) -> None:
    waiting = job_trigger(sandbox.add_job())

    async def stop_and_start() -> list[Any]:
        task = asyncio.create_task(events_of(waiting))
        await until(lambda: sandbox.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert _waiters._SHARED == {}  # nothing stays open
        return await events_of(through_the_database(waiting))

    (event,) = asyncio.run(stop_and_start())

    assert event["outcome"] == "completed"


def test_one_cancelled_trigger_leaves_the_others_waiting(sandbox: Sandbox) -> None:
    job_ids = [sandbox.add_job() for _ in range(3)]

    async def cancel_the_first() -> list[list[Any]]:
        first, *others = [asyncio.create_task(events_of(job_trigger(job_id))) for job_id in job_ids]
        await until(lambda: sandbox.requests)
        first.cancel()
        return await asyncio.gather(*others)

    assert [events[0]["outcome"] for events in asyncio.run(cancel_the_first())] == ["completed"] * 2


def test_a_trigger_that_is_cancelled_while_the_connection_is_read_lets_the_next_one_read_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [sandbox.add_job(seconds=0.0) for _ in range(2)]
    read, reads = ImpactHook.aget_connection, 0

    async def slow_at_first(conn_id: str) -> Any:
        nonlocal reads
        reads += 1
        if reads == 1:
            await asyncio.Event().wait()
        return await read(conn_id)

    monkeypatch.setattr(ImpactHook, "aget_connection", staticmethod(slow_at_first))

    async def cancel_the_first() -> list[Any]:
        first, second = [asyncio.create_task(events_of(job_trigger(job_id))) for job_id in job_ids]
        await until(lambda: reads)
        first.cancel()
        return await second

    (event,) = asyncio.run(cancel_the_first())

    assert event["outcome"] == "completed"


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


def test_an_unknown_job_is_a_final_event(sandbox: Sandbox) -> None:
    (event,) = run(job_trigger(NO_JOB))

    assert (event["outcome"], event["is_final"], event["error"]) == ("error", True, "JobNotFoundError")
    assert event["message"].startswith(f"the wait for job {NO_JOB} (connection '{CONN_ID}') failed: ")
    assert sandbox.auth_token not in str(event)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"impact_conn_id": "impact_tset"}, "connection 'impact_tset' is not defined"),
        ({"advertiser_id": "seven"}, f"connection '{CONN_ID}': advertiser_id='seven' is not"),
        ({"polling": {"min": 1}}, "polling={'min': 1} is not valid"),
    ],
)
def test_a_wrong_argument_is_a_final_event(changes: dict[str, Any], message: str, sandbox: Sandbox) -> None:
    (event,) = run(job_trigger(sandbox.add_job(), **changes))

    assert (event["outcome"], event["is_final"]) == ("error", True)
    assert message in event["message"]


def test_an_error_that_nobody_expected_is_an_event_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(conn_id: str) -> Any:
        raise RuntimeError(f"no backend for {conn_id}")

    monkeypatch.setattr(ImpactHook, "aget_connection", staticmethod(broken))

    (event,) = run(job_trigger(sandbox.add_job()))

    assert (event["outcome"], event["is_final"], event["error"]) == ("error", False, "RuntimeError")
    assert event["message"].endswith(f"failed: no backend for {CONN_ID}")


def count_reads(monkeypatch: pytest.MonkeyPatch, versions: Sequence[dict[str, Any]]) -> list[str]:
    """Return each version of the connection in turn, and then the last one; return the list of reads."""
    reads: list[str] = []

    async def read(conn_id: str) -> Connection:
        fields = versions[min(len(reads), len(versions) - 1)]
        reads.append(conn_id)
        return Connection(conn_id=conn_id, **fields | {"extra": json.dumps(fields["extra"])})

    monkeypatch.setattr(ImpactHook, "aget_connection", staticmethod(read))
    return reads


def test_rotated_credentials_are_read_once_more_for_all(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch, [connection_to(sandbox, password="rotated"), connection_to(sandbox)])

    events = run(*[job_trigger(sandbox.add_job()) for _ in range(20)])

    assert [event["outcome"] for event in events] == ["completed"] * 20
    assert reads == [CONN_ID] * 2


def _is_longer(reads: Sequence[str], length: int) -> bool:
    return len(reads) > length


def test_credentials_that_expire_again_after_an_answer_are_read_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch, [connection_to(sandbox)])
    job_id = sandbox.add_job(seconds=3600.0)

    async def expire_three_times() -> None:
        task = asyncio.create_task(events_of(job_trigger(job_id)))
        for _ in range(3):
            sandbox.forget_requests()
            await until(lambda: len(sandbox.requests) > 1)  # so one was answered
            read_before = len(reads)
            sandbox.answer_next("GET", f"/Jobs/{job_id}", status=401)
            await until(partial(_is_longer, reads, read_before))
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(expire_three_times())

    assert len(reads) == 4


def test_wrong_credentials_are_a_final_event_after_a_second_look(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = count_reads(monkeypatch, [connection_to(sandbox, password="wrong")])

    events = run(*[job_trigger(sandbox.add_job()) for _ in range(20)])

    assert {(event["outcome"], event["is_final"], event["error"]) for event in events} == {
        ("error", True, "AuthenticationError")
    }
    assert len(reads) == 2
    assert len(sandbox.requests) == 2


OWNER: ContextVar[str] = ContextVar("owner", default="nobody")


class OwnedRecords(logging.Handler):
    """Collects messages with the context that they were logged in, by which the triggerer finds the task's log."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append((record.name, OWNER.get(), record.getMessage()))


@pytest.fixture
def records() -> Iterator[list[tuple[str, str, str]]]:
    handler, loggers = OwnedRecords(), [logging.getLogger(name) for name in ("impact_jobs", "own")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield handler.found
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_each_state_is_logged_once_and_in_the_log_of_its_own_task(
    sandbox: Sandbox, records: list[tuple[str, str, str]]
) -> None:
    job_ids = [sandbox.add_job(seconds=0.4), sandbox.add_job(seconds=0.5), sandbox.add_job(seconds=0.6)]

    async def wait_for(job_id: str) -> None:
        OWNER.set(job_id)
        waiting = job_trigger(job_id)
        waiting._log = cast("Any", logging.getLogger("own"))
        await events_of(waiting)

    async def together() -> None:
        await asyncio.gather(*[wait_for(job_id) for job_id in job_ids])

    asyncio.run(together())

    own = [(owner, message) for name, owner, message in records if name == "own"]
    assert {message.split()[1] for _, message in own} == set(job_ids)
    assert all(owner == message.split()[1] for owner, message in own)
    assert len(own) == len(set(own))
    assert [message for _, message in own if message.endswith("COMPLETED at 100 %")]
    assert {owner for name, owner, _ in records if name != "own"} <= {"nobody"}
    assert sandbox.auth_token not in str(records)


def test_a_killed_task_logs_that_the_job_goes_on(records: list[tuple[str, str, str]]) -> None:
    waiting = job_trigger(NO_JOB)
    waiting._log = cast("Any", logging.getLogger("own"))

    asyncio.run(waiting.on_kill())

    ((_, _, message),) = records
    assert message.startswith(
        f"job {NO_JOB} was not cancelled, because the API cannot do that: it goes on at impact.com"
    )


def test_the_quota_trigger_fires_at_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 1000.0, list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept.append(seconds)

    monkeypatch.setattr(trigger, "epoch_seconds", lambda: now)
    monkeypatch.setattr("impact_jobs.airflow.trigger.asyncio.sleep", sleep)

    assert run(ImpactQuotaTrigger(1150.0)) == [{"outcome": "quota"}]
    assert slept == [60.0, 60.0, 30.0]
    assert run(ImpactQuotaTrigger(10.0)) == [{"outcome": "quota"}]
