from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError
from impact_jobs._policy.windows import MAX_WINDOWS, Split, split_range
from impact_jobs.report_models import ExportWindow

_DAY = timedelta(days=1)
_UNITS: tuple[Split, ...] = ("day", "week", "month")
days = st.one_of(
    st.dates(date(1, 1, 1), date.max),
    st.dates(date(9999, 11, 1), date.max),
    st.dates(date(2023, 12, 1), date(2025, 3, 1)),
)
splits = st.sampled_from(_UNITS) | st.integers(1, 500).map(lambda days: timedelta(days=days))


@given(start=days, length=st.integers(0, 1500), split=splits)
def test_windows_cover_the_range_once_and_in_order(start: date, length: int, split: Split) -> None:
    end = start + min(timedelta(days=length), date.max - start)
    windows = split_range(start, end, split)
    assert (windows[0].start, windows[-1].end) == (start, end)
    assert all(window.start <= window.end for window in windows)
    assert all(before.end + _DAY == after.start for before, after in pairwise(windows))
    for window in windows[1:]:
        assert split != "week" or window.start.isoweekday() == 1
        assert split != "month" or window.start.day == 1
    for window in windows[:-1]:
        assert split != "day" or window.start == window.end
        assert split != "week" or window.end.isoweekday() == 7
        assert split != "month" or (window.end + _DAY).day == 1
        assert not isinstance(split, timedelta) or window.end - window.start + _DAY == split


def test_the_first_and_the_last_month_may_be_partial() -> None:
    assert split_range(date(2023, 12, 30), date(2024, 2, 29), "month") == (
        ExportWindow(date(2023, 12, 30), date(2023, 12, 31)),
        ExportWindow(date(2024, 1, 1), date(2024, 1, 31)),
        ExportWindow(date(2024, 2, 1), date(2024, 2, 29)),
    )


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("months", "split='months': give 'day', 'week', 'month' or a timedelta of whole days. Did you mean 'month'?"),
        ("MONTH", "Did you mean 'month'"),
        ("year", "give 'day', 'week', 'month' or a timedelta"),
        (30, "split=30: give 'day'"),
        (True, "split=True: give 'day'"),
        (timedelta(0), "give whole days"),
        (timedelta(days=-1), "give whole days"),
        (timedelta(hours=36), "give whole days, such as timedelta(days=10)"),
    ],
)
def test_an_unknown_split_is_refused(split: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        split_range(date(2026, 1, 1), date(2026, 1, 2), split)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (None, date(2026, 1, 1), "needs start_date and end_date: give start_date, too."),
        (date(2026, 1, 1), None, "give end_date, too."),
        (None, None, "give start_date and end_date, too."),
        (date(2026, 1, 2), date(2026, 1, 1), "start_date (2026-01-02) is later than end_date (2026-01-01): swap them."),
        (date(2000, 1, 1), date(2026, 1, 1), f"more than {MAX_WINDOWS} windows"),
    ],
)
def test_a_range_without_both_dates_or_with_too_many_windows_is_refused(
    start: date | None, end: date | None, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        split_range(start, end, "day")
    assert message in str(caught.value)


def test_the_largest_number_of_windows_is_accepted() -> None:
    start = date(2000, 1, 1)
    assert len(split_range(start, start + (MAX_WINDOWS - 1) * _DAY, "day")) == MAX_WINDOWS
