"""pyright finds no error in the facade, and no incomplete type among its public names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arguments", [["facade"], ["--verifytypes", "impact_jobs", "--ignoreexternal"]], ids=str)
def test_pyright_reports_nothing(arguments: list[str], npm_tool: Callable[[str], Path]) -> None:
    # pyright asks the first python on PATH for the packages' folder.
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(  # noqa: S603 - our own arguments
        [npm_tool("pyright"), *arguments], capture_output=True, text=True, cwd=ROOT, env=environ, check=False
    )
    assert done.returncode == 0, done.stdout
