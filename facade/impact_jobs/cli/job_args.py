"""Which jobs a command is about: those of its arguments, and for "-" those that stdin names."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from impact_jobs.cli.state import Session

STDIN = "-"
_JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def jobs_named(arguments: Sequence[str], session: Session) -> list[str]:
    """The jobs' names in the order given, each once, however it is written: a replay must not be sent twice.

    Args:
        arguments: Ids, paths or URLs of jobs; "-" stands for what stdin holds.
        session: For notes.
    """
    if STDIN in arguments and sys.stdin.isatty():
        session.note("reading job ids from the terminal, one a line; Ctrl-D ends them")
    found: dict[str, str] = {}
    for argument in arguments:
        for name in read(lines_of_stdin(), session) if argument == STDIN else [argument]:
            ids = _JOB_ID.findall(name.lower())
            found.setdefault(ids[-1] if ids else name, name)
    if not found:
        session.note("no jobs, nothing to do")
    return list(found.values())


def lines_of_stdin() -> list[str]:
    """What stdin holds, in UTF-8, or in what its byte order mark says: PowerShell writes either, with one."""
    data = sys.stdin.buffer.read()
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig", errors="replace").splitlines()


def read(lines: Iterable[str], session: Session) -> Iterable[str]:
    """The names that lines hold: the first word of each, or the `id` of a JSON object.

    Empty lines and those that begin with "#" are passed over; so are JSON objects that tell of a failure, of which the
    command that wrote them has told already.
    """
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = _of_json(line, number) if words[0].startswith("{") else words[0]
        if name is None:
            session.note(f"line {number} of stdin tells of a failure and is passed over")
        else:
            yield name


def _of_json(line: str, number: int) -> str | None:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise click.UsageError(
            f"line {number} of stdin is not a JSON object on one line (jq -c writes such)."
        ) from None
    if "error" in found:
        return None
    name = found.get("id") or found.get("job_id")
    if not isinstance(name, str):
        raise click.UsageError(f'line {number} of stdin has no "id".')
    return name
