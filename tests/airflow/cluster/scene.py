"""Everything that a run needs: sandboxes, a store, a database, and an Airflow that runs the example DAGs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.airflow.cluster.accounts import Window, accounts
from tests.airflow.cluster.airflow_cluster import airflow_cluster
from tests.airflow.cluster.metadata import metadata
from tests.airflow.cluster.plan_run import write_dag
from tests.airflow.cluster.postgres import postgres
from tests.airflow.cluster.processes import wait_until
from tests.airflow.cluster.run import DAG_ID, NAIVE, NIGHTLY, PLANNED, Run
from tests.airflow.cluster.store import BUCKET, report_store

ROOT: Final = Path(__file__).resolve().parents[3]
DAGS: Final = (ROOT / "docs" / "airflow", Path(__file__).with_name("dags"))
_PARSE_SECONDS: Final = 90.0


@contextmanager
def scene(
    folder: Path, *, account_names: Sequence[str], windows: Sequence[Window], job_seconds: float, parallelism: int
) -> Iterator[Run]:
    """Start everything, and stop it in the end.

    Args:
        folder: An empty folder, for all data and logs.
        account_names: The connections of the accounts that the example DAGs pull.
        windows: The windows of the run.
        job_seconds: How long a job takes.
        parallelism: How many worker slots Airflow's executor has.
    """
    with ExitStack() as stack:
        *own, naive = stack.enter_context(accounts([*account_names, "impact_naive"], job_seconds=job_seconds))
        for name in ("store", "home"):
            (folder / name).mkdir()
        store = stack.enter_context(report_store(folder / "store"))
        address = stack.enter_context(postgres(folder))
        environ = {
            "AIRFLOW_CONN_AWS_DEFAULT": store.connection,
            "AIRFLOW_VAR_IMPACT_ACCOUNTS": json.dumps(account_names),
            "AIRFLOW_VAR_IMPACT_TARGET": f"s3://aws_default@{BUCKET}",
        }
        for account in (*own, naive):
            environ |= account.environ
        dags = (*DAGS, write_dag(folder, account_names))
        cluster = stack.enter_context(
            airflow_cluster(folder / "home", dags=dags, database=address, environ=environ, parallelism=parallelism)
        )
        cluster.api.set_pool("impact", slots=2)
        wanted = {DAG_ID, NIGHTLY, NAIVE, PLANNED}
        wait_until(lambda: wanted <= cluster.api.dags(), "the DAGs are read", timeout=_PARSE_SECONDS)
        yield Run(
            cluster=cluster,
            metadata=stack.enter_context(metadata(address)),
            store=store,
            accounts=own,
            naive=naive,
            windows=windows,
        )
