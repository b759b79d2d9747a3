"""`fetch`: download the results of many jobs into one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from impact_jobs import Job
from impact_jobs.cli import exit_codes, options
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_all
from impact_jobs.cli.formatting import joined, size
from impact_jobs.cli.job_args import job_names
from impact_jobs.cli.options import Selection, newest_first
from impact_jobs.cli.progress import FileCounter, progress_on
from impact_jobs.cli.resume_hint import hint_resume
from impact_jobs.cli.state import CliState


@click.command(
    cls=Command,
    examples=(
        "impact-jobs fetch --since 2d --type ApiReport --status COMPLETED --into reports",
        "impact-jobs list --since monday | impact-jobs fetch - --into reports --timeout forever",
        "impact-jobs fetch --since 2d --into reports --name '{type}_{created:%Y-%m-%d}_{id}'",
        "impact-jobs fetch --since yesterday --into reports --json | jq -r 'select(.error) | .id'",
    ),
)
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option(
    "--into", "folder", required=True, type=click.Path(), metavar="FOLDER", help="The folder; created if missing."
)
@options.selecting
@click.option(
    "--name",
    metavar="TEMPLATE",
    help="Name files by a template with {id}, {type}, {program}, {created:%Y-%m-%d}, {completed:%Y-%m-%d}.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    metavar="N",
    help="How many results to download at once, 1 to 64.",
)
@options.timeout
@options.mode
@click.pass_obj
def fetch(state: CliState, /, jobs: tuple[str, ...], *, folder: str, selection: Selection, **chosen: Any) -> int:  # noqa: ANN401 - as click passes them
    """Wait for many jobs and download their results into a folder.

    Name the jobs, or select them by --since, --until, --type and --status. Each file is named after its job's id, or by
    --name, and appears only once it is complete and verified. After an interruption, run the same command again; it
    downloads only what is missing. With --name, manifest.jsonl in the folder says what each file is.

    Writes one line per job: on a terminal, the path and size; in a pipe, the id, path, size in bytes and SHA-256,
    separated by tabs. If a job fails, the others are still downloaded; the exit code is that of the failure that a
    second run is least likely to fix.
    """
    options.check_either(jobs, selection)
    if not jobs and not selection:
        raise click.UsageError("pass jobs, '-' to read them from stdin, or an option such as --since.")
    names = job_names(jobs, state) if jobs else []
    hint_resume(names)
    with state.client() as client:
        wanted: Sequence[str | Job] = names if jobs else newest_first(selection.find(client))
        ids = [job if isinstance(job, str) else job.id for job in wanted]
        with progress_on(state, files=FileCounter(Path(folder), ids, is_listed=chosen["name"] is not None)) as progress:
            report = client.fetch_all(wanted, folder, on_update=progress.on_job, **chosen)
    code = emit_all(report.outcomes.values(), state)
    files = report.files.values()
    facts = [
        f"{len(files)} of {len(report.outcomes)} files are in {folder}",
        size(sum(file.bytes_written for file in files)),
        f"{unchanged} unchanged" if (unchanged := sum(bool(file.unchanged) for file in files)) else "",
        "run it again for the others" if code in {exit_codes.TIMEOUT, exit_codes.TRANSPORT} else "",
    ]
    state.note(joined(facts))
    return code
