from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Have our children heed Ctrl-C: what a shell runs in the background ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
