"""Templates of file names, such as `{report}/{start:%Y-%m}.csv`, with values made safe as parts of a name."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Collection, Mapping
from datetime import date, datetime

from attrs import frozen

from impact_jobs._download.destination import safe_name
from impact_jobs._redaction import shorten
from impact_jobs._validators import closest, shown
from impact_jobs.errors import ConfigurationError

UNKNOWN = "unknown"
"""What stands for a value that is not known, such as the program of a job that has none."""

_MAX_VALUE_BYTES = 120
_MAX_NAME_BYTES = 200
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|\Z)")  # names of devices on Windows
_SPACES = re.compile(r"\s+")
_SEPARATORS = re.compile(r"[/\\:]")
_DIRECTIVES = re.compile(r"%-?[aAbBcdDeFfgGHIjmMpSTuUVwWxXyYzZ%]")
_LONG_WIDTH = re.compile(r"\d{4}")  # it might take all memory
_SAMPLE_DATE = date(2026, 5, 31)
_DATES = frozenset({"start", "end", "created", "completed"})


@frozen
class NameTemplate:
    """A checked template: text, and fields in braces, perhaps with a format specification.

    Only the text has slashes, so that a value never leads to another folder. `{{` and `}}` stand for braces.
    """

    text: str
    fields: frozenset[str]

    @classmethod
    def create(cls, text: str, allowed: Collection[str]) -> NameTemplate:
        """Check a template; raise ConfigurationError for another field than the `allowed` ones, or a wrong format."""
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"name={shown(text)}: give a template such as '{{{min(allowed)}}}'.")
        found = set()
        for literal, name, spec, conversion in _parsed(text):
            if "\0" in literal:
                raise _error(text, "it holds a null character")
            if name is None:
                continue
            if name not in allowed:
                close = closest(name, allowed)
                hint = f" Did you mean {{{close}}}?" if close else ""
                fields = ", ".join(f"{{{each}}}" for each in allowed)
                raise _error(text, f"{{{name}}} is not one of its fields: {fields}.{hint}", stop="")
            if conversion:
                raise _error(text, f"leave out the conversion !{conversion}")
            if _formatted(_SAMPLE_DATE if name in _DATES else "text", spec or "") is None:
                example = f"{{{name}:%Y-%m-%d}}" if name in _DATES else f"{{{name}}}"
                raise _error(text, f"{{{name}:{spec}}} is not a format: write {example}")
            found.add(name)
        return cls(text, frozenset(found))

    @staticmethod
    def is_template(path: str | os.PathLike[str]) -> bool:
        """Return whether a path has braces, which are doubled in a template that means them."""
        text = os.fspath(path)
        return isinstance(text, str) and bool({"{", "}"} & set(text))

    def format(self, **values: object) -> str:
        """Return the path, with a value for each field; None stands for one that is not known.

        A value is cut to 120 bytes, and the last part of the path to 200. What some file system forbids in a name
        becomes "_". A date without a format is written as 2026-05-31, and a moment as 2026-05-31T235959.
        """
        path = "".join(
            literal + ("" if name is None else _safe_value(name, values[name], spec or ""))
            for literal, name, spec, _ in _parsed(self.text)
        )
        folder, slash, name = path.rpartition("/")
        name = name.rstrip(" .")  # which Windows drops
        if not name:
            raise _error(self.text, "it names a folder, not a file")
        return folder + slash + _cut(_not_reserved(name), _MAX_NAME_BYTES)


def check_distinct(names: Mapping[str, str], fields: Collection[str]) -> None:
    """Raise ConfigurationError if two of the files, given by what they are for, would have the same name."""
    first: dict[str, str] = {}
    for what, name in names.items():
        other = first.setdefault(name.casefold(), what)  # some file systems ignore the case
        if other != what:
            raise ConfigurationError(
                f"{name!r} would be the file of {other} and of {what}: add a field that differs, "
                f"such as {' or '.join(f'{{{field}}}' for field in fields)}, to the template."
            )


def _parsed(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(text))
    except ValueError as error:
        raise _error(text, f"{error}; write {{{{ and }}}} for braces themselves") from None


def _safe_value(name: str, value: object, spec: str) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, date) and "/" in spec:  # a slash of the template
        return "/".join(_safe_value(name, value, part) for part in spec.split("/"))
    text = _formatted(value, spec)
    if text is None:
        raise ConfigurationError(f"{{{name}:{spec}}} is not a format for {shown(value)}: change the template.")
    safe = safe_name(_SEPARATORS.sub("_", _SPACES.sub(" ", text))) or UNKNOWN
    return _cut(_not_reserved(safe), _MAX_VALUE_BYTES)


def _formatted(value: object, spec: str) -> str | None:
    """Return a value as text; None if the format specification does not fit its type."""
    if "{" in spec or "}" in spec:
        return None
    try:
        if not isinstance(value, date):
            return None if _LONG_WIDTH.search(spec) else format(str(value), spec)
        if not spec:
            return value.strftime("%Y-%m-%dT%H%M%S" if isinstance(value, datetime) else "%Y-%m-%d")
        # Some platforms write a directive that they do not have as it is.
        is_known = "%" in spec and "%" not in _DIRECTIVES.sub("", spec)
        return value.strftime(spec) if is_known else None
    except ValueError:
        return None


def _not_reserved(name: str) -> str:
    return f"_{name}" if _RESERVED.match(name) else name


def _cut(text: str, most: int) -> str:
    if len(os.fsencode(text)) <= most:
        return text
    stem, dot, extension = text.rpartition(".")
    if not stem or len(os.fsencode(extension)) > most // 10:
        stem, dot, extension = text, "", ""
    room = most - len(os.fsencode(dot + extension))
    return os.fsencode(stem)[:room].decode("utf-8", "ignore").rstrip() + dot + extension


def _error(text: str, problem: str, *, stop: str = ".") -> ConfigurationError:
    return ConfigurationError(f"the template {shorten(text)!r} cannot be used: {problem}{stop}")
