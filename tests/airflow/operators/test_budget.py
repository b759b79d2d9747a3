"""A task whose account has no requests or exports left."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRescheduleException
from impact_jobs.airflow import ImpactExportOperator, ImpactJobTrigger, ImpactQuotaTrigger
from impact_jobs.airflow.operators import _base
from impact_jobs.airflow.trigger import spread_seconds
from impact_jobs.sandbox import Sandbox

from tests.airflow.driving import MAY, REPORT, TaskRun, event_of, of, sent


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
