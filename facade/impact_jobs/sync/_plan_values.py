"""Read the value of each key of a plan; a wrong one raises ConfigurationError, which says what to write."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import PurePosixPath
from typing import Any, cast

from impact_jobs._api.reports import check_report_id
from impact_jobs._download.manifest import MANIFEST_NAME
from impact_jobs._download.name_templates import NameTemplate
from impact_jobs._operations.planned_files.values import FileFormat
from impact_jobs._policy.report_filters import split_dates
from impact_jobs._policy.windows import Split
from impact_jobs._redaction import shorten
from impact_jobs._validators import closest
from impact_jobs.errors import ConfigurationError
from impact_jobs.sync._planned_report import FIELDS, Day, fixed_part

_FORMATS = ("csv", "json", "parquet")
ENDINGS = {"csv": (".csv",), "json": (".jsonl", ".ndjson"), "parquet": (".parquet",)}
_FORMAT_OF_ENDING = {".json": "json", **{ending: name for name, endings in ENDINGS.items() for ending in endings}}
_UNITS = ("day", "week", "month", "none")
_NAMED_DAYS = {"today": timedelta(0), "yesterday": timedelta(1)}

_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")  # the names of profiles
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPAN = re.compile(r"([0-9]{1,4})([dw])")
_DAYS = re.compile(r"[1-9][0-9]{0,3}d")
_LOOSE_SPAN = re.compile(r"\s*([0-9]{1,4})\s*(d|days?|w|weeks?)?\s*", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MAX_SHOWN = 80


def toml(value: object) -> str:
    """Return a value in the syntax of TOML, on one line and shortened, to show it in a message."""
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, float) else repr(value)
    return text if len(text) <= _MAX_SHOWN else shorten(text)[: _MAX_SHOWN - 1] + "…"


def refuse(key: str, value: object, problem: str, *, write: str) -> ConfigurationError:
    """Return the error of a wrong value: what is wrong, and what to write."""
    return ConfigurationError(f"{key} = {toml(value)} {problem}: write {write}.")


def _text(key: str, value: object, example: str) -> str:
    if not isinstance(value, str) or not value.strip():
        what = "is empty" if isinstance(value, str) else "is not text in quotes"
        raise refuse(key, value, what, write=f'{key} = "{example}"')
    return value


def read_id(key: str, value: object) -> str:
    """Read the id of a report."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    text = _text(key, value, str(value) if is_number else "agency_action_listing")
    try:
        return check_report_id(text)
    except ConfigurationError:
        raise ConfigurationError(
            f'{key} = {toml(value)} is not the id of a report: write one such as {key} = "agency_action_listing"; '
            "`impact-jobs reports` lists them."
        ) from None


def read_name(key: str, value: object) -> str:
    """Read the plan's name of a report, which becomes a part of the names of files, tasks and tables."""
    text = _text(key, value, "actions")
    if not _NAME.fullmatch(text):
        close = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip(".-")[:64].strip("_") or "actions"
        raise refuse(key, value, "is not a name of up to 64 letters, digits, _, - and .", write=f'{key} = "{close}"')
    return text


def read_accounts(key: str, value: object) -> tuple[str, ...]:
    """Read the names of accounts."""
    example = f'{key} = ["{value}"]' if isinstance(value, str) and value else f'{key} = ["north", "south"]'
    if not isinstance(value, list):
        raise refuse(key, value, "is not a list", write=example)
    if not value:
        raise refuse(key, value, "names no account", write=f'{key} = ["env"], or leave it out')
    for name in value:
        if not isinstance(name, str) or not _ACCOUNT.fullmatch(name):
            raise ConfigurationError(
                f"{key}: {toml(name)} is not the name of a profile: write names of letters, digits, - and _ in quotes, "
                f'such as ["north", "south"], or ["env"] for the IMPACT_* variables.'
            )
        if value.count(name) > 1:
            raise ConfigurationError(f"{key} = {toml(value)} has {toml(name)} twice: name each account once.")
    return tuple(value)


