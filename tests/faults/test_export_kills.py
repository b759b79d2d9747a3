"""`kill -9` at any step of an export in windows: it ends with the same files, and exports no window twice."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from impact_jobs.sandbox import Sandbox

from tests.faults.forkserver import ForkServer, KillKind, KillPoint

REPORT: Final = "agency_action_listing"
_YEAR: Final[dict[str, Any]] = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
_STEPS: Final = ("fdatasync", "send", "pwrite")
_AROUND: Final[tuple[KillKind, ...]] = ("before a system call", "after a system call")
# The file gets its name, and what is not needed any more is removed.
_LAST: Final = tuple(KillPoint(kind, 1, function) for function in ("link", "unlink") for kind in _AROUND)


def kill_points(seed: int) -> list[KillPoint]:
    """Draw 8 steps on the way, and add the last ones."""
    drawn = random.Random(seed)  # noqa: S311 - a seeded test
    return [*(KillPoint(drawn.choice(_AROUND), drawn.randint(1, 3), drawn.choice(_STEPS)) for _ in range(8)), *_LAST]


@pytest.mark.parametrize("path", ["year.csv", "year.jsonl", "{start:%Y-%m}.csv"])
def test_an_export_that_is_killed_at_any_step_exports_no_window_twice(
    path: str, file_fork_server: ForkServer, tmp_path: Path
) -> None:
    suffix = Path(path).suffix
    options: dict[str, Any] = {**_YEAR, "result_format": "CSV" if suffix == ".csv" else "JSON"}
    windows = {"report_id": REPORT, "path": path, "split": "month", "join": "{" not in path, "connections": 1}
    with (
        Sandbox(job_seconds=0, rows_per_day=1, hourly_budget=None, json_shape="pages", json_page_rows=20) as sandbox,
        sandbox.client() as jobs,
    ):
        account = {"account_sid": sandbox.account_sid, "auth_token": sandbox.auth_token, "base_url": sandbox.base_url}
        for kill_point in kill_points(seed=7):
            file_fork_server.start_export(options | windows, account, tmp_path, kill_point=kill_point)
            outcome = file_fork_server.outcome()
            assert outcome.killed, (kill_point, outcome)
        file_fork_server.start_export(options | windows, account, tmp_path)
        assert not file_fork_server.outcome().error
        requested = Counter(
            parse_qs(request.query)["START_DATE"][0] for request in sandbox.requests if "/ReportExport/" in request.path
        )
        assert len(requested) == len(sandbox.job_ids) == 12
        assert set(requested.values()) == {1}, "a window was exported twice"
        one = jobs.export_and_download(REPORT, tmp_path / f"one{suffix}", **options).path.read_bytes()
    files = sorted(file for file in tmp_path.iterdir() if file.name not in {f"one{suffix}", "manifest.jsonl"})
    months = [f"2025-{month:02}.csv" for month in range(1, 13)]
    assert [file.name for file in files] == (months if "{" in path else [path])
    header = one[: one.index(b"\n") + 1] if suffix == ".csv" else b""
    assert header + b"".join(file.read_bytes().removeprefix(header) for file in files) == one
