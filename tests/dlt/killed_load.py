"""Load a plan as one night does, and end as by `kill -9` in the middle: python -m tests.dlt.killed_load PHASE NOW."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.pipeline.pipeline import Pipeline
from impact_jobs import DownloadResult, JobsClient
from impact_jobs._transport import clock
from impact_jobs.dlt import _source
from impact_jobs.sync import Plan, PlannedFile

from tests.dlt.warehouse import Warehouse
from tests.support.virtual_clock import VirtualClock


def main() -> None:
    phase, now = sys.argv[1:]
    places = {
        "normalize": (Pipeline, "normalize"),
        "load": (Pipeline, "load"),
        "complete": (DuckDbClient, "complete_load"),
    }
    if phase in places:
        setattr(*places[phase], die)
    elif phase == "extract":
        die_after_first_file()
    elif phase == "merge":
        die_before_commit()
    accounts: dict[str, dict[str, str]] = json.loads(os.environ["ACCOUNTS"])
    clients = {}
    for name, environ in accounts.items():
        os.environ.update(environ)
        clients[name] = JobsClient.from_env()
    with clock.use(VirtualClock(float(now))):
        Warehouse(Path.cwd()).load(
            Plan.load("reports.toml"), clients=clients, on_update=die_on_result if phase == "run" else None
        )


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_commit() -> None:
    """Die when the rows of the windows are deleted and inserted, but the transaction is still open."""
    original = DuckDbSqlClient.execute_query

    @contextmanager
    def replaced(self: DuckDbSqlClient, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
        with original(self, query, *args, **options) as cursor:
            if "WHERE EXISTS" in str(query):
                die()
            yield cursor

    DuckDbSqlClient.execute_query = replaced  # type: ignore[method-assign]


def die_after_first_file() -> None:
    original = vars(_source)["window_tables"]

    def replaced(*args: Any) -> Any:
        yield from original(*args)
        die()

    vars(_source)["window_tables"] = replaced


def die_on_result(_file: PlannedFile, news: object) -> None:
    if isinstance(news, DownloadResult):
        die()


if __name__ == "__main__":
    main()
