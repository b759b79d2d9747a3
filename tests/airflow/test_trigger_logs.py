"""What a trigger logs, and in the log of which task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, cast

import pytest
from impact_jobs.airflow import _waiters
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.triggers import NO_JOB, events_of, job_trigger


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=1.0, hourly_budget=None) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox
    assert _waiters._SHARED == {}


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
