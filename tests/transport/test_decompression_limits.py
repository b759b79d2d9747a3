"""Responses that are small on the wire and huge in memory are refused, and memory stays bounded."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from impact_agency_api.api.jobs import get_job
from impact_jobs import AsyncJobsClient, JobsClient, JobsError, Retry, TransportError, UnexpectedResponseError
from impact_jobs._transport import base

from tests.support.driving import AnyClient, Driven
from tests.support.raw_server import Reply, serving
from tests.support.simulated import JOB_ID, job_json

MIB = 1024 * 1024
LIMIT = 8 * MIB
ZEROS = gzip.compress(bytes(16 * MIB))  # 16 KB


def bomb(size: int) -> bytes:
    packing = zlib.compressobj(wbits=31)
    zeros = bytes(MIB)
    return b"".join([*(packing.compress(zeros) for _ in range(size // MIB)), packing.flush()])


BOMBS: dict[str, Callable[[], bytes]] = {
    "one large member": cache(lambda: bomb(128 * MIB)),  # packing it takes half a second
    "many members": lambda: ZEROS * 8,
    "after a job": lambda: gzip.compress(json.dumps(job_json("RUNNING")).encode()) + ZEROS * 8,
}


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_BODY_BYTES", LIMIT)


@contextmanager
def peak_below(max_bytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < max_bytes
    finally:
        tracemalloc.stop()


@contextmanager
def client_of(kind: type[Any], url: str) -> Iterator[AnyClient]:
    client = kind("IRbombs", "token", base_url=url, retry=Retry(attempts=1))
    if isinstance(client, JobsClient):
        with client:
            yield client
        return
    with asyncio.Runner() as runner, Driven(client, runner) as driven:
        yield driven


UNSUPPORTED = (
    *("gzip, gzip", "gzip,identity,x-gzip", "br", "zstd", "deflate", "GZIP, br"),
    ", ".join(["gzip"] * 500),
)

both_clients = pytest.mark.parametrize("kind", [JobsClient, AsyncJobsClient])


def framed(body: bytes, *, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers={"Content-Length": str(len(body)), **named}, body=body)


@both_clients
@pytest.mark.parametrize("pack", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("status", [200, 500])
def test_a_body_that_inflates_beyond_the_limit_is_refused(
    kind: type[Any], pack: Callable[[], bytes], status: int
) -> None:
    body = pack()
    with serving(lambda _: framed(body, status=status, Content_Encoding="gzip")) as server:
        with client_of(kind, server.url) as jobs, peak_below(1.5 * LIMIT):
            for verb in (jobs.get, jobs.replay_if_replayable):
                with pytest.raises(UnexpectedResponseError, match=f"exceeds {LIMIT} bytes") as raised:
                    verb(JOB_ID)
                assert raised.value.status_code == status
        assert {asked.headers["accept-encoding"] for asked in server.asked} == {"gzip"}


@both_clients
def test_a_body_without_end_is_refused(kind: type[Any]) -> None:
    def endless(piece: bytes = b" " * MIB) -> Iterable[bytes]:
        while True:
            yield piece

    with (
        serving(lambda _: Reply(headers={"Content-Type": "application/json"}, body=endless())) as server,
        client_of(kind, server.url) as jobs,
        peak_below(1.5 * LIMIT),
        pytest.raises(UnexpectedResponseError, match="exceeds"),
    ):
        jobs.get(JOB_ID)


@both_clients
def test_other_codings_than_one_gzip_are_refused_unread(kind: type[Any]) -> None:
    nested, left = gzip.compress(ZEROS * 64), list(UNSUPPORTED)
    with (
        serving(lambda _: framed(nested, Content_Encoding=left.pop())) as server,
        client_of(kind, server.url) as jobs,
    ):
        for _ in UNSUPPORTED:
            with peak_below(2 * MIB), pytest.raises(UnexpectedResponseError, match="encoded as") as raised:
                jobs.get(JOB_ID)
            assert len(str(raised.value)) < 500


@both_clients
def test_the_generated_client_refuses_a_body_that_inflates_beyond_the_limit(kind: type[Any]) -> None:
    def get(jobs: AnyClient) -> object:
        if kind is JobsClient:
            return get_job.sync("IRbombs", UUID(JOB_ID), client=jobs.generated)
        return jobs._runner.run(get_job.asyncio("IRbombs", UUID(JOB_ID), client=jobs._inner.generated))

    body = BOMBS["after a job"]()
    with (
        serving(lambda _: framed(body, Content_Encoding="gzip")) as server,
        client_of(kind, server.url) as jobs,
        peak_below(1.5 * LIMIT),
        pytest.raises(UnexpectedResponseError, match="exceeds"),
    ):
        get(jobs)


@both_clients
def test_one_layer_of_gzip_is_decoded(kind: type[Any]) -> None:
    body = json.dumps(job_json("RUNNING", Message="Gone.")).encode()
    replies: list[Reply] = []
    with serving(lambda _: replies[-1]) as server, client_of(kind, server.url) as jobs:
        for codings in ("gzip", "x-gzip", "identity, GZIP", "utf-8"):
            packed = body if codings == "utf-8" else gzip.compress(body)
            replies.append(framed(packed, Content_Encoding=codings))
            assert jobs.get(JOB_ID).raw["Message"] == "Gone.", codings
            replies.append(framed(packed, status=404, Content_Encoding=codings))
            with pytest.raises(JobsError, match="HTTP 404: Gone"):
                jobs.get(JOB_ID)


@both_clients
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (gzip.compress(b"{}" * 1000)[:-9], "broke off"),
        (b"{}", "is not gzip"),
        (gzip.compress(b"{}") + b"{}", "is not gzip"),
    ],
    ids=["truncated", "plain", "trailing bytes"],
)
def test_incomplete_or_invalid_gzip_is_a_transport_error(kind: type[Any], body: bytes, problem: str) -> None:
    with (
        serving(lambda _: framed(body, Content_Encoding="gzip")) as server,
        client_of(kind, server.url) as jobs,
        pytest.raises(TransportError, match=problem),
    ):
        jobs.get(JOB_ID)


@both_clients
def test_an_empty_body_is_not_decoded(kind: type[Any]) -> None:
    with (
        serving(lambda _: framed(b"", Content_Encoding="gzip")) as server,
        client_of(kind, server.url) as jobs,
        pytest.raises(UnexpectedResponseError, match="is empty"),
    ):
        jobs.get(JOB_ID)


@both_clients
def test_a_gzipped_result_is_decoded_to_disk_piece_by_piece(kind: type[Any], tmp_path: Path) -> None:
    body = ZEROS * 3
    with serving(lambda _: framed(body, Content_Encoding="gzip")) as server, client_of(kind, server.url) as jobs:
        with peak_below(8 * MIB):
            done = jobs.download(JOB_ID, tmp_path / "zeros", mode="stream")
        assert done.bytes_written == done.path.stat().st_size == 48 * MIB
        assert server.asked[0].headers["accept-encoding"] == "identity"
