"""Validators for attrs classes whose complaint is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Attribute

from impact_jobs.errors import ConfigurationError


def number(*, above: float | None = None, at_least: float | None = None) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator for a finite number with a lower bound; booleans are no numbers."""

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        bound = f"above {above:g}" if above is not None else f"of at least {at_least:g}"
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not value < float("inf")
            or (above is not None and not value > above)
            or (at_least is not None and not value >= at_least)
        ):
            raise ConfigurationError(f"{type(instance).__name__}({attribute.name}={value!r}): give a number {bound}.")

    return check


def instance_of(kind: type) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator for an instance of `kind`."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}={value!r}: give a {kind.__name__}.")

    return check
