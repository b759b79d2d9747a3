"""An exchange ends when its `request_timeout` is over, however busily bytes come: each of them counts as an answer to
httpx, which bounds single reads. These answers are whole in the end, so a call that waited for them would succeed."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import trustme
from impact_agency_api.api.jobs import download_job_result, get_job
from impact_jobs import (
    AsyncJobsClient,
    JobsClient,
    ReplayUncertainError,
    RequestTimeoutError,
    Retry,
    TransportError,
    WaitTimeoutError,
)

from tests.support.driving import AnyClient, Driven, by_generated_code
from tests.support.raw_server import Asked, Reply, serving, trickled

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
SID = "IRabc"
JOB = json.dumps({"Id": JOB_ID, "Status": "COMPLETED", "ResultUri": "/x"}).encode()
SECONDS = 0.2  # granted
PAUSE = 0.006  # before each byte: a second and more for a head
ONCE = Retry(attempts=1)

Place = Literal["head", "body"]
Kind = Literal[
    "blocking", "asynchronous", "blocking, over a client of one's own", "asynchronous, over clients of one's own"
]
KINDS: tuple[Kind, ...] = (
    "blocking",
    "asynchronous",
    "blocking, over a client of one's own",
    "asynchronous, over clients of one's own",
)


@contextmanager
def client(kind: Kind, url: str, **options: Any) -> Iterator[AnyClient]:
    settings: dict[str, Any] = {"base_url": url, "request_timeout": SECONDS, "retry": ONCE} | options
    is_own = "own" in kind
    if kind.startswith("blocking"):
        own: dict[str, Any] = {"http_client": httpx.Client(), "storage_client": httpx.Client()} if is_own else {}
        with JobsClient(SID, "token", **settings, **own) as jobs:
            yield jobs
        for found in own.values():
            found.close()
        return
    with asyncio.Runner() as runner:
        both: dict[str, Any] = (
            {"http_client": httpx.AsyncClient(), "storage_client": httpx.AsyncClient()} if is_own else {}
        )
        with Driven(AsyncJobsClient(SID, "token", **settings, **both), runner) as jobs:
            yield jobs
        for each in both.values():
            runner.run(each.aclose())


def slow(asked: Asked, place: Place, body: bytes = JOB, *, status: int = 200, headers: Mapping[str, str] = {}) -> Reply:
    stated = {"Content-Type": "application/json", "Content-Length": f"{len(body)}"} | dict(headers)
    if place == "head":
        return Reply(status=status, headers=stated, body=body, pause=PAUSE)
    return Reply(status=status, headers=stated, body=trickled(body, asked, 3 * PAUSE))


def drained(chunks: Any) -> int:
    with chunks as opened:
        return sum(len(chunk) for chunk in opened)


CALLS: dict[str, tuple[Callable[[AnyClient, Path], object], type[Exception]]] = {
    "get": (lambda jobs, _: jobs.get(JOB_ID), RequestTimeoutError),
    "list": (lambda jobs, _: list(jobs.list()), RequestTimeoutError),
    "wait": (lambda jobs, _: jobs.wait(JOB_ID, 0), WaitTimeoutError),
    "wait_all": (lambda jobs, _: jobs.wait_all([JOB_ID], 0), WaitTimeoutError),
    "replay": (lambda jobs, _: jobs.replay(JOB_ID), ReplayUncertainError),
    "generated": (lambda jobs, _: by_generated_code(jobs, get_job, JOB_ID), RequestTimeoutError),
}
OF_RESULTS: dict[str, Callable[[AnyClient, Path], object]] = {
    "download": lambda jobs, folder: jobs.download(JOB_ID, folder / "result.csv"),
    "stream": lambda jobs, _: drained(jobs.stream(JOB_ID)),
    "generated": lambda jobs, _: by_generated_code(jobs, download_job_result, JOB_ID),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["head", "body"])
@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_trickles_is_given_up_in_time(call: str, place: Place, kind: Kind, tmp_path: Path) -> None:
    act, error = CALLS[call]
    with (
        serving(lambda asked: slow(asked, place)) as server,
        client(kind, server.url) as jobs,
        pytest.raises(error, match=r"timed out after 0\.\d+ s"),
    ):
        act(jobs, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", OF_RESULTS)
def test_so_is_the_head_of_a_result(call: str, kind: Kind, tmp_path: Path) -> None:
    with serving(lambda asked: slow(asked, "head", b"a,b\n", headers={"Content-Type": "text/csv"})) as storage:

        def answer(_: Asked) -> Reply:
            return Reply(status=302, headers={"Location": f"{storage.url}/result.csv", "Content-Length": "0"})

        of_api = answer if call != "generated" else lambda asked: slow(asked, "head")
        with serving(of_api) as api, client(kind, api.url) as jobs, pytest.raises(RequestTimeoutError):
            OF_RESULTS[call](jobs, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["download", "stream"])
def test_so_is_the_body_of_an_answer_that_is_no_result(call: str, kind: Kind, tmp_path: Path) -> None:
    with (
        serving(lambda asked: slow(asked, "body", JOB, status=202)) as api,
        client(kind, api.url) as jobs,
        pytest.raises(RequestTimeoutError),
    ):
        OF_RESULTS[call](jobs, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_is_kept_has_a_deadline_for_each_exchange(kind: Kind) -> None:
    def answer(asked: Asked) -> Reply:
        if len(server.asked) % 2:
            return Reply(headers={"Content-Type": "application/json", "Content-Length": f"{len(JOB)}"}, body=JOB)
        return slow(asked, "head")

    with serving(answer) as server, client(kind, server.url) as jobs:
        for _ in range(2):
            assert jobs.get(JOB_ID).id == JOB_ID
            with pytest.raises(RequestTimeoutError):
                jobs.get(JOB_ID)
        assert server.connections == 2


@pytest.fixture
def server_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Give the certificate of a server that clients trust."""
    authority, found = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").configure_cert(found)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_deadlines_hold_over_tls(kind: Kind, server_tls: ssl.SSLContext) -> None:
    with serving(lambda asked: slow(asked, "head"), tls=server_tls) as server, client(kind, server.url) as jobs:
        with pytest.raises(RequestTimeoutError):
            jobs.get(JOB_ID)
        assert server.asked, "it was the head that took so long"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", ["download", "stream"])
