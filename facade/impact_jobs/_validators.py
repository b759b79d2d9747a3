"""Check values of the user: validators for attrs classes, numbers of any type, and what messages show of a value."""

from __future__ import annotations

import numbers
import operator
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, SupportsIndex, TypeAlias, cast

from attrs import Attribute

from impact_jobs._redaction import shorten
from impact_jobs.errors import ConfigurationError

_Validator: TypeAlias = "Callable[[Any, Attribute[Any], Any], None]"


def number(*, above: float | None = None, at_least: float | None = None, whole: bool = False) -> _Validator:
    """Return a validator for a finite number with a lower bound; a frozen class then holds it as an int or a float."""

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        plain = plain_number(value)
        if (
            plain is None
            or (whole and not isinstance(plain, int))
            or not plain <= sys.float_info.max  # which is true of NaN as well
            or (above is not None and plain <= above)
            or (at_least is not None and plain < at_least)
        ):
            kind = "whole number" if whole else "number"
            bound = f"above {above:g}" if above is not None else f"of at least {at_least:g}"
            setting = f"{type(instance).__name__}({attribute.name}={shown(value)})"
            raise ConfigurationError(f"{setting}: give a {kind} {bound}.")
        object.__setattr__(instance, attribute.name, plain)

    return check


def instance_of(kind: type) -> _Validator:
    """Return a validator for an instance of `kind`."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}={shown(value)}: give a {kind.__name__}.")

    return check


def flag(instance: object, attribute: Attribute[Any], value: Any) -> None:  # noqa: ANN401 - of the user
    """Validate True or False, also numpy's; a frozen class then holds a bool."""
    is_of_numpy = not hasattr(value, "__len__") and str(getattr(value, "dtype", "")) == "bool"
    if not isinstance(value, bool) and not is_of_numpy:
        raise ConfigurationError(f"{attribute.name}={shown(value)}: give True or False.")
    object.__setattr__(instance, attribute.name, bool(value))


def callback(_: object, attribute: Attribute[Any], value: object) -> None:
    """Validate a function or None."""
    if value is not None and not callable(value):
        raise ConfigurationError(f"{attribute.name}={shown(value)}: give a function, or None.")


def plain_number(value: Any) -> int | float | None:  # noqa: ANN401 - of the user
    """Return a number of any type, such as numpy's or a Decimal, as an int or a float; None if it is not one number."""
    if isinstance(value, bool) or hasattr(value, "__len__"):  # text, or an array
        return None
    if hasattr(value, "dtype") and not isinstance(value, numbers.Real):  # numpy converts even dates and booleans
        return None
    with suppress(TypeError, ValueError, OverflowError):
        if isinstance(value, numbers.Integral) or hasattr(value, "__index__"):
            return operator.index(cast("SupportsIndex", value))  # a TypeError for numpy's timedelta64, an Integral
        return float(value)
    return None


def shown(value: object) -> str:
    """Return `repr(value)` for a message: one line, not too long, without secrets."""
    try:
        return shorten(" ".join(repr(value).split()))
    except Exception:  # noqa: BLE001 - of the user's own class, or an int with too many digits
        return f"a {type(value).__name__}"


def closest(text: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `text` probably means, in any case, or None."""
    from difflib import get_close_matches  # noqa: PLC0415 - for messages only

    by_lower = {name.lower(): name for name in names}
    close = get_close_matches(text.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None
