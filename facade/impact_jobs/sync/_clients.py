"""The clients of a plan's accounts: those that the caller passes, or those of profiles and of the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from attrs import field, frozen

from impact_jobs import profiles
from impact_jobs._api.context import ClientContext
from impact_jobs._operations.planned_files.leftovers import find_leftovers
from impact_jobs._operations.planned_files.values import PlannedFile
from impact_jobs._transport.base import Transport
from impact_jobs._validators import shown
from impact_jobs.async_client import AsyncJobsClient
from impact_jobs.client import JobsClient
from impact_jobs.errors import ConfigurationError
from impact_jobs.profiles import Profile

ENVIRONMENT = "env"
"""The plan's name of the account that the IMPACT_* variables describe."""

AccountWork: TypeAlias = Callable[[str, ClientContext], Coroutine[Any, Any, None]]
"""What is done for each account: it is called with the plan's name of the account, and the context of its client."""


@frozen(kw_only=True)
class AccountClients:
    """What the accounts of a plan are reached by, or why they are not, by the plan's name of the account."""

    contexts: Mapping[str, ClientContext]
    errors: Mapping[str, ConfigurationError] = field(factory=dict)

    async def run_each(self, work: AccountWork) -> None:
        """Do the work of all accounts at once; two names of the same account take turns, because they share files."""
        names: dict[tuple[str, str], list[str]] = {}
        for name, context in self.contexts.items():
            names.setdefault((context.account.base_url, context.account.path), []).append(name)

        async def work_on(names: Sequence[str]) -> None:
            for name in names:
                await work(name, self.contexts[name])

        if names:
            works = [partial(work_on, each) for each in names.values()]
            await self._transport.run_many(works, stop=lambda: None)

    async def leftovers(self, files: Sequence[PlannedFile]) -> tuple[Path, ...]:
        """Return the files of these accounts that earlier plans have made; `files` are all of the present plan."""
        accounts = {name: context.account for name, context in self.contexts.items()}
        return await self._transport.run(lambda: find_leftovers(files, accounts)) if accounts else ()

    @property
    def _transport(self) -> Transport:
        """The transport of any of the accounts, because they are all of one kind."""
        return next(iter(self.contexts.values())).transport


@contextmanager
def blocking_clients(names: Sequence[str], given: Mapping[str, JobsClient] | None) -> Iterator[AccountClients]:
    """Provide the clients of these accounts; close those that were not given."""
    if given is not None:
        yield _given(names, given, JobsClient)
        return
    with ExitStack() as stack:

        def create(name: str) -> ClientContext:
            profile = _profile(name)
            return _context(stack.enter_context(profile.client() if profile else JobsClient.from_env()))

        yield _created(names, create)


@asynccontextmanager
async def async_clients(
    names: Sequence[str], given: Mapping[str, AsyncJobsClient] | None
) -> AsyncIterator[AccountClients]:
    """Provide the asynchronous clients of these accounts; close those that were not given."""
    if given is not None:
        yield _given(names, given, AsyncJobsClient)
        return
    async with AsyncExitStack() as stack:

        def create(name: str) -> ClientContext:
            profile = _profile(name)
            client = profile.async_client() if profile else AsyncJobsClient.from_env()
            stack.push_async_callback(client.aclose)
            return _context(client)

        yield _created(names, create)


def _given(names: Sequence[str], given: Mapping[str, Any], kind: type[JobsClient | AsyncJobsClient]) -> AccountClients:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"clients={shown(given)}: give a mapping from the plan's accounts to their clients.")
    if missing := [name for name in names if name not in given]:
        raise ConfigurationError(
            f"clients has no client of {', '.join(map(shown, missing))}: give one of each account."
        )
    for name in names:
        if not isinstance(given[name], kind):
            raise ConfigurationError(
                f"clients: that of {shown(name)} is not a {kind.__name__}: give one of this class."
            )
    return AccountClients(contexts={name: _context(given[name]) for name in names})


def _created(names: Sequence[str], create: Callable[[str], ClientContext]) -> AccountClients:
    contexts, errors = dict[str, ClientContext](), dict[str, ConfigurationError]()
    for name in names:
        try:
            contexts[name] = create(name)
        except ConfigurationError as error:
            errors[name] = error
    return AccountClients(contexts=contexts, errors=errors)


def _profile(name: str) -> Profile | None:
    """Return the profile of an account; None for that of the environment, whose variables are all set."""
    if name != ENVIRONMENT:
        return profiles.load(name, folder=profiles.config_folder(), environ={})
    if missing := [variable for variable in profiles.CREDENTIALS if not os.environ.get(variable)]:
        raise ConfigurationError(
            f"the account {ENVIRONMENT!r} needs {' and '.join(missing)}: export what is missing, "
            "or name a profile in the plan's accounts."
        )
    return None


def _context(client: JobsClient | AsyncJobsClient) -> ClientContext:
    return client._context  # noqa: SLF001 - our own
