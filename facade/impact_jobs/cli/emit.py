"""Write jobs, files and failures in the form that the options and the kind of stdout require."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from rich.console import Console

from impact_jobs import DownloadResult, Job, JobsError
from impact_jobs.cli import exit_codes, output
from impact_jobs.cli.state import CliState
from impact_jobs.cli.tables import coloured, print_job, print_job_briefly, print_result

Outcome: TypeAlias = Job | DownloadResult | JobsError


def call_for_each(names: Iterable[str], call: Callable[[str], Job | DownloadResult | None]) -> Iterator[Outcome]:
    """Yield the result or the error of each call, and nothing for a call that returns None."""
    for name in names:
        try:
            result = call(name)
        except JobsError as error:
            error.job_id = error.job_id or name
            yield error
        else:
            if result is not None:
                yield result


def emit_all(
    outcomes: Iterable[Outcome],
    state: CliState,
    *,
    in_full: bool = False,
    paused: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Write every outcome as it arrives, with progress `paused` meanwhile, and return the exit code of the failures."""
    errors: list[JobsError] = []
    for outcome in outcomes:
        with paused():
            if isinstance(outcome, JobsError):
                errors.append(outcome)
                emit_failure(state, outcome)
            elif isinstance(outcome, DownloadResult):
                emit_result(state, outcome)
            else:
                emit_job(state, outcome, in_full=in_full)
    return exit_codes.worst(errors)


def emit_job(state: CliState, job: Job, *, in_full: bool = False) -> None:
    """Write a job to stdout."""
    if state.json:
        output.write_json(state.out, output.job_object(job))
    elif state.quiet:
        output.write_line(state.out, output.one_line(job.id))
    elif state.wants_tables:
        (print_job if in_full else print_job_briefly)(state.out, job)
    else:
        line = output.job_line(job)
        has_colours = state.out.is_terminal and not state.out.no_color  # FORCE_COLOR was set, because this is a pipe
        output.write_line(state.out, coloured(line, job) if has_colours else line)


def emit_result(state: CliState, result: DownloadResult) -> None:
    """Write a file to stdout; with `--quiet`, its path alone."""
    if state.json:
        output.write_json(state.out, output.result_object(result))
    elif state.quiet:
        output.write_line(state.out, str(result.path))
    elif state.wants_tables:
        print_result(state.out, result)
    else:
        output.write_line(state.out, output.result_line(result))
        if result.unchanged:
            state.note(f"{output.printable(result.path)}: unchanged")


def emit_failure(state: CliState, error: JobsError, *, console: Console | None = None) -> None:
    """Write the failure of one job: as JSON to stdout, else to stderr; `console` overrides either."""
    console = console or (state.out if state.json else state.err)
    output.write_error(console, error, code=exit_codes.code_of(error), as_json=state.json, job_id=error.job_id)
