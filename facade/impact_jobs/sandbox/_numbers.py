"""Converters to Python's own numbers, because a JSON document or a date accepts no others, such as numpy's."""

from __future__ import annotations

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
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a number.") from None
