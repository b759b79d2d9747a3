"""`download`: one job's result as a file, or as bytes on stdout."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from impact_jobs import JobsClient, JobsError
from impact_jobs._download.options import Mode
from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli import options
from impact_jobs.cli.emit import show_failure, show_result
from impact_jobs.cli.job_args import jobs_named
from impact_jobs.cli.progress import Progress, shown_on
from impact_jobs.cli.resume_hint import go_on_with
from impact_jobs.cli.state import Command, Session, pass_session

_STDOUT = "-"


@click.command(
    cls=Command,
    examples=(
        "impact-jobs download 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 actions.csv",
        "impact-jobs download 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 --wait -o actions.csv --overwrite",
        "impact-jobs download 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 - | head -1",
        "impact-jobs list --status COMPLETED --limit 1 | impact-jobs download -",
    ),
)
@click.argument("job")
@click.argument("path", required=False, type=click.Path(allow_dash=True))
@click.option("-o", "--output", "output_path", type=click.Path(allow_dash=True), metavar="PATH", help="Same as PATH.")
@click.option(
    "--stdout", "to_stdout", is_flag=True, help="Write the bytes to stdout, and no file; so does '-' as PATH."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@click.option("--wait", is_flag=True, help="Wait until the job is completed, up to --timeout.")
@options.timeout
@options.connections
@options.through_api
@pass_session
def download(
    session: Session,
    job: str,
    path: str | None,
    *,
    output_path: str | None,
    to_stdout: bool,
    overwrite: bool,
    wait: bool,
    timeout: float | None,
    connections: int | None,
    mode: Mode,
) -> int:
    """Bring the result of a job to disk, or to stdout.

    PATH is a file, or a folder, in which the file gets the name that the storage suggests; left out, it is the folder
    you are in. The file has its name only once it is whole and checked; when the download was cut off, the same
    command goes on where it was. With "-" as JOB, the results of all jobs that stdin names are brought, one after the
    other.

    It writes the id, the path, the bytes and the sha256, parted by tabs in a pipe.
    """
    if path is not None and output_path is not None:
        raise click.UsageError("give PATH or --output, but not both.")
    target = _STDOUT if to_stdout else path or output_path or "."
    names = jobs_named([job], session)
    if len(names) > 1 and target != _STDOUT and not Path(target).is_dir():
        raise click.UsageError(f"{len(names)} results need a folder, and {target!r} is none.")
    go_on_with(names)
    errors: list[JobsError] = []
    with session.client() as client:
        for name in names:
            try:
                # Bytes on the terminal itself leave no room for a bar.
                with shown_on(session, quietly=target == _STDOUT and sys.stdout.isatty()) as progress:
                    if target == _STDOUT:
                        if wait:
                            client.wait(name, timeout, on_update=progress.job)
                        _pour(client, name, mode, progress)
                        continue
                    waiting = partial(client.wait_and_download, timeout=timeout, on_update=progress.job)
                    result = (waiting if wait else client.download)(
                        name,
                        target,
                        overwrite=overwrite,
                        connections=connections,
                        mode=mode,
                        on_progress=progress.bytes,
                    )
            except JobsError as error:
                error.job_id = error.job_id or name
                errors.append(error)
                show_failure(session, error)
            else:
                show_result(session, result)
    return exits.worst(errors)


def _pour(client: JobsClient, name: str, mode: Mode, progress: Progress) -> None:
    """Write the bytes to stdout as they come."""
    stdout = sys.stdout.buffer
    done = 0
    with client.stream(name, mode=mode) as chunks:
        for chunk in chunks:
            stdout.write(chunk)
            done += len(chunk)
            progress.bytes(done, chunks.bytes_total)
    stdout.flush()
