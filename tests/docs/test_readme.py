"""The commands and the test in the README work as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

from tests.docs.pages import PAGES, blocks_of

README = PAGES["README.md"]


@pytest.mark.parametrize("name", ["README.md", "docs/first-ten-minutes.md"])
def test_the_example_of_a_test_passes(name: str, tmp_path: Path) -> None:
    (example,) = (block.text for block in blocks_of(PAGES[name]) if "def test_" in block.text)
    (tmp_path / "test_example.py").write_text(example)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "pytest", "-q", "-p", "impact_jobs", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_command_exports(sandbox: Sandbox, tmp_path: Path) -> None:
    (command,) = re.findall(r"^    (impact-jobs .*)$", README.read_text(), re.MULTILINE)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "impact_jobs.cli", *shlex.split(command)[1:]],
        cwd=tmp_path,
        env=os.environ | sandbox.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2026-05-31" in (tmp_path / "may-actions.csv").read_text()
    assert len(sandbox.exports) == 1
