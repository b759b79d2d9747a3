"""Pull yesterday's actions of each account every night: one export, and one file, for each.

It needs a pool and two Variables:

- the pool `impact`, such as 2 slots
- `impact_accounts`: the accounts as a JSON list of connections, such as ["impact_acme", "impact_globex"]
- `impact_target`: the folder for the files, such as s3://aws_default@reports, where aws_default is a connection
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Variable, task
from impact_jobs.airflow import ImpactReportToStorageOperator

with DAG(
    dag_id="nightly_accounts",
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["impact"],
    doc_md=__doc__,
):

    @task
    def accounts() -> list[str]:
        """Read the accounts when the DAG runs, so that a new one needs no new code."""
        names: list[str] = Variable.get("impact_accounts", deserialize_json=True)
        return names

    ImpactReportToStorageOperator.partial(
        task_id="pull",
        report_id="agency_action_listing",
        report_start="{{ macros.ds_add(ds, -1) }}",
        report_end="{{ macros.ds_add(ds, -1) }}",
        path="{{ var.value.impact_target }}/nightly/{{ task.impact_conn_id }}/{{ macros.ds_add(ds, -1) }}.csv",
        deferrable=True,
        pool="impact",
        retries=3,
        map_index_template="{{ task.impact_conn_id }}",
    ).expand(impact_conn_id=accounts())
