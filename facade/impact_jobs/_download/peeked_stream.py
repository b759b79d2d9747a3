"""An open response, the beginning of whose body can be looked at before it is read."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from attrs import define, field

from impact_jobs._transport.base import Head, Stream, Write


@define(eq=False)
class PeekedStream:
    """An open response whose beginning was looked at; `read` and `copy_to` return that first."""

    _rest: Stream
    _run: Callable[[Callable[[], None]], Awaitable[None]]
    peeked: bytes = field(default=b"", init=False, repr=False)  # a gateway may echo the credentials

    async def is_all(self, max_bytes: int, is_doubtful: Callable[[bytes], bool]) -> bool:
        """Read while the beginning is doubtful, up to `max_bytes`; return whether that was the whole body."""
        while data := await self._rest.read():
            self.peeked += data
            if len(self.peeked) > max_bytes or not is_doubtful(self.peeked):
                return False
        return True

    @property
    def head(self) -> Head:
        """See `Stream`."""
        return self._rest.head

    @property
    def deadline(self) -> float:
        """See `Stream`."""
        return self._rest.deadline

    async def read(self, deadline: float = math.inf) -> bytes:
        """See `Stream`."""
        peeked, self.peeked = self.peeked, b""
        return peeked or await self._rest.read(deadline)

    async def copy_to(self, write: Write, limit: int) -> int:
        """See `Stream`."""
        peeked, self.peeked = self.peeked, b""
        if not peeked:
            return await self._rest.copy_to(write, limit)
        await self._run(lambda: write(peeked))
        return len(peeked)

    def abort(self) -> None:
        """See `Stream`."""
        self._rest.abort()

    async def aclose(self) -> None:
        """See `Stream`."""
        await self._rest.aclose()
