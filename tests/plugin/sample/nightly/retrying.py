"""The agency's own policy: if the hourly budget is spent, try again an hour later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from impact_jobs import RateLimitError

T = TypeVar("T")

AN_HOUR = 3600.0


def persistently(call: Callable[[], T], *, attempts: int = 3) -> T:
    """Call until the budget allows it."""
    for _ in range(attempts - 1):
        try:
            return call()
        except RateLimitError:
            time.sleep(AN_HOUR)
    return call()
