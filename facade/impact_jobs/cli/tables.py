"""Jobs and files for people: tables that fit the terminal, and single lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from impact_jobs import DownloadResult, Job
from impact_jobs.cli.columns import fitted_table, number_column, text_column
from impact_jobs.cli.formatting import joined, percentage, records, size, span, status_style, status_text
from impact_jobs.cli.output import job_object, one_line, printable

_NARROW_COLUMNS = 58
_MIN_MESSAGE = 16


def print_jobs(console: Console, jobs: Sequence[Job], *, now: datetime) -> None:
    """Print jobs as a table, or as two lines each if the terminal is narrow."""
    if console.width < _NARROW_COLUMNS:
        for job in jobs:
            console.print(Text(one_line(job.id)), soft_wrap=True)
            facts = (percentage(job), _age(job, now), one_line(job.type or ""))
            line = Text.assemble("  ", status_text(job), *(f" {fact}" for fact in facts if fact))
            console.print(line, no_wrap=True, overflow="ellipsis")
    elif jobs:
        console.print(_table(jobs, now=now, width=console.width))


def _table(jobs: Sequence[Job], *, now: datetime, width: int) -> Table:
    columns = [
        text_column("ID", 0, [one_line(job.id) for job in jobs]),
        text_column("STATUS", 1, [status_text(job) for job in jobs]),
        number_column("%", 2, [percentage(job) for job in jobs]),
        number_column("AGE", 3, [_age(job, now) for job in jobs]),
        number_column("RECORDS", 5, [records(job) for job in jobs]),
        text_column("TYPE", 4, [one_line(job.type or "") for job in jobs]),
    ]
    messages = [one_line(job.status_message or "") for job in jobs]
    if any(messages):
        columns.append(text_column("MESSAGE", 6, messages, min_width=_MIN_MESSAGE))
    return fitted_table(columns, width, header_style="bold")


def print_job(console: Console, job: Job) -> None:
    """Print everything known about a job, one line per attribute."""
    facts = {name: value for name, value in job_object(job).items() if value is not None}
    longest = max(map(len, facts))
    for name, value in facts.items():
        text = status_text(job) if name == "status" else Text(plain(value))
        console.print(Text.assemble((f"{name.replace('_', ' '):<{longest}}", "dim"), "  ", text), soft_wrap=True)


def print_job_briefly(console: Console, job: Job) -> None:
    """Print a job on one line."""
    began, ended = job.created_date, job.completed_date
    took = f"after {span(ended - began)}" if began and ended else ""
    facts = joined([f"{records(job)} records" if records(job) and job.is_terminal else "", took])
    line = Text.assemble(one_line(job.id), "  ", status_text(job), f"  {facts}" if facts else "")
    console.print(line, soft_wrap=True)


def print_result(console: Console, result: DownloadResult, *, older: str) -> None:
    """Print a file on one line; `older` says what a result is that was made for an earlier export."""
    if not result.connections:
        how = "already complete"
    elif result.resumed_from:
        how = f"resumed after {size(result.resumed_from)}"
    else:
        how = f"{size(int(result.bytes_written / max(result.seconds, 0.001)))}/s"
    is_partial = result.pages_total is not None and result.pages_total > 1
    partial = f"1 page of {result.pages_total} only" if is_partial else ""
    rows = "" if result.rows is None else f"{result.rows:,} rows"
    notes = ["unchanged" if result.unchanged else "", older if result.fresh is False else ""]
    facts = joined([size(result.bytes_written), rows, how, partial, *notes])
    console.print(Text.assemble(printable(result.path), (f"  {facts}", "dim")), soft_wrap=True)


def coloured(line: str, job: Job) -> str:
    """Colour the status in a line of `job_line`, even if stdout is not a terminal."""
    head, status, rest = line.split("\t", 2)
    return "\t".join((head, Style.parse(status_style(job)).render(status), rest))


def _age(job: Job, now: datetime) -> str:
    return "" if job.created_date is None else span(now - job.created_date)


def plain(value: object) -> str:
    """Return a value as a word or a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat(sep=" ") if isinstance(value, datetime) else one_line(value)
