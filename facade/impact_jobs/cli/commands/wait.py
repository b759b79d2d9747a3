"""`wait`: wait until jobs are completed."""

from __future__ import annotations

import click

from impact_jobs.cli import options
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_all
from impact_jobs.cli.job_args import job_names
from impact_jobs.cli.progress import progress_on
from impact_jobs.cli.resume_hint import hint_resume
from impact_jobs.cli.state import CliState


@click.command(
    cls=Command,
    examples=(
        "impact-jobs wait 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 --timeout 30m",
        "impact-jobs list --status QUEUED --status RUNNING | impact-jobs wait -",
    ),
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@options.timeout
@click.pass_obj
def wait(state: CliState, jobs: tuple[str, ...], timeout: float | None) -> int:
    """Wait until jobs are completed.

    Writes each job as soon as it is completed. If a job fails, it is reported on stderr (with --json, on stdout), and
    the wait for the others continues.
    """
    names = job_names(jobs, state)
    hint_resume(names)
    with state.client() as client, progress_on(state) as progress:
        outcomes = client.as_completed(names, timeout, on_update=progress.on_job, return_exceptions=True)
        return emit_all(outcomes, state, paused=progress.paused)
