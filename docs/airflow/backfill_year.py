"""Pull the actions of a year, week by week, for each account; load them once all files are there.

It needs the pool and the Variables of nightly_accounts. A year is 53 exports for each account, of the 100 that an
account has in a day. Once they are used up, the tasks defer until the account has exports again, which takes no slot of
the pool and no try of the task. A run that is cleared or started again gets the jobs that exist already.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import DAG, Asset, Param, Variable, task
from impact_jobs.airflow import ImpactReportToStorageOperator, windows

YEAR = Asset(name="impact_year", uri="x-impact://backfill/year")
log = logging.getLogger(__name__)

with DAG(
    dag_id="backfill_year",
    schedule=None,
    params={
        "first_day": Param("2025-01-01", format="date", type="string"),
        "last_day": Param("2025-12-31", format="date", type="string"),
        "split": Param("week", enum=["day", "week", "month"]),
    },
    tags=["impact"],
    doc_md=__doc__,
):

    @task
    def plan(*, params: dict[str, Any]) -> list[dict[str, str]]:
        """List the windows of all accounts; by window first, so that the accounts progress together."""
        accounts = Variable.get("impact_accounts", deserialize_json=True)
        return [
            {"impact_conn_id": account, **window}
            for window in windows(params["first_day"], params["last_day"], params["split"])
            for account in accounts
        ]

    pull = ImpactReportToStorageOperator.partial(
        task_id="pull",
        report_id="agency_action_listing",
        path="{{ var.value.impact_target }}/year/{{ task.impact_conn_id }}/{{ task.report_start }}.csv",
        deferrable=True,
        pool="impact",
        retries=5,
        map_index_template="{{ task.impact_conn_id }} {{ task.report_start }}",
    ).expand_kwargs(plan())

    @task(outlets=[YEAR])
    def complete(files: list[dict[str, Any]], *, outlet_events: Any) -> None:
        """State what the year consists of; DAGs that are scheduled on it read this."""
        outlet_events[YEAR].extra = {
            "files": sorted(file["path"] for file in files),
            "rows": sum(file["rows"] for file in files),
        }

    complete(pull.output)

with DAG(dag_id="load_year", schedule=[YEAR], tags=["impact"], doc_md="Load the files of a backfill."):

    @task
    def load(*, triggering_asset_events: Any) -> int:
        """Read which files have arrived; a real DAG would load them here."""
        rows = 0
        for event in triggering_asset_events[YEAR]:
            log.info("%d rows in %d files", event.extra["rows"], len(event.extra["files"]))
            rows += event.extra["rows"]
        return rows

    load()
