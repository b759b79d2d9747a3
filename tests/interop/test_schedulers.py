"""The validators of GitHub's and of Kubernetes' own schemas accept the files of docs/schedulers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import ROOT
from tests.interop.processes import tool

pytestmark = pytest.mark.interop

FOLDER = ROOT / "docs" / "schedulers"
WORKFLOW = ("check-jsonschema", "--builtin-schema", "vendor.github-workflows")
MANIFEST = ("kubernetes-validate", "--strict")


def complaint(command: tuple[str, ...], path: Path) -> str:
    """Return what a validator has against a file; "" if nothing."""
    name, *options = command
    done = subprocess.run(  # noqa: S603 - our own arguments
        [tool("pypi", name), *options, path], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(("command", "name"), [(WORKFLOW, "github-actions.yml"), (MANIFEST, "kubernetes-cronjob.yaml")])
def test_the_file_is_valid(command: tuple[str, ...], name: str) -> None:
    assert complaint(command, FOLDER / name) == ""


@pytest.mark.parametrize(
    ("command", "name", "key"),
    [(WORKFLOW, "github-actions.yml", "runs-on"), (MANIFEST, "kubernetes-cronjob.yaml", "concurrencyPolicy")],
)
def test_a_misspelled_key_is_found(command: tuple[str, ...], name: str, key: str, tmp_path: Path) -> None:
    broken = tmp_path / name
    broken.write_text((FOLDER / name).read_text().replace(f"{key}:", f"{key}s:"))
    assert f"{key}s" in complaint(command, broken)
