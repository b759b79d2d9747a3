"""Validators for attrs classes that raise `ConfigurationError`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import Attribute

from impact_jobs.errors import ConfigurationError

_Validator: TypeAlias = "Callable[[Any, Attribute[Any], Any], None]"


def number(*, above: float | None = None, at_least: float | None = None, whole: bool = False) -> _Validator:
    """Return a validator for a finite number with a lower bound. Booleans are refused."""

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        if (
            isinstance(value, bool)
            or not isinstance(value, int if whole else int | float)
            or not value <= sys.float_info.max  # which is true of NaN as well
            or (above is not None and value <= above)
            or (at_least is not None and value < at_least)
        ):
            kind = "whole number" if whole else "number"
            bound = f"above {above:g}" if above is not None else f"of at least {at_least:g}"
            raise ConfigurationError(f"{type(instance).__name__}({attribute.name}={value!r}): give a {kind} {bound}.")

    return check


def instance_of(kind: type) -> _Validator:
    """Return a validator for an instance of `kind`."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}={value!r}: give a {kind.__name__}.")

    return check
