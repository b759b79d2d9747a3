"""Three nights against sandboxes that correct their past days; one night is killed. The table equals the source."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen
from impact_jobs import JobsClient
from impact_jobs._transport import clock
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import Plan

from tests.conftest import TESTS
from tests.dlt.warehouse import Warehouse
from tests.support.virtual_clock import NOON, VirtualClock

pytestmark = pytest.mark.interop

REPORT, FIRST_DAY = "agency_action_listing", "2026-04-01"
PLAN = f"""
[defaults]
into = "data/{{account}}/{{report}}/{{start:%Y-%m}}.parquet"
refresh = "30d"
[[report]]
id = "{REPORT}"
name = "actions"
accounts = ["north", "south"]
from = "{FIRST_DAY}"
format = "parquet"
"""
PHASES = ["run", "extract", "normalize", "load", "merge", "complete"]
DAY = 86400


@frozen
class Nights:
    """Two accounts, the plan of their reports, and the warehouse."""

    clock: VirtualClock
    sandboxes: dict[str, Sandbox]
    clients: dict[str, JobsClient]
    plan: Plan
    warehouse: Warehouse

    def load(self) -> int:
        self.warehouse.pipeline().run()  # what a killed night has left
        return self.warehouse.load(self.plan, clients=self.clients)

    def load_killed(self, phase: str) -> None:
        accounts = {name: dict(sandbox.environ) for name, sandbox in self.sandboxes.items()}
        environ = os.environ | {"ACCOUNTS": json.dumps(accounts), "PYTHONPATH": str(TESTS.parent)}
        command = [sys.executable, "-m", "tests.dlt.killed_load", phase, str(self.clock.now)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == -signal.SIGKILL, done.stderr

    def requests(self) -> int:
        return sum(len(sandbox.requests) for sandbox in self.sandboxes.values())

    def loads(self) -> int:
        return len(self.warehouse.query("FROM _dlt_loads"))

    def source_rows(self) -> Counter[tuple[Any, ...]]:
        """Export all days as one window, and return the rows that there are now."""
        rows: Counter[tuple[Any, ...]] = Counter()
        for name, client in self.clients.items():
            last_day = str(clock.utc().date().fromordinal(clock.utc().date().toordinal() - 1))
            table = client.read_report(REPORT, start_date=FIRST_DAY, end_date=last_day)
            rows.update((name, *row.values()) for row in table.to_pylist())
        return rows

    def table_rows(self) -> Counter[tuple[Any, ...]]:
        return Counter(self.warehouse.query("SELECT * EXCLUDE (_impact_window, _impact_deleted) FROM actions"))


@pytest.fixture
def nights(warehouse: Warehouse) -> Iterator[Nights]:
    virtual = VirtualClock(NOON)
    plan = warehouse.folder / "reports.toml"
    plan.write_text(PLAN)
    with (
        clock.use(virtual),
        Sandbox(job_seconds=0, clock=virtual.time, rows_per_day=8, seed=1) as north,
        Sandbox(job_seconds=0, clock=virtual.time, rows_per_day=8, seed=2) as south,
        north.client() as first,
        south.client() as second,
    ):
        yield Nights(
            virtual,
            {"north": north, "south": south},
            {"north": first, "south": second},
            Plan.load(plan),
            warehouse,
        )


@pytest.mark.parametrize(
    ("phase", "keeps_its_folder"), [*((phase, True) for phase in PHASES), ("load", False), ("merge", False)]
)
def test_the_table_equals_the_source_after_each_night(nights: Nights, phase: str, *, keeps_its_folder: bool) -> None:
    nights.load()
    first = nights.source_rows()
    assert nights.table_rows() == first

    nights.clock.now += DAY
    nights.load_killed(phase)
    if not keeps_its_folder:  # as in a container
        shutil.rmtree(nights.warehouse.folder / "pipelines")
    nights.load()
    second = nights.source_rows()
    assert second != first
    assert nights.table_rows() == second
    loads, requests = nights.loads(), nights.requests()
    assert nights.load() == 0
    assert (nights.loads(), nights.requests()) == (loads, requests)

    nights.clock.now += DAY
    nights.load()
    third = nights.source_rows()
    assert nights.table_rows() == third
    assert len({tuple(sorted(map(str, rows))) for rows in (first, second, third)}) == 3
