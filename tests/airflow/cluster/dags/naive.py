"""The DAG that anyone would write first: a task for each job, which polls until the job has ended."""

from __future__ import annotations

import time
from typing import Any

import httpx
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, BaseHook, ObjectStoragePath, Variable, task

POLL_SECONDS = 5
HEADERS = {"Accept": "application/json", "IR-Version": "3"}


def pull(start: str, end: str) -> None:
    connection = BaseHook.get_connection("impact_naive")
    credentials = (str(connection.login), str(connection.password))
    with httpx.Client(base_url=str(connection.host), auth=credentials, headers=HEADERS, trust_env=False) as api:
        export = f"/Agencies/{connection.login}/ReportExport/agency_action_listing"
        answer = api.get(export, params={"START_DATE": start, "END_DATE": end}).json()
        while api.get(answer["QueuedUri"]).json()["Status"] != "COMPLETED":
            time.sleep(POLL_SECONDS)
        content = api.get(answer["ResultUri"], follow_redirects=True).content
    path = ObjectStoragePath(Variable.get("impact_target"), None)
    (path / "naive" / f"{start}.csv").write_bytes(content)


with DAG(dag_id="naive", schedule=None, params={"windows": []}):

    @task
    def plan(*, params: dict[str, Any]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = params["windows"]
        return found

    PythonOperator.partial(task_id="pull", python_callable=pull).expand(op_kwargs=plan())
