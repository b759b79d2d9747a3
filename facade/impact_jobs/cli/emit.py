"""Write jobs, files and failures in the form that the options and the kind of stdout require."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from rich.console import Console

from impact_jobs import DownloadResult, Job, JobsError
from impact_jobs.cli import exit_codes, output
from impact_jobs.cli.columns import folded_table
from impact_jobs.cli.state import CliState
from impact_jobs.cli.tables import coloured, plain, print_job, print_job_briefly, print_result

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
    for error in errors[:1]:
        state.note_refusal(error)
    return exit_codes.worst(errors)


def emit_rows(state: CliState, rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> None:
    """Write the rows to stdout: of each, a JSON object, its first column, or all `columns` (their keys, by title)."""
    keys = list(columns.values())
    cells = [["" if row[key] is None else plain(row[key]) for key in keys] for row in rows]
    if state.wants_tables:
        if rows:
            state.out.print(folded_table(list(columns), cells))
        return
    for row, texts in zip(rows, cells, strict=True):
        if state.json:
            output.write_json(state.out, row)
        else:
            output.write_line(state.out, texts[0] if state.quiet else "\t".join(text or "-" for text in texts))


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


def emit_result(
    state: CliState, result: DownloadResult, *, more: Mapping[str, object] | None = None, older: str = ""
) -> None:
    """Write a file to stdout; with `--quiet`, its path alone.

    `more` is added to the JSON; `older` says what a result is that was made for an earlier export.
    """
    if state.json:
        output.write_json(state.out, output.result_object(result) | dict(more or {}))
    elif state.quiet:
        output.write_line(state.out, str(result.path))
    elif state.wants_tables:
        print_result(state.out, result, older=older)
    else:
        output.write_line(state.out, output.result_line(result))
        if result.unchanged:
            state.note(f"{output.printable(result.path)}: unchanged")


def emit_failure(
    state: CliState,
    error: JobsError,
    *,
    console: Console | None = None,
    about: str | None = None,
    more: Mapping[str, object] | None = None,
) -> None:
    """Write one failure: as JSON, with `more`, to stdout, else to stderr; `console` overrides either.

    `about` is what it concerns, by default the job.
    """
    console, code = console or (state.out if state.json else state.err), exit_codes.code_of(error)
    if state.json:
        output.write_json(console, output.error_object(error, code=code) | dict(more or {}))
    else:
        output.note(console, output.error_message(error), about=about or error.job_id)
