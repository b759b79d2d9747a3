"""`fetch`: the results of many jobs in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from impact_jobs import Job, JobsError
from impact_jobs._download.options import Mode
from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli import options
from impact_jobs.cli.emit import show_failure, show_result
from impact_jobs.cli.job_args import jobs_named
from impact_jobs.cli.options import Selection
from impact_jobs.cli.progress import Files, shown_on
from impact_jobs.cli.resume_hint import go_on_with
from impact_jobs.cli.state import Command, Session, pass_session
from impact_jobs.cli.tables import joined, size


@click.command(
    cls=Command,
    examples=(
        "impact-jobs fetch --since 2d --type ApiReport --status COMPLETED --into reports",
        "impact-jobs list --since monday | impact-jobs fetch - --into reports --timeout forever",
        "impact-jobs fetch --since yesterday --into reports --json | jq -r 'select(.error) | .id'",
    ),
)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--into", "folder", required=True, type=click.Path(), metavar="FOLDER", help="Where to; made if missing.")
@options.selecting
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    metavar="N",
    help="How many results to bring at once, 1 to 64.",
)
@options.timeout
@options.through_api
@pass_session
def fetch(
    session: Session,
    jobs: tuple[str, ...],
    *,
    folder: str,
    concurrency: int,
    timeout: float | None,
    mode: Mode,
    **selection: object,
) -> int:
    """Wait for many jobs and bring their results into a folder.

    Name the jobs, or select them by --since, --until, --type and --status. A file is called by its job's id and has
    that name only once it is whole and checked, so after whatever has happened the same command goes on, and asks for
    nothing that is there.

    It writes a line a job: its id, the path, the bytes and the sha256. When one fails, the others get their files all
    the same; the exit code is that of the failure which running it again mends least.
    """
    selected = Selection(**selection)  # type: ignore[arg-type] # as the options are declared
    options.check_either(jobs, selected)
    if not jobs and not selected:
        raise click.UsageError("give jobs, '-' for those that stdin names, or --since and its kin.")
    names = jobs_named(jobs, session) if jobs else []
    go_on_with(names)
    with session.client() as client:
        wanted: Sequence[str | Job] = names or ([] if jobs else selected.of(client))
        ids = [each if isinstance(each, str) else each.id for each in wanted]
        with shown_on(session, files=Files(Path(folder), ids)) as progress:
            report = client.fetch_all(
                wanted, folder, concurrency=concurrency, timeout=timeout, mode=mode, on_update=progress.job
            )
    for outcome in report.outcomes.values():
        if isinstance(outcome, JobsError):
            show_failure(session, outcome)
        else:
            show_result(session, outcome)
    brought, code = report.files.values(), exits.worst(report.errors.values())
    session.note(
        joined(
            [
                f"{len(brought)} of {len(report.outcomes)} files are in {folder}",
                size(sum(file.bytes_written for file in brought)),
                "run it again for the others" if code in {exits.TIMEOUT, exits.TRANSPORT} else "",
            ]
        )
    )
    return code
