"""Many coroutines side by side in virtual time, without threads and without an event loop."""

from __future__ import annotations

import heapq
import math
from collections.abc import Coroutine, Generator
from typing import Any

from attrs import define, field
from impact_jobs._transport.base import Head, Request, Stream, Write

from tests.support.simulated import SimulatedPort


@define
class _Until:
    moment: float

    def __await__(self) -> Generator[float, None, None]:
        yield self.moment


@define
class InterleavedPort(SimulatedPort):
    """Whose sleepers let the others go on meanwhile; see `run`."""

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        await _Until(self.clock + seconds)

    async def stream(self, request: Request) -> Stream:
        response = await self.send(request)
        return WholeStream(response.head, response.body)


@define
class Timeline:
    """Runs coroutines over one port: the first to wake is the next to go on.

    Attributes:
        port: Whose clock it moves.
    """

    port: InterleavedPort
    _sleeping: list[tuple[float, int, Coroutine[Any, Any, Any]]] = field(factory=list)
    _count: int = 0

    def start(self, coroutine: Coroutine[Any, Any, Any], *, at: float | None = None) -> None:
        """Have it begin at that time, or now."""
        self._count += 1
        heapq.heappush(self._sleeping, (self.port.clock if at is None else at, self._count, coroutine))

    def run(self, *, until: float) -> None:
        """Let time pass."""
        while self._sleeping and self._sleeping[0][0] <= until:
            moment, _, coroutine = heapq.heappop(self._sleeping)
            self.port.clock = max(self.port.clock, moment)
            try:
                self.start(coroutine, at=coroutine.send(None))
            except StopIteration:
                continue

    def cancel(self) -> None:
        """Close those that still sleep, as a cancelled task is."""
        while self._sleeping:
            self._sleeping.pop()[2].close()


@define
class WholeStream:
    """An answer whose body is there at once."""

    head: Head
    _body: bytes
    deadline: float = math.inf

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def copy_to(self, write: Write, limit: int) -> int:  # noqa: ARG002 - a piece may be larger
        body = await self.read()
        write(body)
        return len(body)

    def abort(self) -> None:
        """Nobody waits for it."""

    async def aclose(self) -> None:
        """There is no connection."""
