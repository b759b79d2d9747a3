"""`list`: show the account's jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_job
from impact_jobs.cli.options import Selection, newest_first, selecting
from impact_jobs.cli.state import CliState
from impact_jobs.cli.tables import print_jobs

if TYPE_CHECKING:
    from impact_jobs import Job


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
    jobs: list[Job] = []
    try:
        with state.client() as client:
            jobs.extend(selection.find(client))
    finally:  # what has arrived is shown even if the next page has failed
        _show(state, newest_first(jobs)[:limit])
    if state.wants_tables and not jobs:
        state.note("no jobs")


def _show(state: CliState, jobs: Sequence[Job]) -> None:
    if state.wants_tables:
        print_jobs(state.out, jobs, now=datetime.now(UTC))
        return
    for job in jobs:
        emit_job(state, job)
