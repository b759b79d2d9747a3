"""`fetch_all`: waiting for several jobs and downloading all their results into one folder."""

from __future__ import annotations

import gzip
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from impact_jobs import (
    ConfigurationError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    Polling,
    Retry,
    WaitTimeoutError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import asked_of, assert_complete, names_in
from tests.support.raw_server import Reply, serving, storing

ONE_TRY = Retry(attempts=1)
EAGER = Polling(minimum=0.05, maximum=0.2)
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def ids(sandbox: Sandbox) -> list[str]:
    """Return five jobs that are completed."""
    return [sandbox.add_job(result_bytes=size) for size in (0, 1, 1000, 70_000, 300_000)]


# Several jobs


@pytest.mark.parametrize("concurrency", [1, 2, 4, 64])
def test_every_job_gets_its_file_and_a_second_call_sends_no_request(
    concurrency: int, jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "there"
    assert_complete(jobs.fetch_all(ids, folder, concurrency=concurrency), sandbox, folder)
    sandbox.forget_requests()
    again = jobs.fetch_all(ids, folder, concurrency=concurrency)
    assert_complete(again, sandbox, folder)
    assert sandbox.requests == ()
    assert [found.resumed_from for found in again.files.values()] == [0, 1, 1000, 70_000, 300_000]


def test_a_repeated_call_waits_for_the_missing_files_only(
    jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path
) -> None:
    ended = [jobs.wait(job_id) for job_id in ids]
    timeouts = dict.fromkeys(ids, 60.0)
    assert_complete(jobs.fetch_all(ended, tmp_path, timeout=timeouts), sandbox, tmp_path)
    for given in (ended, ids):
        (tmp_path / f"{ids[3]}.csv").unlink()
        sandbox.forget_requests()
        report = jobs.fetch_all(given, tmp_path, timeout=timeouts)
        assert_complete(report, sandbox, tmp_path)
        assert {ids[3] in request.path for request in asked_of(sandbox, "api")} == {True}


def test_one_jobs_failure_never_stops_the_others(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    ends = {
        sandbox.add_job(status="FAILED", message="Out of memory"): JobFailedError,
        sandbox.add_job(): None,
        UNKNOWN: JobNotFoundError,
        sandbox.add_job(seconds=0.3): None,
        sandbox.add_job(status="CANCELLED"): JobCancelledError,
        sandbox.add_job(status="RUNNING"): WaitTimeoutError,
    }
    timeouts = {job_id: 0.2 if kind is WaitTimeoutError else 60.0 for job_id, kind in ends.items()}
    report = jobs.fetch_all(ends, tmp_path, timeout=timeouts, polling=EAGER, concurrency=2)
    assert list(report.outcomes) == list(ends), "in the order given"
    assert {job_id: type(error) for job_id, error in report.errors.items()} == {
        job_id: kind for job_id, kind in ends.items() if kind
    }
    assert all(error.job_id == job_id for job_id, error in report.errors.items())
    assert not report.is_complete
    assert names_in(tmp_path) == sorted(f"{job_id}.csv" for job_id in report.files)
    copied = pickle.loads(pickle.dumps(report))  # noqa: S301 - our own
    assert copied.files == report.files
    assert [str(error) for error in copied.errors.values()] == [str(error) for error in report.errors.values()]


def test_an_empty_list_needs_no_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    report = jobs.fetch_all([], tmp_path / "a")
    assert (report.is_complete, report.outcomes, sandbox.requests) == (True, {}, ())


def test_jobs_may_be_named_in_every_form(jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path) -> None:
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{ids[3]}/Download"
    forms = [ids[0].upper(), UUID(ids[1]), jobs.get(ids[2]), uri, ids[4], jobs.get(ids[0]), ids[1].upper()]
    report = jobs.fetch_all((form for form in forms), tmp_path)
    assert list(report.outcomes) == [ids[0].upper(), *ids[1:]], "once each, under the name given first"
    assert_complete(report, sandbox, tmp_path)
    sandbox.forget_requests()
    assert_complete(jobs.fetch_all([name.upper() for name in ids], tmp_path), sandbox, tmp_path)
    assert sandbox.requests == (), "the same files, in upper case too"


def test_the_iterator_of_list_may_be_passed(jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path) -> None:
    listed = jobs._inner.list() if hasattr(jobs, "_inner") else jobs.list()
    assert_complete(jobs.fetch_all(listed, tmp_path), sandbox, tmp_path)
    assert len(ids) == len(names_in(tmp_path))
    assert sum(not request.path.endswith("/Download") for request in asked_of(sandbox, "api")) == 1


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "from 1 to 64"),
    ({"concurrency": 65}, "from 1 to 64"),
    ({"concurrency": True}, "from 1 to 64"),
    ({"concurrency": 2.0}, "from 1 to 64"),
    ({"connections": 0}, "connections=0"),
    ({"concurrency": 9, "connections": 8}, "may use 72 connections: the maximum is 64"),
    ({"concurrency": 9, "connections": None}, "may use 72 connections: the maximum is 64"),
    ({"mode": "directly"}, "give 'redirect' or 'stream'"),
    ({"timeout": -1}, "timeout=-1"),
    ({"timeout": {}}, "lacks job"),
    ({"directory": ""}, "not a file name"),
    ({"directory": "a\0b"}, "not a file name"),
    ({"jobs": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"}, "not several jobs"),
    ({"jobs": ["nonsense"]}, "does not name a job"),
]


def test_bad_input_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    for bad, message in BAD_INPUT:
        arguments = {"jobs": [job_id], "directory": tmp_path} | bad
        with pytest.raises(ConfigurationError, match=message):
            jobs.fetch_all(arguments.pop("jobs"), arguments.pop("directory"), **arguments)
    assert sandbox.requests == ()


def test_digest_false_and_stream_mode_are_honoured(
    jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path
) -> None:
    for _ in range(2):
        report = jobs.fetch_all(ids, tmp_path, digest=False, mode="stream")
        assert {found.sha256 for found in report.files.values()} == {None}
    assert_complete(jobs.fetch_all(ids, tmp_path), sandbox, tmp_path)
    assert asked_of(sandbox, "storage") == []


# Names


EXTENSIONS: list[tuple[dict[str, str], str]] = [
    ({"Content-Disposition": 'attachment; filename="report.csv.gz"'}, ".csv.gz"),
    ({"Content-Disposition": 'attachment; filename="a.2026-01-01.gz"'}, ".gz"),
    ({"Content-Disposition": 'attachment; filename="REPORT.XLSX"'}, ".XLSX"),
    ({"Content-Disposition": 'attachment; filename="v1.2.json"'}, ".json"),
    ({"Content-Disposition": 'attachment; filename="../../x"', "Content-Type": "text/csv; charset=utf-8"}, ".csv"),
    ({"Content-Disposition": 'attachment; filename="../x.tsv/"'}, ".tsv"),
    ({"Content-Disposition": f'attachment; filename="{"x" * 400}.txt"'}, ".txt"),
    ({"Content-Disposition": f'attachment; filename="x.{"y" * 400}"', "Content-Type": "application/json"}, ".json"),
    ({"Content-Disposition": 'attachment; filename="x.a b"', "Content-Type": "application/xml"}, ".xml"),
    ({"Content-Disposition": 'attachment; filename="x.part"'}, ""),
    ({"Content-Disposition": 'attachment; filename="x.PART"'}, ""),
    ({"Content-Disposition": 'attachment; filename="x.part.gz"'}, ".gz"),
    ({"Content-Disposition": 'attachment; filename="x.part.json"'}, ".json"),
    ({"Content-Disposition": 'attachment; filename="x.json"'}, ".json"),
    ({"Content-Disposition": 'attachment; filename="x.new"'}, ".new"),
    ({"Content-Disposition": 'attachment; filename="x.parts"'}, ".parts"),
    ({"Content-Disposition": "attachment", "Content-Type": "application/octet-stream"}, ""),
    ({"Content-Type": "Text/CSV"}, ".csv"),
    ({}, ""),
]


def test_the_extension_follows_the_response_and_existing_files_are_recognised(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    results = re.compile("^/results/")
    for number, (headers, extension) in enumerate(EXTENSIONS):
        job_id, folder = sandbox.add_job(), tmp_path / f"{number}"
        body = gzip.compress(b"a,b\n1,2\n", mtime=0) if extension.endswith(".gz") else b"a,b\n1,2\n"
        complete = {**headers, "Content-Length": str(len(body)), "ETag": '"v1"'}
        rest = {
            **complete,
            "Content-Length": str(len(body) - 3),
            "Content-Range": f"bytes 3-{len(body) - 1}/{len(body)}",
        }
        sandbox.answer_next("GET", results, status=200, headers=complete, content_type="", body=body[:3])
        sandbox.answer_next("GET", results, status=206, headers=rest, content_type="", body=body[3:])
        assert not jobs.with_options(retry=ONE_TRY).fetch_all([job_id], folder).is_complete
        report = jobs.fetch_all([job_id], folder)
        assert [path.name for path in folder.iterdir()] == [job_id + extension], headers
        assert report.files[job_id].resumed_from == 3
        sandbox.forget_requests()
        again = jobs.fetch_all([job_id], folder)
        assert (again.files[job_id].path.read_bytes(), sandbox.requests) == (body, ()), headers


def test_a_body_that_stays_broken_fails_only_its_job(
    jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path
) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 10

    def answer(_: Any) -> Reply:
        whole = storing(b"y" * 100_000, etag="")
        return Reply(headers=whole(_).headers, body=broken(), ends=True)

    with serving(answer) as storage:
        sandbox.answer_next("GET", f"{ids[1]}/Download", status=302, headers={"Location": storage.url}, times=9)
        report = jobs.with_options(retry=Retry(attempts=2, base_delay=0.0)).fetch_all(ids, tmp_path)
    assert list(report.errors) == [ids[1]]
    assert names_in(tmp_path) == sorted(f"{job_id}.csv" for job_id in ids if job_id != ids[1])
