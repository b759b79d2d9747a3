"""Short texts for people: durations, counts, and a job's status in its colour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from rich.text import Text

from impact_jobs import Job
from impact_jobs.cli.output import one_line

_STYLES: Final = {
    "QUEUED": "dim",
    "RUNNING": "cyan",
    "COMPLETED": "green",
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
