"""Which windows are loaded again, and which make room."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs.dlt._windows import LandedFile, LoadedWindows, window_changes

from tests.dlt.folder import landed, planned

FOLDER = Path("/data")


def file(start: str, end: str, digest: str | None = "a") -> LandedFile:
    return landed(planned(FOLDER, f"2026-{start}", f"2026-{end}"), digest)


def loaded(*windows: tuple[str, str, str]) -> LoadedWindows:
    return {f"2026-{start}": [f"2026-{end}", digest] for start, end, digest in windows}


MAY = loaded(("05-01", "05-31", "a"))


@pytest.mark.parametrize(
    ("table", "files", "load", "remove"),
    [
        ({}, [file("05-01", "05-31")], ["05-01"], []),
        (MAY, [file("05-01", "05-31")], [], []),
        (MAY, [file("05-01", "05-31", "b")], ["05-01"], []),
        (MAY, [file("05-01", "05-31", None)], [], []),
        # A window that grows day by day, with other rows or the same ones, and one that is shorter again.
        (loaded(("05-01", "05-02", "a")), [file("05-01", "05-03", "b")], ["05-01"], []),
        (loaded(("05-01", "05-02", "a")), [file("05-01", "05-03")], [], []),
        (MAY, [file("05-01", "05-30"), file("04-01", "04-30")], ["04-01"], []),
        # History that the plan no longer names stays.
        (MAY, [file("06-01", "06-30")], ["06-01"], []),
        # From months to halves: only once both are there.
        (MAY, [file("05-01", "05-15", "b"), file("05-16", "05-31", "c")], ["05-01", "05-16"], ["05-01"]),
        (MAY, [file("05-01", "05-15", None), file("05-16", "05-31", "c")], [], []),
        (MAY, [file("05-01", "05-15", "b"), file("05-16", "05-31", None), file("06-01", "06-30")], ["06-01"], []),
        # And back.
        (
            loaded(("05-01", "05-15", "a"), ("05-16", "05-31", "a")),
            [file("05-01", "05-31", "b")],
            ["05-01"],
            ["05-16"],
        ),
        # A week shares days with two months, so that all weeks of both have to be there.
        (
            loaded(("04-01", "04-30", "a"), ("05-01", "05-31", "a")),
            [file("04-01", "04-26"), file("04-27", "05-03"), file("05-04", "05-31", None)],
            [],
            [],
        ),
    ],
)
def test_what_is_loaded_and_removed(
    table: LoadedWindows, files: list[LandedFile], load: list[str], remove: list[str]
) -> None:
    changes = window_changes(table, files)
    assert [each.start[5:] for each in changes.load] == load
    assert [start[5:] for start in changes.remove] == remove


windows = st.lists(st.integers(1, 9), max_size=6)  # lengths in days


@given(windows, windows, st.integers(-5, 5), st.sets(st.integers(0, 5)))
def test_the_table_has_no_day_twice_and_loses_none(
    before: list[int], after: list[int], shift: int, missing: set[int]
) -> None:
    table: LoadedWindows = {}
    for index, lengths in enumerate((before, after)):
        day, files = date(2026, 5, 10) + timedelta(days=index * shift), []
        for place, length in enumerate(lengths):
            end = day + timedelta(days=length - 1)
            is_there = not (index and place in missing)
            files.append(landed(planned(FOLDER, str(day), str(end)), str(index) if is_there else None))
            day = end + timedelta(days=1)
        changes = window_changes(table, files)
        covered, named = days(table), {day for each in files for day in days_of(each.start, each.entry[0])}
        for start in changes.remove:
            del table[start]
        table |= {each.start: each.entry for each in changes.load}
        assert len(days(table)) == len(set(days(table)))
        assert set(covered) & named <= set(days(table))  # a missing file takes no day away


def days(table: LoadedWindows) -> list[date]:
    return [day for start, (end, _) in table.items() for day in days_of(start, end)]


def days_of(start: str, end: str) -> list[date]:
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
