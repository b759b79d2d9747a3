"""What a command has found, written in the form that is wanted: JSON, ids and paths, lines for pipes, or for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

from rich.console import Console

from impact_jobs import DownloadResult, Job, JobsError
from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli.output import (
    is_for_people,
    job_line,
    job_object,
    result_line,
    result_object,
    shown,
    write_error,
    write_json,
    write_line,
)
from impact_jobs.cli.progress import Progress
from impact_jobs.cli.state import Session
from impact_jobs.cli.tables import coloured, print_job, print_job_briefly, print_result


def each_of(names: Iterable[str], ask: Callable[[str], Job | None]) -> Iterator[Job | JobsError]:
    """What each job comes to, one failure not keeping the others from being asked for; None is passed over."""
    for name in names:
        try:
            job = ask(name)
        except JobsError as error:
            error.job_id = error.job_id or name
            yield error
        else:
            if job is not None:
                yield job


def show_all(
    found: Iterable[Job | JobsError], session: Session, *, in_full: bool = False, above: Progress | None = None
) -> int:
    """Write every job as it comes, above what shows the progress.

    Returns:
        The exit code that the failed ones make.
    """
    errors: list[JobsError] = []
    for job in found:
        with above.out_of_the_way() if above else nullcontext():
            if isinstance(job, JobsError):
                errors.append(job)
                show_failure(session, job)
            else:
                show_job(session, job, in_full=in_full)
    return exits.worst(errors)


def show_job(session: Session, job: Job, *, in_full: bool = False) -> None:
    """Write a job on stdout."""
    if session.json:
        write_json(session.out, job_object(job))
    elif session.quiet:
        write_line(session.out, shown(job.id))
    elif is_for_people(session):
        (print_job if in_full else print_job_briefly)(session.out, job)
    else:
        line = job_line(job)
        # Forced colours, for what is a terminal gets no such lines.
        write_line(session.out, coloured(line, job) if session.out.is_terminal and not session.out.no_color else line)


def show_result(session: Session, result: DownloadResult) -> None:
    """Write a file on stdout; told to be quiet, its path alone."""
    if session.json:
        write_json(session.out, result_object(result))
    elif session.quiet:
        write_line(session.out, str(result.path))
    elif is_for_people(session):
        print_result(session.out, result)
    else:
        write_line(session.out, result_line(result))


def show_failure(session: Session, error: JobsError, *, console: Console | None = None) -> None:
    """Tell what one job of several came to: as JSON on stdout, or where you say, else on stderr."""
    console = console or (session.out if session.json else session.err)
    write_error(console, error, code=exits.code_of(error), as_json=session.json, job_id=error.job_id)
