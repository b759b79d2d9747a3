"""Moments and durations as people type them at a prompt."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta

from click import BadParameter

from impact_jobs.errors import shorten

_SECONDS = {"w(?:eeks?)?": 604_800, "d(?:ays?)?": 86_400, "h(?:ours?)?": 3_600, "m(?:inutes?)?": 60, "s(?:econds?)?": 1}
# Each unit at most once and the largest first, because "30m1h" is probably a typing error.
_SPAN = re.compile(" ?".join(rf"(?:([0-9]+(?:\.[0-9]+)?) ?{unit})?" for unit in _SECONDS))
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)
UNITS = ("day", "week", "month")


def parse_moment(text: str, *, now: datetime, ends_day: bool = False) -> datetime:
    """Parse a moment, in UTC unless the text has an offset.

    The text is a duration, which counts back from `now`; "now", "today", "yesterday" or a weekday, which is the latest
    one that has begun; or ISO 8601. A day means its midnight; with `ends_day`, its last microsecond.
    """
    typed = " ".join(text.lower().split()).removesuffix(" utc")
    now = now.astimezone(UTC)
    try:
        ago = 0.0 if typed == "now" else _parse_span(typed.removesuffix(" ago"))
        if ago is not None:
            return now - timedelta(seconds=ago)
        moment = _named_day(typed, now) or datetime.fromisoformat(typed.upper())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        is_day = len(typed) <= len("2026-05-01")
        return moment + _DAY - timedelta.resolution if is_day and ends_day else moment
    except OverflowError:
        reason = "out of range"
    except ValueError as error:
        reason = str(error).partition(":")[0].replace("Invalid isoformat string", "not understood")
        if _NUMBER.fullmatch(typed):
            reason = f"{typed} days ago is '{typed}d'"
    raise BadParameter(
        f"{shorten(text)!r} is not a time ({reason}): write '2d' (2 days ago), '36h', 'yesterday', 'monday', "
        "'2026-05-01', '2026-05-01 10:00' (UTC) or '2026-05-01T10:00+02:00'."
    )


def parse_day(text: str) -> date:
    """Parse a day, in UTC: as for `parse_moment`."""
    try:
        return parse_moment(text, now=datetime.now(UTC)).date()
    except BadParameter:
        raise BadParameter(
            f"{shorten(text)!r} is not a day: write '2026-05-01', 'yesterday', 'monday', or '30d' (30 days ago)."
        ) from None


def parse_age(text: str) -> timedelta:
    """Parse a duration that has a unit, such as "6h", or "0"."""
    seconds = 0.0 if text.strip() == "0" else _parse_span("".join(text.lower().split()))
    if seconds is None or seconds > timedelta.max.total_seconds():
        raise BadParameter(f"{shorten(text)!r} is not an age: write '30m', '6h' or '1d', or '0s' for a new result.")
    return timedelta(seconds=seconds)


def parse_timeout(text: str) -> float | None:
    """Parse a duration such as "90" (seconds), "30m", "1h30m" or "2d" into seconds, and "forever" into None."""
    typed = "".join(text.lower().split())
    if typed == "forever":
        return None
    length = float(typed) if _NUMBER.fullmatch(typed) else _parse_span(typed)
    if length is None or not math.isfinite(length):
        raise BadParameter(
            f"{shorten(text)!r} is not a duration: write seconds, such as '90', or '30m', '1h30m', '2d'."
        )
    return length


def parse_split(text: str) -> str | timedelta:
    """Parse "day", "week", "month", or a number of days such as "7d"."""
    typed = text.strip().lower()
    if typed in UNITS:
        return typed
    days, rest = divmod(_parse_span(typed) or 0.0, _DAY.total_seconds())
    if not days or rest:
        raise BadParameter(
            f"{shorten(text)!r} is not a length of windows: write 'day', 'week', 'month', or days, such as '7d'."
        )
    return days * _DAY


def _parse_span(typed: str) -> float | None:
    found = _SPAN.fullmatch(typed)
    if not typed or found is None:
        return None
    return sum(float(count) * unit for count, unit in zip(found.groups("0"), _SECONDS.values(), strict=True))


def _named_day(typed: str, now: datetime) -> datetime | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if typed in {"today", "yesterday"}:
        return midnight if typed == "today" else midnight - _DAY
    weekday = next((number for number, name in enumerate(_WEEKDAYS) if typed in {name, name[:3]}), None)
    return None if weekday is None else midnight - (now.weekday() - weekday) % 7 * _DAY
