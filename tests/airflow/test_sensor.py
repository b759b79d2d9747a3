from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.bases.sensor import PokeReturnValue
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferralTimeout,
    TaskDeferred,
)
from impact_jobs.airflow import ImpactJobSensor, ImpactJobTrigger
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import CONN_ID, connection_to, set_connection

NO_JOB = "00000000-0000-4000-8000-000000000000"
CONTEXT: Any = {}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0.0, hourly_budget=None) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


def sensor(job: str, **options: Any) -> ImpactJobSensor:
    arguments: dict[str, Any] = {"impact_conn_id": CONN_ID, "poke_interval": 0.01} | options
    return ImpactJobSensor(task_id="wait", job=job, **arguments)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_has_completed_needs_one_request_and_is_returned(deferrable: bool, sandbox: Sandbox) -> None:  # noqa: FBT001 - a parameter of the test
    job_id = sandbox.add_job()

    assert sensor(job_id, deferrable=deferrable).execute(CONTEXT) == job_id
    assert [(request.method, request.path.split("/")[-1]) for request in sandbox.requests] == [("GET", job_id)]


def test_a_job_may_be_named_by_its_path(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()

    assert sensor(f"/Agencies/{sandbox.account_sid}/Jobs/{job_id}").execute(CONTEXT) == job_id


def test_a_poke_of_a_running_job_is_one_request_and_not_done(sandbox: Sandbox) -> None:
    result = sensor(sandbox.add_job(status="RUNNING")).poke(CONTEXT)

    assert isinstance(result, PokeReturnValue)
    assert not result.is_done
    assert len(sandbox.requests) == 1


def test_a_poke_without_an_answer_is_not_done(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", f"/Jobs/{job_id}", status=503)

    assert not sensor(job_id).poke(CONTEXT).is_done
    assert sensor(job_id).poke(CONTEXT).is_done


def test_the_sensor_pokes_until_its_timeout(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSensorTimeout):
        sensor(sandbox.add_job(status="RUNNING"), timeout=0.05).execute(CONTEXT)


def test_in_reschedule_mode_it_leaves_the_worker(sandbox: Sandbox) -> None:
    class TaskInstance:
        def get_first_reschedule_date(self, _: object) -> None:
            return None

    context: Any = {"ti": TaskInstance()}

    with pytest.raises(AirflowRescheduleException):
        sensor(sandbox.add_job(status="RUNNING"), mode="reschedule").execute(context)


def test_a_deferrable_sensor_passes_its_timeout_on_as_an_absolute_deadline(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impact_jobs.airflow.sensor.epoch_seconds", lambda: 1780282800.0)
    job_id = sandbox.add_job(status="RUNNING", advertiser=2747168)
    path = f"/Agencies/{sandbox.account_sid}/Advertisers/2747168/Jobs/{job_id}"

    with pytest.raises(TaskDeferred) as caught:
        sensor(path, deferrable=True, timeout=600, polling={"minimum": 5.0}, advertiser_id=2747168).execute(CONTEXT)

    deferred = caught.value
    assert isinstance(deferred.trigger, ImpactJobTrigger)
    assert deferred.trigger.serialize()[1] == {
        "impact_conn_id": CONN_ID,
        "job_id": job_id,
        "deadline": 1780283400.0,
        "polling": {"minimum": 5.0},
        "advertiser_id": "2747168",
    }
    assert (deferred.method_name, deferred.timeout) == ("execute_complete", timedelta(seconds=900))


def test_airflows_setting_is_the_default_of_deferrable(sandbox: Sandbox) -> None:
    assert sensor(sandbox.add_job()).deferrable is False
    assert {"job", "impact_conn_id", "advertiser_id"} <= set(ImpactJobSensor.template_fields)


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "ERROR"])
def test_a_job_that_failed_fails_the_task_at_once_and_for_good(
    status: str,
    deferrable: bool,  # noqa: FBT001 - a parameter of the test
    sandbox: Sandbox,
) -> None:
    job_id = sandbox.add_job(status=status, message="Too many\nrecords.")

    with pytest.raises(AirflowFailException, match=rf"^job {job_id} ended as {status}: Too many records\.[^\n]*$"):
        sensor(job_id, deferrable=deferrable).execute(CONTEXT)


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
def test_a_job_that_failed_skips_the_task_if_it_shall(
    option: str,
    deferrable: bool,  # noqa: FBT001 - a parameter of the test
    sandbox: Sandbox,
) -> None:
    options: dict[str, Any] = {option: True, "deferrable": deferrable}

    with pytest.raises(AirflowSkipException):
        sensor(sandbox.add_job(status="FAILED"), **options).execute(CONTEXT)


def test_a_job_in_error_that_the_server_runs_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(account="brand", job_seconds=0.0) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))

        assert not sensor(sandbox.add_job(status="ERROR", recovers_after=3600.0)).poke(CONTEXT).is_done


@pytest.mark.parametrize(
    ("job", "options", "message"),
    [
        (NO_JOB, {}, f"^connection '{CONN_ID}': .*HTTP 404"),
        ("report-7", {}, f"^connection '{CONN_ID}': 'report-7' does not name a job"),
        (NO_JOB, {"impact_conn_id": "impact_tset"}, "^connection 'impact_tset' is not defined"),
    ],
)
def test_what_cannot_be_right_later_fails_for_good(
    job: str, options: dict[str, Any], message: str, sandbox: Sandbox
) -> None:
    with pytest.raises(AirflowFailException, match=message) as caught:
        sensor(job, **options).execute(CONTEXT)

    assert sandbox.auth_token not in str(caught.value)


def event(outcome: str, *, is_final: bool = False) -> dict[str, Any]:
    return {"job_id": NO_JOB, "outcome": outcome, "message": "what happened", "is_final": is_final, "error": None}


@pytest.mark.parametrize(
    ("outcome", "is_final", "error"),
    [
        ("failed", False, AirflowFailException),
        ("cancelled", False, AirflowFailException),
        ("timeout", False, AirflowSensorTimeout),
        ("error", True, AirflowFailException),
        ("error", False, AirflowException),
    ],
)
def test_an_event_fails_the_task_or_skips_it(outcome: str, is_final: bool, error: type[Exception]) -> None:  # noqa: FBT001 - a parameter of the test
    fired = {"event": event(outcome, is_final=is_final)}

    with pytest.raises(error, match=r"^what happened$") as caught:
        sensor(NO_JOB).resume_execution("execute_complete", fired, CONTEXT)
    with pytest.raises(AirflowSkipException):
        sensor(NO_JOB, soft_fail=True).resume_execution("execute_complete", fired, CONTEXT)

    assert type(caught.value) is error


def test_an_event_of_a_completed_job_returns_it() -> None:
    assert sensor(NO_JOB).resume_execution("execute_complete", {"event": event("completed")}, CONTEXT) == NO_JOB


def test_airflows_own_timeout_and_failure_of_a_trigger_are_those_of_a_sensor() -> None:
    timed_out = {"error": "Trigger timeout"}
    failed = {"error": "Trigger failure"}

    with pytest.raises(AirflowSensorTimeout):
        sensor(NO_JOB).resume_execution("__fail__", timed_out, CONTEXT)
    with pytest.raises(TaskDeferralError) as caught:
        sensor(NO_JOB).resume_execution("__fail__", failed, CONTEXT)
    assert not isinstance(caught.value, TaskDeferralTimeout)