def read_into(key: str, value: object) -> str:
    """Read the template of the files' names."""
    text = _text(key, value, "data/{account}/{report}/{start:%Y-%m}.csv")
    if match := _SCHEME.match(text):
        raise refuse(key, value, f"is a URL ({match[0]})", write="the path of files on this machine")
    if text.startswith("~"):
        raise refuse(key, value, "begins with ~, which would be the name of a folder", write="the whole path")
    try:
        name = NameTemplate.create(text, FIELDS).format(
            report="report", account="account", start=date(2026, 5, 1), end=date(2026, 5, 31)
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{key}: {error}") from None
    if ".." in text.removeprefix(fixed_part(text)).split("/"):
        raise refuse(key, value, "has .. after a field", write="the path without it")
    if PurePosixPath(name).name.casefold() == MANIFEST_NAME:
        raise refuse(key, value, "is the name of the file that lists the others", write="another name")
    return text


def read_format(key: str, value: object) -> FileFormat:
    """Read the format of files."""
    if value not in _FORMATS:
        raise refuse(key, value, f"is not a format{_meant(value, _FORMATS)}", write='"csv", "json" or "parquet"')
    return cast("FileFormat", value)


def read_split(key: str, value: object) -> Split | None:
    """Read the length of a window; None for all days in one."""
    if isinstance(value, str) and value in _UNITS:
        return None if value == "none" else cast("Split", value)
    if isinstance(value, str) and _DAYS.fullmatch(value):
        return timedelta(days=int(value[:-1]))
    span = _span(_probable_span(value) or "")
    if span is not None:
        raise refuse(key, value, "is not a length of windows", write=f'{key} = "{span.days or 1}d"')
    write = '"day", "week", "month", a number of days such as "7d", or "none" for one file'
    raise refuse(key, value, f"is not a length of windows{_meant(value, _UNITS)}", write=write)


def read_refresh(key: str, value: object) -> timedelta:
    """Read for how long rows may still be corrected."""
    span = _span(value) if isinstance(value, str) else None
    if span is None:
        raise refuse(
            key, value, "is not a number of days or weeks", write=f'{key} = "{_probable_span(value) or "30d"}"'
        )
    return span


def read_day(key: str, value: object) -> Day:
    """Read a day, or how long before today it is."""
    if isinstance(value, datetime):
        raise refuse(key, value, "has a time", write=f'a day alone, such as {key} = "{value.date()}"')
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        if (ago := _NAMED_DAYS.get(value, _span(value))) is not None:
            return ago
        if _DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError as error:
                raise refuse(key, value, f"is not a day ({error})", write="one that the calendar has") from None
    if span := _probable_span(value):
        raise refuse(key, value, "is not a day", write=f'{key} = "{span}" for that long before today')
    write = 'a day such as "2025-01-01", "yesterday", or "90d" for 90 days before today'
    raise refuse(key, value, f"is not a day{_meant(value, _NAMED_DAYS)}", write=write)


def read_filters(key: str, value: object) -> dict[str, object]:
    """Read the values of filters, which are checked against the report's metadata later."""
    example = '{ "Campaign" = "1234" }'
    if not isinstance(value, dict):
        raise refuse(key, value, "is not a table", write=f"{key} = {example}")
    for name, each in value.items():
        try:
            has_dates = bool(split_dates({name: each})[0])
        except ConfigurationError:
            raise ConfigurationError(f"{key}: {toml(name)} is not a filter here: write format instead.") from None
        if has_dates:
            raise ConfigurationError(f"{key}: {toml(name)} is not a filter here: write from and to instead.")
        is_plain = isinstance(each, str | int | float | date) and not (isinstance(each, float) and math.isnan(each))
        if not is_plain or (isinstance(each, float) and math.isinf(each)):
            raise ConfigurationError(
                f"{key}: {toml(name)} is {toml(each)}: write one text, number, date, true or false, such as {example}."
            )
        if isinstance(each, str) and not (each.strip() and each.isprintable()):
            raise ConfigurationError(
                f"{key}: {toml(name)} is {toml(each)}: write text without control characters, or leave the filter out."
            )
    return value


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "id": read_id,
    "name": read_name,
    "accounts": read_accounts,
    "from": read_day,
    "to": read_day,
    "into": read_into,
    "split": read_split,
    "refresh": read_refresh,
    "filters": read_filters,
    "format": read_format,
}
"""The keys of a report, in the order in which messages list them."""


def contradicts(into: str, file_format: FileFormat) -> bool:
    """Return whether a name has the ending of another format. JSON lines are not `.json`, as elsewhere."""
    ending = PurePosixPath(into).suffix.lower()
    return ending in _FORMAT_OF_ENDING and ending not in ENDINGS[file_format]


def format_of(ending: str) -> str:
    """Return the format of a known ending."""
    return _FORMAT_OF_ENDING[ending.lower()]


def with_ending_of(file_format: FileFormat, into: str) -> str:
    """Return a name that has the ending of another format with the format's own."""
    return into.removesuffix(PurePosixPath(into).suffix) + ENDINGS[file_format][0]


def _span(text: str) -> timedelta | None:
    match = _SPAN.fullmatch(text)
    return timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1)) if match else None


def _probable_span(value: object) -> str | None:
    """Return the span that is probably meant by a number of days, or by text such as "30 days"."""
    match = _LOOSE_SPAN.fullmatch(str(value)) if isinstance(value, int | str) else None
    return f"{int(match[1])}{(match[2] or 'd')[0].lower()}" if match else None


def _meant(value: object, known: Sequence[str] | Mapping[str, object]) -> str:
    close = closest(value, known) if isinstance(value, str) else None
    return f' (did you mean "{close}"?)' if close else ""
