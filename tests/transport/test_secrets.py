"""Neither messages, logs, pickles nor files show the token or a signature."""

from __future__ import annotations

import asyncio
import base64
import copy
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient, JobsError, Retry
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients

TOKEN = "canary-token-6d1f"
SIGNATURE = "canary-signature-77aa"


@pytest.fixture
def caplog_all(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Return the log of every library at DEBUG."""
    caplog.set_level(logging.DEBUG)
    return caplog


def everything_said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


def everything_in(error: BaseException) -> str:
    """Return the texts of an error and its chain, its pickle, and every local of our own frames."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [
        f"{frame.name} {frame.locals}"
        for frame in shown.stack
        if "impact_jobs" in frame.filename and "tests" not in frame.filename
    ]
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None:
        chain += [str(link), repr(link), str(vars(link))]
        link = link.__cause__ or link.__context__
    return "\n".join([*ours, *chain, repr(pickle.dumps(error)), "".join(shown.format_exception_only())])


def test_no_verb_logs_a_secret(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, caplog_all: pytest.LogCaptureFixture
) -> None:
    job_id = sandbox.add_job()
    list(jobs.list())
    jobs.wait_and_download(job_id, tmp_path / "a.csv")
    jobs.download(job_id, tmp_path / "b.csv", mode="stream")
    with jobs.stream(job_id) as chunks:
        b"".join(chunks)
    jobs.replay(job_id)
    said = everything_said(caplog_all)
    assert "Location" in said or "location" in said, "httpcore must log the redirect, or this test proves nothing"
    assert said.count("HTTP Request") >= 8, "httpx must log every request, or this test proves nothing"
    signed = [request.query for request in sandbox.requests if request.origin == "storage"]
    assert len(signed) == 2
    basic = base64.b64encode(f"{sandbox.account_sid}:{sandbox.auth_token}".encode()).decode()
    for secret in (*signed, sandbox.auth_token, basic):
        assert secret
        assert secret not in said


def test_requests_of_other_code_keep_their_queries_in_the_log(
    sandbox: Sandbox, caplog_all: pytest.LogCaptureFixture
) -> None:
    with sandbox.client() as jobs:
        list(jobs.list())
    httpx.get(sandbox.base_url, params={"page": "7"}, trust_env=False)
    assert "?page=7" in everything_said(caplog_all)


ANSWERS = [
    {"status": 302, "headers": {"Location": f"http://storage.example/a?sig={SIGNATURE}"}},
    {"status": 302, "headers": {"Location": f"https://[::1/a?sig={SIGNATURE}"}},
    {"status": 302, "headers": {"Location": f"http://127.0.0.1:1/a?sig={SIGNATURE}"}},
    {"status": 302, "headers": {"Location": f"http://127.0.0.1:99999999/a?sig={SIGNATURE}"}},
    {"status": 500, "body": f"you sent: {TOKEN} to https://x.example/?sig={SIGNATURE}"},
    {"status": 403, "body": f'{{"Message": "{TOKEN} at https://x.example/?sig={SIGNATURE} is wrong"}}'},
    {"status": 202, "body": f"<html>{TOKEN} {SIGNATURE}"},
]


@pytest.mark.parametrize("canned", ANSWERS, ids=lambda canned: str(canned["status"]))
@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_no_error_holds_a_secret(
    canned: dict[str, Any], make: MakeClient, sandbox: Sandbox, tmp_path: Path, caplog_all: pytest.LogCaptureFixture
) -> None:
    job_id = sandbox.add_job(status="CANCELLED")
    sandbox.answer_next("GET", "/Download", **canned)
    with (
        asyncio.Runner() as runner,
        make(sandbox, runner, auth_token=TOKEN, retry=Retry(attempts=1)) as client,
        pytest.raises(JobsError) as raised,
    ):
        client.download(job_id, tmp_path / "a.csv")
    said = everything_in(raised.value) + everything_said(caplog_all)
    basic = base64.b64encode(f"{sandbox.account_sid}:{TOKEN}".encode()).decode()
    for secret in (TOKEN, basic, SIGNATURE):
        assert secret not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("client", [JobsClient, AsyncJobsClient])
def test_a_client_does_not_show_the_token_and_cannot_be_pickled(client: type[JobsClient | AsyncJobsClient]) -> None:
    made = client("IR1", TOKEN)
    assert TOKEN not in f"{made!r} {made} {made.generated!r} {vars(made)} {made._context!r}"
    with pytest.raises(TypeError):
        pickle.dumps(made)
    with pytest.raises(TypeError):
        copy.deepcopy(made)


@pytest.mark.parametrize("token", [f"{TOKEN} ", f"{TOKEN}\n", ""])
@pytest.mark.parametrize("client", [JobsClient, AsyncJobsClient])
def test_the_error_about_an_invalid_token_does_not_show_it(
    token: str, client: type[JobsClient | AsyncJobsClient]
) -> None:
    with pytest.raises(ConfigurationError, match="auth_token") as raised:
        client("IR1", token)
    assert TOKEN not in everything_in(raised.value)


def test_credentials_in_the_base_url_are_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="credentials") as raised:
        JobsClient("IR1", TOKEN, base_url=f"https://IR1:{TOKEN}@api.impact.com")
    assert TOKEN not in everything_in(raised.value)


def test_a_base_url_without_tls_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="https"):
        JobsClient("IR1", TOKEN, base_url="http://api.impact.com")
