"""A clock for `impact_jobs._transport.clock.use` and for `Sandbox(clock=...)`, so that waiting takes no time."""

from __future__ import annotations

from attrs import define, field

NOON = 1_780_056_000.0  # 2026-05-29T12:00:00Z


@define
class VirtualClock:
    """The clock of the client and of the sandbox, which only sleeping moves."""

    now: float = NOON
    sleeps: list[float] = field(factory=list)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
