"""Read the jobs that a command works on, from its arguments or, for "-", from stdin."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from impact_jobs.cli.state import CliState

STDIN = "-"
_JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def job_names(arguments: Sequence[str], state: CliState) -> list[str]:
    """Return the ids, paths or URLs in order, each job only once in any form, so that no replay is sent twice."""
    if STDIN in arguments and sys.stdin.isatty():
        state.note("reading job ids from the terminal, one per line; Ctrl-D ends the list")
    found: dict[str, str] = {}
    for argument in arguments:
        for name in parse_lines(read_stdin_lines(), state) if argument == STDIN else [argument]:
            ids = _JOB_ID.findall(name.lower())
            found.setdefault(ids[-1] if ids else name, name)
    if not found:
        state.note("no jobs, nothing to do")
    return list(found.values())


def read_stdin_lines() -> list[str]:
    """Read stdin as UTF-8, or as its byte order mark says, because PowerShell writes UTF-16 and UTF-8 with one."""
    data = sys.stdin.buffer.read()
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace").splitlines()


def parse_lines(lines: Iterable[str], state: CliState) -> Iterable[str]:
    """Yield the first word of each line, or the `id` of a JSON object.

    Empty lines and those that begin with "#" are skipped; so are JSON objects that report a failure, because the
    command that wrote them has reported it already.
    """
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = _parse_json(line, number) if words[0].startswith("{") else words[0]
        if name is None:
            state.note(f"line {number} of stdin reports a failure and is skipped")
        else:
            yield name


def _parse_json(line: str, number: int) -> str | None:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise click.UsageError(
            f"line {number} of stdin is not a JSON object on one line (jq -c writes them that way)."
        ) from None
    if "error" in found:
        return None
    name = found.get("id") or found.get("job_id")
    if not isinstance(name, str):
        raise click.UsageError(f'line {number} of stdin has no "id".')
    return name
