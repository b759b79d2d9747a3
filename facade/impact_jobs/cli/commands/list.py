"""`list`: show the account's jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_job
from impact_jobs.cli.options import Selection, selecting
from impact_jobs.cli.state import CliState
from impact_jobs.cli.tables import print_jobs


@click.command(
    "list",
    cls=Command,
    examples=(
        "impact-jobs list --since 2d",
        "impact-jobs list --type ApiReport --status FAILED --status ERROR",
        "impact-jobs list --since monday --json | jq .records_processed",
    ),
)
@selecting
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N jobs.")
@click.pass_obj
def list_jobs(state: CliState, limit: int | None, selection: Selection) -> None:
    """Show the account's jobs, newest first.

    Writes a table on a terminal; in a pipe, one line per job: id, status, percentage, records, type, creation date and
    message, separated by tabs.
    """
    with state.client() as client:
        jobs = selection.find(client, limit=limit)
    if state.wants_tables:
        print_jobs(state.out, jobs, now=datetime.now(UTC))
        if not jobs:
            state.note("no jobs")
        return
    for job in jobs:
        emit_job(state, job)
