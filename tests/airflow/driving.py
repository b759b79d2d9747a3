"""Drive an operator through its tries, deferrals and clears, without a scheduler and a database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.serde import deserialize, serialize
from attrs import define, field
from impact_jobs.airflow import ImpactJobTrigger, ImpactQuotaTrigger
from impact_jobs.airflow._task_state import MemoryState, TaskState
from impact_jobs.sandbox import Sandbox

from tests.provider.scheduling import forget_process

FAST = {"minimum": 0.05, "maximum": 0.1}  # seconds
REPORT = "agency_action_listing"
MAY: Mapping[str, Any] = {"report_id": REPORT, "report_start": "2026-05-01", "report_end": "2026-05-31"}

Trigger = ImpactJobTrigger | ImpactQuotaTrigger


class NoXComs:
    """A task instance; to push an XCom before the end is an error."""

    def __init__(self, *, try_number: int, max_tries: int) -> None:
        self.try_number, self.max_tries = try_number, max_tries

    def xcom_push(self, *_: Any, **__: Any) -> None:
        raise AssertionError("Airflow clears what a task pushes before its end")


@define(kw_only=True)
class TaskRun:
    """A task instance over its tries.

    `make` creates the operator, as each process does that parses the DAG. `state` is None on Airflow before 3.3.
    """

    make: Callable[[], BaseOperator]
    state: TaskState | None = field(factory=MemoryState)
    macros: dict[str, Any] = field(factory=dict)
    try_number: int = 0
    max_tries: int = 2
    deferrals: list[tuple[Trigger, dict[str, Any]]] = field(factory=list)
    outlets: OutletEventAccessors = field(factory=OutletEventAccessors)
    operator: Any = None

    def start(self) -> Any:
        """Start a try, and run it to its end with its triggers."""
        self.try_number += 1
        self.deferrals = []
        step = self._run(lambda operator, context: operator.execute(context))
        while isinstance(step, TaskDeferred):
            step = self.resume(event_of(self.deferrals[-1][0]))
        return step

    def defer(self) -> Trigger:
        """Start a try, and run it until it is deferred."""
        self.try_number += 1
        step = self._run(lambda operator, context: operator.execute(context))
        assert isinstance(step, TaskDeferred), step
        return self.deferrals[-1][0]

    def resume(self, event: Any) -> Any:
        """Go on with an event, in a new process; return the result, or the next deferral."""
        kwargs = self.deferrals[-1][1]
        method = kwargs["method"]
        kept: Any = deserialize(json.loads(json.dumps({**kwargs["kept"], "event": serialize(event)})))
        return self._run(lambda operator, context: operator.resume_execution(method, kept, context))

    def finish(self, event: Any) -> Any:
        step = self.resume(event)
        while isinstance(step, TaskDeferred):
            step = self.resume(event_of(self.deferrals[-1][0]))
        return step

    def clear(self) -> None:
        self.max_tries += self.try_number

    @property
    def asset_events(self) -> dict[str, Any]:
        """The extra of each asset's event, by its URL."""
        return {
            event.dest_asset_key.uri: event.extra
            for accessor in self.outlets._dict.values()
            for event in accessor.asset_alias_events
        }

    def _run(self, call: Callable[[BaseOperator, Any], Any]) -> Any:
        forget_process()
        with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), user_defined_macros=self.macros):
            operator = self.make()
        self.operator, self.outlets = operator, OutletEventAccessors()
        context: Any = {
            "ti": NoXComs(try_number=self.try_number, max_tries=self.max_tries),
            "task": operator,
            "ds": "2026-05-01",
            "params": {},
            "outlet_events": self.outlets,
            "run_id": "a_run",
        } | self.macros
        if self.state is not None:
            context["task_state_store"] = self.state
        operator.render_template_fields(context)
        ExecutorSafeguard.tracker.set(operator)
        try:
            return call(operator, context)
        except TaskDeferred as error:
            deferred = error
        self._record(deferred)
        return deferred

    def _record(self, deferred: TaskDeferred) -> None:
        assert json.loads(json.dumps(deferred.kwargs)) == deferred.kwargs, "plain JSON"
        classpath, arguments = deferred.trigger.serialize()
        again: Any = deserialize(json.loads(json.dumps(serialize(arguments))))
        trigger = import_string(classpath)(**again)
        kept = json.loads(json.dumps(serialize(deferred.kwargs or {})))
        self.deferrals.append((trigger, {"method": deferred.method_name, "kept": kept}))


def event_of(trigger: Trigger) -> Any:
    """Run a trigger, and return its event; a pause for the quota is over at once."""
    if isinstance(trigger, ImpactQuotaTrigger):
        return {"outcome": "quota"}

    async def only() -> Any:
        events: Any = trigger.run()  # a generator, although Airflow calls it an iterator
        async with aclosing(events):
            (event,) = [event.payload async for event in events]
        return event

    return asyncio.run(only())


def of(operator_class: Callable[..., Any], **options: Any) -> TaskRun:
    """Return the run of a deferrable task with these arguments."""
    return TaskRun(
        make=lambda: operator_class(
            **{
                "task_id": "a_task",
                "impact_conn_id": "impact_test",
                "deferrable": True,
                "polling": FAST,
                "timeout": 30.0,
                **options,
            }
        )
    )


def sent(sandbox: Sandbox, part: str = "/ReportExport/") -> int:
    """Return how many requests were made whose path has this part."""
    return sum(part in request.path for request in sandbox.requests)
