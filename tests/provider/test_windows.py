from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from impact_jobs import ConfigurationError
from impact_jobs.airflow import windows


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-15", "2026-02-28"),
        (date(2026, 1, 15), datetime(2026, 2, 28, 23, 59, tzinfo=UTC)),
        ("2026-01-15 00:00:00+00:00", "2026-02-28T00:00:00Z"),
    ],
)
def test_windows_are_the_arguments_of_an_operator(start: Any, end: Any) -> None:
    found = windows(start, end, "month")
    assert found == [
        {"report_start": "2026-01-15", "report_end": "2026-01-31"},
        {"report_start": "2026-02-01", "report_end": "2026-02-28"},
    ]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(("split", "count"), [("day", 365), ("week", 53), ("month", 12), (10, 37), (timedelta(90), 5)])
def test_windows_cover_a_year(split: Any, count: int) -> None:
    found = windows("2025-01-01", "2025-12-31", split)
    assert len(found) == count
    assert (found[0]["report_start"], found[-1]["report_end"]) == ("2025-01-01", "2025-12-31")
    for window, following in pairwise(found):
        after = date.fromisoformat(window["report_end"]) + timedelta(days=1)
        assert date.fromisoformat(following["report_start"]) == after


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("{{ ds }}", "2026-01-01"), "start='{{ ds }}' is not a day"),
        (("2026-01-01", None), "end=None is not a day"),
        (("2026-01-02", "2026-01-01"), "swap them"),
        (("2026-01-01", "2026-01-02", "months"), "Did you mean 'month'"),
        (("2026-01-01", "2026-01-02", 0), "whole days"),
        (("1900-01-01", "2026-01-02", "day"), "5000 windows"),
    ],
)
def test_a_mistake_is_named(arguments: Any, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        windows(*arguments)
    assert named in str(caught.value)
