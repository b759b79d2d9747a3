"""Start a real Airflow with the example DAGs and three sandbox accounts, to look at its web interface.

    make airflow-demo

It runs until Ctrl-C, and leaves nothing. All visitors are admins, so nobody has to log in.
"""

from __future__ import annotations

import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.airflow.cluster.run import DAG_ID, LOADER, NIGHTLY, Run
from tests.airflow.cluster.scene import scene

ACCOUNTS = ("impact_acme", "impact_globex", "impact_initech")
JOB_SECONDS = 45.0
FIRST_QUARTER = {"first_day": "2025-01-01", "last_day": "2025-03-31", "split": "week"}


def main() -> None:
    """Start everything, print the address, and stop everything at Ctrl-C."""
    print("Starting Airflow, which takes half a minute ...", flush=True)  # noqa: T201 - its output is for people
    with (
        tempfile.TemporaryDirectory(prefix="airflow-demo-", ignore_cleanup_errors=True) as name,
        scene(Path(name), account_names=ACCOUNTS, windows=(), job_seconds=JOB_SECONDS, parallelism=6) as run,
    ):
        _prepare(run)
        print(f"Airflow is at {run.cluster.url}, its logs are in {run.cluster.home}. Ctrl-C stops it.", flush=True)  # noqa: T201 - the same
        with suppress(KeyboardInterrupt):
            signal.pause()


def _prepare(run: Run) -> None:
    """Define a connection that the web interface shows, because it does not show those of the environment; run DAGs."""
    sandbox = run.accounts[0].sandbox
    connection = {
        "connection_id": "impact_default",
        "conn_type": "impact",
        "description": "The sandbox account of the demonstration",
        "login": sandbox.account_sid,
        "password": sandbox.auth_token,
        "host": sandbox.base_url,
        "extra": '{"account_kind": "agency", "report_url": "https://app.impact.com/reports/{report_id}"}',
    }
    api = run.cluster.api
    api.call("POST", "connections", json=connection)
    for dag_id in (LOADER, NIGHTLY):
        api.unpause(dag_id)
    api.trigger(DAG_ID, FIRST_QUARTER)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a plain `kill` leaves nothing either
    main()
