"""A report's whole way to a file, by one task."""

from __future__ import annotations

import time
from pathlib import Path

from impact_jobs.airflow import ImpactExportOperator, ImpactJobTrigger, ImpactReportToStorageOperator
from impact_jobs.sandbox import Sandbox

from tests.airflow.driving import MAY, REPORT, TaskRun, of
from tests.airflow.operators.trying import in_each_kind, in_sandbox


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
