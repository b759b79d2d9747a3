"""The operators, over deferrals, retries and clears."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException
from impact_jobs import JobsClient
from impact_jobs.airflow import (
    ImpactDownloadOperator,
    ImpactExportOperator,
    ImpactJobTrigger,
    ImpactQuotaTrigger,
    ImpactReplayOperator,
    ImpactReportToStorageOperator,
    ImpactWaitOperator,
    _scheduling,
)
from impact_jobs.airflow._task_state import MemoryState
from impact_jobs.airflow.operators import _base, _files
from impact_jobs.airflow.trigger import spread_seconds
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.driving import MAY, REPORT, TaskRun, event_of, of, sent


@pytest.fixture(params=["agency"])
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(account=request.param, job_seconds=0.2, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


@pytest.fixture
def pull(sandbox: Sandbox, tmp_path: Path) -> TaskRun:
    """Give a task that brings May's report to a file."""
    del sandbox
    return of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"))


in_sandbox = pytest.mark.usefixtures("sandbox")
in_each_kind = pytest.mark.parametrize("sandbox", ["agency", "brand", "partner"], indirect=True)


def failing(run: TaskRun) -> str:
    """Run a try that a retry may follow, and return its message."""
    with pytest.raises(AirflowException) as caught:
        run.start()
    assert not isinstance(caught.value, AirflowFailException)
    return str(caught.value)


# The whole way


@in_each_kind
def test_a_report_arrives_by_one_deferral(pull: TaskRun, sandbox: Sandbox, tmp_path: Path) -> None:
    result = pull.start()
    content = (tmp_path / "may.csv").read_bytes()
    job = sandbox.job_ids[0]
    assert result == {
        "path": str(tmp_path / "may.csv"),
        "job_id": job,
        "report_id": REPORT,
        "start_date": "2026-05-01",
        "end_date": "2026-05-31",
        "rows": len(content.splitlines()) - 1 if b'"' not in content else result["rows"],
        "bytes": len(content),
        "sha256": sandbox.result(job).sha256,
        "unchanged": False,
    }
    (trigger, _), *others = pull.deferrals
    assert not others
    assert isinstance(trigger, ImpactJobTrigger)
    assert trigger.job_id == job
    uri = (tmp_path / "may.csv").as_uri()
    assert pull.asset_events == {uri: {key: value for key, value in result.items() if key != "path"} | {"uri": uri}}


def test_a_task_that_is_not_deferrable_waits_in_the_worker(sandbox: Sandbox, tmp_path: Path) -> None:
    run = of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"), deferrable=False)
    assert run.start()["job_id"] == sandbox.job_ids[0]
    assert not run.deferrals


@in_sandbox
def test_the_rendered_values_of_the_first_start_are_used(tmp_path: Path) -> None:
    days = iter(range(1, 9))
    run = of(
        ImpactReportToStorageOperator,
        report_id=REPORT,
        report_start="2026-05-0{{ next_day() }}",
        report_end="2026-05-31",
        path=str(tmp_path / "{{ task.report_start }}-{{ next_day() }}.csv"),
    )
    run.macros = {"next_day": lambda: next(days)}
    result = run.start()
    assert next(days) == 5, "rendered twice"
    assert result["start_date"] == "2026-05-01"
    assert [file.name for file in tmp_path.iterdir()] == [Path(result["path"]).name] == ["2026-05-01-2.csv"]
    assert run.operator is not None
    assert run.operator.path == result["path"], "for the rendered fields of the web interface"


def test_the_deadline_starts_after_the_submission(pull: TaskRun, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=503, delay=0.2, headers={"Retry-After": "0"})
    before = time.time()
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    assert trigger.deadline is not None
    assert trigger.deadline >= before + 0.2 + 30


