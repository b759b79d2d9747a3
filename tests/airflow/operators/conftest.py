"""Fixtures of the tests of operators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from impact_jobs.airflow import ImpactReportToStorageOperator
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.driving import MAY, TaskRun, of


@pytest.fixture(params=["agency"])
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(account=request.param, job_seconds=0.2, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


@pytest.fixture
def pull(sandbox: Sandbox, tmp_path: Path) -> TaskRun:
    """Give a task that brings May's report to a file."""
    del sandbox
    return of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"))
