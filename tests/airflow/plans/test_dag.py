"""`dags_from_plan` in a DAG file, and its DAG in a real Airflow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from impact_jobs import ConfigurationError
from impact_jobs.airflow import dags_from_plan

from tests.airflow.plans.planning import Planned

CALL = "from impact_jobs.airflow import dags_from_plan\ndags_from_plan('reports.toml')\n"


def test_a_call_is_a_whole_dag_file_and_sends_nothing(real: Planned) -> None:
    file = real.folder / "nightly.py"
    file.write_text(CALL)
    bag = DagBag(file)
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert (dag.dag_id, dag.catchup, dag.max_active_runs, dag.fileloc) == ("impact_reports", False, 1, str(file))
    assert sorted(dag.task_dict) == ["file", "plan"]
    assert dag.get_task("plan").retries == 3
    DagSerialization.to_dict(dag)
    assert not real.sandbox.requests


def test_the_mistakes_of_a_plan_are_an_import_error(real: Planned) -> None:
    real.write(split="fortnight", refresh="soon")
    file = real.folder / "nightly.py"
    file.write_text(CALL)
    (error,) = DagBag(file).import_errors.values()
    assert error.count("reports.toml:") == 2, error


def test_arguments_of_the_dag_replace_the_defaults(real: Planned) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    dag = dags_from_plan(
        real.path, schedule="@hourly", start_date=start, pool="impact", dag_id="mine", default_args={"owner": "me"}
    )
    assert (dag.dag_id, dag.schedule, dag.start_date) == ("mine", "@hourly", start)
    file = dag.get_task("file")
    assert (file.pool, file.retries, file.owner, dag.get_task("plan").pool) == ("impact", 3, "me", "default_pool")


def test_a_connection_of_an_unknown_account_is_refused(real: Planned) -> None:
    with pytest.raises(ConfigurationError, match=r"no account 'nort'\. Did you mean 'north'"):
        dags_from_plan(real.path, connections={"nort": "impact_north"})