def test_numbers_may_be_templates(sandbox: Sandbox, tmp_path: Path) -> None:
    run = of(
        ImpactReportToStorageOperator,
        **MAY,
        path=str(tmp_path / "may.csv"),
        timeout="{{ 60 }}",
        max_age="{{ 3600 }}",
        overwrite="{{ false }}",
        filters='{"Program": "{{ 10001 }}"}',
        advertiser_id="{{ none or '' }}",
    )
    assert run.start()["rows"] is not None
    assert "SUBAID=10001" in next(each.query for each in sandbox.requests if "/ReportExport/" in each.path)


@in_sandbox
def test_no_limit_of_the_wait_is_no_deadline() -> None:
    trigger = of(ImpactExportOperator, **MAY, timeout=None).defer()
    assert isinstance(trigger, ImpactJobTrigger)
    assert trigger.deadline is None


# Retries and clears


@pytest.mark.parametrize("has_store", [True, False])
@in_each_kind
def test_a_retry_after_a_failure_replays_the_job(pull: TaskRun, sandbox: Sandbox, *, has_store: bool) -> None:
    pull.state = pull.state if has_store else None
    sandbox.prepare_export(status="FAILED", message="Out of memory")
    assert "Out of memory" in failing(pull)
    assert pull.start()["job_id"] == sandbox.job_ids[-1]
    assert (sent(sandbox), sent(sandbox, "/Replay")) == (1 if has_store else 2, 1)


def test_a_retry_after_the_deadline_waits_for_the_same_job(pull: TaskRun, sandbox: Sandbox) -> None:
    sandbox.prepare_export(seconds=0.5)
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    trigger.deadline = time.time()
    with pytest.raises(AirflowException, match="deadline"):
        pull.resume(event_of(trigger))
    assert pull.start()["job_id"] == trigger.job_id
    assert len(sandbox.job_ids) == sent(sandbox) == 1


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_killed_task_finds_its_job_again(pull: TaskRun, sandbox: Sandbox, write: int) -> None:
    killed = KilledAt(write)
    pull.state = killed
    with pytest.raises(KeyboardInterrupt):
        pull.start()
    assert not pull.start()["unchanged"]
    assert len(sandbox.job_ids) == 1


@in_each_kind
def test_a_killed_task_without_a_store_finds_its_job_again(
    pull: TaskRun, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull.state = None

    export: Any = JobsClient.export_report

    def killed(client: JobsClient, *args: Any, **options: Any) -> None:
        export(client, *args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(JobsClient, "export_report", killed)
        with pytest.raises(KeyboardInterrupt):
            pull.start()
    assert pull.start()["job_id"] == sandbox.job_ids[0]
    assert len(sandbox.job_ids) == 1


class KilledAt(MemoryState):
    """A state whose process is killed right after one of its writes."""

    def __init__(self, write: int) -> None:
        super().__init__()
        self.left = write

    def set(self, key: str, value: Any) -> None:
        super().set(key, value)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_cleared_task_uses_its_job_and_its_file(pull: TaskRun, sandbox: Sandbox) -> None:
    first = pull.start()
    pull.clear()
    second = pull.start()
    assert second == {**first, "unchanged": True}
    assert len(sandbox.job_ids) == sent(sandbox) == 1
    assert pull.asset_events, "the file is announced again"


def test_a_cleared_task_without_a_store_recognises_its_file(pull: TaskRun, sandbox: Sandbox) -> None:
    pull.state = None
    first = pull.start()
    pull.clear()
    assert pull.start() == first
    assert len(sandbox.job_ids) == 1


@pytest.mark.parametrize("lost", [["impact_jobs"], ["impact_jobs", "impact_jobs_file"]])
def test_a_cleared_task_whose_state_has_expired_recognises_its_file(
    pull: TaskRun, sandbox: Sandbox, lost: list[str]
) -> None:
    first = pull.start()
    pull.clear()
    assert pull.state is not None
    for key in lost:
        pull.state.delete(key)
    assert pull.start() == {**first, "unchanged": len(lost) == 1}
    assert len(sandbox.job_ids) == 1


@in_sandbox
def test_a_task_that_is_not_durable_leaves_the_store_alone(tmp_path: Path) -> None:
    run = of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / "may.csv"), durable=False)
    run.start()
    assert run.state == MemoryState()


