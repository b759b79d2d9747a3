"""What people see of durations, sizes, counts, progress, and a job's status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from attrs import frozen
from rich.console import Console, ConsoleOptions
from rich.filesize import decimal
from rich.text import Text

from impact_jobs import Job
from impact_jobs.cli.output import one_line

_STYLES: Final = {
    "QUEUED": "dim",
    "RUNNING": "cyan",
    "DOWNLOADING": "cyan",
    "COMPLETED": "green",
    "DONE": "green",
    "CANCELLED": "yellow",
    "ERROR": "red",
    "FAILED": "red",
}


def span(length: timedelta) -> str:
    """Return a duration in its largest unit: "42s", "17m", "3h", "12d"."""
    seconds = max(int(length.total_seconds()), 0)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * unit:  # below, the smaller unit is more exact: 36h
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def size(count: int) -> str:
    """Return a number of bytes: "900 B", "52.4 MB"."""
    return f"{count} B" if count < 1000 else decimal(count)  # noqa: PLR2004 - where kB begins


@frozen
class Bar:
    """A progress bar as wide as its cell, whose two parts differ even without colour; `share` is from 0 to 1."""

    share: float
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        full, empty = "#-" if options.ascii_only else "\u2501\u2500"
        done = int(self.share * options.max_width)  # rounded down, so that only a finished bar is full
        yield Text.assemble((full * done, self.style), (empty * (options.max_width - done), "dim"))


def percentage(job: Job) -> str:
    """Return the progress, such as "40%"; "" if it is unknown."""
    return "" if job.percentage_complete is None else f"{job.percentage_complete}%"


def records(job: Job) -> str:
    """Return the number of records, such as "23,436"; "" if it is unknown."""
    return "" if job.records_processed is None else f"{job.records_processed:,}"


def status_text(job: Job) -> Text:
    """Return the status in its colour."""
    return Text(one_line(job.status), style=status_style(job))


def status_style(job: Job) -> str:
    """Return the colour of the status; "" for a status newer than this release."""
    return _STYLES.get(str(job.status), "")


def joined(facts: Iterable[str]) -> str:
    """Join the facts that are not empty with commas."""
    return ", ".join(filter(None, facts))
