"""A `Content-Encoding` that encodes nothing changes nothing; one that does is decoded or refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest
from impact_agency_api.api.jobs import get_job
from impact_jobs import IntegrityError, Retry, UnexpectedResponseError
from impact_jobs._transport.headers import content_codings
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, by_generated_code
from tests.support.raw_server import RawServer, serving, storing

DATA = hashlib.shake_256(b"codings").digest(300_001)
ONE_TRY, QUICK = Retry(attempts=1), Retry(base_delay=0.0)
OTHER_SHA256 = base64.b64encode(hashlib.sha256(b"another file").digest()).decode()
NOT_ENCODED = ("identity", "Identity", "utf-8", "UTF-8", "aws-chunked", "", "identity, aws-chunked", ",", "none")
GZIP = ("gzip", "x-gzip", "GZip", "aws-chunked, gzip", "gzip,identity")


def job_at(sandbox: Sandbox, storage: RawServer) -> str:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"}, times=2)
    return job_id


@pytest.mark.parametrize("name", ["content-encoding", "x-goog-stored-content-encoding"])
def test_only_names_of_codings_count(name: str) -> None:
    assert content_codings({}, name) == []
    assert [coding for coding in NOT_ENCODED if content_codings({name: coding}, name)] == []
    assert [coding for coding in GZIP if content_codings({name: coding}, name) != ["gzip"]] == []
    assert content_codings({name: "gzip, BR"}, name) == ["gzip", "br"]


@pytest.mark.parametrize("connections", [1, 3])
def test_length_and_ranges_are_used_as_without(
    connections: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for number, coding in enumerate(NOT_ENCODED):
        totals: set[int | None] = set()
        with serving(storing(DATA, headers={"Content-Encoding": coding})) as storage:
            job_id = job_at(sandbox, storage)
            done = jobs.download(
                job_id,
                tmp_path / f"{number}",
                connections=connections,
                on_progress=lambda _, total, totals=totals: totals.add(total),
            )
            with jobs.stream(job_id) as chunks:
                assert chunks.bytes_total == len(DATA), coding
        assert done.path.read_bytes() == DATA
        assert (done.connections, totals) == (connections, {len(DATA)}), coding


def test_a_wrong_checksum_is_noticed_and_a_cut_is_resumed(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number, coding in enumerate(NOT_ENCODED):
        headers = {"Content-Encoding": coding, "ETag": '"1"', "Accept-Ranges": "bytes"}
        job_id = sandbox.add_job()
        wrong = headers | {"x-amz-checksum-sha256": OTHER_SHA256}
        sandbox.answer_next("GET", ".csv", status=200, body=DATA, headers=wrong)
        with pytest.raises(IntegrityError):
            jobs.download(job_id, tmp_path / f"{number}")
        cut = headers | {"ETag": '"2"', "Content-Length": str(len(DATA))}
        rest = {"Content-Range": f"bytes 9-{len(DATA) - 1}/{len(DATA)}", "ETag": '"2"', "Content-Encoding": coding}
        sandbox.answer_next("GET", ".csv", status=200, body=DATA[:9], headers=cut)
        sandbox.answer_next("GET", ".csv", status=206, body=DATA[9:], headers=rest)
        assert jobs.with_options(retry=Retry(base_delay=0.0)).download(
            job_id, tmp_path / f"{number}"
        ).bytes_written == len(DATA)


def test_every_name_of_gzip_is_decoded_and_has_no_length(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number, coding in enumerate(GZIP):
        headers = {"Content-Encoding": coding, "x-amz-checksum-sha256": OTHER_SHA256}
        sandbox.answer_next("GET", ".csv", status=200, body=gzip.compress(DATA), headers=headers, times=2)
        job_id = sandbox.add_job()
        assert jobs.download(job_id, tmp_path / f"{number}").path.read_bytes() == DATA, coding
        with jobs.stream(job_id) as chunks:
            assert chunks.bytes_total is None
            assert b"".join(chunks) == DATA


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, br", "aws-chunked, zstd"])
def test_a_coding_that_cannot_be_decoded_is_named(
    coding: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.answer_next("GET", ".csv", status=200, body=DATA, headers={"Content-Encoding": coding})
    with pytest.raises(UnexpectedResponseError, match=f"encoded as '{coding.removeprefix('aws-chunked, ')}'"):
        jobs.with_options(retry=ONE_TRY).download(sandbox.add_job(), tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_answers_of_the_api_are_read_as_well(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    for coding in (*NOT_ENCODED, *GZIP):
        body = f'{{"Id": "{job_id}", "Status": "RUNNING"}}'.encode()
        packed = gzip.compress(body) if "gzip" in coding.lower() else body
        headers = {"Content-Encoding": coding}
        sandbox.answer_next("GET", re.compile(job_id), status=200, body=packed, headers=headers, times=2)
        assert jobs.get(job_id).status == "RUNNING", coding
        assert by_generated_code(jobs, get_job, job_id).status == "RUNNING", coding
