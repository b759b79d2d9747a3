"""The progress of an export in windows on stderr: a live table on a terminal, else a line at a moderate rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeAlias

from attrs import define, evolve, field

from impact_jobs import DownloadResult, ExportWindow, Job, JobsError, JobStatus
from impact_jobs.cli.output import is_live, one_line
from impact_jobs.cli.progress import INTERVAL_SECONDS
from impact_jobs.cli.state import CliState
from impact_jobs.cli.watch_state import DONE, WatchState
from impact_jobs.cli.watch_table import live_table

OnWindow: TypeAlias = Callable[[ExportWindow, Job | DownloadResult | JobsError], None]


@define
class WindowLines:
    """Writes each failure at once, and how many windows are in each state at most every half minute."""

    write: Callable[[str], object]
    now: Callable[[], float] = time.monotonic
    _windows: WatchState = field(factory=lambda: WatchState(of_windows=True))
    _written_at: float | None = None

    def show(self, window: Job) -> None:
        """Show the latest state of a window."""
        self._windows.update(window, at=datetime.now(UTC))
        if window.status == JobStatus.FAILED:
            self.write(f"{window.id}: {window.status}")
        if self._written_at is None:
            self._written_at = self.now()
        elif self.now() >= self._written_at + INTERVAL_SECONDS:
            self._written_at = self.now()
            self.write(self._windows.summary)


@contextmanager
def window_progress_on(state: CliState, *, may_replay: bool = False) -> Iterator[OnWindow]:
    """Yield a function that shows the latest news of a window; it shows nothing if `--quiet` was given.

    With `may_replay`, a window whose job has completed may be replayed before anything is downloaded.
    """
    if state.quiet or not is_live(state.err):
        lines = WindowLines(state.note)
        yield lambda window, found: lines.show(window_row(window, found, may_replay=may_replay))
        return
    with live_table(state.err, of_windows=True) as show:
        yield lambda window, found: show(window_row(window, found, may_replay=may_replay))


def window_row(window: ExportWindow, found: Job | DownloadResult | JobsError, *, may_replay: bool) -> Job:
    """Return the window as a job of its name, because jobs can be shown already."""
    name = str(window)
    if isinstance(found, JobsError):
        return Job(id=name, status=JobStatus.FAILED, status_message=one_line(found))
    if isinstance(found, DownloadResult):
        return Job(id=name, status=DONE, records_processed=found.rows)
    if found.status == JobStatus.COMPLETED and not may_replay:
        return evolve(found, id=name, status="DOWNLOADING", percentage_complete=None)
    return evolve(found, id=name)
