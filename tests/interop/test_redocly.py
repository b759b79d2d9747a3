"""Redocly finds nothing to say about our documents."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

NO_CALLS_HOME = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def lint(redocly: Path, *arguments: str | Path) -> None:
    done = subprocess.run(  # noqa: S603 - every argument is ours
        [redocly, "lint", "--format=json", *arguments],
        env=os.environ | NO_CALLS_HOME,
        cwd=redocly.parent,  # where no configuration lies but the one that is passed
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_the_document_passes_all_that_redocly_recommends(npm_tool: Callable[[str], Path], document: Path) -> None:
    lint(npm_tool("redocly"), "--config", Path(__file__).with_name("redocly.yaml"), document)


def test_the_overlay_is_one_to_redocly_too(npm_tool: Callable[[str], Path], document: Path) -> None:
    lint(npm_tool("redocly"), "--extends=recommended-strict", document.with_name("overlay.json"))


def test_redocly_would_complain(npm_tool: Callable[[str], Path], document: Path, tmp_path: Path) -> None:
    """A check that finds nothing is worth something only when it can find something."""
    spoilt = json.loads(document.read_text(encoding="utf-8"))
    del spoilt["paths"]["/Agencies/{AccountSID}/Jobs"]["get"]["operationId"]
    (tmp_path / "agency-api.json").write_text(json.dumps(spoilt), encoding="utf-8")
    with pytest.raises(AssertionError, match="operation-operationId"):
        lint(npm_tool("redocly"), "--config", Path(__file__).with_name("redocly.yaml"), tmp_path / "agency-api.json")
