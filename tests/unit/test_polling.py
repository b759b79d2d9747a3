from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import assume, given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, Polling

positive = st.floats(min_value=0, exclude_min=True, max_value=1e300)
fractions = st.floats(0, 1)


@given(positive, positive, st.floats(min_value=0), fractions)
def test_a_pause_lies_within_its_bounds(minimum: float, maximum: float, waited: float, fraction: float) -> None:
    assume(minimum <= maximum)
    pause = Polling(minimum=minimum, maximum=maximum).pause(waited, random=lambda: fraction)
    assert minimum <= pause <= maximum


@given(st.floats(0, 1e9), st.floats(0, 1e9), fractions)
def test_who_has_waited_longer_asks_no_sooner(waited: float, longer: float, fraction: float) -> None:
    shorter, longer = sorted((waited, longer))
    polling = Polling()
    assert polling.pause(shorter, random=lambda: fraction) <= polling.pause(longer, random=lambda: fraction)


@pytest.mark.parametrize(
    ("waited", "lowest", "middle", "highest"),
    [(0, 1, 1, 1), (5, 1, 1, 1.2), (50, 8, 10, 12), (150, 24, 30, 30), (3600, 30, 30, 30)],
)
def test_the_pause_is_a_fifth_of_the_wait_give_or_take_a_fifth(
    waited: float, lowest: float, middle: float, highest: float
) -> None:
    draws = iter([0.0, 0.5, 1.0])
    pauses = [Polling().pause(waited, random=draws.__next__) for _ in range(3)]
    assert pauses == pytest.approx([lowest, middle, highest])


def test_an_hour_costs_few_requests() -> None:
    waited, requests = 0.0, 1
    while waited < 3600:
        waited += Polling().pause(waited, random=lambda: 0.0)
        requests += 1
    assert requests < 150, "of the account's 1,000"


@pytest.mark.parametrize(
    "changes",
    [
        {"minimum": 0},
        {"minimum": -1},
        {"minimum": float("nan")},
        {"minimum": "1"},
        {"maximum": 0},
        {"maximum": float("inf")},
        {"maximum": True},
        {"minimum": 31},
        {"maximum": 0.5},
        {"error_grace": 900},
        {"error_grace": "15 min"},
    ],
)
def test_a_setting_out_of_range_is_refused_at_once(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"Polling|error_grace=.*: give a timedelta"):
        Polling(**changes)


def test_it_is_a_frozen_value() -> None:
    polling = Polling(minimum=5, maximum=5, error_grace=timedelta(hours=2))
    assert polling == Polling(minimum=5, maximum=5, error_grace=timedelta(hours=2))
    assert hash(polling) != hash(Polling())
    assert repr(Polling(minimum=5, maximum=120)) == "Polling(minimum=5, maximum=120, error_grace=None)"
    with pytest.raises(FrozenInstanceError):
        polling.minimum = 3  # type: ignore[misc]
