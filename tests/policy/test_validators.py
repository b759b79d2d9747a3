from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import example, given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError
from impact_jobs._validators import instance_of, number


@frozen
class Settings:
    above: float = field(default=1, validator=number(above=0))
    at_least: float = field(default=0, validator=number(at_least=-1.5))
    grace: timedelta = field(default=timedelta(), validator=instance_of(timedelta))


@given(st.integers(max_value=10**300) | st.floats())
@example(0)
@example(-1.5)
@example(math.inf)
@example(-math.inf)
@example(math.nan)
def test_a_number_is_accepted_exactly_within_its_bound(value: float) -> None:
    for name, fits in (("above", value > 0), ("at_least", value >= -1.5)):
        changes: dict[str, Any] = {name: value}
        if fits and math.isfinite(value):
            assert getattr(Settings(**changes), name) == value
        else:
            with pytest.raises(ConfigurationError):
                Settings(**changes)


@pytest.mark.parametrize("value", [True, False, None, "1", b"1", 1j, [1], timedelta(seconds=1)])
def test_other_types_are_not_numbers(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        Settings(above=value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"above": 0}, "Settings(above=0): give a number above 0."),
        ({"at_least": -2}, "Settings(at_least=-2): give a number of at least -1.5."),
        ({"at_least": "x"}, "Settings(at_least='x'): give a number of at least -1.5."),
        ({"grace": 5}, "grace=5: give a timedelta."),
        ({"grace": None}, "grace=None: give a timedelta."),
    ],
)
def test_the_message_names_the_setting_and_what_to_give(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings(**arguments)
    assert str(raised.value) == message
