"""Answers that are small on the wire and huge in memory, over real sockets: refused, and memory stays bounded."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from impact_agency_api.api.jobs import get_job
from impact_jobs import AsyncJobsClient, JobsClient, JobsError, Retry, TransportError, UnexpectedResponseError
from impact_jobs._transport.base import MAX_BODY_BYTES

from tests.support.driving import AnyClient, Driven
from tests.support.raw_server import Reply, serving
from tests.support.simulated import JOB_ID, job_json

MIB = 1024 * 1024
GZIPPED = {"Content-Encoding": "gzip"}
ZEROS = gzip.compress(bytes(16 * MIB))  # 16 KB


def bomb(size: int) -> bytes:
    packing = zlib.compressobj(wbits=31)
    zeros = bytes(MIB)
    return b"".join([*(packing.compress(zeros) for _ in range(size // MIB)), packing.flush()])


BOMBS = {
    "half a gigabyte in half a megabyte": bomb(512 * MIB),
    "many files in a row": ZEROS * 64,
    "behind a job": gzip.compress(json.dumps(job_json("RUNNING")).encode()) + ZEROS * 64,
}


@contextmanager
def peak_below(most: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
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


both = pytest.mark.parametrize("kind", [JobsClient, AsyncJobsClient])


def framed(body: bytes, *, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers={"Content-Length": str(len(body)), **named}, body=body)


@both
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("status", [200, 500])
def test_what_inflates_beyond_the_limit_is_refused(kind: type[Any], body: bytes, status: int) -> None:
    with serving(lambda _: framed(body, status=status, Content_Encoding="gzip")) as server:
        with client_of(kind, server.url) as jobs, peak_below(1.5 * MAX_BODY_BYTES):
            for verb in (jobs.get, jobs.replay_if_replayable):
                with pytest.raises(UnexpectedResponseError, match=f"exceeds {MAX_BODY_BYTES} bytes") as raised:
                    verb(JOB_ID)
                assert raised.value.status_code == status
        assert {asked.headers["accept-encoding"] for asked in server.asked} == {"gzip"}


@both
def test_what_never_ends_is_refused_too(kind: type[Any]) -> None:
    def endless(piece: bytes = b" " * MIB) -> Iterable[bytes]:
        while True:
            yield piece

    with (
        serving(lambda _: Reply(headers={"Content-Type": "application/json"}, body=endless())) as server,
        client_of(kind, server.url) as jobs,
        peak_below(1.5 * MAX_BODY_BYTES),
        pytest.raises(UnexpectedResponseError, match="exceeds"),
    ):
        jobs.get(JOB_ID)


@both
@pytest.mark.parametrize(
    "codings", ["gzip, gzip", "gzip,identity,x-gzip", "br", "zstd", "deflate", "GZIP, br", ", ".join(["gzip"] * 500)]
)
def test_what_is_encoded_otherwise_or_twice_is_refused_unread(kind: type[Any], codings: str) -> None:
    nested = gzip.compress(ZEROS * 64)
    with serving(lambda _: framed(nested, Content_Encoding=codings)) as server, client_of(kind, server.url) as jobs:
        with peak_below(2 * MIB), pytest.raises(UnexpectedResponseError, match="encoded as") as raised:
            jobs.get(JOB_ID)
        assert len(str(raised.value)) < 500


@both
def test_the_generated_client_refuses_them_too(kind: type[Any]) -> None:
    def get(jobs: AnyClient) -> object:
        if kind is JobsClient:
            return get_job.sync("IRbombs", UUID(JOB_ID), client=jobs.generated)
        return jobs._runner.run(get_job.asyncio("IRbombs", UUID(JOB_ID), client=jobs._inner.generated))

    body = BOMBS["behind a job"]
    with (
        serving(lambda _: framed(body, Content_Encoding="gzip")) as server,
        client_of(kind, server.url) as jobs,
        peak_below(1.5 * MAX_BODY_BYTES),
        pytest.raises(UnexpectedResponseError, match="exceeds"),
    ):
        get(jobs)


@both
@pytest.mark.parametrize("codings", ["gzip", "x-gzip", "identity, GZIP", "utf-8"])
@pytest.mark.parametrize("status", [200, 404])
def test_one_layer_of_gzip_is_read(kind: type[Any], codings: str, status: int) -> None:
    body = json.dumps(job_json("RUNNING", Message="Gone.")).encode()
    packed = body if codings == "utf-8" else gzip.compress(body)
    reply = framed(packed, status=status, Content_Encoding=codings)
    with serving(lambda _: reply) as server, client_of(kind, server.url) as jobs:
        if status == 200:
            assert jobs.get(JOB_ID).raw["Message"] == "Gone."
        else:
            with pytest.raises(JobsError, match="HTTP 404: Gone"):
                jobs.get(JOB_ID)


@both
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (gzip.compress(b"{}" * 1000)[:-9], "broke off"),
        (b"{}", "is not gzip"),
        (gzip.compress(b"{}") + b"{}", "is not gzip"),
    ],
    ids=["cut", "plain", "something behind"],
)
def test_what_is_no_whole_gzip_is_a_broken_answer(kind: type[Any], body: bytes, problem: str) -> None:
    with (
        serving(lambda _: framed(body, Content_Encoding="gzip")) as server,
        client_of(kind, server.url) as jobs,
        pytest.raises(TransportError, match=problem),
    ):
        jobs.get(JOB_ID)


@both
def test_no_body_needs_no_decoding(kind: type[Any]) -> None:
    with (
        serving(lambda _: framed(b"", Content_Encoding="gzip")) as server,
        client_of(kind, server.url) as jobs,
        pytest.raises(UnexpectedResponseError, match="is empty"),
    ):
        jobs.get(JOB_ID)


@both
def test_a_result_that_is_gzipped_unasked_comes_to_disk_bit_by_bit(kind: type[Any], tmp_path: Path) -> None:
    body = ZEROS * 8
    with serving(lambda _: framed(body, Content_Encoding="gzip")) as server, client_of(kind, server.url) as jobs:
        with peak_below(8 * MIB):
            done = jobs.download(JOB_ID, tmp_path / "zeros", mode="stream")
        assert done.bytes_written == done.path.stat().st_size == 128 * MIB
        assert server.asked[0].headers["accept-encoding"] == "identity"
