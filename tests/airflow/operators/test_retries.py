"""Retries and clears of a task, and results that are gone or late."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from impact_jobs import JobsClient
from impact_jobs.airflow import ImpactJobTrigger, ImpactQuotaTrigger, ImpactReportToStorageOperator
from impact_jobs.airflow._task_state import MemoryState
from impact_jobs.airflow.operators import _base
from impact_jobs.sandbox import Sandbox

from tests.airflow.driving import MAY, TaskRun, event_of, of, sent
from tests.airflow.operators.trying import KilledAt, failing, in_each_kind, in_sandbox


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
    monkeypatch.setattr(_base, "_LATE_SECONDS", 0.0)
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
    monkeypatch.setattr(_base, "_LATE_SECONDS", 0.0)
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
