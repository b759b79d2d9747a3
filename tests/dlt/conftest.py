from __future__ import annotations

from pathlib import Path

import pytest

from tests.dlt.folder import FolderPlan
from tests.dlt.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.chdir(tmp_path)  # dlt reads settings from there
    return Warehouse(tmp_path)


@pytest.fixture
def plan(tmp_path: Path) -> FolderPlan:
    return FolderPlan(tmp_path / "data")
