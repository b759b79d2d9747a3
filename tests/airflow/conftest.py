from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Airflow reads its configuration when it is imported, which happens when the tests are collected.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-tests-", ignore_cleanup_errors=True)
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME.name}/airflow.db",
    }
)

_CLUSTER = Path(__file__).parent / "cluster"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--run",
        choices=["none", "small", "full"],
        default="none",
        help="run the example DAGs on a real Airflow: 20 exports and one kill, or 200 and five (none)",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path == _CLUSTER and config.getoption("--run") == "none" else None
