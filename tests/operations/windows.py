"""What the tests of exports in windows share; a module takes the fixtures over by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from impact_jobs.sandbox import Sandbox

from tests.operations.exports import REPORT

YEAR: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
QUARTER: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-03-31", "split": "month"}
JANUARY: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-01-31"}
TEMPLATE = "{report}/{start:%Y-%m}.csv"
EXPORT = re.compile(rf"/ReportExport/{REPORT}")
MONTHS = ["2025-01.csv", "2025-02.csv", "2025-03.csv"]


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(
        seed=crc32(request.node.nodeid.encode()), job_seconds=0, rows_per_day=2, hourly_budget=None
    ) as started:
        yield started


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def windows_exported(sandbox: Sandbox) -> Counter[tuple[date, date]]:
    return Counter((export.start, export.end) for export in sandbox.exports)


def left_over() -> list[str]:
    """Return the files and folders that an export keeps while it is incomplete."""
    return sorted(str(path) for path in Path().rglob("*") if ".windows" in str(path) or ".part" in path.name)
