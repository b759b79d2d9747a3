"""Each cell of the tables in docs/faults.md is what really happens, with both clients."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from impact_jobs import FetchReport, Job, JobsError, Retry
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Answer, Asked, Reply, serving, storing

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
DATA = bytes(300_000)
RETRY = Retry(attempts=2, base_delay=0.0)


def respond(status: int, body: str = "", **headers: str) -> Answer:
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Reply(status=status, headers=fields, body=body.encode())


def silence(asked: Asked) -> Reply:
    asked.over.wait()
    return Reply(ends=True)


def trickling(asked: Asked) -> Reply:
    return Reply(headers=storing(DATA)(asked).headers, body=DATA, pause=0.01)


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
    "400": respond(400),
    "401": respond(401),
    "403": respond(403),
    "403, about the job's state": respond(403, '{"Message": "The job is RUNNING."}'),
    "404": respond(404),
    "429, every time": respond(429, Retry_After="0"),
    "408, every time": respond(408),
    "425, every time": respond(425),
    "500, every time": respond(500),
    "502, 503 or 504, every time": respond(503),
    "connection closed without a response, every time": hang_up,
    "silent server, every time": silence,
    "headers byte by byte, every time": trickling,
    "200 with an error": respond(200, '{"Status": "ERROR", "Message": "Not permitted"}'),
    "200 with an error in XML": respond(
        200, "<ImpactRadiusResponse><Status>ERROR</Status><Message>Not permitted</Message></ImpactRadiusResponse>"
    ),
    "200 with HTML": respond(200, "<html></html>"),
    "200 with other XML": respond(200, "<ImpactRadiusResponse/>"),
    "200 with an empty body": respond(200),
    "200 with another job": respond(200, '{"Id": "00000000-0000-4000-8000-000000000000", "Status": "RUNNING"}'),
    "200 with truncated JSON": respond(200, '{"Id": "3f6c'),
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
    "expired URL": lambda: once(respond(403), storing(DATA)),
    "404 of a new result, twice": lambda: once(respond(404), once(respond(404), storing(DATA))),
    "403, every time": lambda: respond(403),
    "404, every time": lambda: respond(404),
    "408, 425, 429 or 5xx, once": lambda: once(respond(429, Retry_After="0"), storing(DATA)),
    "408 or 425, every time": lambda: respond(425),
    "429, every time": lambda: respond(429, Retry_After="0"),
    "500, every time": lambda: respond(500),
    "503, every time": lambda: respond(503),
    "200 with HTML": lambda: respond(200, "<html></html>"),
    "200 with its own error document": lambda: respond(200, "<Error><Code>InternalError</Code></Error>"),
    "204": lambda: respond(204),
    "silent server, every time": lambda: silence,
    "headers byte by byte, every time": lambda: trickling,
    "connection lost after a tenth, every time": lambda: cut_after(30_000),
    "connection lost at the first byte, every time": lambda: cut_after(0),
    "connection lost once, no range support": lambda: once(cut_after(30_000), storing(DATA, serves_ranges=False)),
    "connection lost once, then a different file": lambda: once(cut_after(30_000), storing(DATA[:-1], etag='"v2"')),
    "checksum mismatch": lambda: storing(DATA, headers={"Content-MD5": "CY9rzUYh03PK3k6DJie09g=="}),
    "redirect to plain http on another host": lambda: respond(302, Location="http://storage.example/a"),
    "redirect loop": lambda: respond(302, Location="/a"),
}


class FaultyServer:
    """A server whose fault can be changed; one serves all cells of a table."""

    def __init__(self) -> None:
        self.fault: Answer = respond(500)

    def __call__(self, asked: Asked) -> Reply:
        return self.fault(asked)


@frozen
class Setup:
    """What all cells of one client's tables share: a sandbox, and servers that replace its API and its storage."""

    make: MakeClient
    sandbox: Sandbox
    runner: asyncio.Runner
    server: FaultyServer
    url: str

    def cells(self, place: str, fault: str, verbs: Iterable[str]) -> list[str]:
        """Return what the user sees when each verb meets that fault; those that time out do so at the same time."""
        answer = FROM_THE_STORAGE[fault] if place == "storage" else lambda: FROM_THE_API[fault]
        if answer() not in SLOW:
            return [self._cell(place, answer(), verb, self.runner) for verb in verbs]

        def slow_cell(verb: str) -> str:
            with asyncio.Runner() as runner:
                return self._cell(place, answer(), verb, runner)

        with ThreadPoolExecutor(len(VERBS)) as threads:
            return list(threads.map(slow_cell, verbs))

    def _cell(self, place: str, answer: Answer, verb: str, runner: asyncio.Runner) -> str:
        self.server.fault = answer
        options: dict[str, Any] = {"retry": RETRY}
        job_id = JOB_ID
        if place == "API":
            options["base_url"] = self.url
            options["request_timeout"] = 0.2 if answer in SLOW else 30.0
        else:
            job_id = self.sandbox.add_job()
            options["request_timeout"] = 0.3 if answer in SLOW else 30.0  # the API, too, has to answer in this time
            link = {"Location": f"{self.url}/a.csv"}
            self.sandbox.answer_next("GET", f"{job_id}/Download", status=302, headers=link, times=99)
        with self.make(self.sandbox, runner, **options) as jobs:
            return outcome(verb, jobs, job_id)


def outcome(verb: str, jobs: AnyClient, job_id: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = VERBS[verb](jobs, job_id, Path(folder))
        except JobsError as error:
            return f"`{type(error).__name__}`"
        if isinstance(found, FetchReport) and found.errors:
            return f"`{type(found.errors[job_id]).__name__}` in the report"
        if isinstance(found, Job):
            return "that job"
        data = found.files[job_id].path.read_bytes() if isinstance(found, FetchReport) else found
    if not data:
        return "an empty file" if verb != "stream" else "no bytes"
    return "the result" if DATA.startswith(data) and len(data) >= len(DATA) - 1 else "that body, unchanged"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def setup(request: pytest.FixtureRequest) -> Iterator[Setup]:
    server = FaultyServer()
    with Sandbox(job_seconds=0, hourly_budget=None) as sandbox, serving(server) as found, asyncio.Runner() as runner:
        yield Setup(request.param, sandbox, runner, server, found.url)


@pytest.mark.parametrize(
    ("place", "faults", "verbs"),
    [("API", FROM_THE_API, VERBS), ("storage", FROM_THE_STORAGE, OF_RESULTS)],
    ids=["API", "storage"],
)
def test_each_cell_of_the_page_is_what_happens(
    place: str, faults: Iterable[str], verbs: Iterable[str], setup: Setup
) -> None:
    lines = [row([place, *(f"`{verb}`" for verb in verbs)])]
    lines += [row([fault, *setup.cells(place, fault, verbs)]) for fault in faults]
    page = PAGE.read_text().splitlines()
    assert [line for line in lines if line not in page] == []
