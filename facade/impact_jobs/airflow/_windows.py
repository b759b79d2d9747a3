"""Windows of days, to map operators over."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

from impact_jobs import ConfigurationError
from impact_jobs.toolkit import split_range


def windows(
    start: date | str, end: date | str, split: Literal["day", "week", "month"] | timedelta | int = "month"
) -> list[dict[str, str]]:
    """Return the windows of a range of days, as arguments for an operator's `expand_kwargs`.

    The first and the last week or month may be partial. Weeks start on Monday.

    Args:
        start: The first day, inclusive: a date, a datetime (whose own day counts), or ISO text, such as the
            "2026-05-01" of `{{ ds }}` or the "2026-05-01T00:00:00+00:00" of `{{ ts }}`.
        end: The last day, inclusive.
        split: "day", "week" or "month", or how many days, as a number or a timedelta.

    Returns:
        A dict for each window, in order, of `report_start` and `report_end`, both inclusive.

    Raises:
        ConfigurationError: A date could not be parsed, the dates are reversed, `split` is unknown, or the windows are
            more than 5,000.

    Example:
        >>> from impact_jobs.airflow import windows
        >>> windows("2026-01-15", "2026-02-28", "month")[0]
        {'report_start': '2026-01-15', 'report_end': '2026-01-31'}
    """
    length = timedelta(days=split) if isinstance(split, int) else split
    return [
        {"report_start": window.start.isoformat(), "report_end": window.end.isoformat()}
        for window in split_range(_day("start", start), _day("end", end), length)
    ]


def _day(name: str, value: object) -> date:
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if isinstance(moment, datetime):
        return moment.date()
    if isinstance(moment, date):
        return moment
    raise ConfigurationError(f"{name}={value!r} is not a day: give text such as '2026-05-01', a date or a datetime.")
