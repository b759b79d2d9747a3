"""`doctor`: diagnose why jobs or downloads fail on this machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.text import Text

from impact_jobs.cli import doctor_checks as checks
from impact_jobs.cli import exit_codes, output
from impact_jobs.cli.columns import folded_table
from impact_jobs.cli.command import Command
from impact_jobs.cli.doctor_checks import Check
from impact_jobs.cli.probe import find_target, probe_target
from impact_jobs.cli.state import CliState

_FIELDS = ("name", "state", "found", "advice")
_MARKS = {"ok": ("\u2713", "green"), "warning": ("!", "yellow"), "failed": ("\u2717", "red"), "skipped": ("-", "dim")}


@click.command(cls=Command, examples=("impact-jobs doctor", "impact-jobs doctor reports --json"))
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.pass_obj
def doctor(state: CliState, *, folder: Path) -> int:
    """Diagnose problems and suggest remedies.

    Checks the credentials, the proxy, the API, TLS, the clock, the remaining hourly request budget, and the disk that
    holds FOLDER (the current folder by default). It sends one request and changes nothing.
    """
    target = find_target(state)
    probed = probe_target(target)
    found = [
        checks.versions(),
        checks.credentials(target, probed),
        checks.proxy(target.base_url),
        checks.api(target, probed),
        checks.tls(target, probed, now=datetime.now(UTC), environ=os.environ),
        checks.clock(probed),
        checks.budget(probed),
        checks.disk(folder),
    ]
    _write(state, found)
    return exit_codes.worst(check.error for check in found if check.error is not None)


def _write(state: CliState, found: list[Check]) -> None:
    if state.json:
        for check in found:
            output.write_json(state.out, {name: getattr(check, name) for name in _FIELDS})
        return
    found = [check for check in found if not state.quiet or check.state in {"warning", "failed"}]
    if not state.out.is_terminal:
        for check in found:
            output.write_line(state.out, f"{check.state}\t{check.name}\t{check.found}\t{check.advice}".rstrip("\t"))
        return
    rows: list[list[str | Text]] = []
    for check in found:
        mark, style = _MARKS[check.state]
        rows.append([Text(check.state if state.out.options.ascii_only else mark, style=style), check.name, check.found])
        if check.advice:
            rows.append(["", "", Text(check.advice, style="bold")])
    state.out.print(folded_table(["", "", ""], rows, show_header=False))
