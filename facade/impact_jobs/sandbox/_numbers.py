"""Converters to Python's own numbers, because a JSON document or a date accepts no others, such as numpy's."""

from __future__ import annotations

import math
import operator


def whole(value: int) -> int:
    """Return a whole number as an int; raise ValueError if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{value!r} is not a whole number.") from None


def real(value: float) -> float:
    """Return a number as a float; raise ValueError if it is none."""
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise ValueError(f"{value!r} is not a number.")
    return number


def positive(value: float) -> float:
    """Return a number as a float; raise ValueError if it is negative or none."""
    if real(value) < 0:
        raise ValueError(f"{value!r} is negative.")
    return real(value)
