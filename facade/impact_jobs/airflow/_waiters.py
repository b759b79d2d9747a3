"""One client and one `JobWaiter` for all triggers of a connection in one event loop of the triggerer.

The registry is global, because Airflow creates every trigger on its own, from its serialised arguments, and passes it
nothing that could be shared. Without it, each trigger would poll its own job: 200 requests a tick instead of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field, frozen

from impact_jobs import AsyncJobsClient, AuthenticationError, Polling
from impact_jobs.airflow.hook import ImpactHook
from impact_jobs.async_client import JobWaiter


@frozen
class _Key:
    loop: asyncio.AbstractEventLoop
    impact_conn_id: str
    advertiser_id: str | None
    polling: Polling | None


@define(eq=False)
class _Shared:
    users: int = 0
    opening: asyncio.Lock = field(factory=asyncio.Lock)
    client: AsyncJobsClient | None = None
    waiter: JobWaiter | None = None

    async def open(self, hook: ImpactHook, polling: Polling | None) -> JobWaiter:
        """Return the waiter. The connection is read once; if that fails or is cancelled, the next user reads it."""
        async with self.opening:
            if self.waiter is None:
                self.client = await hook.get_async_conn()
                self.waiter = JobWaiter(self.client, polling=polling)
            return self.waiter

    async def aclose(self) -> None:
        """Close what was opened."""
        if self.waiter is not None:
            await self.waiter.aclose()
        if self.client is not None:
            await self.client.aclose()


_SHARED: dict[_Key, _Shared] = {}


@asynccontextmanager
async def shared_waiter(hook: ImpactHook, polling: Polling | None) -> AsyncIterator[JobWaiter]:
    """Lend the waiter of a hook's connection: the first user opens it, and the last one closes it.

    If the block raises an AuthenticationError, the waiter is lent no more, because the credentials may have been
    rotated: the next user reads the connection again.

    Args:
        hook: Creates the client.
        polling: How often to poll; waits that differ in it do not share a waiter.
    """
    key = _Key(asyncio.get_running_loop(), hook.impact_conn_id, hook.advertiser_id, polling)
    shared = _SHARED.setdefault(key, _Shared())
    shared.users += 1
    try:
        yield await shared.open(hook, polling)
    except AuthenticationError:
        _withdraw(key, shared)
        raise
    finally:
        shared.users -= 1
        if shared.users == 0:
            _withdraw(key, shared)
            await shared.aclose()


def _withdraw(key: _Key, shared: _Shared) -> None:
    if _SHARED.get(key) is shared:
        del _SHARED[key]
