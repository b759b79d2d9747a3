"""Split a long range of days into windows, each of which is one export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Any, Literal, TypeAlias

from impact_jobs._validators import closest, shown
from impact_jobs.errors import ConfigurationError
from impact_jobs.report_models import ExportWindow

Split: TypeAlias = Literal["day", "week", "month"] | timedelta
"""How long a window is: a calendar unit, or a number of whole days."""

MAX_WINDOWS = 5000
"""The most windows of one export: at 100 exports a day, fifty days of work."""

_DAY = timedelta(days=1)
_UNITS = ("day", "week", "month")


def split_range(start: date | None, end: date | None, split: Split) -> tuple[ExportWindow, ...]:
    """Return the windows from `start` to `end`, both inclusive, in order.

    The first and the last week or month may be partial. Weeks start on Monday.

    Raises:
        ConfigurationError: A date is missing, they are reversed, `split` is unknown, or the windows are too many.
    """
    next_start = _next_start_of(split)
    if start is None or end is None:
        missing = " and ".join(name for name, day in (("start_date", start), ("end_date", end)) if day is None)
        raise ConfigurationError(f"split={shown(split)} needs start_date and end_date: give {missing}, too.")
    if start > end:
        raise ConfigurationError(f"start_date ({start}) is later than end_date ({end}): swap them.")
    windows = tuple(islice(_windows(start, end, next_start), MAX_WINDOWS + 1))
    if len(windows) > MAX_WINDOWS:
        raise ConfigurationError(
            f"split={shown(split)} from {start} to {end} makes more than {MAX_WINDOWS} windows, and each is one export "
            "of 100 a day: choose longer windows, such as split='month', or fewer days."
        )
    return windows


def _windows(start: date, end: date, next_start: Callable[[date], date]) -> Iterator[ExportWindow]:
    while True:
        try:
            following = next_start(start)
        except (OverflowError, ValueError):  # the calendar of Python ends in the year 9999
            following = None
        if following is None or following > end:
            yield ExportWindow(start, end)
            return
        yield ExportWindow(start, following - _DAY)
        start = following


def _next_start_of(split: Any) -> Callable[[date], date]:  # noqa: ANN401 - of the user
    """Return a function that returns the first day of the window after the one that a day is in."""
    if isinstance(split, timedelta):
        if split < _DAY or split % _DAY:
            raise ConfigurationError(f"split={shown(split)}: give whole days, such as timedelta(days=10).")
        return lambda day: day + split
    if split == "day":
        return lambda day: day + _DAY
    if split == "week":
        return lambda day: day + (7 - day.weekday()) * _DAY
    if split == "month":
        return lambda day: date(day.year + day.month // 12, day.month % 12 + 1, 1)
    close = closest(split, _UNITS) if isinstance(split, str) else None
    hint = f" Did you mean {close!r}?" if close else ""
    raise ConfigurationError(f"split={shown(split)}: give 'day', 'week', 'month' or a timedelta of whole days.{hint}")
