"""Runs of a plan: all accounts at once, each with its own limits and errors, and one report."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import AlreadyRunningError, AuthenticationError, ConfigurationError, Job, WaitTimeoutError
from impact_jobs._policy import daily_exports
from impact_jobs.models import DownloadResult
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import AccountUse, FileAction, FileState, Plan, PlannedFile, SyncReport

from tests.support.virtual_clock import VirtualClock
from tests.sync import accounts
from tests.sync.accounts import NAMES, PLAN, Plans

clock = accounts.clock
sandboxes = accounts.sandboxes
plans = accounts.plans
blocking_plans = accounts.blocking_plans
DAY = 86_400.0
NORTH = PLAN.replace('"south", "west"', "")
SHORT = PLAN.replace("2026-03-01", "2026-04-01")
TWO = SHORT.replace('"south", ', "")


def states(report: SyncReport, account: str) -> set[FileState]:
    return {file.state for file in report.files if file.file.account == account}


def test_all_accounts_get_their_files_and_a_second_run_sends_nothing(
    plans: Plans, sandboxes: dict[str, Sandbox]
) -> None:
    news: list[tuple[PlannedFile, Any]] = []
    report = plans.run(sandboxes, on_update=lambda *call: news.append(call))
    assert report.is_complete
    assert tuple(file.file for file in report.files) == Plan.parse(PLAN, folder=plans.folder).files()
    assert {file.state for file in report.files} == {FileState.NEW}
    assert report.changed == report.files
    for file in report.files:
        assert file.result is not None
        assert (file.action, file.why, file.error) == (FileAction.EXPORT, "missing", None)
        assert file.result.path == file.file.path
        expected = sandboxes[file.file.account].result(file.result.job_id)
        assert (file.file.path.read_bytes(), file.result.rows) == (b"".join(expected.read()), expected.rows)
    requests = {name: sum("/results/" not in each.path for each in sandboxes[name].requests) for name in NAMES}
    assert report.accounts == tuple(AccountUse(account=name, exports=3, requests=requests[name]) for name in NAMES)
    assert {file for file, last in news if isinstance(last, DownloadResult)} == {file.file for file in report.files}
    assert any(isinstance(last, Job) for _, last in news)
    for each in sandboxes.values():
        each.forget_requests()
    again = plans.run(sandboxes)
    assert {file.state for file in again.files} == {FileState.CURRENT}
    assert [file.result and file.result.sha256 for file in again.files] == [
        file.result and file.result.sha256 for file in report.files
    ]
    assert again.changed == ()
    assert again.accounts == tuple(AccountUse(account=name) for name in NAMES)
    assert not any(each.requests for each in sandboxes.values())


def test_an_account_with_a_wrong_token_fails_alone(blocking_plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    report = blocking_plans.run(sandboxes, SHORT, tokens={"south": "wrong"})
    assert [states(report, name) for name in NAMES] == [{FileState.NEW}, {FileState.FAILED}, {FileState.NEW}]
    assert {type(file.error) for file in report.failed} == {AuthenticationError}
    assert not report.is_complete


def test_a_second_run_at_the_same_time_says_so(plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    seconds: list[SyncReport] = []

    def run_again(*_: object) -> None:
        if not seconds:
            seconds.append(SyncReport(files=()))  # the news of the second run's other accounts start no third
            blocking = Plans(mode="blocking", folder=plans.folder)
            seconds[0] = blocking.run({"north": sandboxes["north"]}, NORTH)

    with_one_done = PLAN.replace("2026-05-28", "2026-03-31")
    assert plans.run(sandboxes, with_one_done).is_complete
    first = plans.run(sandboxes, on_update=run_again)
    assert first.is_complete
    (second,) = seconds
    assert [file.state for file in second.files] == [FileState.FAILED, FileState.FAILED, FileState.CURRENT]
    assert {type(file.error) for file in second.failed} == {AlreadyRunningError}
    assert {len(each.exports) for each in sandboxes.values()} == {3}


def test_the_next_run_continues_with_a_job_that_was_not_done_in_time(
    plans: Plans, sandboxes: dict[str, Sandbox], clock: VirtualClock
) -> None:
    sandboxes["west"].prepare_export(seconds=1000)
    report = plans.run(sandboxes, TWO, timeout=100)
    assert states(report, "north") == {FileState.NEW}
    (running,) = report.left
    assert (running.state, running.file.account) == (FileState.RUNNING, "west")
    assert isinstance(running.error, WaitTimeoutError)
    assert report.failed == ()
    clock.sleep(1000)
    again = plans.run(sandboxes, TWO)
    assert again.is_complete
    assert [file.file for file in again.changed] == [running.file]
    assert again.changed[0].action is FileAction.DOWNLOAD
    assert [len(sandboxes[name].exports) for name in NAMES] == [2, 0, 2]


def test_files_beyond_the_exports_of_a_day_are_left(
    blocking_plans: Plans, sandboxes: dict[str, Sandbox], clock: VirtualClock
) -> None:
    with Sandbox(job_seconds=0, rows_per_day=2, daily_exports=1, clock=clock.time) as small:
        report = blocking_plans.run(sandboxes | {"west": small}, TWO)
        assert states(report, "north") == {FileState.NEW}
        assert [file.state for file in report.files if file.file.account == "west"] == [FileState.NEW, FileState.LEFT]
        north, west = report.accounts
        assert (west.exports, north.why_left) == (1, "")
        assert west.again_at is not None
        assert "exports" in west.why_left
        clock.now = west.again_at.timestamp()
        assert blocking_plans.run(sandboxes | {"west": small}, TWO).is_complete


def test_a_run_waits_for_the_exports_of_a_run_at_the_same_time_yesterday(
    blocking_plans: Plans, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time() -> float:
        clock.now += 1.0  # so that exports are sent one after another
        return clock.now

    monkeypatch.setattr(daily_exports, "DAILY_LIMIT", 3)
    plan = NORTH.replace("into =", 'split = "7d"\ninto =').replace("%Y-%m", "%Y-%m-%d").replace("05-28", "04-16")
    with Sandbox(job_seconds=0, rows_per_day=2, daily_exports=3, clock=time) as sandbox:
        began = clock.now
        assert len(blocking_plans.run({"north": sandbox}, plan).left) == 4
        clock.now = began + DAY - 7200.0
        assert len(blocking_plans.run({"north": sandbox}, plan).left) == 4, "two hours are too long to wait"
        clock.now = began + DAY
        assert len(blocking_plans.run({"north": sandbox}, plan).left) == 1
        assert len(sandbox.exports) == 6


def test_a_file_that_is_refreshed_is_changed_or_not(
    plans: Plans, sandboxes: dict[str, Sandbox], clock: VirtualClock
) -> None:
    plan = NORTH.replace("2026-03-01", "2026-01-01").replace("[[", 'refresh = "90d"\n[[')
    plans.run(sandboxes, plan)
    clock.sleep(15 * DAY)
    report = plans.run(sandboxes, plan)
    found = {file.file.path.name: file.state for file in report.files}
    assert found["2026-05.csv"] is FileState.CHANGED
    assert found["2026-03.csv"] is FileState.UNCHANGED
    assert found["2026-01.csv"] is FileState.CURRENT
    assert {file.action for file in report.changed} == {FileAction.REFRESH}
    assert plans.run(sandboxes, plan).accounts[0] == AccountUse(account="north")


def test_files_that_an_earlier_plan_has_made_are_named(blocking_plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    two = """
    [defaults]
    into = "data/{report}/{account}-{start:%Y-%m-%d}.csv"
    accounts = ["north"]
    from = "2026-05-20"
    [[report]]
    id = "agency_action_listing"
    [[report]]
    id = "4123"
    """
    assert blocking_plans.run(sandboxes, two).leftovers == ()
    shorter = two.replace("2026-05-20", "2026-05-25")
    old = [blocking_plans.folder / "data" / name / "north-2026-05-20.csv" for name in ("4123", "agency_action_listing")]
    assert blocking_plans.preview(sandboxes, shorter).leftovers == tuple(old)
    assert blocking_plans.run(sandboxes, shorter).leftovers == tuple(old)
    with sandboxes["north"].client() as jobs:
        plan = Plan.parse(shorter, folder=blocking_plans.folder)
        assert plan.select(reports=["4123"]).run(clients={"north": jobs}).leftovers == ()
        assert plan.select(accounts=["north"]).run(clients={"north": jobs}).leftovers == tuple(old)


def test_an_error_of_the_callers_function_ends_the_run(
    plans: Plans, sandboxes: dict[str, Sandbox], clock: VirtualClock
) -> None:
    failing = {1}

    def fail(*_: object) -> None:
        if failing:
            raise ConfigurationError(f"mine {failing.pop()}")  # unlike an account's own

    with pytest.raises(ConfigurationError, match="mine 1"):
        plans.run(sandboxes, SHORT, on_update=fail)
    assert plans.run(sandboxes, SHORT).is_complete
    clock.sleep(DAY)
    failing.add(2)
    with pytest.raises(ConfigurationError, match="mine 2"):  # when it is called with a job that is to be replayed
        plans.run(sandboxes, SHORT.replace("[[", 'refresh = "90d"\n[['), on_update=fail)


def test_an_interruption_ends_all_accounts_and_says_what_to_do(plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    interruption = KeyboardInterrupt if plans.mode == "blocking" else asyncio.CancelledError

    def interrupt(_: PlannedFile, news: object) -> None:
        if isinstance(news, DownloadResult):
            raise interruption

    with pytest.raises(interruption) as caught:
        plans.run(sandboxes, SHORT, on_update=interrupt)
    assert re.search(r"\d of 6 files were made.*: run the plan again to go on", "\n".join(caught.value.__notes__))
    assert plans.run(sandboxes, SHORT).is_complete
    assert {len(each.exports) for each in sandboxes.values()} == {2}


@pytest.mark.parametrize(
    "options", [{"timeout": -1}, {"timeout": "4h"}, {"polling": 5}, {"on_update": "print"}], ids=repr
)
def test_options_are_checked_before_anything_else(options: dict[str, Any], tmp_path: Path) -> None:
    plan = Plan.parse(PLAN, folder=tmp_path)
    (name,) = options
    with pytest.raises(ConfigurationError, match=f"^{name}="):
        plan.run(clients={}, **options)
    with pytest.raises(ConfigurationError, match=f"^{name}="):
        asyncio.run(plan.run_async(clients={}, **options))
