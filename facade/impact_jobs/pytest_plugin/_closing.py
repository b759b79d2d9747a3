"""An asynchronous client for tests that run their loops as they like: it is closed in whichever loop it was used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impact_jobs import AsyncJobsClient
    from impact_jobs.sandbox import Sandbox


@contextmanager
def async_client_of(sandbox: Sandbox) -> Iterator[AsyncJobsClient]:
    """Give a client of the sandbox, closed afterwards, whatever has become of its event loop."""
    from impact_jobs import ConfigurationError  # noqa: PLC0415 - the plugin is loaded in every run of pytest

    client = sandbox.async_client()
    port = client._transport  # noqa: SLF001 - our own
    farewells: list[AsyncGenerator[None]] = []

    async def before_request(_: object) -> None:
        if not farewells:
            farewells.append(_farewell(client))
            await anext(farewells[0])

    port.api.event_hooks = {"request": [before_request]}
    try:
        yield client
    finally:
        loop = port._loop  # noqa: SLF001 - our own
        if loop is not None and not loop.is_closed():
            # pytest-asyncio may close its loop after us; a loop that runs elsewhere says farewell itself.
            if not loop.is_running():
                loop.run_until_complete(client.aclose())
        elif not port.api.is_closed:
            # What needs no loop is closed first; then a loop that is gone is complained of, which has closed the rest.
            # With a factory the runner leaves the thread's own loop alone.
            with suppress(ConfigurationError), asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                runner.run(client.aclose())


async def _farewell(client: AsyncJobsClient) -> AsyncGenerator[None]:
    """Close the client when the loop that this was begun in is about to end, for a loop ends its generators first."""
    try:
        yield
    finally:
        await client.aclose()
