"""Downloads by redirect and by stream, before and after the job has completed, and replays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import httpx
import pytest
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._jobs import TERMINAL

from .conftest import Clock, connect

Start = Callable[..., tuple[Sandbox, httpx.Client]]


def whole(sandbox: Sandbox, job_id: str) -> bytes:
    return b"".join(sandbox.result(job_id).read())


# Download


def test_a_completed_job_redirects_to_its_file(sandbox: Sandbox, api: httpx.Client, storage: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0)
    answer = api.get(f"/Jobs/{job_id}/Download")
    assert (answer.status_code, answer.content) == (302, b"")
    link = httpx.URL(answer.headers["location"])
    assert str(link).startswith(sandbox.storage_url + "/")
    assert (link.host, link.port) != (httpx.URL(sandbox.base_url).host, httpx.URL(sandbox.base_url).port)
    assert set(link.params) == {"X-Sandbox-Expires", "X-Sandbox-Signature"}
    assert storage.get(link).content == whole(sandbox, job_id)


@pytest.mark.parametrize("query", ["", "?Mode=Stream"])
def test_202_with_the_job_until_it_has_completed(sandbox: Sandbox, api: httpx.Client, clock: Clock, query: str) -> None:
    job_id = sandbox.add_job(seconds=10)
    for status in ("QUEUED", "RUNNING"):
        answer = api.get(f"/Jobs/{job_id}/Download{query}")
        assert answer.status_code == 202
        assert answer.json() == api.get(f"/Jobs/{job_id}").json()
        assert answer.json()["Status"] == status
        clock.advance(5)
    assert api.get(f"/Jobs/{job_id}/Download{query}").status_code != 202


@pytest.mark.parametrize("status", [*sorted(TERMINAL - {"COMPLETED"}), "PAUSED"])
def test_202_with_the_status_of_a_job_that_failed(sandbox: Sandbox, api: httpx.Client, status: str) -> None:
    answer = api.get(f"/Jobs/{sandbox.add_job(status=status, seconds=0)}/Download")
    assert (answer.status_code, answer.json()["Status"]) == (202, status)


def test_mode_stream_sends_the_bytes_without_a_length(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0, result_bytes=3_000_000)
    answer = api.get(f"/Jobs/{job_id}/Download?Mode=Stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert "filename=" in answer.headers["content-disposition"]
    assert hashlib.sha256(answer.content).hexdigest() == sandbox.result(job_id).sha256


@pytest.mark.parametrize("mode", ["", "stream", "STREAM", "Redirect", "Stream ", "0", "null"])
def test_400_for_other_modes_in_every_state(sandbox: Sandbox, api: httpx.Client, mode: str) -> None:
    for job_id in (sandbox.add_job(), sandbox.add_job(seconds=0)):
        answer = api.get(f"/Jobs/{job_id}/Download", params={"Mode": mode})
        assert answer.status_code == 400
        assert answer.json()["Errors"][0]["Field"] == "Mode"


@pytest.mark.parametrize("query", ["", "?Mode=Stream"])
def test_an_empty_result_has_no_bytes(sandbox: Sandbox, api: httpx.Client, storage: httpx.Client, query: str) -> None:
    job_id = sandbox.add_job(seconds=0, result_bytes=0)
    answer = api.get(f"/Jobs/{job_id}/Download{query}")
    content = answer.content if query else storage.get(answer.headers["location"]).content
    assert content == b""


def test_head_has_no_body_and_consumes_no_fault(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0)
    sandbox.cut_next_download(10)
    assert api.head(f"/Jobs/{job_id}/Download?Mode=Stream").status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        api.get(f"/Jobs/{job_id}/Download?Mode=Stream")


# Replay


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_replay_is_a_new_job_over_fresh_data(sandbox: Sandbox, api: httpx.Client, clock: Clock, status: str) -> None:
    first = sandbox.add_job(status=status, seconds=5, type="ClickExport", program_id="7", result_bytes=4_000)
    clock.advance(100)
    before = api.get(f"/Jobs/{first}").json()
    answer = api.put(f"/Jobs/{first}/Replay")
    assert answer.status_code == 200
    replayed = answer.json()
    assert replayed["Id"] != first
    assert sandbox.job_ids == (first, replayed["Id"])
    assert (replayed["Status"], replayed["Type"], replayed["ProgramId"]) == ("QUEUED", "ClickExport", "7")
    assert replayed["CreatedDate"] > before["CreatedDate"]
    assert sandbox.result(replayed["Id"]).size == 4_000
    assert sandbox.result(replayed["Id"]) != sandbox.result(first)
    assert api.get(f"/Jobs/{first}").json() == before


def test_a_replay_runs_as_long_as_the_job_and_completes(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    first = sandbox.add_job(status="FAILED", seconds=30, message="No.", fields={"Status": "FAILED"})
    clock.advance(30)
    job_id = api.put(f"/Jobs/{first}/Replay").json()["Id"]
    clock.advance(29)
    assert api.get(f"/Jobs/{job_id}").json()["Status"] == "RUNNING"
    clock.advance(1)
    done = api.get(f"/Jobs/{job_id}").json()
    assert (done["Status"], done["StatusMessage"]) == ("COMPLETED", "")


@pytest.mark.parametrize(
    ("job", "status"),
    [
        ({"status": "QUEUED"}, "QUEUED"),
        ({"status": "RUNNING", "seconds": 0}, "RUNNING"),
        ({"seconds": 0, "replayable": False}, "COMPLETED"),
        ({"seconds": 0, "status": "PAUSED"}, "PAUSED"),
    ],
)
def test_403_names_the_state(sandbox: Sandbox, api: httpx.Client, job: dict[str, object], status: str) -> None:
    job_id = sandbox.add_job(**job)  # type: ignore[arg-type]
    assert api.get(f"/Jobs/{job_id}").json()["Replayable"] is False
    answer = api.put(f"/Jobs/{job_id}/Replay")
    assert answer.status_code == 403
    assert answer.json()["Status"] == "ERROR"
    assert "replayable state" in answer.json()["Message"]
    assert status in answer.json()["Message"]
    assert "permission" not in answer.json()["Message"]
    assert sandbox.job_ids == (job_id,)


def test_a_replay_can_queue_the_same_job(start: Start, storage: httpx.Client) -> None:
    sandbox, api = start(replay_same_id=True)
    job_id = sandbox.add_job(seconds=0)
    link, before = sandbox.result_url(job_id), sandbox.result(job_id)
    assert api.put(f"/Jobs/{job_id}/Replay").json()["Id"] == job_id
    assert sandbox.job_ids == (job_id,)
    assert sandbox.result(job_id) != before
    assert storage.get(link).headers["etag"] == sandbox.result(job_id).etag


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_the_uris_of_an_export_end_like_its_request(suffix: str, sandbox: Sandbox, api: httpx.Client) -> None:
    scheduled = api.get(f"/ReportExport/agency_action_listing{suffix}").json()
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{sandbox.job_ids[-1]}"
    assert [scheduled[name] for name in ("QueuedUri", "ResultUri", "ReplayUri")] == [
        f"{uri}{step}{suffix}" for step in ("", "/Download", "/Replay")
    ]
    assert api.get(f"{sandbox.base_url}{scheduled['QueuedUri']}").json()["Id"] == sandbox.job_ids[-1]


def test_a_replay_does_not_change_the_job_of_an_export(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    path = "/ReportExport/agency_action_listing"
    uri = api.get(path).json()["QueuedUri"]
    clock.advance(10)
    assert api.put(f"{sandbox.base_url}{uri}/Replay").status_code == 200
    assert api.get(path).json()["QueuedUri"] == uri
    assert len(sandbox.job_ids) == 2


def test_the_body_of_a_replay_is_ignored_and_the_connection_reused(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(seconds=0)
    with connect(sandbox) as api:
        for _ in range(3):
            assert api.put(f"/Jobs/{job_id}/Replay", content=b"x" * 100_000).status_code == 200
    assert len(sandbox.job_ids) == 4
