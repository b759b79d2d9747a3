"""Validators for attrs classes whose complaint is a `ConfigurationError`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from attrs import Attribute

from impact_jobs.errors import ConfigurationError


def number(
    *, above: float | None = None, at_least: float | None = None, whole: bool = False
) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator for a finite number with a lower bound; booleans are no numbers."""
    kinds = int if whole else int | float

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        kind = "whole number" if whole else "number"
        bound = f"above {above:g}" if above is not None else f"of at least {at_least:g}"
        if (
            isinstance(value, bool)
            or not isinstance(value, kinds)
            or not value <= sys.float_info.max
            or (above is not None and not value > above)
            or (at_least is not None and not value >= at_least)
        ):
            raise ConfigurationError(f"{type(instance).__name__}({attribute.name}={value!r}): give a {kind} {bound}.")

    return check


def instance_of(kind: type) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator for an instance of `kind`."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}={value!r}: give a {kind.__name__}.")

    return check
