"""`watch`: jobs as they go, until all have ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

import click
from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.table import Table

from impact_jobs import Job, JobsError
from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli import options, output
from impact_jobs.cli.emit import show_failure, show_job
from impact_jobs.cli.job_args import jobs_named
from impact_jobs.cli.options import Selection
from impact_jobs.cli.resume_hint import go_on_with
from impact_jobs.cli.state import Command, Session, pass_session
from impact_jobs.cli.watch_state import Board, table

_FRAMES_A_SECOND = 2
_KEPT_LINES = 3  # of the terminal: the table's head, its summary, and the line of the cursor


@click.command(
    cls=Command,
    examples=(
        "impact-jobs watch",
        "impact-jobs watch --since 2h --type ApiReport",
        "impact-jobs list --status RUNNING | impact-jobs watch - --json",
    ),
)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@options.selecting
@options.timeout
@pass_session
def watch(session: Session, jobs: tuple[str, ...], *, timeout: float | None, **selection: object) -> int:
    """Show jobs live until all have ended.

    Name the jobs, or select them by --since, --until, --type and --status; with neither, those that have not ended are
    watched. Shown are progress, rate, age and when each may end. Where stdout is no terminal, and with --json, a line
    is written whenever a job has changed.
    """
    selected = Selection(**selection)  # type: ignore[arg-type] # as the options are declared
    options.check_either(jobs, selected)
    names = jobs_named(jobs, session) if jobs else []
    go_on_with(names)
    with session.client() as client:
        wanted: Sequence[str | Job] = names
        if not jobs:
            found = selected.of(client)
            wanted = found if selected else [job for job in found if not job.is_terminal]
        if not wanted and not jobs:
            session.note("no jobs are under way" if not selected else "no such jobs")
        with _View(session) as view:
            for job in wanted:
                if isinstance(job, Job):
                    view.see(job)
            outcomes = client.wait_all(wanted, timeout, on_update=view.see, return_exceptions=True)
    errors = [outcome for outcome in outcomes.values() if isinstance(outcome, JobsError)]
    for error in errors:
        show_failure(session, error, console=session.err)  # stdout has the failed job already
    return exits.worst(errors)


@define
class _View:
    """The board on a terminal; elsewhere a line for every change."""

    _session: Session
    _board: Board = field(factory=Board)
    _last: dict[str, str] = field(factory=dict)
    _live: Live | None = None

    def see(self, job: Job) -> None:
        """Take note of a snapshot."""
        self._board.see(job, at=datetime.now(UTC))
        line = output.job_line(job)
        if self._live is None and self._last.get(job.id) != line:
            self._last[job.id] = line
            show_job(self._session, job)

    def __enter__(self) -> Self:
        out, err = self._session.out, self._session.err
        if output.is_for_people(self._session) and output.is_live(out):
            console = err if output.is_live(err) else out  # the same terminal; so notes are written above the board
            self._live = Live(
                get_renderable=lambda: self._table(console),
                console=console,
                refresh_per_second=_FRAMES_A_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _table(self, console: Console) -> Table:
        return table(
            self._board,
            now=datetime.now(UTC),
            width=console.width,
            unicode=output.has_unicode(console),
            rows=max(console.height - _KEPT_LINES, 1),
        )