@in_sandbox
def test_two_tasks_of_one_report_share_its_job(tmp_path: Path) -> None:
    runs = [of(ImpactReportToStorageOperator, **MAY, path=str(tmp_path / name)) for name in ("1.csv", "2.csv")]
    first, second = [run.start() for run in runs]
    assert first["job_id"] == second["job_id"]
    assert first["sha256"] == second["sha256"]


@in_each_kind
def test_a_result_that_is_gone_is_made_once_more(pull: TaskRun, sandbox: Sandbox) -> None:
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    event = event_of(trigger)
    sandbox.answer_next("GET", f"/{trigger.job_id}/Download", status=404)
    assert pull.finish(event)["job_id"] == sandbox.job_ids[-1]
    assert sent(sandbox, "/Replay") == 1


def test_a_result_that_is_gone_again_ends_the_try(pull: TaskRun, sandbox: Sandbox) -> None:
    trigger = pull.defer()
    event = event_of(trigger)
    sandbox.answer_next("GET", re.compile("/Download"), status=404, times=8)
    with pytest.raises(AirflowException) as caught:
        pull.finish(event)
    assert not isinstance(caught.value, AirflowFailException), "the next try exports anew"
    assert sent(sandbox, "/Replay") == 1


@in_sandbox
def test_a_job_that_vanishes_while_it_is_waited_for_is_exported_anew(pull: TaskRun) -> None:
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    event = {"job_id": trigger.job_id, "outcome": "error", "message": "gone", "is_final": True}
    with pytest.raises(AirflowException) as caught:
        pull.resume(event | {"error": "JobNotFoundError"})
    assert not isinstance(caught.value, AirflowFailException)
    with pytest.raises(AirflowFailException):
        pull.resume(event | {"error": "AuthenticationError"})


