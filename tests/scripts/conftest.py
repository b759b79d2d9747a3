import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The scripts are run as files, and so import each other from their own folder; the tests do likewise.
sys.path.insert(0, str(ROOT / "scripts"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a copy of all that generation reads and writes, to be spoilt at will."""
    copy = tmp_path / "tree"
    for folder in ("openapi", "generated"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy
