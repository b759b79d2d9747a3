"""`export`: export a report, wait for its job and download the result; a long range, in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import PurePath
from typing import Any

import click

from impact_jobs import DownloadResult, ExportIncompleteError, ExportReport, JobsError
from impact_jobs.cli import exit_codes, options, output, report_cache
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_failure, emit_result
from impact_jobs.cli.formatting import joined, size
from impact_jobs.cli.progress import progress_on
from impact_jobs.cli.resume_hint import hint_of, hint_resume
from impact_jobs.cli.state import CliState
from impact_jobs.cli.times import UNITS, parse_age, parse_day, parse_split
from impact_jobs.cli.window_progress import window_progress_on

_FORMATS = ("csv", "json", "xml", "parquet")
_LINES = ("jsonl", "ndjson")  # what joined JSON becomes
_DAYS = {"start": "--from", "end": "--to"}  # the options of the fields of a template
_EARLIER = "the result of an earlier export; --max-age 0s --overwrite makes a new one"
_NOT_REPLAYED = "an older result, which cannot be replayed"


def _filter(text: str) -> str:
    if not text.partition("=")[1]:
        raise click.BadParameter(
            f"{output.one_line(text)!r} has no '=': write NAME=VALUE, such as 'Start Date=2026-05-01'."
        )
    return text


def _by_name(filters: Sequence[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for name, _, value in (each.partition("=") for each in filters):
        if name in found:
            raise click.UsageError(f"--filter {output.one_line(name)!r} is given twice: give it once.")
        found[name] = value
    return found or None


@click.command(
    cls=Command,
    examples=(
        "impact-jobs export agency_action_listing --from 2026-05-01 --to 2026-05-31 --out out.csv",
        "impact-jobs export agency_action_listing --from 30d --to yesterday --max-age 6h --overwrite",
        "impact-jobs export agency_action_listing --from 90d --to yesterday --split month --out '{start:%Y-%m}.csv'",
        "impact-jobs export agency_action_listing --from 2026-01-01 --to 2026-03-31 --split month --join --out q1.csv",
    ),
)
@click.argument("report", shell_complete=report_cache.complete_report)
@click.option(
    "--from",
    "start_date",
    type=parse_day,
    metavar="DAY",
    help="The first day: 2026-05-01, yesterday, 30d (30 days ago).",
)
@click.option("--to", "end_date", type=parse_day, metavar="DAY", help="The last day, which is included.")
@click.option(
    "--filter",
    "filters",
    type=_filter,
    multiple=True,
    metavar="NAME=VALUE",
    help="Limit the report by a filter of `impact-jobs reports REPORT`; may be repeated.",
)
@click.option(
    "--split",
    type=parse_split,
    metavar="day|week|month|7d",
    shell_complete=lambda _context, _option, typed: [each for each in UNITS if each.startswith(typed)],
    help="Export the range in windows of this length, each as a job of its own.",
)
@click.option("--join", is_flag=True, help="Join the windows in one file; without it, each has a file of its own.")
@click.option(
    "--out",
    metavar="PATH",
    default="",
    help="The file, or a template with {report}, {start}, {end} and {account}, such as '{report}/{start:%Y-%m}.csv'; "
    "by default, the report's id in the current folder, and the first day of a window.",
)
@click.option(
    "--format",
    "result_format",
    type=click.Choice(_FORMATS, case_sensitive=False),
    help="The format of the file; by default, as --out ends, or else csv.",
)
@click.option("--parquet", is_flag=True, help="The same as --format parquet: with the types of the report's columns.")
@click.option(
    "--max-age",
    type=parse_age,
    metavar="DURATION",
    help="Replay a result that is older than this: 6h, 1d; 0s replays every one.",
)
@options.timeout
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.pass_obj
def export(state: CliState, /, report: str, *, out: str, parquet: bool, **chosen: Any) -> int:  # noqa: ANN401 - as click passes them
    """Export a report to a file, or a long range to one file per window.

    Schedules the report, waits for its job, and downloads the result. A file appears only once it is complete and
    verified. After an interruption, or if the account's exports of the day are used up, run the same command again: it
    exports only what is missing. `impact-jobs reports` lists the reports.

    Writes one line per file: on a terminal, the path and size; in a pipe, the job's id, the path, size in bytes and
    SHA-256, separated by tabs. If a window fails, the others are still exported.
    """
    hint_resume([])
    if parquet and chosen["result_format"] not in {None, "parquet"}:
        raise click.UsageError("pass --parquet or --format, but not both.")
    is_joined = chosen["join"]
    chosen["result_format"] = ending = _format_of(PurePath(out), "parquet" if parquet else chosen["result_format"])
    _check(PurePath(out), **chosen)
    if ending == "parquet":
        del chosen["result_format"]
    if ending == "json" and is_joined:
        ending = "jsonl"
    path = out or ("{report}_{start:%Y-%m-%d}." if chosen["split"] and not is_joined else "{report}.") + ending
    chosen["filters"] = _by_name(chosen["filters"])
    with state.client() as client:
        to_file = client.to_parquet if ending == "parquet" else client.export_and_download
        call: Callable[..., DownloadResult | ExportReport] = partial(to_file, report, path, **chosen)
        try:
            if chosen["split"] is not None:
                with window_progress_on(state, may_replay=chosen["max_age"] is not None) as on_window:
                    found = call(on_window=on_window)
            else:
                with progress_on(state) as progress:
                    more = {} if ending == "parquet" else {"on_progress": progress.on_bytes}
                    found = call(on_update=progress.on_job, **more)
        except ExportIncompleteError as error:
            found = error.report
    report_cache.remember(state, {report: ""})
    older = _EARLIER if chosen["max_age"] is None else _NOT_REPLAYED
    if isinstance(found, ExportReport):
        return _emit(state, report, found, are_joined=is_joined, older=older)
    emit_result(state, found, more=_about(report, chosen["start_date"], chosen["end_date"]), older=older)
    if found.rows == 0 and not state.wants_tables:
        state.note(f"{output.printable(found.path)}: {_rows(0)}")
    return exit_codes.OK


def _format_of(out: PurePath, given: str | None) -> str:
    """Return the format that is given, or else that of the file's ending; raise UsageError if they differ."""
    ending = out.suffix.lower().removeprefix(".")
    named = "json" if ending in _LINES else ending if ending in _FORMATS else None
    if given and named not in {None, given}:
        shown, option = ("Parquet", "--parquet") if given == "parquet" else (given.upper(), "--format")
        name = out.with_suffix(f".{given}")
        raise click.UsageError(f"'{out}' would hold {shown}: name it {name}, or leave out {option}.")
    return given or named or "csv"