def test_a_connection_that_cannot_be_read_after_a_deferral_may_be_so_for_a_moment(
    pull: TaskRun, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = event_of(pull.defer())
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_CONN_IMPACT_TEST")
        with pytest.raises(AirflowException, match="is not defined") as caught:
            pull.resume(event)
    assert not isinstance(caught.value, AirflowFailException)
    assert pull.start()["job_id"] == sandbox.job_ids[0]


def test_a_late_result_holds_no_worker(pull: TaskRun, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "_LATE_SECONDS", 0.0)
    monkeypatch.setattr(_base, "_LONGEST_PAUSE", 0.01)
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    body = f'{{"Id": "{trigger.job_id}", "Status": "COMPLETED"}}'
    sandbox.answer_next("GET", "/Download", status=202, body=body, times=8)
    before = time.time()
    pull.resume(event_of(trigger))
    pause, kept = pull.deferrals[-1]
    assert isinstance(pause, ImpactQuotaTrigger)
    assert before + 30 <= pause.moment <= time.time() + 30
    assert kept["kept"]["late_since"] >= before
    assert pull.finish({"outcome": "quota"})["job_id"] == trigger.job_id
    assert pull.try_number == 1
    assert len(pull.deferrals) == 3


def test_a_result_that_stays_away_ends_the_try(
    pull: TaskRun, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_files, "_LATE_SECONDS", 0.0)
    monkeypatch.setattr(_base, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(_base, "LATEST_SECONDS", 0.0)
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    event, body = event_of(trigger), f'{{"Id": "{trigger.job_id}", "Status": "COMPLETED"}}'
    sandbox.answer_next("GET", "/Download", status=202, body=body, times=4)
    with pytest.raises(AirflowException, match="has no result yet") as caught:
        pull.resume(event)
    assert not isinstance(caught.value, AirflowFailException)
    assert pull.start()["job_id"] == trigger.job_id


# The budget


@pytest.mark.parametrize("limit", ["hour", "day"])
def test_a_used_up_budget_is_waited_for_in_the_triggerer(pull: TaskRun, sandbox: Sandbox, limit: str) -> None:
    message = "Too many requests" if limit == "hour" else "The limit of 100 report exports a day is reached."
    body = f'{{"Status": "ERROR", "Message": "{message}"}}'
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=429, headers={"Retry-After": "1800"}, body=body)
    before = time.time()
    trigger = pull.defer()
    assert isinstance(trigger, ImpactQuotaTrigger)
    assert 1790 <= trigger.moment - before <= 1900
    assert trigger.seed, "so that not all tasks go on in the same second"
    assert pull.finish({"outcome": "quota"})["job_id"] == sandbox.job_ids[0]
    assert pull.try_number == 1


def test_a_budget_that_is_used_up_at_the_download_is_waited_for(pull: TaskRun, sandbox: Sandbox) -> None:
    trigger = pull.defer()
    assert isinstance(trigger, ImpactJobTrigger)
    event = event_of(trigger)
    refusal: dict[str, Any] = {"status": 429, "headers": {"Retry-After": "1800"}}
    sandbox.answer_next("GET", f"/{trigger.job_id}/Download", **refusal)
    pull.resume(event)
    assert isinstance(pull.deferrals[-1][0], ImpactQuotaTrigger)
    assert sent(sandbox, "/Download") == 1, "to ask again would only hold the slot"
    assert pull.finish({"outcome": "quota"})["job_id"] == trigger.job_id
    assert sent(sandbox) == 1


def test_a_task_that_is_not_deferrable_is_rescheduled(sandbox: Sandbox) -> None:
    run = of(ImpactExportOperator, **MAY, deferrable=False)
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=429, headers={"Retry-After": "1800"})
    with pytest.raises(AirflowRescheduleException) as caught:
        run.start()
    wait = caught.value.reschedule_date - datetime.now(UTC)
    assert timedelta(seconds=1700) < wait < timedelta(seconds=1900 + 180)


def test_a_refusal_without_a_pause_is_not_followed_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_base, "token_hex", lambda _: "a seed")
    for deferrable in (True, False):
        run = of(ImpactExportOperator, **MAY, deferrable=deferrable)
        sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=429, headers={"Retry-After": "0"}, times=10)
        before = time.time()
        if deferrable:
            trigger = run.defer()
            assert isinstance(trigger, ImpactQuotaTrigger)
            assert trigger.moment >= before + 30
        else:
            with pytest.raises(AirflowRescheduleException) as caught:
                run.start()
            assert caught.value.reschedule_date.timestamp() >= before + 30 + spread_seconds("a seed") > before + 30


# The other operators


@in_each_kind
def test_export_wait_and_download_hand_on_the_id(sandbox: Sandbox, tmp_path: Path) -> None:
    job = of(ImpactExportOperator, **MAY, wait_for_completion=False).start()
    assert job == sandbox.job_ids[0]
    wait = of(ImpactWaitOperator, job=job)
    assert wait.start() == job
    assert len(wait.deferrals) == 1
    download = of(ImpactDownloadOperator, job=job, path=str(tmp_path / "may.csv"))
    result = download.start()
    assert (result["job_id"], result["sha256"]) == (job, sandbox.result(job).sha256)
    assert list(download.asset_events) == [(tmp_path / "may.csv").as_uri()]
    assert of(ImpactExportOperator, **MAY).start() == job
    assert len(sandbox.job_ids) == 1


