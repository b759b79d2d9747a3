"""`download`: save one job's result to a file, or write it to stdout."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from impact_jobs import DownloadResult, JobsClient
from impact_jobs.cli import options
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import call_for_each, emit_all
from impact_jobs.cli.job_args import job_names
from impact_jobs.cli.options import Mode
from impact_jobs.cli.progress import Progress, progress_on
from impact_jobs.cli.resume_hint import hint_resume
from impact_jobs.cli.state import CliState

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
@click.option("--stdout", "to_stdout", is_flag=True, help="Write the result to stdout, as '-' for PATH does.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--wait", is_flag=True, help="Wait until the job is completed, up to --timeout.")
@options.timeout
@options.connections
@options.mode
@click.pass_obj
def download(
    state: CliState,
    /,
    job: str,
    path: str | None,
    *,
    output_path: str | None,
    to_stdout: bool,
    wait: bool,
    timeout: float | None,
    **chosen: Any,  # noqa: ANN401 - as click passes them
) -> int:
    """Download the result of a job to a file, or to stdout.

    PATH is a file or a folder; the default is the current folder. In a folder, the file gets the name that the storage
    suggests. The file appears only once it is complete and verified; to resume an interrupted download, run the same
    command again. If JOB is "-", the results of all jobs on stdin are downloaded one after another.

    Writes the path, size and rate on a terminal; in a pipe, the id, path, size in bytes and SHA-256, separated by tabs.
    """
    if path is not None and output_path is not None:
        raise click.UsageError("pass PATH or --output, but not both.")
    target = _STDOUT if to_stdout else path or output_path or "."
    names = job_names([job], state)
    if len(names) > 1 and target != _STDOUT and not Path(target).is_dir():
        raise click.UsageError(f"{len(names)} results need a folder, and {target!r} is not a folder.")
    hint_resume(names)
    with state.client() as client:

        def save(name: str) -> DownloadResult | None:
            # A bar would mix with a result that is written to the same terminal.
            with progress_on(state, quiet=target == _STDOUT and sys.stdout.isatty()) as progress:
                if target == _STDOUT:
                    if wait:
                        client.wait(name, timeout, on_update=progress.on_job)
                    _copy_to_stdout(client, name, chosen["mode"], progress)
                    return None
                call = client.download
                if wait:
                    call = partial(client.wait_and_download, timeout=timeout, on_update=progress.on_job)
                return call(name, target, on_progress=progress.on_bytes, **chosen)

        return emit_all(call_for_each(names, save), state)


def _copy_to_stdout(client: JobsClient, name: str, mode: Mode, progress: Progress) -> None:
    stdout = sys.stdout.buffer
    done = 0
    with client.stream(name, mode=mode) as chunks:
        for chunk in chunks:
            stdout.write(chunk)
            done += len(chunk)
            progress.on_bytes(done, chunks.bytes_total)
    stdout.flush()
