import shutil
from pathlib import Path

import pytest
from spec.importing import plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a copy of all files that the generation reads and writes, for the test to change."""
    copy = tmp_path / "tree"
    for folder in ("openapi", "generated"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.fixture
def openapi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder for imports that does not exist. They are not merged, because made-up pages repeat each other."""
    monkeypatch.setattr(plan, "check", lambda *_, **__: [])
    return tmp_path / "tree" / "openapi"