@pytest.mark.parametrize("has_store", [True, False])
@pytest.mark.parametrize("sandbox", ["brand", "partner"], indirect=True)
def test_a_replay_that_was_taken_for_its_earlier_run_is_waited_for_in_one_deferral(
    sandbox: Sandbox, *, has_store: bool
) -> None:
    source = sandbox.add_job(age=60, seconds=2.0)
    run = of(ImpactReplayOperator, job=source)
    run.state = run.state if has_store else None
    run.defer()
    with sandbox.client() as jobs:
        while jobs.get(source).status != "RUNNING":
            pass
    run.resume({"job_id": source, "outcome": "completed", "message": "", "is_final": False, "error": None})
    assert [type(trigger) for trigger, _ in run.deferrals] == [ImpactJobTrigger, ImpactJobTrigger]
    assert run.finish(event_of(run.deferrals[-1][0])) == source
    assert sent(sandbox, "/Replay") == 1


@pytest.mark.parametrize("sandbox", ["brand", "partner"], indirect=True)
def test_a_replay_that_stays_queued_is_waited_for_until_the_first_deadline(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sandbox.add_job(age=120, seconds=60.0)
    run = of(ImpactReplayOperator, job=source)
    first = run.defer()
    assert isinstance(first, ImpactJobTrigger)
    run.resume({"job_id": source, "outcome": "completed", "message": "", "is_final": False, "error": None})
    assert isinstance(run.deferrals[-1][0], ImpactQuotaTrigger), "the server may still show the earlier run"
    monkeypatch.setattr(_scheduling, "_SETTLING_SECONDS", 0.0)
    run.resume({"outcome": "quota"})
    second = run.deferrals[-1][0]
    assert isinstance(second, ImpactJobTrigger)
    assert second.deadline == first.deadline


def test_a_lost_replay_is_looked_for_once_the_list_shows_it(sandbox: Sandbox) -> None:
    source = sandbox.add_job(age=60)
    run = of(ImpactReplayOperator, job=source)
    run.state = KilledAt(1)
    before = time.time()
    with pytest.raises(KeyboardInterrupt):
        run.start()
    trigger = run.defer()
    assert isinstance(trigger, ImpactQuotaTrigger)
    assert before + 60 <= trigger.moment <= time.time() + 60
    assert not sent(sandbox, "/Replay")


@in_each_kind
def test_a_replay_returns_the_new_job_once(sandbox: Sandbox) -> None:
    source = sandbox.add_job(age=60)
    run = of(ImpactReplayOperator, job=source)
    first = run.start()
    assert (first == source) == (sandbox.account != "agency")
    run.clear()
    assert run.start() == first
    assert sent(sandbox, "/Replay") == 1
    assert of(ImpactReplayOperator, job=source, wait_for_completion=False).start() in sandbox.job_ids


def test_a_download_waits_for_its_job(sandbox: Sandbox, tmp_path: Path) -> None:
    job = sandbox.add_job(age=0, seconds=0.5)
    run = of(ImpactDownloadOperator, job=job, path=str(tmp_path / "may.csv"))
    assert run.start()["job_id"] == job
    assert len(run.deferrals) == 1


@in_each_kind
def test_a_job_that_failed_ends_the_try_only(sandbox: Sandbox) -> None:
    job = sandbox.add_job(status="FAILED")
    assert job in failing(of(ImpactWaitOperator, job=job))
    assert job in failing(of(ImpactWaitOperator, job=job, deferrable=False))


def test_default_arguments_of_the_dag_reach_the_operators(tmp_path: Path) -> None:
    shared = {"impact_conn_id": "another", "durable": False, "deferrable": True, "wait_for_completion": False}
    operator = ImpactReportToStorageOperator(task_id="a", **MAY, path=str(tmp_path / "a.csv"), default_args=shared)
    assert (operator.impact_conn_id, operator.durable, operator.deferrable) == ("another", False, True)
    assert operator.wait_for_completion, "a file cannot be written earlier"
    assert ImpactWaitOperator(task_id="c", job="").deferrable is conf.getboolean("operators", "default_deferrable")
    dated = ImpactExportOperator(
        task_id="b", report_id=REPORT, default_args={"start_date": datetime(2026, 1, 1, tzinfo=UTC)}
    )
    assert dated.report_start is None, "the day on which the DAG starts is not the report's"
