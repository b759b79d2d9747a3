"""The table that `watch` draws, `export` for its windows, and `sync` for its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from impact_jobs.cli.columns import Column, fitted_table, number_column, text_column
from impact_jobs.cli.formatting import Bar, records, status_style, status_text
from impact_jobs.cli.output import one_line
from impact_jobs.cli.watch_state import DONE, Pace, WatchState, percent_of
from impact_jobs.models import Job, JobStatus

_FRAMES_PER_SECOND = 2
_RESERVED_LINES = 3  # of the terminal: the table's head, its summary, and the line of the cursor
_ECHO_COLUMNS = 2  # for the ^C that a terminal echoes, which would wrap, and leave a line of the table behind
_MIN_ID = 8
_BESIDE_ID = 25  # columns for status, percentage and time left, which matter more than a complete id
BESIDE_NAME: Final = _ECHO_COLUMNS + _BESIDE_ID
"""The columns of a terminal that the name of a window does not get."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@contextmanager
def live_table(console: Console, jobs: WatchState) -> Iterator[Callable[[Job], None]]:
    """Draw a table within the block, and yield a function that updates a job in it; one of windows is erased."""

    def draw() -> Table:
        rows = max(console.height - _RESERVED_LINES, 1)
        return watch_table(jobs, now=datetime.now(UTC), width=console.width - _ECHO_COLUMNS, rows=rows)

    with Live(
        get_renderable=draw,
        console=console,
        transient=jobs.of_windows,
        refresh_per_second=_FRAMES_PER_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        live.refresh()
        yield lambda job: jobs.update(job, at=datetime.now(UTC))


def watch_table(state: WatchState, *, now: datetime, width: int, rows: int | None = None) -> Table:
    """Draw the jobs for a terminal, with a summary below if there are several.

    Columns that do not fit into `width`, which should be 30 or more, are left out; jobs beyond `rows` are only counted.
    """
    jobs = state.jobs
    hidden = 0 if rows is None else max(len(jobs) - rows, 0)
    table = fitted_table(_columns(state, jobs[:rows], now=now, width=width), width, header_style="dim")
    if len(jobs) > 1:
        table.caption_justify = "left"
        table.caption = Text(state.summary + (f" ({hidden} not shown)" if hidden else ""), style="dim")
    return table


def _columns(state: WatchState, jobs: Sequence[Job], *, now: datetime, width: int) -> list[Column]:
    paces = [state.pace(job, now=now) for job in jobs]
    messages = [one_line(job.status_message or "") for job in jobs]
    bars = [Bar(percent_of(job) / 100, status_style(job)) for job in jobs]
    columns = [  # those that change every second have a fixed width, so that they do not jump
        text_column(state.title, 0, _ids([job.id for job in jobs], width - _BESIDE_ID)),
        text_column("STATUS", 1, [status_text(job) for job in jobs], width=9, min_width=14),
        Column(title="PROGRESS", rank=4, cells=bars, width=8, max_width=24),
        number_column("%", 2, [f"{percent_of(job)}%" for job in jobs], width=4),
        number_column("LEFT", 3, [_left(job, pace, now) for job, pace in zip(jobs, paces, strict=True)], width=6),
        number_column("AGE", 5, [_age(job, now) for job in jobs], width=6),
        number_column("RECORDS", 10, [records(job) for job in jobs]),
        number_column("REC/S", 8, [_rate(pace.records_per_second) for pace in paces], width=7),
        number_column("ENDS UTC", 9, [_end(pace, now) for pace in paces], width=12),
    ]
    if not state.of_windows:  # whose jobs are short, and of one type
        columns.insert(6, number_column("%/MIN", 6, [_rate(pace.percent_per_minute) for pace in paces], width=6))
        if any(job.type for job in jobs):
            columns.append(text_column("TYPE", 11, [one_line(job.type or "") for job in jobs]))
    if any(messages):
        columns.append(text_column("MESSAGE", 7, messages, min_width=24))
    return columns


def _ids(ids: Sequence[str], width: int) -> Sequence[str]:
    """Shorten the ids if they are too wide, to the shortest beginnings or ends that tell them apart."""
    longest = max(map(len, ids), default=0)
    if longest <= width:
        return ids
    for length in range(_MIN_ID, longest):
        heads, tails = [name[:length] for name in ids], [f"\u2026{name[-length:]}" for name in ids]
        for short in (heads, tails):
            if len(set(short)) == len(ids):
                return short
    return ids


def _left(job: Job, pace: Pace, now: datetime) -> str:
    if job.is_terminal or job.status in {JobStatus.QUEUED, DONE}:
        return ""
    if pace.is_nearly_done:
        return "soon"
    return _span((pace.ends - now).total_seconds()) if pace.ends else "\u2013"


def _age(job: Job, now: datetime) -> str:
    return _span((now - job.created_date).total_seconds()) if job.created_date else ""


def _rate(value: float | None) -> str:
    if value is None:
        return ""
    return "<0.1" if 0 < value < 0.1 else f"{value:,.{1 if value < 100 else 0}f}"  # noqa: PLR2004 - as it says


def _span(seconds: float) -> str:
    """Return a duration in six characters at most, such as "4m10s"."""
    whole = max(int(seconds), 0)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{min(whole // _DAY, 9_999)}d" + (f"{whole % _DAY // _HOUR:02}h" if whole < 100 * _DAY else "")


def _end(pace: Pace, now: datetime) -> str:
    if pace.ends is None or pace.is_nearly_done:
        return ""
    ends = pace.ends.astimezone(UTC)
    return f"{ends:%H:%M:%S}" if ends.date() == now.astimezone(UTC).date() else f"{ends:%d %b %H:%M}"
