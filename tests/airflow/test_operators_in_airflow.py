"""The operators in a real Airflow: its database, its API server in this process, its task state store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetAliasModel, AssetEvent
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskreschedule import TaskReschedule
from airflow.models.xcom import XComModel
from airflow.sdk import DAG, task
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from attrs import evolve
from impact_jobs.airflow import ImpactReportToStorageOperator, windows
from impact_jobs.airflow.operators import _base
from impact_jobs.sandbox import Sandbox
from sqlalchemy import select

from tests.airflow import in_process
from tests.airflow.connections import connection_to, set_connection
from tests.airflow.driving import FAST, REPORT, sent

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _database() -> None:
    initdb()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0.2, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


def test_mapped_tasks_a_retry_and_a_function_in_one_run(sandbox: Sandbox, tmp_path: Path) -> None:
    shared: dict[str, Any] = {"impact_conn_id": "impact_test", "deferrable": True, "polling": FAST, "report_id": REPORT}
    with DAG(
        "in_airflow",
        schedule=None,
        start_date=START,
        default_args={"retries": 1, "retry_delay": timedelta(0)},
    ) as dag:
        mapped = ImpactReportToStorageOperator.partial(
            task_id="mapped", path=str(tmp_path / "{{ task.report_start }}.csv"), **shared
        ).expand_kwargs(windows("2026-01-01", "2026-03-31", "month"))

        @task.impact_report(**shared)
        def flow() -> dict[str, Any]:
            return {"report_start": "2026-04-01", "report_end": "2026-04-30", "path": str(tmp_path / "flow.csv")}

        @task
        def paths(results: Any) -> list[str]:
            return sorted(each["path"] for each in results)

        flow() >> mapped
        paths(mapped.output)
    sandbox.prepare_export(status="FAILED", message="Out of memory")

    pushed: list[int] = []

    def count_xcoms(_: Any) -> None:
        with create_session() as session:
            keys = session.scalars(select(XComModel.key).where(XComModel.task_id == "mapped")).all()
            pushed.append(Counter(keys)["return_value"])

    run = in_process.run(dag, between=count_xcoms)

    instances = {(each.task_id, each.map_index): each for each in run.get_task_instances()}
    assert {each.state for each in instances.values()} == {"success"}
    assert sorted(each.try_number for each in instances.values()) == [1, 1, 1, 1, 2], "one failed, and was replayed"
    assert (sent(sandbox), sent(sandbox, "/Replay"), len(sandbox.job_ids)) == (4, 1, 5)
    assert len(list(tmp_path.iterdir())) == 4
    assert pushed == sorted(pushed), "nothing is pushed before the end of a task"
    with create_session() as session:
        xcoms = session.execute(
            select(XComModel.task_id, XComModel.map_index, XComModel.key).where(XComModel.run_id == run.run_id)
        ).all()
        counted = Counter((task_id, index) for task_id, index, key in xcoms if key == "return_value")
        assert counted == {**{("mapped", index): 1 for index in range(3)}, ("flow", -1): 1, ("paths", -1): 1}
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id)).all()
        assert len(events) == 4
        assert {event.asset.uri for event in events} == {path.as_uri() for path in tmp_path.iterdir()}
        assert all(event.extra["sha256"] and event.extra["rows"] for event in events)
        alias = session.scalar(select(AssetAliasModel).where(AssetAliasModel.name == "impact_reports"))
        assert alias is not None
        assert {path.as_uri() for path in tmp_path.iterdir()} <= {asset.uri for asset in alias.assets}
        states = session.scalars(select(TaskStateStoreModel).where(TaskStateStoreModel.run_id == run.run_id)).all()
        keys = Counter((state.task_id, state.map_index, state.key) for state in states)
        assert set(keys.values()) == {1}
        assert {key for _, _, key in keys} == {"impact_jobs", "impact_jobs_file"}
        assert not any(sandbox.auth_token in str(state.value) for state in states)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_used_up_budget_loses_no_try(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, deferrable: bool
) -> None:
    monkeypatch.setattr(
        _base, "_RETRY", evolve(_base._RETRY, max_delay=1.0)
    )  # a longer pause is not slept in the worker
    monkeypatch.setattr(_base, "_LONGEST_PAUSE", 1.0)
    with DAG(f"budget_{deferrable}", schedule=None, start_date=START) as dag:
        ImpactReportToStorageOperator(
            task_id="pull",
            impact_conn_id="impact_test",
            deferrable=deferrable,
            polling=FAST,
            report_id=REPORT,
            report_start="2026-05-01",
            report_end="2026-05-31",
            path=str(tmp_path / "may.csv"),
        )
    message = '{"Status": "ERROR", "Message": "The limit of 100 report exports a day is reached."}'
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=429, body=message, headers={"Retry-After": "3"})
    run = in_process.run(dag)
    (instance,) = run.get_task_instances()
    assert (instance.state, instance.try_number) == ("success", 1)
    assert sent(sandbox) == 2
    with create_session() as session:
        assert bool(session.scalars(select(TaskReschedule)).all()) == (not deferrable)
    assert (tmp_path / "may.csv").exists()
