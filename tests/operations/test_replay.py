"""Replay: one new job, never two."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from impact_jobs import (
    ApiError,
    JobNotFoundError,
    JobsClient,
    JobStatus,
    NotReplayableError,
    PermissionDeniedError,
    RateLimitError,
    ReplayUncertainError,
    Retry,
    TransportError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients

PERMISSION_MESSAGE = '{"Status":"ERROR","Message":"The token lacks permission to replay jobs."}'
STATE_MESSAGE = '{"Status":"ERROR","Message":"The job is RUNNING and cannot be replayed."}'


def puts(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests)


def test_a_replay_creates_a_new_job_and_keeps_the_old_one(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    fresh = jobs.wait(jobs.replay(job_id))
    assert fresh.id != job_id
    assert {job.id for job in jobs.list()} == {job_id, fresh.id}
    (put,) = (request for request in sandbox.requests if request.method == "PUT")
    assert put.headers["content-length"] == "0"


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_a_brand_style_replay_with_the_same_id_is_followed(make: MakeClient) -> None:
    with Sandbox(job_seconds=0, replay_same_id=True) as brand, asyncio.Runner() as runner, make(brand, runner) as jobs:
        job_id = brand.add_job()
        for _ in range(2):
            assert jobs.wait(jobs.replay(job_id)).id == job_id


def test_a_running_job_cannot_be_replayed(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(seconds=3600)
    with pytest.raises(NotReplayableError, match=job_id) as raised:
        jobs.replay(job_id)
    assert raised.value.message
    assert jobs.replay_if_replayable(job_id) is None


def test_missing_permission_is_not_mistaken_for_the_jobs_state(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    with JobsClient(sandbox.account_sid, sandbox.read_only_token, base_url=sandbox.base_url) as jobs:
        for verb in (jobs.replay, jobs.replay_if_replayable):
            with pytest.raises(PermissionDeniedError):
                verb(job_id)


@pytest.mark.parametrize(
    ("body", "error"),
    [(PERMISSION_MESSAGE, PermissionDeniedError), (STATE_MESSAGE, NotReplayableError), ("", PermissionDeniedError)],
)
def test_the_message_of_a_403_selects_the_error(
    body: str, error: type[ApiError], jobs: AnyClient, sandbox: Sandbox
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("PUT", "/Replay", status=403, body=body)
    with pytest.raises(error) as raised:
        jobs.replay(job_id)
    assert type(raised.value) is error


def test_a_stale_snapshot_that_is_not_replayable_is_refreshed(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    stale = f'{{"Id": "{job_id}", "Status": "RUNNING", "Replayable": false}}'
    sandbox.answer_next("GET", job_id, status=200, body=stale)
    fresh = jobs.replay_if_replayable(jobs.get(job_id))
    assert fresh is not None
    assert fresh.id != job_id


@pytest.mark.parametrize("field", ["", ', "Replayable": null', ', "Replayable": ""', ', "Replayable": "perhaps"'])
def test_without_a_replayable_field_the_replay_is_attempted(field: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", job_id, status=200, body=f'{{"Id": "{job_id}", "Status": "COMPLETED"{field}}}')
    assert jobs.replay_if_replayable(job_id) is not None


def test_replayable_false_as_text_counts_as_false(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", job_id, status=200, body=f'{{"Id": "{job_id}", "Status": "X", "Replayable": "False"}}')
    assert jobs.replay_if_replayable(job_id) is None
    assert puts(sandbox) == 0


def test_a_stale_snapshot_that_is_replayable_is_refreshed(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(seconds=3600)
    stale = f'{{"Id": "{job_id}", "Status": "COMPLETED", "Replayable": true}}'
    sandbox.answer_next("GET", job_id, status=200, body=stale)
    assert jobs.replay_if_replayable(jobs.get(job_id)) is None
    assert puts(sandbox) == 0


def test_a_403_between_the_check_and_the_replay_returns_none(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("PUT", "/Replay", status=403, body=STATE_MESSAGE)
    assert jobs.replay_if_replayable(job_id) is None
    sandbox.answer_next("PUT", "/Replay", status=403, body=PERMISSION_MESSAGE)
    with pytest.raises(PermissionDeniedError):
        jobs.replay_if_replayable(job_id)


LOST: list[dict[str, Any]] = [
    {"status": None},
    {"status": 500, "body": "<html>"},
    {"status": 502},
    {"status": 504},
    {"status": 520},
    {"status": 200, "body": ""},
    {"status": 200, "body": '{"Id": "3f6c'},
    {"status": 200, "body": "<ImpactRadiusResponse/>"},
    {"status": 302},
]
lost_responses = pytest.mark.parametrize("lost", LOST, ids=str)
WITHOUT_PAUSES = Retry(attempts=3, base_delay=0)


@lost_responses
def test_the_job_of_a_lost_response_is_found_in_the_list(
    lost: dict[str, Any], jobs: AnyClient, sandbox: Sandbox
) -> None:
    job_id = sandbox.add_job(program_id="77")
    sandbox.add_job(program_id="77", age=3600)
    sandbox.add_job(program_id="78")
    sandbox.add_job(program_id="77", type="UploadAds")
    before = set(sandbox.job_ids)
    sandbox.answer_next("PUT", "/Replay", perform=True, **lost)
    fresh = jobs.with_options(retry=WITHOUT_PAUSES).replay(job_id)
    (made,) = set(sandbox.job_ids) - before
    assert fresh.id == made
    assert puts(sandbox) == 1


@lost_responses
def test_a_replay_without_a_new_job_is_uncertain_and_never_sent_again(
    lost: dict[str, Any], jobs: AnyClient, sandbox: Sandbox
) -> None:
    job_id = sandbox.add_job(age=3600)
    sandbox.answer_next("PUT", "/Replay", **lost)
    with pytest.raises(ReplayUncertainError, match=job_id) as raised:
        jobs.with_options(retry=WITHOUT_PAUSES).replay(job_id)
    assert (raised.value.source, raised.value.candidates) == (job_id, ())
    assert puts(sandbox) == 1
    assert sandbox.job_ids == (job_id,)


def test_several_new_jobs_are_returned_as_candidates(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    other = sandbox.add_job()
    sandbox.answer_next("PUT", "/Replay", status=None, perform=True)
    with pytest.raises(ReplayUncertainError) as raised:
        jobs.with_options(retry=WITHOUT_PAUSES).replay(job_id)
    assert {job.id for job in raised.value.candidates} == {other, sandbox.job_ids[-1]}
    assert puts(sandbox) == 1


def test_a_lost_brand_style_replay_returns_the_same_job() -> None:
    with Sandbox(job_seconds=3600, replay_same_id=True) as brand, brand.client(retry=WITHOUT_PAUSES) as jobs:
        job_id = brand.add_job(seconds=0, age=60)
        running = f'{{"Id": "{job_id}", "Status": "QUEUED"}}'
        brand.answer_next("PUT", "/Replay", status=None)
        brand.answer_next("GET", job_id, status=200, body=running)
        assert jobs.replay(job_id).id == job_id


def test_a_408_leaves_open_whether_the_replay_was_carried_out(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    sandbox.answer_next("PUT", "/Replay", status=408, perform=True)
    assert jobs.replay(job_id).id in set(sandbox.job_ids) - {job_id}
    assert puts(sandbox) == 1
    sandbox.answer_next("PUT", "/Replay", status=425)
    with pytest.raises(ApiError, match="HTTP 425"):
        jobs.replay(job_id)


def test_a_list_that_cannot_be_read_leaves_the_replay_uncertain(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    sandbox.answer_next("PUT", "/Replay", status=None, perform=True)
    sandbox.answer_next("GET", "/Jobs", status=400)
    with pytest.raises(ReplayUncertainError, match="list could not be read"):
        jobs.with_options(retry=WITHOUT_PAUSES).replay(job_id)
    assert puts(sandbox) == 1


def test_the_servers_clock_counts_not_the_local_one() -> None:
    ahead = 5 * 3600.0
    with Sandbox(job_seconds=0, clock=lambda: time.time() + ahead) as early, early.client(retry=WITHOUT_PAUSES) as jobs:
        job_id = early.add_job(age=60)
        early.answer_next("PUT", "/Replay", status=None, perform=True)
        assert jobs.replay(job_id).id == early.job_ids[-1]


def without_pauses(jobs: AnyClient) -> AnyClient:
    return jobs.with_options(retry=WITHOUT_PAUSES)


@pytest.mark.parametrize("field", ["QueuedUri", "Uri", "ResultUri", "ReplayUri"])
def test_a_response_with_a_status_and_a_uri_names_the_new_job(field: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id, fresh = sandbox.add_job(), sandbox.add_job(age=3600)
    path = f"/Agencies/{sandbox.account_sid}/Jobs/{fresh}"
    for uri in (path, f"{path}.json", f"{path}/Download.json", path.removeprefix("/"), sandbox.base_url + path):
        sandbox.forget_requests()
        body = {"Status": "QUEUED", field: uri}
        sandbox.answer_next("PUT", "/Replay", status=200, body=json.dumps(body))
        found = jobs.replay(job_id)
        assert (found.id, found.status, found.raw) == (fresh, JobStatus.QUEUED, body)
        assert [request.method for request in sandbox.requests] == ["PUT"]
        assert jobs.get(found).id == fresh


@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_first_uri_that_names_a_job_counts(status: int, jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id, fresh = sandbox.add_job(), sandbox.add_job(age=3600)
    root = f"/Agencies/{sandbox.account_sid}"
    for body in (
        {"QueuedUri": f"{root}/ComplianceAPISubmissions/content_api_7", "Uri": f"{root}/Jobs/{fresh}"},
        {"QueuedUri": f"{root}/Jobs/{fresh}", "Uri": f"{root}/Jobs/{job_id}"},
        {"QueuedUri": 7, "Uri": "", "ResultUri": f"{root}/Jobs/{fresh}/Download"},
        {"Status": "", "ReplayUri": f"{root}/Jobs/{fresh}/Replay"},
        {"Id": fresh, "Status": "QUEUED"},
    ):
        sandbox.forget_requests()
        sandbox.answer_next("PUT", "/Replay", status=status, body=json.dumps(body))
        found = jobs.replay(job_id)
        assert (found.id, found.status, found.raw) == (fresh, JobStatus.QUEUED, body)
        assert [request.method for request in sandbox.requests] == ["PUT"]


@pytest.mark.parametrize("status", [201, 202, 204])
def test_a_success_without_a_job_is_looked_up_in_the_list(status: int, jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    sandbox.answer_next("PUT", "/Replay", status=status, perform=True)
    assert without_pauses(jobs).replay(job_id).id == sandbox.job_ids[-1]
    assert puts(sandbox) == 1


@pytest.mark.parametrize("status", ["QUEUED", "RUNNING", "COMPLETED", "ERROR", "HIBERNATING"])
def test_the_id_wins_over_the_uris_and_any_status_is_kept(status: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id, fresh = sandbox.add_job(), sandbox.add_job()
    path = f"/Agencies/{sandbox.account_sid}/Jobs"
    for body in (
        {"Status": status, "Id": fresh, "QueuedUri": f"{path}/{job_id}"},
        {"Status": status, "Id": "", "QueuedUri": f"{path}/{fresh}", "ResultUri": f"{path}/{fresh}/Download"},
    ):
        sandbox.answer_next("PUT", "/Replay", status=200, body=json.dumps(body))
        found = jobs.replay(job_id)
        assert (found.id, found.status, found.raw) == (fresh, status, body)


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example/Agencies/{sid}/Jobs/{id}?sig=canary",
        "/Agencies/IRother/Jobs/{id}",
        "/Agencies/{sid}/Advertisers/2747168/Jobs/{id}",
        "/Agencies/{sid}/ComplianceAPISubmissions/content_api_7",
        "//[",
        7,
        {"Id": "{id}"},
    ],
)
def test_a_uri_that_is_not_a_job_of_this_account_is_not_followed(uri: Any, jobs: AnyClient, sandbox: Sandbox) -> None:
    """The list decides, as after any other response that cannot be read."""
    job_id, other = sandbox.add_job(age=3600), sandbox.add_job(age=3600)
    if isinstance(uri, str):
        uri = uri.format(sid=sandbox.account_sid, id=other)
    body = json.dumps({"Status": "QUEUED", "QueuedUri": uri})
    sandbox.answer_next("PUT", "/Replay", status=200, body=body, perform=True)
    assert without_pauses(jobs).replay(job_id).id == sandbox.job_ids[-1]
    sandbox.answer_next("PUT", "/Replay", status=200, body=body)
    with pytest.raises(ReplayUncertainError, match="which is not a job of this account") as raised:
        without_pauses(jobs).replay(job_id)
    assert "canary" not in str(raised.value)
    assert puts(sandbox) == 2


def test_a_job_that_a_uri_named_is_not_taken_by_a_lost_replay(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id, fresh = sandbox.add_job(age=3600), sandbox.add_job()
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{fresh.upper()}"
    sandbox.answer_next("PUT", "/Replay", status=200, body=json.dumps({"Status": "QUEUED", "QueuedUri": uri}))
    assert jobs.replay(job_id).id == fresh.upper()
    sandbox.answer_next("PUT", "/Replay", status=502)
    with pytest.raises(ReplayUncertainError) as raised:
        without_pauses(jobs).replay(job_id)
    assert raised.value.candidates == ()


def test_a_source_in_capitals_is_not_its_own_replay(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    raw = dict(jobs.get(job_id).raw) | {"Id": job_id.upper()}
    sandbox.answer_next("GET", job_id, status=200, body=json.dumps(raw), times=3)
    sandbox.answer_next("PUT", "/Replay", status=502)
    with pytest.raises(ReplayUncertainError) as raised:
        without_pauses(jobs).replay(job_id.upper())
    assert raised.value.candidates == ()


def test_a_list_without_an_end_still_finds_the_job_of_a_lost_replay(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    fresh = dict(jobs.get(sandbox.add_job()).raw)
    body = {"Jobs": fresh, "@nextpageuri": f"/Agencies/{sandbox.account_sid}/Jobs?Page=2"}
    sandbox.answer_next("PUT", "/Replay", status=502)
    sandbox.answer_next("GET", "/Jobs", status=200, body=json.dumps(body), times=9)
    assert without_pauses(jobs).replay(job_id).id == fresh["Id"]


@pytest.mark.parametrize("more", [{"@nextpageuri": "https://elsewhere.example/Jobs"}, {"@total": "9"}])
def test_a_list_that_is_cut_short_gives_candidates_only(
    more: dict[str, Any], jobs: AnyClient, sandbox: Sandbox
) -> None:
    job_id = sandbox.add_job(age=3600)
    fresh = dict(jobs.get(sandbox.add_job()).raw)
    body = {"Jobs": [fresh], "@nextpageuri": f"/Agencies/{sandbox.account_sid}/Jobs?Page=2"} | more
    sandbox.answer_next("PUT", "/Replay", status=502)
    sandbox.answer_next("GET", "/Jobs", status=200, body=json.dumps(body), times=9)
    with pytest.raises(ReplayUncertainError, match="the next page") as raised:
        without_pauses(jobs).replay(job_id)
    assert [job.id for job in raised.value.candidates] == [fresh["Id"]]


@pytest.mark.parametrize(("status", "error"), [(404, JobNotFoundError), (429, RateLimitError), (400, ApiError)])
def test_a_rejected_replay_raises_at_once(
    status: int, error: type[ApiError], jobs: AnyClient, sandbox: Sandbox
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("PUT", "/Replay", status=status)
    with pytest.raises(error):
        jobs.with_options(retry=Retry(attempts=10, base_delay=0)).replay(job_id)
    assert puts(sandbox) == 1


def test_a_replay_that_cannot_be_sent_is_retried_and_then_raises() -> None:
    with Sandbox(job_seconds=0) as sandbox:
        job_id = sandbox.add_job()
        jobs = sandbox.client(retry=Retry(attempts=3, base_delay=0))
    with jobs, pytest.raises(TransportError) as raised:
        jobs.replay(job_id)
    assert not raised.value.request_sent
