"""Some nights of a plan; `python -m tests.sync.nights` runs more of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from impact_jobs._policy import daily_exports

from tests.sync.nights import hostile, quiet
from tests.sync.nights.expected import most_within
from tests.sync.nights.night import AccountNight, text_of
from tests.sync.nights.world import Settings


def problems(rows: list[AccountNight]) -> list[tuple[str, ...]]:
    return [row.problems for row in rows if row.problems]


def test_each_night_asks_for_the_right_windows_within_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_exports, "DAILY_LIMIT", 11)
    settings = Settings(accounts=2, reports=3, months=2, nights=4, exports_a_day=11)
    rows = quiet.simulate(settings, tmp_path)
    assert problems(rows) == []
    first, *_, last = [row for row in rows if row.account == "north"]
    assert (first.sends, first.left > 0, last.left) == (11, True, 0)
    assert (last.exports, last.replays > 0) == (3, True)
    assert "actions 2026-04-01…2026-05-28 (2)" in text_of([first], settings.report_names)


def test_kills_second_runs_wrong_clocks_and_a_failing_window_do_no_harm(tmp_path: Path) -> None:
    rows, seen = hostile.simulate(Settings(accounts=2, reports=2, months=1, nights=5), tmp_path, kills=8)
    assert problems(rows) == []
    assert seen.killed >= 4
    assert seen.set_back == 2
    assert sum(seen.at_once.values()) == 4
    assert {night: count for night, count in seen.failures.items() if count} == {3: 2, 4: 2, 5: 2}


@pytest.mark.parametrize(("times", "most"), [([], 0), ([0, 1, 2], 2), ([0, 2, 4], 1), ([0, 0, 1.5, 1.9], 4)])
def test_most_within_counts_any_span(times: list[float], most: int) -> None:
    assert most_within(times, 2) == most