def test_the_body_of_a_result_may_take_as_long_as_it_comes(call: str, kind: Kind, tmp_path: Path) -> None:
    def pieces(asked: Asked) -> Iterator[bytes]:
        for _ in range(4):
            asked.over.wait(0.4)  # of 1 s for each read
            yield b"a,b\n"

    def answer(asked: Asked) -> Reply:
        return Reply(headers={"Content-Type": "text/csv", "Content-Length": "16"}, body=pieces(asked))

    with serving(answer) as storage:
        redirect = Reply(status=302, headers={"Location": f"{storage.url}/result.csv", "Content-Length": "0"})
        with serving(lambda _: redirect) as api, client(kind, api.url, request_timeout=1.0) as jobs:
            assert OF_RESULTS[call](jobs, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["a gzip header without end", "a chunk's extension without end"])
def test_nor_does_a_single_read_of_it_go_on_without_end(way: str, kind: Kind) -> None:
    """Bytes come all the time, and none of them is a byte of the result."""

    def answer(asked: Asked) -> Reply:
        is_gzip = way.startswith("a gzip")
        headers = (
            {"Content-Encoding": "gzip", "Content-Length": "9999"} if is_gzip else {"Transfer-Encoding": "chunked"}
        )
        begun = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" if is_gzip else b"5;x="
        return Reply(headers=headers, body=chain([begun], trickled(bytes(b"n" * 500), asked, 3 * PAUSE)))

    with serving(answer) as storage:
        redirect = Reply(status=302, headers={"Location": f"{storage.url}/result.csv", "Content-Length": "0"})
        with serving(lambda _: redirect) as api, client(kind, api.url) as jobs, pytest.raises(RequestTimeoutError):
            drained(jobs.stream(JOB_ID))


@pytest.mark.parametrize("kind", KINDS)
def test_a_timeout_of_ages_is_one(kind: Kind) -> None:
    reply = Reply(headers={"Content-Length": f"{len(JOB)}"}, body=JOB)
    with serving(lambda _: reply) as server, client(kind, server.url, request_timeout=1e300) as jobs:
        assert jobs.get(JOB_ID).id == JOB_ID


@contextmanager
def silent() -> Iterator[str]:
    """A server that has connections made by the kernel alone, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("kind", KINDS)
def test_where_no_connection_came_about_in_time_nothing_was_sent(kind: Kind) -> None:
    with silent() as url, client(kind, url, retry=Retry(attempts=2, base_delay=0.0)) as jobs:
        with pytest.raises(TransportError, match="ConnectTimeout") as raised:
            jobs.replay(JOB_ID)
        assert not raised.value.request_sent, "else it would not have been tried again, but looked for in the list"
