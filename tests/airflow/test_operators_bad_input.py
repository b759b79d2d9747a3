"""Bad input is one clear line in the task's log, without a secret, and no retry if none can help."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from impact_jobs.airflow import (
    ImpactDownloadOperator,
    ImpactExportOperator,
    ImpactReplayOperator,
    ImpactReportToStorageOperator,
    ImpactWaitOperator,
)
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.driving import MAY, TaskRun, of, sent

NO_JOB = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0.2, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


def refusal(run: TaskRun, sandbox: Sandbox) -> str:
    """Return the message of the exception that ends the task, which is one line without the token."""
    with pytest.raises(AirflowFailException) as caught:
        run.start()
    message = str(caught.value)
    assert "\n" not in message
    assert sandbox.auth_token not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return message


def pull(tmp_path: Path, **changes: Any) -> TaskRun:
    return of(ImpactReportToStorageOperator, **{**MAY, "path": str(tmp_path / "may.csv"), **changes})


def test_an_unknown_connection(sandbox: Sandbox, tmp_path: Path) -> None:
    message = refusal(pull(tmp_path, impact_conn_id="impact_tset"), sandbox)
    assert "connection 'impact_tset' is not defined: create it" in message


def test_an_expired_token(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, connection_to(sandbox, password="expired"))
    message = refusal(pull(tmp_path), sandbox)
    assert "report 'agency_action_listing' of connection 'impact_test'" in message
    assert "401" in message


def test_a_report_id_with_a_typo(sandbox: Sandbox, tmp_path: Path) -> None:
    message = refusal(pull(tmp_path, report_id="agency_action_listin"), sandbox)
    assert "Did you mean 'agency_action_listing'" in message


def test_a_target_that_exists(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "may.csv").write_text("precious")
    for run in (pull(tmp_path), of(ImpactDownloadOperator, job=NO_JOB, path=str(tmp_path / "may.csv"))):
        message = refusal(run, sandbox)
        assert "may.csv exists, and this task has not written it: pass overwrite=True" in message
    assert not sandbox.requests
    assert (tmp_path / "may.csv").read_text() == "precious"


def test_a_missing_extra(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    message = refusal(pull(tmp_path, path="s3://reports/may.csv"), sandbox)
    assert "s3fs" in message
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"path": "s3://reports/"}, "path='s3://reports/'"),
        ({"path": "nostore://reports/may.csv"}, "nostore"),
        ({"path": ""}, "path=''"),
        ({"report_id": ""}, "report_id=''"),
        ({"report_start": "yesterday"}, "report_start='yesterday' is not a date"),
        ({"report_start": "2026-06-01"}, "report_start (2026-06-01) is later than report_end"),
        ({"result_format": "XLSX"}, "result_format='XLSX'"),
        ({"max_age": "a day"}, "max_age='a day'"),
        ({"timeout": "-1"}, "timeout='-1'"),
        ({"polling": {"min": 5}}, "polling={'min': 5}"),
        ({"overwrite": "perhaps"}, "overwrite='perhaps'"),
        ({"filters": {"Programme": "1"}}, "Program"),
        ({"advertiser_id": "IRabc"}, "IRabc"),
    ],
)
def test_a_wrong_argument(sandbox: Sandbox, tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    assert named in refusal(pull(tmp_path, **changes), sandbox)
    assert not sent(sandbox)


@pytest.mark.parametrize("operator", [ImpactWaitOperator, ImpactReplayOperator])
def test_a_job_that_does_not_exist(sandbox: Sandbox, operator: Any) -> None:
    assert NO_JOB in refusal(of(operator, job=NO_JOB), sandbox)
    assert "'report-7' does not name a job" in refusal(of(operator, job="report-7"), sandbox)


def test_a_token_that_may_only_read(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, connection_to(sandbox, password=sandbox.read_only_token))
    assert "403" in refusal(of(ImpactExportOperator, **MAY), sandbox)


def test_what_is_kept_over_a_deferral_has_no_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    run = pull(tmp_path, filters={"Program": "10001"})
    trigger = run.defer()
    kept = json.dumps([trigger.serialize(), run.deferrals[-1][1], run.state and run.state.get("impact_jobs")])
    for secret in (sandbox.auth_token, sandbox.account_sid, sandbox.base_url):
        assert secret not in kept
    assert {"impact_conn_id", "job_id", "deadline", "polling", "advertiser_id"} == set(trigger.serialize()[1])
