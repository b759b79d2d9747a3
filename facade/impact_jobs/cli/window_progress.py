"""The progress of windows of exports on stderr: a live table on a terminal, else a line at a moderate rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Generic, TypeAlias, TypeVar

from attrs import define, evolve, field, frozen

from impact_jobs import DownloadResult, ExportWindow, Job, JobsError, JobStatus
from impact_jobs.cli.output import is_live, one_line
from impact_jobs.cli.progress import INTERVAL_SECONDS
from impact_jobs.cli.state import CliState
from impact_jobs.cli.watch_state import DONE, WatchState
from impact_jobs.cli.watch_table import live_table

K = TypeVar("K")

News: TypeAlias = Job | DownloadResult | JobsError
OnWindow: TypeAlias = Callable[[ExportWindow, News], None]


@frozen(kw_only=True)
class RowNames(Generic[K]):
    """What the rows of the table are called, no two alike, and whether each failure is a line without a table."""

    title: str
    name: Callable[[K], str] = str
    has_failure_lines: bool = True


WINDOWS: RowNames[ExportWindow] = RowNames(title="WINDOW")


@define
class WindowLines:
    """Writes each failure at once, if `has_failures`, and the number of windows in each state every half minute."""

    write: Callable[[str], object]
    now: Callable[[], float] = time.monotonic
    has_failures: bool = True
    _windows: WatchState = field(factory=lambda: WatchState(title=WINDOWS.title))
    _written_at: float | None = None

    def show(self, window: Job) -> None:
        """Show the latest state of a window."""
        self._windows.update(window, at=datetime.now(UTC))
        if window.status == JobStatus.FAILED and self.has_failures:
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
    with row_progress_on(state, WINDOWS, may_replay=may_replay) as show:
        yield show


@contextmanager
def row_progress_on(
    state: CliState, names: RowNames[K], *, may_replay: bool = False, total: int = 0
) -> Iterator[Callable[[K, News], None]]:
    """Yield a function that shows the latest news of a window or a file, as `window_progress_on` does.

    `total` is how many there are, if that is known.
    """
    if state.quiet or not is_live(state.err):
        lines = WindowLines(state.note, has_failures=names.has_failure_lines)
        yield lambda row, found: lines.show(window_row(names.name(row), found, may_replay=may_replay))
        return
    with live_table(state.err, WatchState(title=names.title, total=total)) as show:
        yield lambda row, found: show(window_row(names.name(row), found, may_replay=may_replay))


def window_row(name: str, found: News, *, may_replay: bool) -> Job:
    """Return a window as a job of its name, because jobs can be shown already."""
    if isinstance(found, JobsError):
        return Job(id=name, status=JobStatus.FAILED, status_message=one_line(found))
    if isinstance(found, DownloadResult):
        return Job(id=name, status=DONE, records_processed=found.rows)
    if found.status == JobStatus.COMPLETED and not may_replay:
        return evolve(found, id=name, status="DOWNLOADING", percentage_complete=None)
    return evolve(found, id=name)
