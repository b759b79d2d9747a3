"""Read the arguments of operators, which a template may have rendered as text, into plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from os import PathLike, fspath
from typing import Any, Final

from impact_jobs import ConfigurationError

_FLAGS: Final = {"true": True, "false": False}


def as_day(name: str, value: object) -> str:
    """Return a day as text: of a date, a datetime or ISO text as YYYY-MM-DD, else the text as it is."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = as_text(name, value)
    with suppress(ValueError):
        return datetime.fromisoformat(text.strip()).date().isoformat()
    return text


def as_seconds(name: str, value: object) -> float:
    """Return seconds, of a number, its text or a timedelta."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    with suppress(TypeError, ValueError, OverflowError):
        seconds = float(value)  # type: ignore[arg-type]  # other types raise TypeError
        if 0 <= seconds < float("inf") and not isinstance(value, bool):
            return seconds
    raise ConfigurationError(f"{name}={value!r}: give seconds, such as 3600, a timedelta, or None.")


def as_flag(name: str, value: object) -> bool:
    """Return a truth value, of one or of the text of one."""
    flag = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ConfigurationError(f"{name}={value!r}: give True or False.")
    return flag


def as_text(name: str, value: object) -> str:
    """Return text that is not empty, of text, a number or a path."""
    if isinstance(value, PathLike):
        value = fspath(value)
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.strip():
        raise ConfigurationError(f"{name}={value!r}: give text.")
    return text


def as_path(name: str, value: object) -> str:
    """Return a path or URL as text; that of an ObjectStoragePath names its connection, if it has one."""
    protocol, path = getattr(value, "protocol", None), getattr(value, "path", None)
    if isinstance(protocol, str) and isinstance(path, str):  # an ObjectStoragePath, whose import takes long
        conn_id = getattr(value, "conn_id", None)
        return f"{protocol or 'file'}://{f'{conn_id}@' if conn_id else ''}{path}"
    return as_text(name, value)


def as_job(name: str, value: object) -> str:
    """Return a job reference as text, of a `Job` or of text."""
    return as_text(name, getattr(value, "id", value))


def as_filters(name: str, value: object) -> dict[str, Any]:
    """Return filters by name, of a mapping or of its text in JSON, with dates as text."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name}={value!r}: give a dict of filters, such as {{'Program': '1234'}}.")
    return {str(key): _plain(entry) for key, entry in value.items()}


def as_polling(name: str, value: object) -> dict[str, Any]:
    """Return the pauses between polls; what it has in it is checked when the client is made."""
    return as_filters(name, value)


def optional(read: Callable[[str, object], Any]) -> Callable[[str, object], Any]:
    """Return a reader that also takes None, and takes empty text as None."""
    return lambda name, value: None if value is None or value == "" else read(name, value)


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)
