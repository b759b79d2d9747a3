"""Fixtures of the tests of DAGs from plans: a sandbox in virtual time, and a plan of three months."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.plans.planning import Planned


@pytest.fixture
def clock(impact_clock: ImpactClock) -> ImpactClock:
    """Run the sandbox and all clients in virtual time."""
    return impact_clock


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, clock: ImpactClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Give a sandbox of the kind of account that the test is parametrised with, else of an agency."""
    kind: Any = getattr(request, "param", "agency")
    with Sandbox(account=kind, job_seconds=30, rows_per_day=1, clock=clock.time) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox), conn_id="north")
        yield sandbox


@pytest.fixture
def planned(tmp_path: Path, sandbox: Sandbox) -> Planned:
    """Give a plan of one account and three months, which are over."""
    planned = Planned(tmp_path, sandbox)
    planned.write()
    return planned


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planned]:
    """Give a plan of one account in real time."""
    with Sandbox(job_seconds=0.1, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox), conn_id="north")
        planned = Planned(tmp_path, sandbox)
        planned.write()
        yield planned
