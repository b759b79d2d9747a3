"""The help and the exit codes in docs/cli.md; `python -m tests.cli.page` updates them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner
from impact_jobs.cli.app import cli
from impact_jobs.cli.exit_codes import CODES, MEANINGS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
_HELP = re.compile(r"^<!-- help:(?P<words>[^\n]*) -->\n```text\n.*?^```$", re.MULTILINE | re.DOTALL)
_CODES = re.compile(r"^<!-- exit codes begin -->\n.*?^<!-- exit codes end -->$", re.MULTILINE | re.DOTALL)


def commands(command: click.Command = cli, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield `command` and every command below it, with the words that call it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, *words, name)


def help_of(*words: str) -> str:
    """Return the output of `--help` at 80 columns."""
    done = CliRunner().invoke(
        cli, [*words, "--help"], prog_name="impact-jobs", terminal_width=80, catch_exceptions=False
    )
    assert done.exit_code == 0
    return done.stdout


def codes() -> str:
    """Return the table of exit codes, with the errors that lead to each."""
    rows = ["| code | what has happened | what to do | errors |", "| --- | --- | --- | --- |"]
    for code, (what, then) in MEANINGS.items():
        errors = ", ".join(f"`{cls.__name__}`" for cls, its in CODES.items() if its == code)
        rows.append(f"| {code} | {what} | {then} | {errors} |")
    return "\n".join(rows)


def rewritten(page: str) -> str:
    """Return the page with the current help and exit codes."""
    page = _HELP.sub(
        lambda found: f"<!-- help:{found['words']} -->\n```text\n{help_of(*found['words'].split())}```", page
    )
    return _CODES.sub(lambda _: f"<!-- exit codes begin -->\n\n{codes()}\n\n<!-- exit codes end -->", page)


def documented(page: str) -> list[tuple[str, ...]]:
    """Return the commands whose help is on the page."""
    return [tuple(found["words"].split()) for found in _HELP.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