def _check(out: PurePath, *, split: object, join: bool, result_format: str, **days: object) -> None:
    """Raise UsageError if the options do not fit together, before the library does and names Python arguments."""
    text = str(out)
    missing = [option for name, option in _DAYS.items() if days[f"{name}_date"] is None]
    if text == "-":
        problem = "an export writes files only: pass --out FILE, then write it to stdout by `cat FILE`."
    elif split is None and join:
        problem = "--join needs --split: without windows, there is one file already."
    elif split is not None and missing:
        problem = f"--split needs --from and --to: pass {' and '.join(missing)}."
    elif join and result_format == "xml":
        problem = "XML results are not joined: pass --format csv or json, or leave out --join."
    elif join and out.suffix.lower() == ".json":
        problem = f"'{out}' would hold JSON lines: name it {out.with_suffix('.jsonl')}."
    elif split is not None and not join and out.name and "{" not in text:
        example = out.with_name(f"{out.stem}_{{start:%Y-%m-%d}}{out.suffix}")
        problem = f"'{out}' is one name for several windows: pass --out '{example}', or pass --join for one file."
    elif named := next((name for name, option in _DAYS.items() if option in missing and f"{{{name}" in text), None):
        problem = f"'{out}' names {{{named}}}: pass {_DAYS[named]}, too."
    else:
        return
    raise click.UsageError(problem)


def _emit(state: CliState, report: str, found: ExportReport, *, are_joined: bool, older: str) -> int:
    """Write the windows and what is missing; return the exit code."""
    for window, outcome in found.outcomes.items():
        about = _about(report, window.start, window.end)
        if isinstance(outcome, JobsError):
            emit_failure(state, outcome, about=str(window), more=about)
        elif not are_joined:
            emit_result(state, outcome, more=about, older=older)
    files, total = found.files.values(), len(found.outcomes) + len(found.left)
    counts, written = [file.rows for file in files], sum(file.bytes_written for file in files)
    rows = _rows(sum(filter(None, counts))) if counts and None not in counts else ""
    state.note(joined([f"{len(files)} of {total} windows are there", rows, size(written)]))
    if found.is_complete:
        return exit_codes.OK
    error = ExportIncompleteError(found, report_id=report)
    left = [_about(report, window.start, window.end) for window in found.left]
    emit_failure(state, error, more={"report": report, "left": left, "again_at": found.again_at})
    output.note(state.err, hint_of(click.get_current_context()) or "")
    return exit_codes.worst([*found.errors.values(), error])


def _rows(count: int) -> str:
    return f"{count:,} rows" if count else "0 rows: no row matches"


def _about(report: str, start: date | None, end: date | None) -> dict[str, object]:
    return {"report": report, "start_date": start, "end_date": end}
