"""`watch`: show jobs live until all have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from impact_jobs import Job, JobsError
from impact_jobs.cli import exit_codes, options, output
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_failure, emit_job
from impact_jobs.cli.job_args import job_names
from impact_jobs.cli.options import Selection, newest_first
from impact_jobs.cli.resume_hint import hint_resume
from impact_jobs.cli.state import CliState
from impact_jobs.cli.watch_state import WatchState
from impact_jobs.cli.watch_table import live_table


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
@click.pass_obj
def watch(state: CliState, jobs: tuple[str, ...], *, timeout: float | None, selection: Selection) -> int:
    """Show jobs live until all have ended.

    Name the jobs, or select them by --since, --until, --type and --status; by default, all jobs that have not ended
    are watched. The table shows progress, rate, age and expected end. If stdout is not a terminal, or with --json, a
    line is written whenever a job changes.
    """
    options.check_either(jobs, selection)
    names = job_names(jobs, state) if jobs else []
    hint_resume(names)
    with state.client() as client:
        wanted: Sequence[str | Job] = names
        if not jobs:
            wanted = [job for job in newest_first(selection.find(client)) if selection or not job.is_terminal]
            if not wanted:
                state.note("no such jobs" if selection else "no jobs are running")
                return exit_codes.OK
        with _view(state) as show:
            for job in wanted:
                if isinstance(job, Job):
                    show(job)
            outcomes = client.wait_all(wanted, timeout, on_update=show, return_exceptions=True)
    errors = [outcome for outcome in outcomes.values() if isinstance(outcome, JobsError)]
    for error in errors:
        emit_failure(state, error, console=state.err)  # because stdout already shows the failed job
    return exit_codes.worst(errors)


@contextmanager
def _view(state: CliState) -> Iterator[Callable[[Job], None]]:
    """Yield a function that shows a snapshot: in a live table on a terminal; elsewhere, as a line if it has changed."""
    if not (state.wants_tables and output.is_live(state.out)):
        lines: dict[str, str] = {}

        def write_change(job: Job) -> None:
            line = output.job_line(job)
            if lines.get(job.id) != line:
                lines[job.id] = line
                emit_job(state, job)

        yield write_change
        return
    # On stderr if that is possible, so that notes appear above the table.
    with live_table(state.err if output.is_live(state.err) else state.out, WatchState()) as show:
        yield show
