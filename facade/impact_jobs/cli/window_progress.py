"""The progress of an export in windows on stderr: a live table on a terminal, else a line for each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from attrs import evolve

from impact_jobs import DownloadResult, ExportWindow, Job, JobsError, JobStatus
from impact_jobs.cli.output import is_live, one_line
from impact_jobs.cli.progress import ProgressLines
from impact_jobs.cli.state import CliState
from impact_jobs.cli.watch_table import live_table

OnWindow: TypeAlias = Callable[[ExportWindow, Job | DownloadResult | JobsError], None]


@contextmanager
def window_progress_on(state: CliState) -> Iterator[OnWindow]:
    """Yield a function that shows the latest news of a window; it shows nothing if `--quiet` was given."""
    if state.quiet or not is_live(state.err):
        lines = ProgressLines(state.note)
        yield lambda window, found: lines.on_job(_row(window, found))
        return
    with live_table(state.err, title="WINDOW", transient=True) as show:
        yield lambda window, found: show(_row(window, found))


def _row(window: ExportWindow, found: Job | DownloadResult | JobsError) -> Job:
    """Return the window as a job of its name, because jobs can be shown already."""
    name = str(window)
    if isinstance(found, JobsError):
        return Job(id=name, status=JobStatus.FAILED, status_message=one_line(found))
    if isinstance(found, DownloadResult):
        return Job(id=name, status="DONE", records_processed=found.rows)
    if found.status == JobStatus.COMPLETED:
        return evolve(found, id=name, status="DOWNLOADING", percentage_complete=None)
    return evolve(found, id=name)
