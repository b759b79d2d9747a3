"""A real Airflow with its own home: scheduler, API server, triggerer and DAG processor as processes."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field

from tests.airflow.cluster.api import AirflowApi
from tests.airflow.cluster.processes import ClusterError, ClusterProcess, wait_until
from tests.interop.processes import HOST, free_port

COMPONENTS: Final = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler",),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer",),
}
_PRELOADED: Final = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.fs.s3",
    "s3fs",
    "impact_jobs.airflow.operators",
    "impact_jobs.airflow._storage",
    "impact_jobs.toolkit",
)
_START_SECONDS: Final = 120.0
# A process that was killed is noticed in half a minute, instead of several. Less would be too short for a busy machine:
# a scheduler whose own heartbeat is late takes its tasks for those of a dead one.
_TIMEOUTS: Final = {
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "15",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
}


@define(kw_only=True)
class Cluster:
    """The processes of one Airflow. Its home has their logs, and the logs of the tasks.

    Attributes:
        home: AIRFLOW_HOME.
        url: The address of the web interface, where all users are admins.
        api: A client of the REST API.
        processes: The components by name.
    """

    home: Path
    url: str
    api: AirflowApi
    processes: dict[str, ClusterProcess] = field(factory=dict)

    def start(self) -> None:
        for process in self.processes.values():
            process.start()
        wait_until(self.api.is_healthy, "Airflow is healthy", timeout=_START_SECONDS, processes=self._all())

    def stop(self) -> None:
        # The API server last, because workers report the end of their tasks to it.
        for process in reversed(self._all()):
            process.stop()

    def kill(self, name: str) -> None:
        self.processes[name].kill()

    def restart(self, name: str) -> None:
        self.processes[name].start()

    def _all(self) -> list[ClusterProcess]:
        return list(self.processes.values())


@contextmanager
def airflow_cluster(
    home: Path, *, dags: Sequence[Path], database: str, environ: Mapping[str, str], parallelism: int
) -> Iterator[Cluster]:
    """Create the database, start all components, and stop them in the end.

    Args:
        home: An empty folder, which becomes AIRFLOW_HOME.
        dags: The folders of DAG files.
        database: The address of an empty PostgreSQL database.
        environ: Further environment variables, such as connections and variables.
        parallelism: How many worker slots the executor has.
    """
    port = free_port()
    url = f"http://{HOST}:{port}"
    full = _environ(home, dags=dags, database=database, port=port, parallelism=parallelism) | dict(environ)
    _run([sys.executable, "-m", "airflow", "db", "migrate"], folder=home, environ=full)
    processes = {
        name: ClusterProcess(
            name=name, command=[sys.executable, "-m", "airflow", *arguments], folder=home, environ=full
        )
        for name, arguments in COMPONENTS.items()
    }
    with AirflowApi(url) as api:
        cluster = Cluster(home=home, url=url, api=api, processes=processes)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _environ(home: Path, *, dags: Sequence[Path], database: str, port: int, parallelism: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "IMPACT"))}
    return (
        inherited
        | _TIMEOUTS
        | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": _bundles(dags),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            # Each task would import these for a second or more.
            "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
            "AIRFLOW__SCHEDULER__MP_FORKSERVER_PRELOAD": ",".join(_PRELOADED),
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql:", "postgresql+psycopg2:", 1),
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://{HOST}:{port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "NO_PROXY": HOST,
            "no_proxy": HOST,
        }
    )


def _bundles(folders: Sequence[Path]) -> str:
    path = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles = [{"name": folder.name, "classpath": path, "kwargs": {"path": str(folder)}} for folder in folders]
    return json.dumps(bundles)


def _run(command: list[str], *, folder: Path, environ: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, env=dict(environ), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"{' '.join(command[2:])} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
