"""The server that follows a changed description does what that says. These tests are fast and need no tools."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox

from tests.interop.compatibility.changes import CHANGES
from tests.interop.compatibility.server import serving

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def answer(name: str, method: str, path: str, *, status: str = "COMPLETED", **options: Any) -> httpx.Response:
    """Send one request to the server of a planted change; `{}` in the path is a job's id."""
    (change,) = [each for each in CHANGES if each.name == name]
    sandbox = Sandbox(job_seconds=0, result_bytes=100)
    job_id = sandbox.add_job(status=status, program_id="7")
    with serving(sandbox, change.old(), change.new()) as url:
        account = f"{url}/Agencies/{sandbox.account_sid}"
        options.setdefault("auth", (sandbox.account_sid, sandbox.auth_token))
        return httpx.request(method, account + path.format(job_id), **options)


@pytest.mark.parametrize(
    ("name", "method", "path", "status"),
    [
        ("info.title changes", "GET", "/Jobs/{}", 200),
        ("operation replayJob is removed", "PUT", "/Jobs/{}/Replay", 404),
        ("path of replayJob ends in /Rerun", "PUT", "/Jobs/{}/Replay", 404),
        ("path of replayJob ends in /Rerun", "PUT", "/Jobs/{}/Rerun", 200),
        ("method of replayJob becomes POST", "PUT", "/Jobs/{}/Replay", 405),
        ("method of replayJob becomes POST", "POST", "/Jobs/{}/Replay", 200),
        ("required query parameter Status of listJobs is added", "GET", "/Jobs", 400),
        ("required query parameter Status of listJobs is added", "GET", "/Jobs?Status=x", 200),
        ("required header Accept-Version of getJob is added", "GET", "/Jobs/{}", 400),
        ("format of CreatedAfter becomes date-time", "GET", "/Jobs?CreatedAfter=2026-05-29", 400),
        ("value Stream of parameter Mode becomes stream", "GET", "/Jobs/{}/Download?Mode=Stream", 400),
        ("value Stream of parameter Mode becomes stream", "GET", "/Jobs/{}/Download?Mode=stream", 200),
        ("response 200 of replayJob becomes 201", "PUT", "/Jobs/{}/Replay", 201),
        ("response 404 of getJob is removed", "GET", f"/Jobs/{UNKNOWN}", 400),
        ("security scheme becomes bearer", "GET", "/Jobs", 401),
    ],
)
def test_the_status(name: str, method: str, path: str, status: int) -> None:
    assert answer(name, method, path).status_code == status


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("info.title changes", "ProgramId", "7"),
        ("field Job.Priority is added", "Priority", "example"),
        ("field Job.ProgramId becomes ProgramID", "ProgramId", None),
        ("value CANCELLED of JobStatus becomes CANCELED", "Status", "CANCELED"),
    ],
)
def test_the_fields(name: str, field: str, value: object) -> None:
    assert answer(name, "GET", "/Jobs/{}", status="CANCELLED").json().get(field) == value


@pytest.mark.parametrize(
    ("name", "field", "kind"),
    [
        ("info.title changes", "ResultUri", str),
        ("field Job.ResultUri becomes an object", "ResultUri", dict),
        ("info.title changes", "RecordsProcessed", int),
        ("field Job.RecordsProcessed becomes number or string", "RecordsProcessed", float),
    ],
)
def test_the_types(name: str, field: str, kind: type) -> None:
    assert type(answer(name, "GET", "/Jobs/{}").json()[field]) is kind


def test_the_shape_type_and_headers_of_responses() -> None:
    assert answer("response 200 of listJobs becomes an object with Jobs", "GET", "/Jobs").json()["Jobs"][0]["Id"]
    xml = answer("content type of getJob becomes application/xml", "GET", "/Jobs/{}")
    assert (xml.headers["content-type"], xml.text.startswith("<?xml")) == ("application/xml", True)
    moved = answer("header Location of the redirect is removed", "GET", "/Jobs/{}/Download")
    assert (moved.status_code, "location" in moved.headers) == (302, False)
    gone = answer("response 202 of downloadJobResult is removed", "GET", "/Jobs/{}/Download", status="RUNNING")
    assert gone.status_code == 404


def test_a_parameter_that_is_unknown_now_is_ignored() -> None:
    name = "parameter CreatedAfter of listJobs becomes StartedAfter"
    assert answer(name, "GET", "/Jobs?CreatedAfter=2999-01-01").json() != []
    assert answer("info.title changes", "GET", "/Jobs?CreatedAfter=2999-01-01").json() == []
