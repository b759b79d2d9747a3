"""The clock that tests turn."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime
from typing import Final

import pytest

_LONGEST_SLEEP: Final = 7 * 24 * 3600.0  # no job runs for a week
_STEP: Final = 2.0**-28  # seconds; floats hold sums of such steps exactly, so twice half an hour is an hour


class ImpactClock:
    """Time that stands still until somebody sleeps, or a test says `advance`.

    It starts at the time at which the test does, in whole seconds. Clients sleep by it, so an hour's wait takes
    milliseconds, and the sandbox of the test goes by it: its jobs get on, its links expire, its hourly budget is
    granted anew. Sleeps of several threads or tasks come one after the other. A process that the test starts has its
    own time.

    Example:
        >>> clock = ImpactClock()
        >>> clock.advance(3600)
        >>> clock.elapsed
        3600.0
    """

    def __init__(self) -> None:
        self._epoch = math.ceil(time.time())  # upwards, for what was made just now must not be of the future
        self._monotonic = math.ceil(time.monotonic())
        self._elapsed = 0.0
        self._slept = 0.0
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Seconds that have passed since the test began."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: How much of it.

        Raises:
            ValueError: It is negative.
        """
        with self._lock:
            self._pass(seconds)
            self._slept = 0.0  # whoever turns the clock by hand knows what for

    def sleep(self, seconds: float, /) -> None:
        """Let time pass as `time.sleep` does, but at once: to be put in its place in the code under test.

        Args:
            seconds: How much of it.

        Raises:
            ValueError: It is negative.

        Example:
            >>> monkeypatch.setattr("nightly.retrying.sleep", impact_clock.sleep)
        """
        with self._lock:
            self._pass(seconds)
            self._slept += seconds
        if self._slept > _LONGEST_SLEEP:
            pytest.fail(
                f"impact_clock: {self._slept / 86400:.0f} days were slept through. Does something wait without a "
                "timeout for a job that never ends?"
            )

    def _pass(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"time does not go back: seconds={seconds!r}")
        self._elapsed += _STEP * (round(seconds / _STEP) or seconds > 0)

    def time(self) -> float:
        """Epoch seconds, as `time.time` gives them: for a `Sandbox(clock=impact_clock.time)` of your own."""
        return self._epoch + self._elapsed

    def monotonic(self) -> float:
        """Seconds that never go back, as `time.monotonic` gives them."""
        return self._monotonic + self._elapsed

    def now(self) -> datetime:
        """The date and time, aware, in UTC."""
        return datetime.fromtimestamp(self.time(), tz=UTC)
