"""Properties of a plan that is run on many days, with any windows, days without a run, and changes of the clock."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import accumulate

import pytest
from attrs import fields
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs._download.manifest import MANIFEST_NAME, Manifest, ManifestEntry
from impact_jobs._operations.planned_files.steps import decide
from impact_jobs._operations.planned_files.values import FileAction, PlannedFile

from tests.operations.planned_files.plans import ACCOUNT, DAY, REPORT, make, moment, months, planned, run

FIRST = date(2026, 1, 1)
NIGHT = moment("2026-03-10T00:00")
PAUSES = st.lists(st.integers(1, 40 * 24), min_size=1, max_size=8)  # hours between two runs
REFRESHES = st.integers(0, 45).map(timedelta)
AHEAD = st.integers(0, 2)  # how many days before today the plan ends


@settings(max_examples=40)
@given(pauses=PAUSES, refresh=REFRESHES, ahead=AHEAD, later=st.integers(0, 23))
def test_runs_over_many_days(
    tmp_path_factory: pytest.TempPathFactory, *, pauses: list[int], refresh: timedelta, ahead: int, later: int
) -> None:
    folder, refreshed = tmp_path_factory.mktemp("plan"), Counter[tuple[str, date]]()
    moments = [NIGHT + timedelta(hours=hours) for hours in accumulate(pauses)]
    for now in moments:
        files = months(folder, FIRST, now.date() - ahead * DAY, refresh=refresh)
        for step in run(files, now):
            if step.action is FileAction.REFRESH:
                refreshed[step.file.path.name, now.date()] += 1
        # A second run on the same day has nothing to do.
        again = max(now, min(now + timedelta(hours=later), _end_of(now)))
        assert {step.action for step in decide(ACCOUNT, files, now=again)} == {FileAction.KEEP}
        # Each window that is not corrected any more is as of a moment after that.
        entries = Manifest.read(folder).entries
        for file in files:
            as_of, settled = entries[file.path.name].as_of, _midnight(file.window.end) + max(refresh, DAY)
            assert as_of is not None
            assert as_of >= min(settled, _midnight(now.date()))
            assert entries[file.path.name].days == file.window
    assert max(refreshed.values(), default=0) <= 1, "a window is refreshed at most once a day"
    # A year later, each window is refreshed once if that is the last time, and never again.
    now = moments[-1] + 366 * DAY
    run(files, now)
    assert all(step.action is FileAction.KEEP for step in decide(ACCOUNT, files, now=now + 366 * DAY))


@settings(max_examples=40)
@given(pauses=PAUSES, refresh=REFRESHES, ahead=AHEAD, back=st.integers(1, 100 * 24), days=st.integers(1, 200))
def test_a_clock_that_is_set_back_changes_no_file(
    tmp_path_factory: pytest.TempPathFactory, *, pauses: list[int], refresh: timedelta, ahead: int, back: int, days: int
) -> None:
    """Also where the plan begins a number of days before today, and all days are in one file."""
    folder = tmp_path_factory.mktemp("plan")

    def files(now: datetime) -> list[PlannedFile]:
        last = now.date() - ahead * DAY
        rolling = planned(folder, f"{last - days * DAY}", f"{last}", path=folder / "whole.csv", report="rolling")
        return [*months(folder, FIRST, max(last, FIRST), refresh=refresh), rolling]

    for hours in accumulate(pauses):
        now = NIGHT + timedelta(hours=hours)
        run(files(now), now)
    earlier = now - timedelta(hours=back)
    steps = decide(ACCOUNT, files(earlier), now=earlier)
    assert all(step.action is FileAction.KEEP for step in steps), steps


TEXTS = [
    "", "x", "IRnorth", REPORT, "CSV", "2026-05-01", "9999-12-31", "2026-05-29T01:00:00", "2026-05-29T01:00:00+00:00",
    "0001-01-01T00:00:00+14:00",
]  # fmt: skip
FILTERS = st.dictionaries(st.just("Campaign"), st.sampled_from(["1", 1, None]))
VALUES = st.one_of(st.none(), st.integers(-1, 40), st.sampled_from(TEXTS), st.just([None]), FILTERS)
NAMES = [each.name for each in fields(ManifestEntry) if each.name not in {"file", "extra"}]


@given(changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), is_there=st.booleans())
def test_no_entry_breaks_a_decision(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, object], *, is_there: bool
) -> None:
    file = planned(tmp_path_factory.mktemp("plan"), "2026-05-01", "2026-05-28", filters={"Campaign": 1})
    make(file, NIGHT)
    manifest = file.area / MANIFEST_NAME
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))
    if not is_there:
        file.path.unlink()
    (step,) = decide(ACCOUNT, [file], now=NIGHT)
    assert step.error is None or is_there
    assert step.job_id is not None or step.action in {FileAction.EXPORT, FileAction.KEEP}


def _midnight(day: date) -> datetime:
    return moment(day.isoformat())


def _end_of(now: datetime) -> datetime:
    return _midnight(now.date()) + DAY - timedelta(seconds=1)
