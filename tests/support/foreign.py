"""Values that behave like those of numpy and pandas, which are not installed where most tests run."""

from __future__ import annotations

import math
import numbers
from datetime import datetime, tzinfo
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NoReturn, Self


class Scalar:
    """One value of numpy; even text and dates convert to float."""

    def __init__(self, value: Any, *, kind: str = "f") -> None:
        self._value = value
        self.dtype = SimpleNamespace(kind=kind)

    def __float__(self) -> float:
        return float(self._value)

    def __str__(self) -> str:
        return str(self._value)


@numbers.Real.register
class Float32(Scalar):
    pass


@numbers.Integral.register
class Timedelta64(Scalar):
    """It counts as a whole number, of an unknown unit, but is no index."""


@numbers.Integral.register
class Int64(Scalar):
    def __index__(self) -> int:
        return int(self._value)


class Array(Scalar):
    def __len__(self) -> int:
        return 1

    def __index__(self) -> int:
        return int(self._value)


class Datetime64(Scalar):
    """`str` gives ISO format, and `float` the nanoseconds since 1970."""

    def __init__(self, text: str) -> None:
        super().__init__(text, kind="M")

    def __float__(self) -> float:
        return 1.78e18


class Timestamp(datetime):
    """A datetime with the limits of pandas."""

    def astimezone(self, tz: tzinfo | None = None) -> Self:
        raise TypeError(f"cannot convert to {tz}: use tz_convert")


class NotATime(datetime):
    """pandas' NaT: an instance of datetime, but without a year."""

    year = property(lambda _: math.nan)


class NotAvailable:
    """pandas' NA: comparing it gives itself, which is neither true nor false."""

    def __bool__(self) -> NoReturn:
        raise TypeError("boolean value of NA is ambiguous")

    def __lt__(self, other: object) -> Self:
        return self

    __gt__ = __le__ = __ge__ = __lt__

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self

    __hash__ = object.__hash__


class Unprintable:
    def __repr__(self) -> NoReturn:
        raise RuntimeError("no repr")


NO_NUMBERS: dict[str, Any] = {
    "NaN": math.nan,
    "NaN of numpy": Float32(math.nan),
    "signalling NaN": Decimal("sNaN"),
    "NaT": NotATime(2000, 1, 1),
    "NA": NotAvailable(),
    "an array": Array(5),
    "a timedelta64": Timedelta64(5, kind="m"),
    "a datetime64": Datetime64("2026-05-29"),
    "a bool of numpy": Scalar(1, kind="b"),
    "text": "5",
    "text of numpy": type("str_", (str, Scalar), {"__init__": lambda *_: None})("5"),
    "complex": 5j,
    "too many digits": -(10**5000),
    "without repr": Unprintable(),
}
NO_DATES: dict[str, Any] = {
    "NaT": NotATime(2000, 1, 1),
    "NaT of numpy": Datetime64("NaT"),
    "a month": Datetime64("2026-05"),
    "NA": NotAvailable(),
    "NaN": math.nan,
    "an array": Array("2026-05-29", kind="M"),
    "a number": Int64(20_602, kind="i"),
}
