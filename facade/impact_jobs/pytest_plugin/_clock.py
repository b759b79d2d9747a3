"""Virtual time for tests."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime
from typing import Final

import pytest

_LONGEST_SLEEP: Final = 7 * 24 * 3600.0  # seconds; no job runs for a week
_STEP: Final = 2.0**-28  # seconds; floats add multiples of it exactly, so two half hours are exactly one hour


class ImpactClock:
    """A clock that moves only when a client sleeps or the test calls `advance`.

    It starts at the current time, in whole seconds. Clients sleep by it, so an hour's wait takes milliseconds. The
    test's sandbox follows it: jobs make progress, links expire, and the hourly budget is renewed. Sleeps of several
    threads or tasks add up instead of overlapping. Processes that the test starts run in real time.

    Example:
        >>> clock = ImpactClock()
        >>> clock.advance(3600)
        >>> clock.elapsed
        3600.0
    """

    def __init__(self) -> None:
        self._epoch = math.ceil(time.time())  # rounded up, so that jobs created just now are not in the future
        self._monotonic = math.ceil(time.monotonic())
        self._elapsed = 0.0
        self._slept = 0.0
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Seconds that have passed since the test began."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        Args:
            seconds: By how many seconds.

        Raises:
            ValueError: They are negative.

        Example:
            >>> impact_clock.advance(3600)
        """
        with self._lock:
            self._move(seconds)
            self._slept = 0.0  # a test that moves the clock itself is not waiting endlessly

    def sleep(self, seconds: float, /) -> None:
        """Move the clock forward and return at once; put it in the place of `time.sleep` in the code under test.

        Args:
            seconds: By how many seconds.

        Raises:
            ValueError: They are negative.

        Example:
            >>> monkeypatch.setattr("nightly.retrying.sleep", impact_clock.sleep)
        """
        with self._lock:
            self._move(seconds)
            self._slept += seconds
        if self._slept > _LONGEST_SLEEP:
            pytest.fail(
                f"impact_clock: the test slept for {self._slept / 86400:.0f} days. Does it wait without a timeout for "
                "a job that never ends?"
            )

    def _move(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"time cannot go back: seconds={seconds!r}")
        self._elapsed += _STEP * (round(seconds / _STEP) or seconds > 0)

    def time(self) -> float:
        """Return epoch seconds, as `time.time` does; pass it to a sandbox of your own as its ``clock``.

        Example:
            >>> sandbox = Sandbox(clock=impact_clock.time)
        """
        return self._epoch + self._elapsed

    def monotonic(self) -> float:
        """Return seconds that never go back, as `time.monotonic` does."""
        return self._monotonic + self._elapsed

    def now(self) -> datetime:
        """Return the date and time in UTC, as an aware datetime."""
        return datetime.fromtimestamp(self.time(), tz=UTC)
