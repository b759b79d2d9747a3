from __future__ import annotations

from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave nothing of this machine's own settings; give the working folder."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "IMPACT_JOBS_PROFILE", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def account(folder: Path, impact_sandbox: Sandbox, impact_environ: dict[str, str]) -> Sandbox:  # noqa: ARG001 - both act
    """Have the command ask a fresh sandbox, whose jobs end at once; give it."""
    return impact_sandbox
