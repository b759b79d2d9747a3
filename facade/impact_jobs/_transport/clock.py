"""The time that ports go by: this machine's, unless a test has put another in its place; see `pytest_plugin`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What is asked of the module `time`, which is one."""

    def time(self) -> float:
        """Epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let that much time pass; a virtual clock does so at once."""


# Of the whole process: whoever makes a client by `from_env` somewhere deep in a tool goes by the test's clock, too.
_clocks: list[Clock] = [time]


_LONGEST_SECONDS = 1e9  # some thirty years; Python's own sleep takes no more than ten times as many


@contextmanager
def in_place(clock: Clock) -> Iterator[None]:
    """Have every port of this process go by a virtual clock for a while."""
    _clocks.append(clock)
    try:
        yield
    finally:
        _clocks.remove(clock)


def now() -> float:
    """Seconds that never go back."""
    return _clocks[-1].monotonic()


def epoch() -> float:
    """Epoch seconds."""
    return _clocks[-1].time()


def utc() -> datetime:
    """The date and time."""
    return datetime.fromtimestamp(epoch(), tz=UTC)


def left_to_sleep(seconds: float) -> float:
    """How many seconds are really to be slept: all of them, or none, for a virtual clock has let them pass."""
    clock = _clocks[-1]
    if clock is time:
        return min(seconds, _LONGEST_SECONDS)
    clock.sleep(seconds)
    return 0.0
