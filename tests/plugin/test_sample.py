"""The sample project: it passes on its own, and it uses only public names."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import impact_jobs
from impact_jobs import pytest_plugin

SAMPLE = Path(__file__).with_name("sample")
PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
PUBLIC = {"impact_jobs": impact_jobs.__all__, "impact_jobs.pytest_plugin": pytest_plugin.__all__}


def test_the_sample_passes_in_a_process_of_its_own() -> None:
    # Without other plugins of this environment, and without the developer's account.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("IMPACT_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "impact_jobs", "-p", "no:cacheprovider", "-q"],
        cwd=SAMPLE,
        env=environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d\d passed", done.stdout, re.MULTILINE)


def test_the_sample_uses_only_public_names() -> None:
    used = set()
    for file in SAMPLE.rglob("*.py"):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Attribute) or not re.match("_[^_]", node.attr), file
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("impact"):
                used |= {(node.module, alias.name) for alias in node.names}
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("impact") for alias in node.names), file
    assert all(name in PUBLIC.get(module or "", ()) for module, name in used)
    assert {module for module, _ in used} == set(PUBLIC)


def test_the_page_shows_code_of_the_sample() -> None:
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    source = "\n".join(dedent(file.read_text()) for file in SAMPLE.rglob("*.py"))
    assert shown
    assert [block for block in shown if block not in source] == []
