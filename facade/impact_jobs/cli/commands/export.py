"""`export`: export a report, wait for its job and download the result; a long range, in windows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
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
from impact_jobs.cli.times import parse_moment, parse_split, parse_timeout
from impact_jobs.cli.window_progress import window_progress_on


def _day(text: str) -> date:
    return parse_moment(text, now=datetime.now(UTC)).date()


def _filter(text: str) -> str:
    if not text.partition("=")[1]:
        raise click.BadParameter(
            f"{output.one_line(text)!r} has no '=': write NAME=VALUE, such as 'Start Date=2026-05-01'."
        )
    return text


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
    "--from", "start_date", type=_day, metavar="DAY", help="The first day: 2026-05-01, yesterday, 30d (30 days ago)."
)
@click.option("--to", "end_date", type=_day, metavar="DAY", help="The last day, which is included.")
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
    help="Export the range in windows of this length, each as a job of its own.",
)
@click.option("--join", is_flag=True, help="Join the windows in one file; without it, each has a file of its own.")
@click.option(
    "--out",
    metavar="PATH",
    help="The file, or a template with {report}, {start}, {end} and {account}, such as '{report}/{start:%Y-%m}.csv'; "
    "by default, the report's id in the current folder, and the first day of a window.",
)
@click.option(
    "--format",
    "result_format",
    type=click.Choice(["csv", "json", "xml"], case_sensitive=False),
    default="csv",
    show_default=True,
    help="The format of the result.",
)
@click.option("--parquet", is_flag=True, help="Write Parquet, with the types of the report's columns.")
@click.option(
    "--max-age",
    type=parse_timeout,
    metavar="DURATION",
    help="Replay a result that is older than this: 6h, 1d; 0 replays every one.",
)
@options.timeout
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.pass_obj
def export(state: CliState, /, report: str, *, out: str | None, parquet: bool, **chosen: Any) -> int:  # noqa: ANN401 - as click passes them
    """Export a report to a file, or a long range to one file per window.

    Schedules the report, waits for its job, and downloads the result. A file appears only once it is complete and
    verified. After an interruption, or if the account's exports of the day are used up, run the same command again: it
    exports only what is missing. `impact-jobs reports` lists the reports.

    Writes one line per file: on a terminal, the path and size; in a pipe, the job's id, the path, size in bytes and
    SHA-256, separated by tabs. If a window fails, the others are still exported.
    """
    hint_resume([])
    if parquet and chosen["result_format"] != "csv":
        raise click.UsageError("pass --parquet or --format, but not both.")
    path = out or _default_path(parquet=parquet, **chosen)
    if parquet:
        del chosen["result_format"]
    chosen["filters"] = dict(each.split("=", 1) for each in chosen["filters"]) or None
    if chosen["max_age"] is not None:
        chosen["max_age"] = timedelta(seconds=chosen["max_age"])
    with state.client() as client:
        call: Callable[..., DownloadResult | ExportReport] = partial(
            client.to_parquet if parquet else client.export_and_download, report, path, **chosen
        )
        try:
            if chosen["split"] is not None:
                with window_progress_on(state) as on_window:
                    found = call(on_window=on_window)
            else:
                with progress_on(state) as progress:
                    more = {} if parquet else {"on_progress": progress.on_bytes}
                    found = call(on_update=progress.on_job, **more)
        except ExportIncompleteError as error:
            found = error.report
    report_cache.remember(state, {report: ""})
    if isinstance(found, DownloadResult):
        emit_result(state, found, more=_about(report, chosen["start_date"], chosen["end_date"]))
        return exit_codes.OK
    return _emit(state, report, found, are_joined=chosen["join"])


def _default_path(*, parquet: bool, split: object, join: bool, result_format: str, **_: object) -> str:
    is_one = split is None or join
    ending = "parquet" if parquet else result_format
    if split is not None and join and ending == "json":
        ending = "jsonl"
    return ("{report}." if is_one else "{report}_{start:%Y-%m-%d}.") + ending


def _emit(state: CliState, report: str, found: ExportReport, *, are_joined: bool) -> int:
    """Write the windows and what is missing; return the exit code."""
    for window, outcome in found.outcomes.items():
        about = _about(report, window.start, window.end)
        if isinstance(outcome, JobsError):
            emit_failure(state, outcome, about=str(window), more=about)
        elif not are_joined:
            emit_result(state, outcome, more=about)
    files, total = found.files.values(), len(found.outcomes) + len(found.left)
    rows, written = sum(file.rows or 0 for file in files), sum(file.bytes_written for file in files)
    state.note(joined([f"{len(files)} of {total} windows are there", f"{rows:,} rows", size(written)]))
    if found.is_complete:
        return exit_codes.OK
    error = ExportIncompleteError(found, report_id=report)
    left = [_about(report, window.start, window.end) for window in found.left]
    emit_failure(state, error, more={"report": report, "left": left, "again_at": found.again_at})
    output.note(state.err, hint_of(click.get_current_context()) or "")
    return exit_codes.worst([*found.errors.values(), error])


def _about(report: str, start: date | None, end: date | None) -> dict[str, object]:
    return {"report": report, "start_date": start, "end_date": end}
