"""A gateway that strips the path of `base_url`: the token stays below that path, and so do all requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import ConfigurationError, JobsClient, Retry
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Asked, RawServer, Reply, serving

SID = "IRtest"
ID, NEW_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b2"
PATH = "/impact/v1"
RESULT = b"a,b\n"

with_each_client = pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)


@contextmanager
def gateway(make: MakeClient, *, location: str = "") -> Iterator[tuple[AnyClient, RawServer]]:
    """Serve one job as a server that does not know of the gateway's path, behind that path."""

    def respond(asked: Asked) -> Reply:
        target = asked.target.removeprefix(PATH)
        jobs = f"/Agencies/{SID}/Jobs"
        job: dict[str, Any] = {"Id": ID, "Status": "COMPLETED"}
        status, headers, body = 200, {}, RESULT
        if target == f"{jobs}/{ID}/Download":
            status, headers, body = 302, {"Location": location}, b""
        elif asked.method == "PUT":
            body = json.dumps({"Status": "QUEUED", "QueuedUri": f"{jobs}/{NEW_ID}"}).encode()
        elif target == f"{jobs}/{ID}":
            body = json.dumps(job).encode()
        elif target == jobs:
            body = json.dumps({"Jobs": [job], "@nextpageuri": f"{jobs}?Page=2"}).encode()
        elif target == f"{jobs}?Page=2":
            body = json.dumps({"Jobs": job | {"Id": NEW_ID}}).encode()
        return Reply(status=status, headers=headers | {"Content-Length": str(len(body))}, body=body)

    with Sandbox() as sandbox, serving(respond) as server, asyncio.Runner() as runner:
        options = {"account_sid": SID, "base_url": server.url + PATH, "retry": Retry(attempts=1)}
        with make(sandbox, runner, **options) as jobs:
            yield jobs, server


@with_each_client
def test_every_verb_stays_below_the_path_of_the_gateway(make: MakeClient, tmp_path: Path) -> None:
    with gateway(make, location="/files/a.csv?sig=1") as (jobs, server):
        assert [job.id for job in jobs.list()] == [ID, NEW_ID]
        assert jobs.get(f"/Agencies/{SID}/Jobs/{ID}").id == ID
        assert jobs.get(f"{PATH}/Agencies/{SID}/Jobs/{ID}").id == ID
        assert jobs.get(f"{server.url}{PATH}/Agencies/{SID}/Jobs/{ID}").id == ID
        assert jobs.replay(ID).id == NEW_ID
        assert jobs.wait_and_download(ID, tmp_path / "a").bytes_written == len(RESULT)
        with jobs.stream(ID) as chunks:
            assert b"".join(chunks) == RESULT
        assert all(asked.target.startswith(f"{PATH}/") for asked in server.asked)


@with_each_client
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/files/a?sig=1", f"{PATH}/files/a?sig=1"),
        (f"{PATH}/files/a?sig=1", f"{PATH}/files/a?sig=1"),
        ("a?sig=1", f"{PATH}/Agencies/{SID}/Jobs/{ID}/a?sig=1"),
        ("../a?sig=1", f"{PATH}/Agencies/{SID}/Jobs/a?sig=1"),
        ("?part=1", f"{PATH}/Agencies/{SID}/Jobs/{ID}/Download?part=1"),
    ],
)
def test_a_redirect_is_resolved_against_the_url_that_was_asked(
    make: MakeClient, location: str, target: str, tmp_path: Path
) -> None:
    with gateway(make, location=location) as (jobs, server):
        jobs.download(ID, tmp_path / "a")
        assert server.asked[-1].target == target
        assert "authorization" not in server.asked[-1].headers


def request(jobs: AnyClient, url: str, **options: Any) -> Any:
    """Request a URL with the httpx client of `jobs.generated`."""
    if isinstance(jobs, JobsClient):
        return jobs.generated.get_httpx_client().get(url, **options)
    return jobs._runner.run(jobs._inner.generated.get_async_httpx_client().get(url, **options))


@with_each_client
def test_the_generated_client_reaches_every_path_below_the_base_url(make: MakeClient) -> None:
    with gateway(make) as (jobs, server):
        for url in (f"/Agencies/{SID}/Jobs/{ID}", f"{server.url}{PATH}/Agencies/{SID}/Jobs/{ID}"):
            assert request(jobs, url).json()["Id"] == ID
            assert server.asked[-1].target == f"{PATH}/Agencies/{SID}/Jobs/{ID}"
            assert "authorization" in server.asked[-1].headers


@with_each_client
@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/Agencies?sig=canary",
        "{url}/Agencies",
        "{url}/impact/v10/Agencies",
        "{url}/impact/v1/../Agencies",
        "{url}/impact/v1/%2e%2e/Agencies",
        "../Agencies",
    ],
)
def test_the_generated_client_sends_no_token_elsewhere(make: MakeClient, url: str) -> None:
    with gateway(make) as (jobs, server):
        with pytest.raises(ConfigurationError, match=f"is not below {server.url}{PATH}: the token is") as raised:
            request(jobs, url.format(url=server.url))
        assert "canary" not in str(raised.value)
        assert server.asked == []


@with_each_client
def test_the_generated_client_follows_no_redirect_with_the_token(make: MakeClient) -> None:
    with (
        serving(lambda _: Reply(headers={"Content-Length": "2"}, body=b"{}")) as elsewhere,
        gateway(make, location=f"{elsewhere.url}/x") as (jobs, _),
    ):
        with pytest.raises(ConfigurationError, match="the token is sent nowhere else"):
            request(jobs, f"/Agencies/{SID}/Jobs/{ID}/Download", follow_redirects=True)
        assert elsewhere.asked == []
