"""`kill -9` at any step of a run of planned files: the same files at the end, and no export and no replay twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from impact_jobs.sandbox import Sandbox

from tests.faults.forkserver import ForkServer, KillKind, KillPoint, Outcome

_STEPS: Final = ("fdatasync", "send", "pwrite")
_AROUND: Final[tuple[KillKind, ...]] = ("before a system call", "after a system call")
# A file gets its name, and what is not needed any more is removed.
_LAST: Final = tuple(KillPoint(kind, 1, function) for function in ("link", "replace", "unlink") for kind in _AROUND)
_DAY: Final = 86_400.0
_MONTHS: Final = 4


def kill_points(seed: int) -> list[KillPoint]:
    """Draw 5 steps on the way, and add the last ones."""
    drawn = random.Random(seed)  # noqa: S311 - a seeded test
    return [*(KillPoint(drawn.choice(_AROUND), drawn.randint(1, 3), drawn.choice(_STEPS)) for _ in range(5)), *_LAST]


def months(folder: Path, file_format: str = "csv") -> list[dict[str, Any]]:
    """Return the files of four months, the newest first."""
    files, end = list[dict[str, Any]](), datetime.now(UTC).date() - timedelta(days=1)
    while len(files) < _MONTHS:
        start = end.replace(day=1)
        path = str(folder / f"{start:%Y-%m}.{file_format}")
        files.append({"start": str(start), "end": str(end), "path": path, "format": file_format, "refresh": 365})
        end = start - timedelta(days=1)
    return files


def account_of(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "account_sid": sandbox.account_sid,
        "auth_token": sandbox.auth_token,
        "base_url": sandbox.base_url,
        "account": sandbox.account,
    }


def run(server: ForkServer, files: list[dict[str, Any]], sandbox: Sandbox) -> None:
    server.start_sync(files, account_of(sandbox))
    assert server.outcome() == Outcome(killed=False)


def run_with_kills(server: ForkServer, files: list[dict[str, Any]], sandbox: Sandbox, *, seed: int) -> None:
    """Kill a run at each of the steps, and let the last one end."""
    killed = []
    for kill_point in kill_points(seed):
        server.start_sync(files, account_of(sandbox), kill_point=kill_point)
        outcome = server.outcome()
        assert not outcome.error, (kill_point, outcome)
        killed.append(outcome.killed)
    assert sum(killed) >= 2  # how far a run comes before a step depends on its threads
    run(server, files, sandbox)


def check_files(files: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Check that the files are as the manifest says, and that nothing else is there; return its entries.

    If a run is killed while it removes its journal, the next one that has something to do removes it.
    """
    names = sorted(Path(file["path"]).name for file in files)
    found = [path.name for path in folder.iterdir() if path.suffix != ".windows"]
    assert sorted(found) == sorted([*names, "manifest.jsonl"])
    entries = {entry["file"]: entry for entry in map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())}
    for name in names:
        assert sha256((folder / name).read_bytes()).hexdigest() == entries[name]["sha256"]
    return entries


def test_a_run_that_is_killed_at_any_step_exports_no_window_twice(file_fork_server: ForkServer, tmp_path: Path) -> None:
    files = months(tmp_path / "killed", "parquet")
    reference = months(tmp_path / "whole", "parquet")
    with Sandbox(job_seconds=0, rows_per_day=1, hourly_budget=None) as sandbox:
        run_with_kills(file_fork_server, files, sandbox, seed=7)
        exported = Counter(
            parse_qs(request.query)["START_DATE"][0] for request in sandbox.requests if "/ReportExport/" in request.path
        )
        assert exported == {file["start"]: 1 for file in files}
        assert not any(request.method == "PUT" for request in sandbox.requests)
        run(file_fork_server, reference, sandbox)
    check_files(files, tmp_path / "killed")
    for one, other in zip(files, reference, strict=True):
        assert Path(one["path"]).read_bytes() == Path(other["path"]).read_bytes()


@pytest.mark.parametrize("account", ["agency", "brand"])
def test_a_run_that_is_killed_at_any_step_replays_no_job_twice(
    account: Any, file_fork_server: ForkServer, tmp_path: Path
) -> None:
    age = 2 * _DAY
    clock: Callable[[], float] = lambda: time.time() - age  # noqa: E731 - it follows the variable
    files = months(tmp_path / "data")
    with Sandbox(account=account, job_seconds=0, rows_per_day=1, hourly_budget=None, clock=clock) as sandbox:
        run(file_fork_server, files, sandbox)
        sandbox.forget_requests()
        age = 0.0
        run_with_kills(file_fork_server, files, sandbox, seed=11)
        replayed = Counter(request.path for request in sandbox.requests if request.method == "PUT")
        assert len(replayed) == sum(replayed.values()) == _MONTHS
        assert not any("/ReportExport/" in request.path for request in sandbox.requests)
        entries = check_files(files, tmp_path / "data")
        for file in files:
            made = b"".join(sandbox.result(entries[Path(file["path"]).name]["job"]).read())
            assert Path(file["path"]).read_bytes() == made
