"""The operators that do a part of the way."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk.configuration import conf
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
from impact_jobs.sandbox import Sandbox

from tests.airflow.driving import MAY, REPORT, event_of, of, sent
from tests.airflow.operators.trying import KilledAt, failing, in_each_kind


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
