"""The DAG of a plan in a real Airflow: its database, its API server in this process."""

from __future__ import annotations

from airflow.models.asset import AssetEvent
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from impact_jobs.airflow import dags_from_plan
from sqlalchemy import select

from tests.airflow import in_process
from tests.airflow.driving import sent
from tests.airflow.plans.planning import Planned


def test_a_run_makes_the_files_and_the_next_one_nothing(real: Planned) -> None:
    initdb()
    dag = dags_from_plan(real.path, schedule=None, default_args={})
    run = in_process.run(dag)
    instances = {(each.task_id, each.map_index): each for each in run.get_task_instances()}
    assert {key: each.state for key, each in instances.items()} == {
        ("plan", -1): "success",
        **{("file", index): "success" for index in range(3)},
    }
    assert [instances["file", index].rendered_map_index for index in range(3)] == [
        "north actions 2026-05-01",
        "north actions 2026-04-01",
        "north actions 2026-03-01",
    ]
    assert sorted(path.name for path in real.folder.rglob("*.csv")) == ["2026-03.csv", "2026-04.csv", "2026-05.csv"]
    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id)).all()
        assert {event.asset.uri for event in events} == {path.as_uri() for path in real.folder.rglob("*.csv")}
    requests = len(real.sandbox.requests)
    again = in_process.run(dags_from_plan(real.path, schedule=None, default_args={}))
    assert {each.task_id: each.state for each in again.get_task_instances()} == {"plan": "success", "file": "skipped"}
    assert len(real.sandbox.requests) == requests
    assert sent(real.sandbox) == 3
