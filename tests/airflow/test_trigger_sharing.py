"""The triggers of one connection share their polls and their credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from functools import partial
from threading import Thread
from typing import Any

import pytest
from airflow.sdk import Connection
from impact_jobs.airflow import ImpactHook, _waiters
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import CONN_ID, connection_to, set_connection
from tests.airflow.triggers import events_of, job_trigger, run, through_the_database, until


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=1.0, hourly_budget=None) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox
    assert _waiters._SHARED == {}


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
