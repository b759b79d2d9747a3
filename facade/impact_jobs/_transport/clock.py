"""The clock of the transports: this machine's, unless a test has replaced it by a virtual one; see `pytest_plugin`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from impact_jobs.errors import ConfigurationError


class Clock(Protocol):
    """The part of the module `time` that transports use; the `sleep` of a virtual clock returns at once."""

    def time(self) -> float:
        """Return epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""


# One stack for the whole process, so that a client created deep inside a tool uses the test's clock, too.
_clocks: list[Clock] = [time]

_MAX_SECONDS = 1e9  # some thirty years; Python's own sleep accepts no more than ten times as many
NAP_SECONDS = 0.1
"""A time in which every clock moves, however coarse it is."""


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Make all transports of this process use a virtual clock in the block."""
    _clocks.append(clock)
    try:
        yield
    finally:
        _clocks.remove(clock)


def now() -> float:
    """Return seconds that never go back."""
    return _clocks[-1].monotonic()


def epoch() -> float:
    """Return epoch seconds."""
    return _clocks[-1].time()


def utc() -> datetime:
    """Return the date and time."""
    return datetime.fromtimestamp(epoch(), tz=UTC)


def left_to_sleep(seconds: float) -> float:
    """Return how many seconds to really sleep: all of them, or none if a virtual clock has let them pass."""
    clock = _clocks[-1]
    if clock is time:
        return min(seconds, _MAX_SECONDS)
    clock.sleep(seconds)
    return 0.0


def seems_frozen() -> bool:
    """Return whether the clock may stand still: it is frozen, or too coarse to move between two readings."""
    return now() == now()


def check_running(since: float) -> None:
    """Raise ConfigurationError if the clock still reads `since`, some `NAP_SECONDS` later: a wait would never end.

    Call it in the thread that waits, because freezegun freezes some threads only.
    """
    if now() == since:
        raise ConfigurationError(
            "the clock stands still, perhaps frozen by a test (freezegun?), so a wait would never end: "
            "let it tick, or use the virtual time of the fixture impact_clock."
        )
