"""What the server sends is read as it came; credentials are redacted only in messages and logs."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    ApiError,
    JobFailedError,
    JobsError,
    NotReplayableError,
    PermissionDeniedError,
    Retry,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Asked, Reply, serving

SID = "IRx"
ID, OTHER_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b2"
LIST = f"/Agencies/{SID}/Jobs"
JOB = {
    "Id": ID,
    "Status": "COMPLETED",
    "Type": "ApiReport",
    "ProgramId": "1x2",
    "CreatedDate": "2026-05-29T04:33:50+00:00",
    "StatusMessage": 'A "test" of the token export',
    "Replayable": "true",
    "PercentageComplete": "100",
    "ResultUri": f"{LIST}/{ID}/Download",
}
PAGES = {
    LIST: {"@total": "2", "@nextpageuri": f"{LIST}?Page=2", "Jobs": [JOB]},
    f"{LIST}?Page=2": {"@total": "2", "@nextpageuri": "", "Jobs": [JOB | {"Id": OTHER_ID}]},
}
RESULT = b'{"Records": [{"Type": "ApiReport", "text": "2026", "x": "t"}]}'
# Each is part of the JSON above, or of its syntax.
TOKENS = ["x", "t", "test", "2026", "ApiReport", "COMPLETED", "Jobs", "Id", "Page=2", "Agencies", '"', "{", ":", ID]

Serve = Callable[[Asked], Any]


@contextmanager
def client_of(make: MakeClient, token: str, serve: Serve) -> Iterator[AnyClient]:
    def respond(asked: Asked) -> Reply:
        status, body = serve(asked)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Reply(status=status, headers={"Content-Length": str(len(data)), "X-Request-Id": f"r-{token}"}, body=data)

    with Sandbox() as sandbox, serving(respond) as api, asyncio.Runner() as runner:
        options = {"account_sid": SID, "auth_token": token, "base_url": api.url, "retry": Retry(attempts=1)}
        with make(sandbox, runner, **options) as jobs:
            yield jobs


with_each_client = pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)


def account(asked: Asked) -> Any:
    if asked.target in PAGES:
        return 200, PAGES[asked.target]
    if "/Download" in asked.target:
        return 200, RESULT
    if asked.method == "PUT":
        return 200, {"Status": "QUEUED", "QueuedUri": f"{LIST}/{OTHER_ID}"}
    return 200, JOB


@with_each_client
@pytest.mark.parametrize("token", TOKENS)
def test_no_token_changes_what_is_read(make: MakeClient, token: str, tmp_path: Path) -> None:
    with client_of(make, token, account) as jobs:
        job = jobs.get(ID)
        assert job.raw == JOB
        assert (job.type, job.program_id, job.status_message) == ("ApiReport", "1x2", JOB["StatusMessage"])
        assert job.created_date.isoformat() == JOB["CreatedDate"]
        assert [found.raw for found in jobs.list()] == [JOB, JOB | {"Id": OTHER_ID}]
        assert jobs.wait(ID).raw == JOB
        assert [found.raw for found in jobs.wait_all([ID]).values()] == [JOB]
        assert jobs.replay(ID).id == OTHER_ID
        for mode in ("redirect", "stream"):
            assert jobs.download(ID, tmp_path / mode, mode=mode).path.read_bytes() == RESULT
            with jobs.stream(ID, mode=mode) as chunks:
                assert b"".join(chunks) == RESULT


@with_each_client
@pytest.mark.parametrize("token", ["e", "s", "replay", "state", "permission", '"'])
def test_no_token_changes_what_a_refusal_means(make: MakeClient, token: str) -> None:
    for message, kind in (
        ("Job is not in a replayable state: it is RUNNING.", NotReplayableError),
        ("The token has no permission to replay jobs.", PermissionDeniedError),
    ):
        with client_of(make, token, lambda _, message=message: (403, {"Message": message})) as jobs:  # type: ignore[misc]
            with pytest.raises(kind) as raised:
                jobs.replay(ID)
            assert type(raised.value) is kind


TOKEN = "canary-token-6d1f"
BASIC = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
ECHO = f"you sent Basic {BASIC} and {TOKEN}"


@with_each_client
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_an_error_shows_no_credentials_in_any_of_its_attributes(make: MakeClient, encoding: str) -> None:
    body = {"Message": ECHO, "Errors": {"Error": {"Field": TOKEN, "Message": ECHO}}, "request_id": TOKEN}
    for status in (200, 400, 500):
        data = json.dumps(body | {"Status": "ERROR"}).encode(encoding)
        with client_of(make, TOKEN, lambda _, status=status, data=data: (status, data)) as jobs:  # type: ignore[misc]
            with pytest.raises(ApiError) as raised:
                jobs.get(ID)
            assert "canary" not in f"{raised.value} {vars(raised.value)}"
            assert BASIC not in f"{raised.value} {vars(raised.value)}"
            assert raised.value.message == "you sent Basic *** and ***"
            assert raised.value.request_id == "r-***"


ODD: dict[str, Any] = {
    "an id": {"Id": TOKEN, "Status": "RUNNING"},
    "a status": {"Id": ID, "Status": {"x": ECHO}},
    "a field": {"Id": ID, "Status": "COMPLETED", "CreatedDate": ECHO, "PercentageComplete": [ECHO]},
    "a long field": {"Id": ID, "Status": "COMPLETED", "CreatedDate": f"{'x' * 70}{TOKEN}{'x' * 70}"},
    "an entry": TOKEN,
    "a link": {"Id": ID, "Status": "COMPLETED", "CreatedDate": f"{'x' * 9} https://h.example/{'y' * 70}?sig={TOKEN}"},
    "HTML": f"<html>{ECHO}".encode(),
    "no JSON": f'{{"{ECHO}'.encode(),
    "a list": {"Jobs": ECHO},
    "a next page": {"Jobs": [], "@nextpageuri": f"https://{TOKEN}.example/{TOKEN}?{TOKEN}"},
}


@with_each_client
@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_a_warning_and_an_unreadable_response_show_no_credentials(
    make: MakeClient, body: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "impact_jobs")
    verbs: list[Callable[[AnyClient], object]] = [
        lambda jobs: jobs.get(ID),
        lambda jobs: list(jobs.list()),
        lambda jobs: jobs.wait(ID, timeout=0),
        lambda jobs: jobs.wait_all([ID], timeout=0),
        lambda jobs: jobs.download(ID, tmp_path / "a", overwrite=True),
        lambda jobs: jobs.replay(ID),
    ]
    for whole in (body, [body, {"Id": OTHER_ID, "Status": "RUNNING"}]):
        if isinstance(whole, list) and isinstance(body, bytes):
            continue
        with client_of(make, TOKEN, lambda _, whole=whole: (200, whole)) as jobs:  # type: ignore[misc]
            for verb in verbs:
                said = ""
                try:
                    verb(jobs)
                except JobsError as error:
                    said = f"{error} {vars(error)}"
                said += "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
                assert "canary" not in said
                assert BASIC not in said


@with_each_client
@pytest.mark.parametrize("status", ["FAILED", "ERROR", "CANCELLED"])
def test_the_message_of_a_failed_job_shows_no_credentials(make: MakeClient, status: str, tmp_path: Path) -> None:
    job = {"Id": ID, "Status": status, "StatusMessage": ECHO}
    verbs: list[Callable[[AnyClient], object]] = [
        lambda jobs: jobs.wait(ID),
        lambda jobs: jobs.wait_all([ID]),
        lambda jobs: jobs.download(ID, tmp_path / "a"),
        lambda jobs: jobs.stream(ID, mode="stream").__enter__(),
    ]
    for code in (200, 202):

        def serve(asked: Asked, code: int = code) -> Any:
            return code if "/Download" in asked.target else 200, job

        with client_of(make, TOKEN, serve) as jobs:
            for verb in verbs:
                with pytest.raises(JobFailedError, match=r"you sent Basic \*\*\* and \*\*\*") as raised:
                    verb(jobs)
                assert raised.value.job.status_message == ECHO, "the fields of a job are data"
                assert raised.value.job.raw == job


@with_each_client
def test_a_token_given_as_a_job_is_not_shown(make: MakeClient) -> None:
    with client_of(make, TOKEN, account) as jobs:
        with pytest.raises(JobsError, match=r"'\*\*\*' does not name a job") as raised:
            jobs.get(TOKEN)
        assert TOKEN not in str(raised.value)
