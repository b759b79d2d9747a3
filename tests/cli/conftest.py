from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Let child processes react to Ctrl-C, which processes that a shell starts in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide the settings of this machine, and return the working folder."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "IMPACT_JOBS_PROFILE", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def account(folder: Path, impact_sandbox: Sandbox, impact_environ: dict[str, str]) -> Sandbox:  # noqa: ARG001 - both have effects
    """Point the command at a fresh sandbox, whose jobs end at once, and return it."""
    return impact_sandbox
