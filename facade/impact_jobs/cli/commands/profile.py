"""The commands `profile add`, `list` and `remove`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click
from rich.table import Table

from impact_jobs._account import DEFAULT_BASE_URL
from impact_jobs._redaction import Secret
from impact_jobs.cli import output, profiles
from impact_jobs.cli.job_args import lines_of_stdin
from impact_jobs.cli.profiles import Profile
from impact_jobs.cli.state import Command, Session, pass_session
from impact_jobs.errors import ConfigurationError, JobsError


@click.group()
def profile() -> None:
    """Keep credentials by name."""


@profile.command(
    "add",
    cls=Command,
    examples=("impact-jobs profile add default", "impact-jobs profile add ci --account-sid IRabc < token.txt"),
)
@click.argument("name")
@click.option("--account-sid", metavar="SID", help="The Account SID; else it is asked for.")
@click.option("--base-url", metavar="URL", help=f"Where the API is.  [default: {DEFAULT_BASE_URL}]")
@click.option("--overwrite", is_flag=True, help="Replace the profile of that name.")
@click.option("--no-check", is_flag=True, help="Do not ask the API whether it takes the credentials.")
@pass_session
def add(
    session: Session, *, name: str, account_sid: str | None, base_url: str | None, overwrite: bool, no_check: bool
) -> None:
    """Store credentials under NAME.

    The Auth Token is asked for, or read from stdin where that is no terminal. It is never an option, for others can
    see the arguments of a program. The API is asked once whether it takes the credentials.
    """
    folder = profiles.config_folder()
    if not overwrite and any(other.name == name for other in profiles.stored(folder)):
        raise ConfigurationError(f"there is a profile {name!r} already: give --overwrite, or another name.")
    is_person = sys.stdin.isatty()
    if account_sid is None:
        if not is_person:
            raise click.UsageError("where stdin is no terminal, it holds the token: give --account-sid, too.")
        account_sid = click.prompt("Account SID", err=True)
    made = profiles.checked(Profile(name, account_sid.strip(), _token(is_person=is_person), base_url))
    if not no_check:
        _check(session, made)
    file = profiles.save(made, folder=folder)
    session.note(f"profile {name!r} is stored in {file}")


@profile.command("list", cls=Command, examples=("impact-jobs profile list",))
@pass_session
def list_profiles(session: Session) -> None:
    """Show the profiles: names, accounts and where the API is, but no tokens."""
    folder = profiles.config_folder()
    found = profiles.stored(folder)
    rows = [(each.name, each.account_sid, each.url) for each in found]
    if session.json:
        for row in rows:
            output.write_json(session.out, dict(zip(("name", "account_sid", "base_url"), row, strict=True)))
    elif session.quiet:
        for row in rows:
            output.write_line(session.out, row[0])
    elif rows and session.out.is_terminal:
        table = Table("PROFILE", "ACCOUNT", "API", box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for row in rows:
            table.add_row(*row)
        session.out.print(table)
    else:
        for row in rows:
            output.write_line(session.out, "\t".join(row))
    if not rows:
        session.note(f"{folder / profiles.FILE_NAME} has no profiles: make one with `impact-jobs profile add default`")


@profile.command("remove", cls=Command, examples=("impact-jobs profile remove old",))
@click.argument("name")
@pass_session
def remove(session: Session, *, name: str) -> None:
    """Forget the profile NAME. The token itself stays valid until the account's settings page revokes it."""
    profiles.remove(name, folder=profiles.config_folder())
    session.note(f"profile {name!r} is removed; its token stays valid until you revoke it")


def _token(*, is_person: bool) -> Secret:
    if is_person:
        return Secret(click.prompt("Auth Token (not shown)", hide_input=True, err=True).strip())
    return Secret(next(iter(lines_of_stdin()), "").strip())


def _check(session: Session, made: Profile) -> None:
    """Ask for one page of today's jobs, once."""
    from impact_jobs import Retry  # noqa: PLC0415 - slow to load

    today = datetime.now(UTC).date()
    try:
        with made.client(retry=Retry(attempts=1)) as jobs:
            next(jobs.list(created_after=today, created_before=today), None)
    except JobsError:
        session.note(f"profile {made.name!r} is not stored, for the API does not take it; --no-check stores it anyway")
        raise
