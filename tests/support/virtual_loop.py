"""An asyncio event loop in virtual time: if all tasks sleep, its clock jumps to when the first one wakes."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import define

from tests.support.simulated import SimulatedTransport, WholeStream

T = TypeVar("T")

START = 1000.0  # where the clock begins, as that of the simulated transport


class _JumpingSelector(selectors.SelectSelector):
    """A selector that lets the time pass without waiting."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "every task waits, and nothing will wake one"
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual. Nothing in it may wait for another thread or a socket."""

    def __init__(self) -> None:
        self._selector_with_clock = _JumpingSelector()
        super().__init__(self._selector_with_clock)

    def time(self) -> float:
        return self._selector_with_clock.now


@define
class LoopTransport(SimulatedTransport):
    """A simulated transport whose clock is that of the running event loop."""

    async def open(self, request: Any) -> WholeStream:
        self.clock = self.now()
        seconds, self.exchange_seconds = self.exchange_seconds, 0.0
        try:
            stream = await super().open(request)
        finally:
            self.exchange_seconds = seconds
        await asyncio.sleep(seconds)
        return stream

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time; fail if it leaves a task behind."""

    async def checked() -> T:
        found = await main
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"tasks are left: {others}"
        return found

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(checked())
