"""The state of one run of the command: its shared options, the two output streams, and the client."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

import click
from attrs import frozen

if TYPE_CHECKING:
    from rich.console import Console

    from impact_jobs import AccountKindName, JobsClient
    from impact_jobs.profiles import Profile

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@frozen(kw_only=True)
class CliState:
    """One run of the command. The fields are the shared options."""

    profile: str | None = None
    account_kind: AccountKindName | None = None
    advertiser: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0

    @cached_property
    def out(self) -> Console:
        """Stdout."""
        from impact_jobs.cli import output  # noqa: PLC0415 - loads rich, which `--help` does without

        return output.console_for(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Stderr."""
        from impact_jobs.cli import output  # noqa: PLC0415 - the same

        return output.console_for(sys.stderr)

    @property
    def wants_tables(self) -> bool:
        """Whether stdout is a terminal, and neither JSON nor bare ids are asked for."""
        return self.out.file.isatty() and not self.json and not self.quiet

    def stored_profile(self) -> Profile | None:
        """Load the profile to use; return None if the credentials are in the environment, or nowhere."""
        from impact_jobs import profiles  # noqa: PLC0415 - slow to load

        return profiles.load(self.profile, folder=profiles.config_folder(), environ=os.environ)

    def client(self) -> JobsClient:
        """Create a client from the profile or from the environment; the caller closes it."""
        from impact_jobs import JobsClient  # noqa: PLC0415 - slow to load, and not every command needs it

        found, kind = self.stored_profile(), self.account_kind
        client = JobsClient.from_env(account=kind) if found is None else found.client(kind)
        return client if self.advertiser is None else client.for_advertiser(self.advertiser)

    def account_key(self) -> tuple[str, str, str, str]:
        """Return what distinguishes the account from others, without its token."""
        found = self.stored_profile()
        names = ("IMPACT_BASE_URL", "IMPACT_ACCOUNT_KIND", "IMPACT_ACCOUNT_SID")
        url, kind, sid = (os.environ.get(name, "") for name in names)
        if found is not None:
            url, kind, sid = found.url, found.kind, found.account_sid
        return url, self.account_kind or kind or "agency", sid, self.advertiser or ""

    def note_refusal(self, error: BaseException) -> None:
        """Suggest another kind of account if the API has refused access to one of this kind."""
        is_refusal = getattr(error, "status_code", None) == HTTPStatus.FORBIDDEN
        if is_refusal and not self.json and not self.advertiser:
            self.note(f"if the account is of another kind, pass --account-kind (now {self.account_key()[1]})")

    def note(self, text: str) -> None:
        """Write a note to stderr, unless `--quiet` was given."""
        from impact_jobs.cli import output  # noqa: PLC0415 - loads rich

        if not self.quiet:
            output.note(self.err, text)


def state_of(context: click.Context) -> CliState:
    """Return the state that a command runs in."""
    found = context.find_root().obj
    return found if isinstance(found, CliState) else CliState()


class _ConsoleHandler(logging.Handler):
    """Writes log records to stderr, above any progress bar."""

    def __init__(self, state: CliState) -> None:
        super().__init__()
        self._state = state

    def emit(self, record: logging.LogRecord) -> None:
        from impact_jobs.cli import output  # noqa: PLC0415 - loads rich

        output.note(self._state.err, f"{record.levelname.lower()}: {output.one_line(record.getMessage())}")


@contextmanager
def logging_to(state: CliState) -> Iterator[None]:
    """Write the library's log to stderr within the block, as much of it as the options ask for."""
    logger, handler = logging.getLogger("impact_jobs"), _ConsoleHandler(state)
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.ERROR if state.quiet else _LEVELS[min(state.verbose, len(_LEVELS) - 1)])
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
