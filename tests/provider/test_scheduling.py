"""A task's job is scheduled once, over retries, clears and changes of its arguments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import Job, JobFailedError, JobNotFoundError, NotReplayableError, RateLimitError, ReplayUncertainError
from impact_jobs.airflow._scheduling import JOB_KEY, rerun
from impact_jobs.airflow._task_state import Memory
from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.provider.scheduling import REQUEST, FragileState, Task

HOUR = 3600.0
in_each_kind = pytest.mark.parametrize("sandbox", ["agency", "brand", "partner"], indirect=True)
in_place = pytest.mark.parametrize("sandbox", ["brand", "partner"], indirect=True)


def sent(sandbox: Sandbox, part: str = "/ReportExport/") -> int:
    return sum(part in request.path for request in sandbox.requests)


@in_each_kind
def test_a_retry_uses_the_job_of_an_earlier_try(task: Task, sandbox: Sandbox) -> None:
    assert task.export() == task.export() == sandbox.job_ids[0]
    assert sent(sandbox) == 1


def test_a_first_start_sends_one_request(task: Task, sandbox: Sandbox) -> None:
    sandbox.prepare_export(seconds=60)
    task.export()
    assert len(sandbox.requests) == 1


def test_a_clear_uses_the_job_however_old(task: Task, sandbox: Sandbox, clock: ImpactClock) -> None:
    first = task.export()
    clock.advance(24 * HOUR)
    assert task.export(clears=3) == first
    assert len(sandbox.job_ids) == 1


def test_a_clear_replays_what_is_older_than_max_age(task: Task, sandbox: Sandbox, clock: ImpactClock) -> None:
    task.options["max_age"] = timedelta(hours=6)
    first = task.export()
    clock.advance(5 * HOUR)
    assert task.export(clears=3) == first
    clock.advance(2 * HOUR)
    second = task.export(clears=6)
    assert second != first
    assert task.export(clears=6) == second
    assert len(sandbox.job_ids) == 2
    assert sent(sandbox) == 1


@in_each_kind
@pytest.mark.parametrize("wait", [0.0, 10 * HOUR])
def test_a_retry_does_not_replay_what_the_task_has_made_itself(
    task: Task, sandbox: Sandbox, clock: ImpactClock, wait: float
) -> None:
    task.options["max_age"] = timedelta(0)
    first = task.export()
    clock.advance(wait)
    assert task.export() == first
    assert sent(sandbox, "/Replay") == 0


def test_the_result_of_an_equal_export_is_used_if_it_is_new_enough(
    task: Task, sandbox: Sandbox, clock: ImpactClock
) -> None:
    other = Task(sandbox=sandbox)
    first = other.export()
    clock.advance(HOUR)
    assert task.export(max_age=timedelta(hours=2)) == first
    assert Task(sandbox=sandbox).export(max_age=timedelta(minutes=30)) != first


def test_a_result_that_is_too_old_and_cannot_be_replayed_is_used(
    task: Task, sandbox: Sandbox, clock: ImpactClock, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.prepare_export(replayable=False)
    first = Task(sandbox=sandbox).export()
    clock.advance(HOUR)
    assert task.export(max_age=timedelta(0)) == first
    assert "older than asked" in caplog.text


@pytest.mark.parametrize("is_new", [True, False])
def test_a_job_that_is_known_takes_no_export(task: Task, sandbox: Sandbox, *, is_new: bool) -> None:
    known = Task(sandbox=sandbox).export()
    with task.scheduler(is_new=lambda *_: is_new) as scheduler:
        found = scheduler.export(REQUEST, known=known).id
    assert (found == known) == is_new
    assert (sent(sandbox), sent(sandbox, "/Replay")) == (1, 0 if is_new else 1)


def test_a_known_job_that_is_gone_is_exported(task: Task, sandbox: Sandbox) -> None:
    with task.scheduler() as scheduler:
        assert scheduler.export(REQUEST, known="00000000-0000-4000-8000-000000000000").id == sandbox.job_ids[0]


def test_a_job_is_as_new_as_the_tasks_first_start_demands(task: Task, clock: ImpactClock) -> None:
    started, asked = clock.now(), list[datetime]()

    def is_new(_: Job, since: datetime) -> bool:
        asked.append(since)
        return True

    for _ in range(2):
        task.export(is_new=is_new)
        clock.advance(HOUR)
    assert [(moment - started).total_seconds() < 60 for moment in asked] == [True, True]


@in_each_kind
@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_retry_replays_a_job_that_has_failed(task: Task, sandbox: Sandbox, status: str) -> None:
    sandbox.prepare_export(status=status, seconds=5)
    first = task.export()
    with sandbox.client() as jobs, pytest.raises(JobFailedError):
        jobs.wait(first)
    second = task.export()
    assert (second == first) == (sandbox.account != "agency")
    assert task.export() == second
    assert (sent(sandbox), sent(sandbox, "/Replay")) == (1, 1)


def test_a_failed_job_that_cannot_be_replayed_is_exported_anew(task: Task, sandbox: Sandbox) -> None:
    sandbox.prepare_export(status="FAILED", replayable=False, seconds=5, message="Out of memory")
    first = task.export()
    with sandbox.client() as jobs, pytest.raises(JobFailedError):
        jobs.wait(first)
    with pytest.raises(JobFailedError, match=f"{first}.*Out of memory"):
        task.export()
    assert (sent(sandbox), sent(sandbox, "/Replay")) == (2, 0)


@in_place
def test_a_job_that_the_server_runs_again_is_waited_for(task: Task, sandbox: Sandbox, clock: ImpactClock) -> None:
    sandbox.prepare_export(status="ERROR", recovers_after=900, seconds=5)
    first = task.export()
    clock.advance(60)
    assert task.export() == first
    assert sent(sandbox, "/Replay") == 0


def test_a_job_in_error_that_stays_so_is_replayed(task: Task, sandbox: Sandbox, clock: ImpactClock) -> None:
    sandbox.prepare_export(status="ERROR", seconds=5)
    first = task.export()
    clock.advance(60)
    assert task.export() != first


def test_a_job_that_is_gone_is_exported_anew(task: Task, sandbox: Sandbox, clock: ImpactClock) -> None:
    first = task.export()
    clock.advance(HOUR)
    sandbox.answer_next("GET", f"/Jobs/{first}", status=404, body='{"Status": "ERROR", "Message": "Not found"}')
    assert task.export() == first
    assert sent(sandbox) == 2


@pytest.mark.parametrize(
    "changes", [{"start": "2026-05-02"}, {"report_id": "agency_performance_by_day"}, {"filters": {"Program": "10001"}}]
)
def test_the_job_of_other_arguments_is_not_used(task: Task, sandbox: Sandbox, changes: dict[str, Any]) -> None:
    with sandbox.client() as jobs:
        others = [report.id for report in jobs.reports() if report.is_exportable and report.id != REQUEST.report_id]
    if "report_id" in changes:
        changes = {"report_id": others[0]}
    first = task.export()
    second = task.export(evolve(REQUEST, **changes))
    assert first != second
    assert len(sandbox.job_ids) == 2


def test_the_job_of_another_account_is_not_used(task: Task, sandbox: Sandbox) -> None:
    task.export(scope="one/")
    task.export(scope="two/")
    assert sent(sandbox) == 2


@pytest.mark.parametrize("value", [{}, {"job": 1}, {"request": "other", "unknown": 1}])
def test_a_state_of_another_version_is_not_used(task: Task, value: dict[str, Any]) -> None:
    task.state.inner.set(JOB_KEY, value)
    assert task.export()


def test_two_tasks_of_equal_exports_share_a_job(sandbox: Sandbox) -> None:
    first, second = Task(sandbox=sandbox), Task(sandbox=sandbox)
    assert first.export() == second.export()


def test_a_used_up_budget_leaves_the_state_as_it_was(task: Task, sandbox: Sandbox) -> None:
    sandbox.prepare_export(status="FAILED", seconds=5)
    first = task.export()
    with sandbox.client() as jobs, pytest.raises(JobFailedError):
        jobs.wait(first)
    before = task.state.get(JOB_KEY)
    sandbox.answer_next("PUT", "/Replay", status=429, headers={"Retry-After": "1800"})
    with pytest.raises(RateLimitError):
        task.export()
    assert task.state.get(JOB_KEY) == before
    task.export()
    assert len(sandbox.job_ids) == 2


# A result that is gone


@in_each_kind
def test_a_result_that_is_gone_is_made_by_a_replay(task: Task, sandbox: Sandbox) -> None:
    first = task.export()
    with task.scheduler() as scheduler:
        new = scheduler.export_again(REQUEST, first)
    assert new is not None
    assert sent(sandbox, "/Replay") == 1
    assert task.export() == new.id


def test_a_result_that_is_gone_for_good_is_said_to_be(task: Task, sandbox: Sandbox) -> None:
    sandbox.prepare_export(replayable=False)
    first = task.export()
    with task.scheduler() as scheduler:
        assert scheduler.export_again(REQUEST, first) is None
    sandbox.answer_next("GET", f"/Jobs/{first}", status=404)
    with task.scheduler() as scheduler:
        assert scheduler.export_again(REQUEST, first) is None


# Replays


@in_each_kind
def test_a_task_replays_once(task: Task, sandbox: Sandbox) -> None:
    source = sandbox.add_job()
    first = task.replay(source)
    assert task.replay(source.upper()) == task.replay(source, clears=3) == first
    assert sent(sandbox, "/Replay") == 1


def test_a_new_job_that_the_server_does_not_show_yet_is_not_replayed_again(task: Task, sandbox: Sandbox) -> None:
    source = sandbox.add_job()
    first = task.replay(source)
    sandbox.answer_next("GET", f"/Jobs/{first}", status=404)
    assert task.replay(source) == first
    assert sent(sandbox, "/Replay") == 1


def test_a_cleared_replay_runs_again_if_its_result_is_too_old(task: Task, sandbox: Sandbox, clock: ImpactClock) -> None:
    task.options["max_age"] = timedelta(hours=1)
    source = sandbox.add_job()
    first = task.replay(source)
    clock.advance(2 * HOUR)
    assert task.replay(source, clears=3) not in (first, source)


def test_a_replay_that_failed_is_replayed(task: Task, sandbox: Sandbox) -> None:
    source = sandbox.add_job()
    first = task.replay(source)
    failed = sandbox.add_job(status="FAILED")
    note = task.state.get(JOB_KEY)
    task.state.inner.set(JOB_KEY, {**note, "job": failed})
    assert task.replay(source) not in (first, failed, source)


@pytest.mark.parametrize(
    ("status", "error"), [("RUNNING", NotReplayableError), ("", JobNotFoundError)], ids=["active", "unknown"]
)
def test_what_cannot_be_replayed_is_said(task: Task, sandbox: Sandbox, status: str, error: type[Exception]) -> None:
    source = sandbox.add_job(status=status) if status else "00000000-0000-4000-8000-000000000000"
    with pytest.raises(error):
        task.replay(source)
    assert task.state.get(JOB_KEY) is None


def test_a_lost_replay_among_others_is_left_to_a_person(task: Task, sandbox: Sandbox) -> None:
    source = sandbox.add_job()
    sandbox.answer_next("PUT", "/Replay", status=None)
    with pytest.raises(ReplayUncertainError):
        task.replay(source)
    for _ in range(2):
        sandbox.add_job()
    with pytest.raises(ReplayUncertainError):
        task.replay(source)
    assert sent(sandbox, "/Replay") == 1
    assert task.replay(source, clears=3) not in sandbox.job_ids[:3], "the clear is the person's decision"
    assert sent(sandbox, "/Replay") == 2


@in_place
def test_the_run_before_a_replay_in_place_is_not_taken_for_the_new_one(
    task: Task, sandbox: Sandbox, clock: ImpactClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sandbox.add_job(age=HOUR)
    with sandbox.client() as jobs:
        earlier = jobs.get(source)
    task.replay(source)
    memory = Memory(task.state, JOB_KEY)
    with sandbox.client() as jobs:
        stale = jobs.get(source)
        assert rerun(jobs, memory, source) == (stale, True)
        monkeypatch.setattr(jobs, "get", lambda _job: earlier)
        shown = rerun(jobs, memory, source)
        assert shown is not None
        assert shown[0].status == "QUEUED"
        clock.advance(HOUR)
        assert rerun(jobs, memory, source) == (earlier, False), "dates that stay equal do not hold a task up for ever"


def test_only_a_replay_in_place_is_looked_at_again(task: Task, sandbox: Sandbox) -> None:
    source = sandbox.add_job()
    with sandbox.client() as jobs:
        assert rerun(jobs, Memory(FragileState(), JOB_KEY), source) is None
        task.replay(source)
        sandbox.forget_requests()
        assert rerun(jobs, Memory(task.state, JOB_KEY), source) is None
    assert not sandbox.requests


# Without a task state store, each try has an empty state


def test_without_a_store_an_equal_export_finds_the_job(sandbox: Sandbox) -> None:
    assert Task(sandbox=sandbox).export() == Task(sandbox=sandbox).export()
    assert len(sandbox.job_ids) == 1


@in_each_kind
def test_without_a_store_a_failed_job_is_replayed_at_once(sandbox: Sandbox, clock: ImpactClock) -> None:
    sandbox.prepare_export(status="FAILED", seconds=1)
    first = Task(sandbox=sandbox).export()
    clock.advance(2)
    before = clock.elapsed
    assert (Task(sandbox=sandbox).export() == first) == (sandbox.account != "agency")
    assert sent(sandbox, "/Replay") == 1
    assert clock.elapsed == before, "nothing is waited for in the worker"


def test_without_a_store_a_job_of_another_export_is_not_taken_for_a_replay(
    sandbox: Sandbox, clock: ImpactClock
) -> None:
    sandbox.prepare_export(status="FAILED", seconds=1)
    first = Task(sandbox=sandbox).export()
    clock.advance(3)
    other = Task(sandbox=sandbox).export(evolve(REQUEST, start="2026-04-01", end="2026-04-30"))
    clock.advance(300)
    assert Task(sandbox=sandbox).export() not in (first, other)
