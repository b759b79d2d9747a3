"""Airflow loads every DAG that the documentation shows, as its DAG processor does, and can store it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from tests.docs.pages import PAGES, ROOT, blocks_of

EXCUSE = "DAGs need Airflow; tests/airflow/test_docs_dags.py loads them"
BLOCKS = {
    f"{name}:{block.line}": block.text
    for name, page in PAGES.items()
    for block in blocks_of(page)
    if block.kind == "python" and ("airflow" in block.text or block.excuse == EXCUSE)
}
FILES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "docs" / "airflow").glob("*.py"))}


def test_the_pages_show_dags() -> None:
    assert len(BLOCKS) > 3
    assert FILES.keys() >= {
        "docs/airflow/nightly_accounts.py",
        "docs/airflow/backfill_year.py",
        "docs/airflow/from_plan.py",
    }


@pytest.mark.parametrize("name", [*BLOCKS, *FILES])
def test_airflow_loads_and_stores_the_dag(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.py"
    path.write_text((BLOCKS | FILES)[name])
    shutil.copy(ROOT / "docs" / "airflow" / "reports.toml", tmp_path)
    bag = DagBag(path)
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert bag.dags, "it has no DAG"
    for dag in bag.dags.values():
        DagSerialization.to_dict(dag)
