"""Run many coroutines concurrently in virtual time, without threads and without an event loop."""

from __future__ import annotations

import heapq
from collections.abc import Coroutine, Generator
from typing import Any

from attrs import define, field

from tests.support.simulated import SimulatedTransport


@define
class _Until:
    moment: float

    def __await__(self) -> Generator[float, None, None]:
        yield self.moment


@define
class InterleavedTransport(SimulatedTransport):
    """A simulated transport whose `sleep` lets other coroutines run; see `Timeline`."""

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        await _Until(self.clock + seconds)


@define
class Timeline:
    """Runs coroutines over one transport and its clock: the one that wakes first runs next."""

    transport: InterleavedTransport
    _sleeping: list[tuple[float, int, Coroutine[Any, Any, Any]]] = field(factory=list)
    _count: int = 0

    def start(self, coroutine: Coroutine[Any, Any, Any], *, at: float | None = None) -> None:
        """Start a coroutine at that time, or now."""
        self._count += 1
        heapq.heappush(self._sleeping, (self.transport.clock if at is None else at, self._count, coroutine))

    def run(self, *, until: float) -> None:
        """Run the coroutines up to a time."""
        while self._sleeping and self._sleeping[0][0] <= until:
            moment, _, coroutine = heapq.heappop(self._sleeping)
            self.transport.clock = max(self.transport.clock, moment)
            try:
                self.start(coroutine, at=coroutine.send(None))
            except StopIteration:
                continue

    def cancel(self) -> None:
        """Close the coroutines that still sleep, as cancelling their tasks would."""
        while self._sleeping:
            self._sleeping.pop()[2].close()
