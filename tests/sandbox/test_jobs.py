"""The life of a job as the API shows it, through virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._jobs import TERMINAL

from .conftest import Clock

Start = Callable[..., tuple[Sandbox, httpx.Client]]


def get(api: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = api.get(f"/Jobs/{job_id}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_a_job_is_queued_then_runs_then_completes(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    job_id = sandbox.add_job(seconds=100, program_id="4711")
    assert get(api, job_id) == {
        "Id": job_id,
        "Type": "ApiReport",
        "ProgramId": "4711",
        "CreatedBy": sandbox.account_sid,
        "CreatedDate": "2026-05-28T15:26:40-05:00",
        "StartedDate": "",
        "CompletedDate": "",
        "AbandonedDate": "",
        "CancelledDate": "",
        "FailedDate": "",
        "LastProgressUpdateDate": "",
        "Status": "QUEUED",
        "StatusMessage": "",
        "RecordsProcessed": 0,
        "PercentageComplete": 0,
        "Replayable": False,
    }
    clock.advance(60)  # 20 seconds in the queue, then 40 of 80
    running = get(api, job_id)
    assert running["Status"] == "RUNNING"
    assert running["StartedDate"] == "2026-05-28T15:27:00-05:00"
    assert running["LastProgressUpdateDate"] == "2026-05-28T15:27:40-05:00"
    assert running["PercentageComplete"] == 50
    assert running["RecordsProcessed"] == sandbox.result(job_id).rows // 2
    assert not running["Replayable"]
    assert "ResultUri" not in running
    clock.advance(40)
    done = get(api, job_id)
    assert done["Status"] == "COMPLETED"
    assert done["CompletedDate"] == "2026-05-28T15:28:20-05:00"
    assert done["PercentageComplete"] == 100
    assert done["RecordsProcessed"] == sandbox.result(job_id).rows
    assert done["Replayable"]
    assert done["ResultUri"] == f"/Agencies/{sandbox.account_sid}/Jobs/{job_id}/Download"


def test_progress_never_decreases_and_reaches_100_at_the_end(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    job_id = sandbox.add_job(seconds=50, result_bytes=100_000)
    seen = []
    for _ in range(60):
        seen.append(get(api, job_id))
        clock.advance(1)
    assert [job["PercentageComplete"] for job in seen] == sorted(job["PercentageComplete"] for job in seen)
    assert [job["RecordsProcessed"] for job in seen] == sorted(job["RecordsProcessed"] for job in seen)
    assert all((job["PercentageComplete"] == 100) == (job["Status"] == "COMPLETED") for job in seen)


@pytest.mark.parametrize(
    ("status", "date"), [("FAILED", "FailedDate"), ("ERROR", "FailedDate"), ("CANCELLED", "CancelledDate")]
)
def test_a_job_can_end_in_another_status(sandbox: Sandbox, api: httpx.Client, status: str, date: str) -> None:
    job = get(api, sandbox.add_job(status=status, seconds=0, message="Because."))
    assert job["Status"] == status
    assert job["StatusMessage"] == "Because."
    assert job["PercentageComplete"] < 100
    assert job["Replayable"]
    assert "ResultUri" not in job
    ends = ("CompletedDate", "AbandonedDate", "CancelledDate", "FailedDate")
    assert [name for name in ends if job[name]] == [date]


@pytest.mark.parametrize("status", sorted(TERMINAL - {"COMPLETED"}))
def test_a_failed_job_has_a_default_message(sandbox: Sandbox, api: httpx.Client, status: str) -> None:
    assert get(api, sandbox.add_job(status=status, seconds=0))["StatusMessage"]


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING"])
def test_a_queued_or_running_job_never_ends(sandbox: Sandbox, api: httpx.Client, clock: Clock, status: str) -> None:
    job_id = sandbox.add_job(status=status)
    clock.advance(10**6)
    assert get(api, job_id)["Status"] == status


@pytest.mark.parametrize("stuck_at", [0, 37, 99])
def test_a_job_can_get_stuck(sandbox: Sandbox, api: httpx.Client, clock: Clock, stuck_at: int) -> None:
    job_id = sandbox.add_job(seconds=100, stuck_at=stuck_at)
    clock.advance(10**4)
    first = get(api, job_id)
    clock.advance(10**4)
    assert get(api, job_id) == first
    assert (first["Status"], first["PercentageComplete"]) == ("RUNNING", stuck_at)


def test_a_job_can_recover_from_an_error(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    job_id = sandbox.add_job(status="ERROR", seconds=10, recovers_after=900, message="Later.")
    clock.advance(10)
    assert (get(api, job_id)["Status"], get(api, job_id)["StatusMessage"]) == ("ERROR", "Later.")
    clock.advance(900)
    recovered = get(api, job_id)
    assert (recovered["Status"], recovered["StatusMessage"], recovered["FailedDate"]) == ("COMPLETED", "", "")


def test_an_undocumented_status_is_allowed(sandbox: Sandbox, api: httpx.Client) -> None:
    job = get(api, sandbox.add_job(status="PAUSED", type="ClickExport", seconds=0))
    assert (job["Status"], job["Type"], job["Replayable"]) == ("PAUSED", "ClickExport", False)


def test_raw_fields_override_everything(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0, fields={"PercentageComplete": "many", "StartedDate": None, "New": [1]})
    job = get(api, job_id)
    assert (job["PercentageComplete"], job["StartedDate"], job["New"]) == ("many", None, [1])


def test_numbers_and_booleans_can_be_strings(start: Start) -> None:
    sandbox, api = start(stringly=True)
    job = get(api, sandbox.add_job(seconds=0, result_bytes=5_000, fields={"Raw": 1}))
    assert (job["PercentageComplete"], job["Replayable"], job["RecordsProcessed"]) == ("100", "true", "38")
    assert job["Raw"] == 1


def test_a_job_can_have_been_created_earlier(sandbox: Sandbox, api: httpx.Client) -> None:
    assert get(api, sandbox.add_job(age=86_400))["CreatedDate"] == "2026-05-27T15:26:40-05:00"


@pytest.mark.parametrize("wrong", [{"seconds": -1.0}, {"result_bytes": -1}])
def test_invalid_jobs_are_refused(sandbox: Sandbox, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be >= 0"):
        sandbox.add_job(**wrong)
    assert sandbox.job_ids == ()


def test_equal_seeds_give_equal_sandboxes(start: Start) -> None:
    (first, _), (second, _), (other, _) = start(seed=5), start(seed=5), start(seed=6)
    ids = [sandbox.add_job() for sandbox in (first, second, other)]
    assert ids[0] == ids[1] != ids[2]
    assert first.result(ids[0]) == second.result(ids[1]) != other.result(ids[2])
    assert first.environ["IMPACT_AUTH_TOKEN"] == second.environ["IMPACT_AUTH_TOKEN"]
    assert first.auth_token != other.auth_token
    assert first.account_sid != other.account_sid
