"""`get`: show jobs as they are now."""

from __future__ import annotations

import click

from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import call_for_each, emit_all
from impact_jobs.cli.job_args import job_names
from impact_jobs.cli.state import CliState


@click.command(
    cls=Command,
    examples=(
        "impact-jobs get 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1",
        "impact-jobs list --since 1h --quiet | impact-jobs get - --json",
    ),
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.pass_obj
def get(state: CliState, jobs: tuple[str, ...]) -> int:
    """Show jobs as they are now."""
    with state.client() as client:
        return emit_all(call_for_each(job_names(jobs, state), client.get), state, in_full=True)
