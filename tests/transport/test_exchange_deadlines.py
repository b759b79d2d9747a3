"""An exchange ends at its `request_timeout`, however slowly its bytes trickle: httpx alone limits only single reads.

Each response is complete in the end, so a call that waited for it would succeed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, product
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
TIMEOUT_SECONDS = 0.2
PAUSE_SECONDS = 0.006  # before each byte, so a head takes at least half a second
ONCE = Retry(attempts=1)
CA = trustme.CA()

Place = Literal["head", "body"]
Kind = Literal["blocking", "asynchronous", "blocking, over a custom client", "asynchronous, over custom clients"]
KINDS: tuple[Kind, ...] = (
    "blocking",
    "asynchronous",
    "blocking, over a custom client",
    "asynchronous, over custom clients",
)


@contextmanager
def client(kind: Kind, url: str, **options: Any) -> Iterator[AnyClient]:
    settings: dict[str, Any] = {"base_url": url, "request_timeout": TIMEOUT_SECONDS, "retry": ONCE} | options
    is_custom = "custom" in kind
    if kind.startswith("blocking"):
        own: dict[str, Any] = {"http_client": httpx.Client(), "storage_client": httpx.Client()} if is_custom else {}
        with JobsClient(SID, "token", **settings, **own) as jobs:
            yield jobs
        for found in own.values():
            found.close()
        return
    with asyncio.Runner() as runner:
        both: dict[str, Any] = (
            {"http_client": httpx.AsyncClient(), "storage_client": httpx.AsyncClient()} if is_custom else {}
        )
        with Driven(AsyncJobsClient(SID, "token", **settings, **both), runner) as jobs:
            yield jobs
        for each in both.values():
            runner.run(each.aclose())


def slow(asked: Asked, place: Place, body: bytes = JOB, *, status: int = 200, headers: Mapping[str, str] = {}) -> Reply:
    stated = {"Content-Type": "application/json", "Content-Length": f"{len(body)}"} | dict(headers)
    if place == "head":
        return Reply(status=status, headers=stated, body=body, pause=PAUSE_SECONDS)
    return Reply(status=status, headers=stated, body=trickled(body, asked, 3 * PAUSE_SECONDS))


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


in_each_kind = pytest.mark.parametrize("kind", KINDS)


def own(folder: Path, kind: Kind) -> Path:
    """Give the clients of each kind a folder of their own."""
    (folder / kind).mkdir(exist_ok=True)
    return folder / kind


def check_concurrently(
    check: Callable[[Kind, str], object], cases: Iterable[str], *, kinds: Iterable[Kind] = KINDS
) -> None:
    """Check all cases with each kind of client at the same time, because each waits for a timeout."""
    pairs = [*product(kinds, cases)]
    with ThreadPoolExecutor(len(pairs)) as threads:
        running = {pair: threads.submit(check, *pair) for pair in pairs}
    problems = {pair: error for pair, check in running.items() if (error := check.exception()) is not None}
    assert not problems


@in_each_kind  # and not all at once, or connecting alone takes too long
@pytest.mark.parametrize("place", ["head", "body"])
def test_a_call_gives_up_a_response_that_trickles(place: Place, kind: Kind, tmp_path: Path) -> None:
    def check(kind: Kind, call: str) -> None:
        act, error = CALLS[call]
        with client(kind, server.url) as jobs, pytest.raises(error, match=r"timed out after 0\.\d+ s"):
            act(jobs, own(tmp_path, kind))

    with serving(lambda asked: slow(asked, place)) as server:
        check_concurrently(check, CALLS, kinds=[kind])


def test_a_call_gives_up_a_result_whose_head_trickles(tmp_path: Path) -> None:
    def redirect(_: Asked) -> Reply:
        return Reply(status=302, headers={"Location": f"{storage.url}/result.csv", "Content-Length": "0"})

    def check(kind: Kind, call: str) -> None:
        url = slow_api.url if call == "generated" else api.url
        with client(kind, url) as jobs, pytest.raises(RequestTimeoutError):
            OF_RESULTS[call](jobs, own(tmp_path, kind))

    with (
        serving(lambda asked: slow(asked, "head", b"a,b\n", headers={"Content-Type": "text/csv"})) as storage,
        serving(lambda asked: slow(asked, "head")) as slow_api,
        serving(redirect) as api,
    ):
        check_concurrently(check, OF_RESULTS)


def test_a_call_gives_up_the_body_of_a_202_that_trickles(tmp_path: Path) -> None:
    def check(kind: Kind, call: str) -> None:
        with client(kind, api.url) as jobs, pytest.raises(RequestTimeoutError):
            OF_RESULTS[call](jobs, own(tmp_path, kind))

    with serving(lambda asked: slow(asked, "body", JOB, status=202)) as api:
        check_concurrently(check, ("download", "stream"))


@in_each_kind
def test_each_exchange_over_a_kept_connection_has_a_deadline_of_its_own(kind: Kind) -> None:
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
    """Return the TLS settings of a server that clients trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1").configure_cert(context)
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return context


