"""pyright finds no error in the facade, and no incomplete type among its public names.

The classes of the Airflow provider are left out, because their base classes are Airflow's, which is not installed here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]


def test_pyright_finds_no_error(npm_tool: Callable[[str], Path]) -> None:
    done = _pyright(npm_tool, "facade")
    assert done.returncode == 0, done.stdout


def test_each_public_name_has_a_complete_type(npm_tool: Callable[[str], Path]) -> None:
    report = json.loads(_pyright(npm_tool, "--verifytypes", "impact_jobs", "--ignoreexternal", "--outputjson").stdout)
    symbols = [each for each in report["typeCompleteness"]["symbols"] if "impact_jobs.airflow." not in each["name"]]
    assert len(symbols) > 500
    unknown = [each["name"] for each in symbols if not each["isTypeKnown"] or each["isTypeAmbiguous"]]
    assert unknown == []


def _pyright(npm_tool: Callable[[str], Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    # pyright asks the first python on PATH for the packages' folder.
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(  # noqa: S603 - our own arguments
        [npm_tool("pyright"), *arguments], capture_output=True, text=True, cwd=ROOT, env=environ, check=False
    )
