"""`list`, `get`, `wait` and `replay`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from impact_jobs import Job
from impact_jobs.cli import options, output
from impact_jobs.cli.emit import each_of, show_all, show_job
from impact_jobs.cli.job_args import jobs_named
from impact_jobs.cli.options import Selection
from impact_jobs.cli.progress import shown_on
from impact_jobs.cli.resume_hint import go_on_by, go_on_with
from impact_jobs.cli.state import Command, Session, pass_session
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
@options.selecting
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="No more than N jobs.")
@pass_session
def list_jobs(session: Session, limit: int | None, **selection: object) -> None:
    """Show the account's jobs, the newest first.

    A terminal gets a table; a pipe gets a line a job: id, status, percentage, records, type, creation and message,
    parted by tabs.
    """
    with session.client() as client:
        jobs = Selection(**selection).of(client, limit=limit)  # type: ignore[arg-type] # as the options are declared
    if output.is_for_people(session):
        print_jobs(session.out, jobs, now=datetime.now(UTC))
        if not jobs:
            session.note("no jobs")
        return
    for job in jobs:
        show_job(session, job)


@click.command(
    cls=Command,
    examples=(
        "impact-jobs get 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1",
        "impact-jobs list --since 1h --quiet | impact-jobs get - --json",
    ),
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@pass_session
def get(session: Session, jobs: tuple[str, ...]) -> int:
    """Show jobs as they are now."""
    with session.client() as client:
        return show_all(each_of(jobs_named(jobs, session), client.get), session, in_full=True)


@click.command(
    cls=Command,
    examples=(
        "impact-jobs wait 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 --timeout 30m",
        "impact-jobs list --status QUEUED --status RUNNING | impact-jobs wait -",
    ),
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@options.timeout
@pass_session
def wait(session: Session, jobs: tuple[str, ...], timeout: float | None) -> int:
    """Wait until jobs are completed.

    It writes each as soon as it is. One that fails is told on stderr (with --json, on stdout), and the others are
    waited for all the same.
    """
    names = jobs_named(jobs, session)
    go_on_with(names)
    with session.client() as client, shown_on(session) as progress:
        found = client.as_completed(names, timeout, on_update=progress.job, return_exceptions=True)
        return show_all(found, session, above=progress)


@click.command(
    cls=Command,
    examples=(
        "impact-jobs replay 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1",
        "impact-jobs list --since yesterday | impact-jobs replay - --if-replayable | impact-jobs wait -",
    ),
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.option("--if-replayable", is_flag=True, help="Pass over what the server says cannot be replayed.")
@pass_session
def replay(session: Session, jobs: tuple[str, ...], *, if_replayable: bool) -> int:
    """Run jobs once more, for fresh data.

    It writes the new jobs, each of which has an id of its own. A replay is sent once: where its answer is lost, and the
    list of jobs leaves a doubt, the exit code is 6, and it is for you to look before it is sent again.
    """
    with session.client() as client:

        def sent(name: str) -> Job | None:
            go_on_by(
                f"the replay of {output.shown(name)} may have been sent: "
                "look at `impact-jobs list --since 10m` before you replay it again"
            )
            if not if_replayable:
                return client.replay(name)
            job = client.replay_if_replayable(name)
            if job is None:
                session.note(f"{output.shown(name)} cannot be replayed and is passed over")
            return job

        return show_all(each_of(jobs_named(jobs, session), sent), session)
