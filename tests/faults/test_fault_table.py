"""docs/faults.md is true: each cell is what the verb really comes to, with either client."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import FetchReport, JobsError, Retry
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Answer, Asked, Reply, serving, storing

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
DATA = bytes(300_000)
RETRY = Retry(attempts=2, base_delay=0.0)


def said(status: int, body: str = "", **headers: str) -> Answer:
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Reply(status=status, headers=fields, body=body.encode())


def silence(asked: Asked) -> Reply:
    asked.over.wait()
    return Reply(ends=True)


def trickling(asked: Asked) -> Reply:
    return Reply(headers=storing(DATA)(asked).headers, body=DATA, pause=0.02)


def hang_up(_: Asked) -> Reply:
    raise ConnectionAbortedError


SLOW = (silence, trickling)


def read(jobs: AnyClient, job_id: str) -> bytes:
    with jobs.stream(job_id) as chunks:
        return b"".join(chunks)


VERBS: dict[str, Callable[[AnyClient, str, Path], Any]] = {
    "list": lambda jobs, *_: list(jobs.list()),
    "get": lambda jobs, job_id, _: jobs.get(job_id),
    "wait": lambda jobs, job_id, _: jobs.wait(job_id, timeout=0),
    "download": lambda jobs, job_id, folder: jobs.download(job_id, folder / "a.csv", connections=1).path.read_bytes(),
    "stream": lambda jobs, job_id, _: read(jobs, job_id),
    "replay": lambda jobs, job_id, _: jobs.replay(job_id),
    "fetch_all": lambda jobs, job_id, folder: jobs.fetch_all([job_id], folder, timeout=0),
}
OF_RESULTS = ("download", "stream", "fetch_all")

FROM_THE_API: dict[str, Answer] = {
    "400": said(400),
    "401": said(401),
    "403": said(403),
    "403, about the job's state": said(403, '{"Message": "The job is RUNNING."}'),
    "404": said(404),
    "429, every time": said(429, Retry_After="0"),
    "500, every time": said(500),
    "502, 503 or 504, every time": said(503),
    "connection closed without a response, every time": hang_up,
    "silent server, every time": silence,
    "headers byte by byte, every time": trickling,
    "200 with an error": said(200, '{"Status": "ERROR", "Message": "Not permitted"}'),
    "200 with an error in XML": said(
        200, "<ImpactRadiusResponse><Status>ERROR</Status><Message>Not permitted</Message></ImpactRadiusResponse>"
    ),
    "200 with HTML": said(200, "<html></html>"),
    "200 with other XML": said(200, "<ImpactRadiusResponse/>"),
    "200 with an empty body": said(200),
    "200 with truncated JSON": said(200, '{"Id": "3f6c'),
}


def cut_after(count: int) -> Answer:
    def answer(asked: Asked) -> Reply:
        whole = storing(DATA)(asked)
        assert isinstance(whole.body, bytes)
        return Reply(status=whole.status, headers=whole.headers, body=whole.body[:count], ends=True)

    return answer


def once(first: Answer, then: Answer) -> Answer:
    waiting = [first]

    def answer(asked: Asked) -> Reply:
        return (waiting.pop() if waiting else then)(asked)

    return answer


FROM_THE_STORAGE: dict[str, Callable[[], Answer]] = {
    "expired URL": lambda: once(said(403), storing(DATA)),
    "403, every time": lambda: said(403),
    "404, every time": lambda: said(404),
    "503, once": lambda: once(said(503), storing(DATA)),
    "503, every time": lambda: said(503),
    "silent server, every time": lambda: silence,
    "headers byte by byte, every time": lambda: trickling,
    "connection lost after a tenth, every time": lambda: cut_after(30_000),
    "connection lost at the first byte, every time": lambda: cut_after(0),
    "connection lost once, no range support": lambda: once(cut_after(30_000), storing(DATA, serves_ranges=False)),
    "connection lost once, then a different file": lambda: once(cut_after(30_000), storing(DATA[:-1], etag='"v2"')),
    "checksum mismatch": lambda: storing(DATA, headers={"Content-MD5": "CY9rzUYh03PK3k6DJie09g=="}),
    "redirect to plain http on another host": lambda: said(302, Location="http://storage.example/a"),
    "redirect loop": lambda: said(302, Location="/a"),
}


def outcome(verb: str, jobs: AnyClient, job_id: str) -> str:
    """What the user sees."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = VERBS[verb](jobs, job_id, Path(folder))
        except JobsError as error:
            return f"`{type(error).__name__}`"
        if isinstance(found, FetchReport) and found.errors:
            return f"`{type(found.errors[job_id]).__name__}` in the report"
        data = found.files[job_id].path.read_bytes() if isinstance(found, FetchReport) else found
    return "the result" if DATA.startswith(data) and len(data) >= len(DATA) - 1 else "that body, unchanged"


@contextmanager
def faulty_api(make: MakeClient, fault: Answer) -> Iterator[AnyClient]:
    with Sandbox() as sandbox, serving(fault) as api, asyncio.Runner() as runner:
        timeout = 0.1 if fault in SLOW else 30.0
        with make(sandbox, runner, base_url=api.url, retry=RETRY, request_timeout=timeout) as jobs:
            yield jobs


def api_cell(make: MakeClient, fault: str, verb: str) -> str:
    with faulty_api(make, FROM_THE_API[fault]) as jobs:
        return outcome(verb, jobs, JOB_ID)


def storage_cell(make: MakeClient, fault: str, verb: str) -> str:
    answer = FROM_THE_STORAGE[fault]()
    with Sandbox(job_seconds=0) as sandbox, serving(answer) as storage, asyncio.Runner() as runner:
        job_id = sandbox.add_job()
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"}, times=99)
        timeout = 0.1 if answer in SLOW else 30.0
        with make(sandbox, runner, retry=RETRY, request_timeout=timeout) as jobs:
            return outcome(verb, jobs, job_id)


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def tables(make: MakeClient) -> list[list[str]]:
    """Both tables, as lines."""
    made: list[list[str]] = []
    columns: Mapping[str, tuple[Any, tuple[str, ...], Any]] = {
        "API": (FROM_THE_API, tuple(VERBS), api_cell),
        "storage": (FROM_THE_STORAGE, OF_RESULTS, storage_cell),
    }
    for name, (faults, verbs, cell) in columns.items():
        lines = [row([name, *(f"`{verb}`" for verb in verbs)]), row(["---"] * (len(verbs) + 1))]
        made.append(lines + [row([fault, *(cell(make, fault, verb) for verb in verbs)]) for fault in faults])
    return made


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_the_page_says_what_happens(make: MakeClient) -> None:
    page = PAGE.read_text().splitlines()
    for table in tables(make):
        assert [line for line in table if line not in page] == []
