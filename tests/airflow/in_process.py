"""Run a DAG in this process, with its triggers, as `dag.test()` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from uuid import UUID

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.api.datamodels._generated import TaskInstance as RunnerTaskInstance
from airflow.sdk.execution_time.comms import DeferTask
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, run_task_in_process
from airflow.sdk.serde import deserialize, serialize
from airflow.serialization.serialized_objects import LazyDeserializedDAG, create_scheduler_operator
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState

BUNDLE = "dags-folder"


def store(dag: DAG) -> None:
    """Serialise a DAG into the database."""
    manager = DagBundlesManager()
    with create_session() as session:
        manager.sync_bundles_to_db(session=session)
        session.commit()
        update_dag_parsing_results_in_db(
            BUNDLE, None, [LazyDeserializedDAG.from_dag(dag)], {}, None, set(), session=session
        )


def run(dag: DAG, *, between: Callable[[Any], None] | None = None) -> DagRun:
    """Run a DAG to its end.

    Unlike `dag.test()`, a task that resumes gets what it kept, not the event alone; that is what the scheduler does.
    `between` is called with the task instance while it is deferred, before its trigger runs.
    """
    store(dag)
    with mock.patch("airflow.sdk.definitions.dag._run_task", _runner(between)):
        found: DagRun = dag.test()
        return found


def _runner(between: Callable[[Any], None] | None) -> Callable[..., Any]:
    def run_task(*, ti: Any, task: Any, run_triggerer: bool = False) -> Any:
        del run_triggerer
        while True:
            ti.set_state(TaskInstanceState.QUEUED)
            instance = RunnerTaskInstance(
                id=UUID(str(ti.id)),
                task_id=ti.task_id,
                dag_id=ti.dag_id,
                run_id=ti.run_id,
                try_number=ti.try_number,
                map_index=ti.map_index,
                dag_version_id=UUID(str(ti.dag_version_id)),
            )
            result = run_task_in_process(ti=instance, task=task)
            ti.set_state(result.ti.state)
            ti.task = create_scheduler_operator(result.ti.task)
            if not isinstance(result.msg, DeferTask):
                return result
            if between is not None:
                between(ti)
            trigger_kwargs: Any = result.msg.trigger_kwargs
            arguments: Any = deserialize(trigger_kwargs)
            trigger = import_string(result.msg.classpath)(**arguments)
            event = InProcessTestSupervisor.run_trigger_in_process(trigger=trigger, ti=instance)
            ti.next_method = result.msg.next_method
            next_kwargs: Any = result.msg.next_kwargs
            kept: Any = deserialize(next_kwargs)
            ti.next_kwargs = serialize({**kept, "event": event.payload})
            with create_session() as session:
                ti.state = TaskInstanceState.SCHEDULED
                session.add(ti)

    return run_task


@contextmanager
def connection(conn_id: str, uri: str) -> Iterator[None]:
    """Define a connection in the environment."""
    with mock.patch.dict("os.environ", {f"AIRFLOW_CONN_{conn_id.upper()}": uri}):
        yield
