"""What the tests of runs share: nights in virtual time against the sandbox, by either client."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from attrs import define
from impact_jobs._operations.planned_files.run import RunOptions, RunOutcome, make_files
from impact_jobs._operations.planned_files.values import PlannedFile
from impact_jobs._transport import clock
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.operations.planned_files.plans import months
from tests.support.driving import AnyClient, Driven, MakeClient, blocking
from tests.support.virtual_clock import VirtualClock

TODAY = date(2026, 5, 29)
"""The day on which the virtual clock begins, at noon."""

NIGHT = 86_400.0


@define
class Nights:
    """A client of a sandbox, in virtual time."""

    sandbox: Sandbox
    clock: VirtualClock
    server_clock: VirtualClock
    jobs: AnyClient

    @property
    def context(self) -> Any:
        return self.jobs._inner._context if isinstance(self.jobs, Driven) else self.jobs._context

    def call(self, coroutine: Any) -> Any:
        if isinstance(self.jobs, Driven):
            return self.jobs._blocking(coroutine)
        return run_sync(coroutine)

    def run(self, files: Sequence[PlannedFile], **options: Any) -> RunOutcome:
        found = self.call(make_files(self.context, files, RunOptions(**options)))
        assert isinstance(found, RunOutcome)
        return found

    def pass_night(self, count: int = 1) -> None:
        self.clock.now += count * NIGHT

    def set_clock_back(self, seconds: float) -> None:
        """Set the client's clock back, and not that of the server."""
        self.clock.now -= seconds
        self.server_clock.now += seconds

    @property
    def clock_moment(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now, UTC)

    @property
    def sent(self) -> Counter[str]:
        """How many requests of each kind the sandbox has received since they were forgotten."""
        return Counter(
            "export" if "/ReportExport/" in request.path
            else "metadata" if "/Reports/" in request.path
            else request.path.rpartition("/")[2] if request.path.endswith(("/Download", "/Replay"))
            else "list" if request.path.endswith("/Jobs")
            else "get"
            for request in self.sandbox.requests
            if not request.path.startswith("/results")
        )  # fmt: skip


@contextmanager
def nights(make: MakeClient = blocking, **settings: Any) -> Iterator[Nights]:
    """Open a sandbox and a client of it."""
    virtual, ahead = VirtualClock(), VirtualClock(0.0)
    with ExitStack() as stack:
        stack.enter_context(clock.use(virtual))
        options = {"job_seconds": 0, "rows_per_day": 2, **settings}
        sandbox = stack.enter_context(Sandbox(clock=lambda: virtual.now + ahead.now, **options))
        runner = stack.enter_context(asyncio.Runner())
        yield Nights(sandbox, virtual, ahead, stack.enter_context(make(sandbox, runner)))


def half_year(folder: Path, **values: Any) -> list[PlannedFile]:
    """Return the files of five months, the last one of which has just ended or runs; see `months`."""
    return months(folder, date(2026, 1, 1), date(2026, 5, 28), **values)


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last entry about each file."""
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return {entry["file"]: entry for entry in map(json.loads, lines)}


def left_over(folder: Path) -> list[str]:
    """Return what runs keep only while they are incomplete."""
    return sorted(path.name for path in folder.rglob("*") if ".windows" in str(path) or ".part" in path.name)
