"""Moments and durations as people type them at a prompt. Whatever could mean two things is refused."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from impact_jobs._dates import read_datetime
from impact_jobs._redaction import shorten

_UNITS = {
    "w|weeks?": 604_800,
    "d|days?": 86_400,
    "h|hrs?|hours?": 3_600,
    "m|mins?|minutes?": 60,
    "s|secs?|seconds?": 1,
}
# Each unit at most once and the largest first, for "30m1h" is more likely a slip than meant.
_SPAN = re.compile(r"\s*".join(rf"(?:([0-9]+(?:\.[0-9]+)?)\s*(?:{unit}))?" for unit in _UNITS))
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_OFFSET = r"(?:z|utc|gmt|[+-][0-9]{2}:?[0-9]{2})"
_ISO = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[t ]{_CLOCK}(?: ?{_OFFSET})?)?")
# dateutil, which reads these, would read far more: "May" as a day of this month, "1 5 26" as any of three.
_WRITTEN = re.compile(
    rf"(?:(?P<weekday>{'|'.join(f'{day[:3]}(?:{day[3:]})?' for day in _WEEKDAYS)}),? )?"
    rf"(?:[0-9]{{1,2}}(?:st|nd|rd|th)? {_MONTHS}|{_MONTHS} [0-9]{{1,2}}(?:st|nd|rd|th)?),? [1-9][0-9]{{3}}"
    rf"(?:,? {_CLOCK}(?: ?[ap]m)?(?: ?{_OFFSET})?)?"
)
_NUMERIC = re.compile(r"([0-9]{1,2})[./-]([0-9]{1,2})[./-]([0-9]{4})")


def when(text: str, *, now: datetime) -> datetime:
    """The moment that `text` names.

    A time without an offset is UTC, and so are the days: "today" and "yesterday" begin at midnight UTC, and "monday"
    is the midnight that the last Monday began with, today if it is one. A duration means so long ago.

    Args:
        text: "2d", "36h", "1h30m", "2 days ago", "now", "today", "yesterday", "monday", "2026-05-01", "1 May 2026",
            "2026-05-01 10:00" or "2026-05-01T10:00+02:00".
        now: The present, aware.

    Returns:
        The moment, in UTC.

    Raises:
        ValueError: It names none, or more than one. The message quotes it and shows what can be typed.

    Example:
        >>> when("36h", now=datetime(2026, 5, 3, 12, tzinfo=UTC))
        datetime.datetime(2026, 5, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """
    typed = " ".join(text.lower().split())
    try:
        return _read(typed, now.astimezone(UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        why = "it lies beyond what a calendar holds" if isinstance(error, OverflowError) else shorten(str(error))
    raise ValueError(
        f"{shorten(text)!r} is not a time ({why}): write '2d' or '36h' for so long ago, 'yesterday', 'monday', "
        "'2026-05-01', '2026-05-01 10:00' (UTC) or '2026-05-01T10:00+02:00'."
    )


def seconds(text: str) -> float:
    """The length of a duration such as "90" (seconds), "30m", "1h30m", "1.5h" or "2d".

    Returns:
        Seconds, finite and not negative.

    Raises:
        ValueError: It is no duration. The message quotes it and shows what can be typed.

    Example:
        >>> seconds("1h30m")
        5400.0
    """
    typed = " ".join(text.lower().split())
    length = float(typed) if _NUMBER.fullmatch(typed) else _span(typed)
    if length is None or not math.isfinite(length):
        raise ValueError(f"{shorten(text)!r} is not a duration: write seconds, such as '90', or '30m', '1h30m', '2d'.")
    return length


def _read(typed: str, now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days_back = {"today": 0, "yesterday": 1} | {
        name: (now.weekday() - day) % 7 for day, full in enumerate(_WEEKDAYS) for name in (full, full[:3])
    }
    if typed == "now":
        return now
    if typed in days_back:
        return midnight - timedelta(days=days_back[typed])
    if (ago := _span(typed.removesuffix(" ago"))) is not None:
        return now - timedelta(seconds=ago)
    if _ISO.fullmatch(typed):
        return read_datetime(typed.upper().replace("UTC", "Z").replace("GMT", "Z").replace(" Z", "Z"))
    if written := _WRITTEN.fullmatch(typed):
        return _on_its_weekday(read_datetime(typed.upper()), written["weekday"])
    if _NUMBER.fullmatch(typed):
        raise ValueError(f"a bare number; {typed} days ago is '{typed}d'")
    if numeric := _NUMERIC.fullmatch(typed):
        one, two, year = (part.zfill(2) for part in numeric.groups())
        raise ValueError(f"which is the month? Write '{year}-{two}-{one}' or '{year}-{one}-{two}'")
    raise ValueError("not understood")


def _on_its_weekday(moment: datetime, weekday: str | None) -> datetime:
    if weekday and not _WEEKDAYS[moment.weekday()].startswith(weekday):
        raise ValueError(f"that day is a {_WEEKDAYS[moment.weekday()].capitalize()}")
    return moment


def _span(typed: str) -> float | None:
    """The seconds of "1h30m" or "2 days", None where it is no such thing."""
    found = _SPAN.fullmatch(typed)
    if not typed or found is None:
        return None
    return sum(float(count) * unit for count, unit in zip(found.groups("0"), _UNITS.values(), strict=True))
