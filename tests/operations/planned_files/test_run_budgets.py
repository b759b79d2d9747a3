"""Runs within the limits of an account: 100 exports and replays a day, and its requests an hour."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from impact_jobs import DownloadResult
from impact_jobs._operations.lost_requests import jobs_since
from impact_jobs._operations.planned_files.values import FileAction, PlannedFile
from impact_jobs._policy import daily_exports
from impact_jobs._policy.windows import split_range

from tests.operations.planned_files.plans import planned
from tests.operations.planned_files.runs import NIGHT, half_year, left_over, manifest, nights

REFRESH = timedelta(days=3)
LIMIT = 10


def days(folder: Path, last: date, count: int) -> list[PlannedFile]:
    """Return a file for each of so many days, the newest first."""
    windows = split_range(last - timedelta(days=count - 1), last, "day")
    return [
        planned(folder, str(day.start), str(day.end), path=folder / f"{day.start}.csv", refresh=REFRESH)
        for day in reversed(windows)
    ]


def test_what_exceeds_the_daily_limit_is_left_for_the_next_night_and_the_newest_days_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_exports, "DAILY_LIMIT", LIMIT)  # a tenth of the limit, and of the time
    with nights(rows_per_day=1, daily_exports=LIMIT) as night:
        files = days(tmp_path, date(2026, 5, 28), 13)
        first = night.run(files)
        assert list(first.outcomes) == files[:LIMIT]
        assert first.left == tuple(files[LIMIT:])
        exported = [(each.start, each.end) for each in night.sandbox.exports]
        assert exported == [(file.window.start, file.window.end) for file in files[:LIMIT]], "newest first"
        assert first.exports == LIMIT
        assert "no exports left" in first.why_left
        assert first.again_at is not None
        assert first.again_at.timestamp() - night.clock.now >= NIGHT - 60
        night.sandbox.forget_requests()
        assert night.run(files).left == first.left
        assert night.sent.total() == 0, "its own exports are known to be ten"

        # A day is added, and two may still be corrected: they count as well.
        night.pass_night()
        night.sandbox.forget_requests()
        files = days(tmp_path, date(2026, 5, 29), 14)
        second = night.run(files)
        assert night.sent["Replay"] == 2
        assert night.sent["export"] == 4
        assert (second.exports, second.left) == (6, ())
        assert all(isinstance(each, DownloadResult) for each in second.outcomes.values())
    assert len(list(tmp_path.glob("*.csv"))) == 14
    assert left_over(tmp_path) == []


def test_exports_that_are_to_become_available_are_waited_for_with_some_slack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_exports, "DAILY_LIMIT", LIMIT)
    with nights(rows_per_day=1, daily_exports=LIMIT) as night:
        files, began = days(tmp_path, date(2026, 5, 28), LIMIT + 3), night.clock.now
        night.server_clock.now = 1.0  # the requests take a second to arrive, unlike those of the next night
        assert len(night.run(files).left) == 3
        night.clock.now, night.server_clock.now = began + NIGHT, 0.0
        night.sandbox.forget_requests()
        assert night.run(files[LIMIT:]).left == ()
        assert night.sent["export"] == 3, "none was refused"


def test_due_files_that_are_left_stay_while_downloads_go_on(tmp_path: Path) -> None:
    with nights() as night:
        files = half_year(tmp_path, refresh=timedelta(days=365))
        night.run(files)
        files[4].path.unlink()
        made = manifest(tmp_path)
        for _ in range(100):
            night.context.daily_exports.on_sent(night.clock_moment)
        outcome = night.run(files)
        assert (outcome.exports, list(outcome.outcomes)) == (0, [files[4]]), "it is right since today"
        night.pass_night()
        for _ in range(98):
            night.context.daily_exports.on_sent(night.clock_moment)
        files[4].path.unlink()
        outcome = night.run(files)
        assert outcome.exports == 2
        assert outcome.left == tuple(files[2:])
        renewed = {name for name, entry in manifest(tmp_path).items() if entry["job"] != made[name]["job"]}
        assert renewed == {file.path.name for file in files[:2]}
        assert outcome.steps[4].action is FileAction.REFRESH
        assert files[3].path.is_file()


def test_a_run_waits_for_the_hour_but_no_longer_than_its_timeout(tmp_path: Path) -> None:
    files = days(tmp_path, date(2026, 5, 28), 20)
    with nights(hourly_budget=15) as night:
        began = night.clock.now
        outcome = night.run(files, timeout=0)
        assert outcome.left
        assert "no requests left in this hour" in outcome.why_left
        assert outcome.again_at is not None
        assert 0 < outcome.again_at.timestamp() - began <= 3660 + night.clock.now - began
        outcome = night.run(files, timeout=NIGHT)  # because the sleeps of all threads add up in virtual time
        assert not outcome.left
        assert all(isinstance(each, DownloadResult) for each in outcome.outcomes.values())
        assert night.clock.now - began > 3600
        assert len(night.sandbox.exports) == 20
    assert len(list(tmp_path.glob("*.csv"))) == 20


def test_files_whose_metadata_exceeds_the_hour_are_left_and_are_no_errors(tmp_path: Path) -> None:
    files, news = half_year(tmp_path, filters={"Campaign": 1}), list[object]()
    with nights(hourly_budget=1) as night:
        night.call(jobs_since(night.context, night.clock_moment))
        outcome = night.run(files, timeout=0, on_news=lambda _, found: news.append(found))
    assert (outcome.left, news) == (tuple(files), [])
    assert "no requests left in this hour" in outcome.why_left


def test_two_reports_share_the_limits(tmp_path: Path) -> None:
    with nights(rows_per_day=1) as night:
        one = half_year(tmp_path / "one")
        other = half_year(tmp_path / "other", report="other", report_id="sandbox_partner_listing")
        mixed = [file for pair in zip(one, other, strict=True) for file in pair]
        for _ in range(94):
            night.context.daily_exports.on_sent(night.clock_moment)
        outcome = night.run(mixed)
        assert list(outcome.outcomes) == mixed[:6]
        assert outcome.left == tuple(mixed[6:])
