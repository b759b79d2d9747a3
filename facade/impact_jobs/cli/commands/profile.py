"""`profile add`, `profile list` and `profile remove`."""

from __future__ import annotations

import sys

import click

from impact_jobs import ConfigurationError, profiles
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_rows
from impact_jobs.cli.job_args import read_stdin_lines
from impact_jobs.cli.state import CliState
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile
from impact_jobs.toolkit import DEFAULT_BASE_URL, probe


@click.group()
def profile() -> None:
    """Store credentials in named profiles."""


@profile.command(
    "add",
    cls=Command,
    examples=(
        "impact-jobs profile add default",
        "impact-jobs profile add ci --account-sid IRabc --account-kind brand < token.txt",
    ),
)
@click.argument("name")
@click.option("--account-sid", metavar="SID", help="The Account SID; prompted for if missing.")
@click.option("--base-url", metavar="URL", help=f"The base URL of the API.  [default: {DEFAULT_BASE_URL}]")
@click.option("--overwrite", is_flag=True, help="Replace the profile of that name.")
@click.option("--no-check", is_flag=True, help="Do not check the credentials with the API.")
@click.pass_obj
def add(
    state: CliState, *, name: str, account_sid: str | None, base_url: str | None, overwrite: bool, no_check: bool
) -> None:
    """Store credentials under NAME.

    Prompts for the Auth Token, or reads it from stdin if that is not a terminal. No option takes the token, because
    other users can see a command's arguments. The credentials and --account-kind are checked with one request to the
    API.
    """
    folder = profiles.config_folder()
    if not overwrite and any(other.name == name for other in profiles.stored(folder)):
        raise ConfigurationError(f"profile {name!r} already exists: pass --overwrite, or another name.")
    is_terminal = sys.stdin.isatty()
    if account_sid is None:
        if not is_terminal:
            raise click.UsageError("stdin is not a terminal, so it holds the token: pass --account-sid as well.")
        account_sid = click.prompt("Account SID", err=True)
    token = _read_token(is_terminal=is_terminal)
    added = profiles.validate(Profile(name, account_sid.strip(), token, base_url, state.account_kind))
    if not no_check:
        _check(state, added)
    file = profiles.save(added, folder=folder)
    state.note(f"profile {name!r} is stored in {file}")


@profile.command("list", cls=Command, examples=("impact-jobs profile list",))
@click.pass_obj
def list_profiles(state: CliState) -> None:
    """Show the names, accounts, API URLs and kinds of account of the profiles, but not their tokens."""
    folder = profiles.config_folder()
    found = [
        {"name": each.name, "account_sid": each.account_sid, "base_url": each.url, "account_kind": each.kind}
        for each in profiles.stored(folder)
    ]
    if not found:
        state.note(f"{folder / profiles.FILE_NAME} has no profiles: create one with `impact-jobs profile add default`")
    emit_rows(state, found, {"PROFILE": "name", "ACCOUNT": "account_sid", "API": "base_url", "KIND": "account_kind"})


@profile.command("remove", cls=Command, examples=("impact-jobs profile remove old",))
@click.argument("name")
@click.pass_obj
def remove(state: CliState, *, name: str) -> None:
    """Remove the profile NAME.

    The token stays valid until it is revoked on the account's settings page.
    """
    profiles.remove(name, folder=profiles.config_folder())
    state.note(f"profile {name!r} is removed; its token stays valid until you revoke it")


def _read_token(*, is_terminal: bool) -> Secret:
    if is_terminal:
        return Secret(click.prompt("Auth Token (not shown)", hide_input=True, err=True).strip())
    return Secret(next(iter(read_stdin_lines()), "").strip())


def _check(state: CliState, added: Profile) -> None:
    with added.client() as client:
        error = probe(client).error
    if error is not None:
        state.note(f"profile {added.name!r} is not stored because its check failed; --no-check stores it anyway")
        raise error
