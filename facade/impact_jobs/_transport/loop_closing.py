"""Close an asynchronous client together with the event loop that it was used in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

from impact_jobs._transport.asynchronous import AsyncTransport
from impact_jobs.errors import ConfigurationError


@contextmanager
def closing_with_loop(transport: AsyncTransport) -> Iterator[None]:
    """Close the transport with its event loop, or at the end of the block if no loop is left to do so."""
    closers: list[AsyncGenerator[None]] = []

    async def before_request(_: object) -> None:
        if not closers:
            closers.append(_close_on_exit(transport))
            await anext(closers[0])

    transport.api.event_hooks = {"request": [before_request]}
    try:
        yield
    finally:
        loop = transport.loop
        if loop is not None and not loop.is_closed():
            # pytest-asyncio, for example, closes its loop later. A loop that is running closes the client when it ends.
            if not loop.is_running():
                loop.run_until_complete(transport.aclose())
        elif not transport.api.is_closed:
            # `aclose` closes what needs no loop, then raises, because the client's own loop is gone. The factory keeps
            # the runner from replacing the loop of this thread.
            with suppress(ConfigurationError), asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                runner.run(transport.aclose())


async def _close_on_exit(transport: AsyncTransport) -> AsyncGenerator[None]:
    # Before a loop ends, it closes its asynchronous generators, and this is one of them.
    try:
        yield
    finally:
        await transport.aclose()
