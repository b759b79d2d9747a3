"""Run triggers as the triggerer does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from airflow._shared.module_loading import import_string
from airflow.models.trigger import Trigger
from airflow.sdk.serde import serialize
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.triggers.base import BaseTrigger
from impact_jobs.airflow import ImpactJobTrigger

from tests.airflow.connections import CONN_ID

FAST = {"minimum": 0.05, "maximum": 0.1}  # seconds
NO_JOB = "00000000-0000-4000-8000-000000000000"


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
