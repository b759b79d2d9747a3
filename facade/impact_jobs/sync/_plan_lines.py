"""The line of each table and key of a TOML text, because `tomllib` does not return it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TypeAlias

TomlPath: TypeAlias = tuple[str | int, ...]
"""The keys that lead to a value, such as ("report", 0, "id")."""

# Strings and comments are matched whole, because they may hold all other tokens.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|#[^\n]*"
    r"|[\[\]{}=\n]",
    re.DOTALL,
)


def lines_by_path(text: str) -> dict[TomlPath, int]:
    """Return the line, from 1, of each table and each key of a valid text. What is within a value has none."""
    lines: dict[TomlPath, int] = {}
    counts: dict[TomlPath, int] = {}
    table: TomlPath = ()
    start, line, depth, is_in_value = 0, 1, 0, False
    for match in _TOKEN.finditer(text):
        found = match[0]
        if found in {"[", "{"}:
            depth += 1
        elif found in {"]", "}"}:
            depth -= 1
            if depth == 0 and not is_in_value:
                table = _opened(text[start : match.end()].strip(), counts)
                _note(table, line, lines)
        elif found == "=" and depth == 0 and not is_in_value:
            is_in_value = True
            _note((*table, *_keys(text[start : match.start()])), line, lines)
        elif found == "\n" and depth == 0:
            start, is_in_value = match.end(), False
        line += found.count("\n")
    return lines


def line_of(path: TomlPath, lines: Mapping[TomlPath, int]) -> int:
    """Return the line of a value, or of the table or key that it is in; 0 if neither is known."""
    return next((lines[path[:size]] for size in range(len(path), 0, -1) if path[:size] in lines), 0)


def _opened(header: str, counts: dict[TomlPath, int]) -> TomlPath:
    """Return the path of the table that a header such as `[[report]]` or `[report.filters]` opens."""
    path: TomlPath = ()
    keys = _keys(header.strip("[]"))
    for number, key in enumerate(keys, 1):
        path = (*path, key)
        if number == len(keys) and header.startswith("[["):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _keys(text: str) -> list[str]:
    """Return the parts of a dotted key, which may have quotes."""
    keys: list[str] = []
    value: object = tomllib.loads(f"{text} = 0")
    while isinstance(value, dict):
        [(key, value)] = value.items()
        keys.append(key)
    return keys


def _note(path: TomlPath, line: int, lines: dict[TomlPath, int]) -> None:
    for size in range(1, len(path) + 1):
        lines.setdefault(path[:size], line)
