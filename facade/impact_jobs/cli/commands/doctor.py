"""`doctor`: what stands between this machine and a job's result. One request to the API, and never a replay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from impact_jobs.cli import doctor_checks as checks
from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli import output
from impact_jobs.cli.doctor_checks import Check
from impact_jobs.cli.probe import ask, target_of
from impact_jobs.cli.state import Command, Session, pass_session

_MARKS = {"ok": ("\u2713", "green"), "warning": ("!", "yellow"), "failed": ("\u2717", "red"), "skipped": ("-", "dim")}


@click.command(cls=Command, examples=("impact-jobs doctor", "impact-jobs doctor reports --json"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@pass_session
def doctor(session: Session, *, folder: Path) -> int:
    """Find out why it does not work, and what to do.

    Looks at credentials, proxies, the API, TLS, the clock, what is left of the hour's requests, and the disk under
    FOLDER, this folder by default. It costs one request, and changes nothing.
    """
    found = examine(session, folder=folder)
    _write(session, found)
    return exits.worst(check.error for check in found if check.error is not None)


def examine(session: Session, *, folder: Path, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """All checks, whatever fails."""
    target = target_of(session, environ=environ)
    heard = ask(target)
    now = datetime.now(UTC)
    return [
        checks.versions(),
        checks.credentials(target, heard),
        checks.proxy(target.base_url),
        checks.api(target, heard),
        checks.tls(target, heard, now=now, environ=environ),
        checks.clock(heard),
        checks.budget(heard),
        checks.disk(folder),
    ]


def _write(session: Session, found: list[Check]) -> None:
    if session.json:
        for check in found:
            fields = {"name": check.name, "state": check.state, "found": check.found, "advice": check.advice}
            output.write_json(session.out, fields)
        return
    told = [check for check in found if not session.quiet or check.state in {"warning", "failed"}]
    if not session.out.is_terminal:
        for check in told:
            line = f"{check.state}\t{check.name}\t{check.found}\t{check.advice}"
            output.write_line(session.out, line.rstrip("\t"))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in told:
        mark, style = _MARKS[check.state]
        sign = mark if output.has_unicode(session.out) else check.state
        table.add_row(Text(sign, style=style), Text(check.name), Text(check.found))
        if check.advice:
            table.add_row("", "", Text(check.advice, style="bold"))
    session.out.print(table)