@in_each_kind
def test_deadlines_hold_over_tls(kind: Kind, server_tls: ssl.SSLContext) -> None:
    with serving(lambda asked: slow(asked, "head"), tls=server_tls) as server, client(kind, server.url) as jobs:
        with pytest.raises(RequestTimeoutError):
            jobs.get(JOB_ID)
        assert server.asked, "otherwise it was the handshake that took so long"


def test_the_body_of_a_result_may_exceed_the_timeout_while_it_makes_progress(tmp_path: Path) -> None:
    def pieces(asked: Asked) -> Iterator[bytes]:
        for _ in range(3):
            asked.over.wait(0.25)  # each read may take 0.5 s
            yield b"a,b\n"

    def answer(asked: Asked) -> Reply:
        return Reply(headers={"Content-Type": "text/csv", "Content-Length": "12"}, body=pieces(asked))

    def check(kind: Kind, call: str) -> None:
        with client(kind, api.url, request_timeout=0.5) as jobs:
            assert OF_RESULTS[call](jobs, own(tmp_path, kind))

    with serving(answer) as storage:
        redirect = Reply(status=302, headers={"Location": f"{storage.url}/result.csv", "Content-Length": "0"})
        with serving(lambda _: redirect) as api:
            check_concurrently(check, ("download", "stream"))


def test_a_single_read_of_a_result_is_given_up_if_it_yields_no_byte() -> None:
    """Bytes arrive all the time, but none of them belongs to the result."""
    endless = {
        "a gzip header": ({"Content-Encoding": "gzip", "Content-Length": "9999"}, b"\x1f\x8b\x08\x08\0\0\0\0\0\x03"),
        "the extension of a chunk": ({"Transfer-Encoding": "chunked"}, b"5;x="),
    }

    def answer(asked: Asked) -> Reply:
        headers, beginning = endless[asked.target.removeprefix("/").replace("%20", " ")]
        return Reply(headers=headers, body=chain([beginning], trickled(bytes(b"n" * 500), asked, 3 * PAUSE_SECONDS)))

    def check(kind: Kind, name: str) -> None:
        redirect = Reply(status=302, headers={"Location": f"{storage.url}/{name}", "Content-Length": "0"})
        with serving(lambda _: redirect) as api, client(kind, api.url) as jobs, pytest.raises(RequestTimeoutError):
            drained(jobs.stream(JOB_ID))

    with serving(answer) as storage:
        check_concurrently(check, endless)


@in_each_kind
def test_a_timeout_may_be_longer_than_a_socket_accepts(kind: Kind) -> None:
    reply = Reply(headers={"Content-Length": f"{len(JOB)}"}, body=JOB)
    with serving(lambda _: reply) as server, client(kind, server.url, request_timeout=1e300) as jobs:
        assert jobs.get(JOB_ID).id == JOB_ID


@contextmanager
def silent() -> Iterator[str]:
    """Yield the URL of a server whose connections only the kernel accepts, and which never sends a byte."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


def test_nothing_was_sent_if_the_connection_was_not_made_in_time() -> None:
    def check(kind: Kind, _: str) -> None:
        with silent() as url, client(kind, url, retry=Retry(attempts=2, base_delay=0.0)) as jobs:
            with pytest.raises(TransportError, match="ConnectTimeout") as raised:
                jobs.replay(JOB_ID)
            assert not raised.value.request_sent, "otherwise it would be searched for in the list instead of sent again"

    check_concurrently(check, [""])
