"""redocly reports no problem in our OpenAPI document and our overlay."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

NO_TELEMETRY = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def lint(redocly: Path, *arguments: str | Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [redocly, "lint", "--format=json", *arguments],
        env=os.environ | NO_TELEMETRY,
        cwd=redocly.parent,  # a folder without a configuration file
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_the_document_follows_all_recommended_rules(npm_tool: Callable[[str], Path], document: Path) -> None:
    lint(npm_tool("redocly"), "--config", Path(__file__).with_name("redocly.yaml"), document)


def test_the_overlay_is_valid(npm_tool: Callable[[str], Path], document: Path) -> None:
    lint(npm_tool("redocly"), "--extends=recommended-strict", document.with_name("overlay.json"))


def test_redocly_reports_a_document_that_breaks_a_rule(
    npm_tool: Callable[[str], Path], document: Path, tmp_path: Path
) -> None:
    broken = json.loads(document.read_text(encoding="utf-8"))
    del broken["paths"]["/Agencies/{AccountSID}/Jobs"]["get"]["operationId"]
    (tmp_path / "agency-api.json").write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(AssertionError, match="operation-operationId"):
        lint(npm_tool("redocly"), "--config", Path(__file__).with_name("redocly.yaml"), tmp_path / "agency-api.json")
