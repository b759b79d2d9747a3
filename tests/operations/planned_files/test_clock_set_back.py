"""The clock is set back after a run was interrupted: the next runs know what it has asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from impact_jobs import ConfigurationError
from impact_jobs._operations.planned_files.steps import decide
from impact_jobs._operations.planned_files.values import FileAction

from tests.operations.planned_files.plans import ACCOUNT, make, moment, months, planned
from tests.operations.planned_files.runs import NIGHT, Nights, left_over, nights
from tests.support.driving import clients

REFRESH = {"refresh": timedelta(days=60)}


@pytest.fixture(params=clients, ids=lambda make_client: make_client.__name__)
def night(request: pytest.FixtureRequest) -> Iterator[Nights]:
    with nights(request.param) as opened:
        yield opened


def test_no_export_and_no_replay_is_repeated(night: Nights, tmp_path: Path) -> None:
    first = months(tmp_path, date(2026, 3, 1), date(2026, 5, 28), **REFRESH)
    second = months(tmp_path, date(2026, 3, 1), date(2026, 5, 29), **REFRESH)
    night.run(first)
    night.pass_night()
    night.sandbox.forget_requests()

    def interrupt(*_: object) -> None:
        if night.sent["Replay"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        night.run(second, on_news=interrupt)
    assert (night.sent["export"], night.sent["Replay"]) == (1, 2)
    night.context.replay_claims._claimed.clear()  # as in another process
    night.sandbox.forget_requests()
    night.set_clock_back(2 * NIGHT)
    first[-1].path.unlink()  # so that this run has something to do
    assert night.run(first).outcomes
    night.set_clock_back(-2 * NIGHT)
    night.run(second)
    assert {step.action for step in night.run(second).steps} == {FileAction.KEEP}
    assert (night.sent["export"], night.sent["Replay"]) == (0, 0)
    assert left_over(tmp_path) == []


def test_a_file_that_held_later_days_is_not_made_again(tmp_path: Path) -> None:
    later, planned_now = planned(tmp_path, "2026-05-25", "2026-05-31"), planned(tmp_path, "2026-05-25", "2026-05-30")
    make(later, moment("2026-06-02"))
    later.path.unlink()
    (step,) = decide(ACCOUNT, [planned_now], now=moment("2026-05-31"))
    assert isinstance(step.error, ConfigurationError)
    assert "is of 2026-06-02 00:00 UTC, and it is 2026-05-31 00:00 by this machine's clock: set the clock" in str(
        step.error
    )
