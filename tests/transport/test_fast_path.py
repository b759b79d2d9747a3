"""The fast path to the socket is used only where it is known to be safe, and always returns the right bytes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from impact_jobs import Retry, TransportError
from impact_jobs._transport import socket_reader
from impact_jobs._transport.socket_reader import SocketReader
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, asynchronous, blocking, clients
from tests.support.proxy import proxying
from tests.support.raw_server import Answer, Asked, Reply, serving, storing

MIB = 1024 * 1024
DATA = hashlib.shake_256(b"").digest(5 * MIB + 12_345)
LARGE = (DATA * 15)[: 72 * MIB + 1]
SMALL = DATA[:300_000]
QUICK = Retry(base_delay=0.0)
CA = trustme.CA()


def holds(path: Path, data: bytes) -> bool:
    return path.read_bytes() == data  # in a function, because pytest would take minutes to show the difference


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make clients trust the servers of these tests; autouse, so before any client is created."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    CA.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def fills(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the fast path adds the size of each of its reads."""
    sizes: list[int] = []
    real = SocketReader.fill

    def fill(reader: SocketReader, limit: int) -> memoryview:
        piece = real(reader, limit)
        sizes.append(len(piece))
        return piece

    monkeypatch.setattr(SocketReader, "fill", fill)
    return sizes


@pytest.fixture
def http_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return a function that creates `httpx.Client` or `httpx.AsyncClient`, for the client under test."""
    with asyncio.Runner() as runner, ExitStack() as stack:

        def make(**options: Any) -> Any:
            client = request.param(**options)
            close = (lambda: runner.run(client.aclose())) if isinstance(client, httpx.AsyncClient) else client.close
            stack.callback(close)
            return client

        make.runner = runner  # type: ignore[attr-defined]
        yield make


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def client_kind(request: pytest.FixtureRequest) -> MakeClient:
    """Return a function that creates a client, for settings that must come before that."""
    kind: MakeClient = request.param
    return kind


over_own_client = pytest.mark.parametrize("http_client", [httpx.Client, httpx.AsyncClient], indirect=True)


@contextmanager
def client_over(sandbox: Sandbox, storage: Any, http_client: Any) -> Iterator[AnyClient]:
    make = asynchronous if isinstance(storage, httpx.AsyncClient) else blocking
    with make(sandbox, http_client.runner, storage_client=storage, retry=QUICK) as jobs:
        yield jobs


def job_at(sandbox: Sandbox, url: str, times: int = 20) -> str:
    """Add a job whose result is at `url`."""
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": url}, times=times)
    return job_id


# Where it is used


@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_a_large_body_with_a_length_bypasses_the_parser(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int], *, tls: bool
) -> None:
    with serving(storing(DATA), tls=server_tls() if tls else None) as storage:
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv", connections=1)
    assert holds(done.path, DATA)
    assert len(DATA) - 64 * 1024 <= sum(fills) < len(DATA), "all but the first chunk"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "tls"])
def test_each_of_several_connections_uses_it(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int], *, tls: bool
) -> None:
    data = LARGE[: 15 * MIB + 1]
    with serving(storing(data), tls=server_tls() if tls else None) as storage:
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv", connections=3)
        assert storage.connections == 3
    assert holds(done.path, data)
    assert len(data) - 3 * 64 * 1024 <= sum(fills) < len(data)


def test_a_whole_file_and_the_rest_of_a_file_use_it(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    job_id = sandbox.add_job(result_bytes=12 * MIB)
    sandbox.cut_next_download(5 * MIB)
    done = jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
    assert done.sha256 == sandbox.result(job_id).sha256
    assert sum(fills) > 11 * MIB
    assert sandbox.requests[-1].headers["range"] == f"bytes={5 * MIB}-{12 * MIB - 1}"


def test_its_connection_is_not_reused(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]) -> None:
    with serving(storing(DATA)) as storage:
        job_id = job_at(sandbox, f"{storage.url}/a")
        for number in range(3):
            done = jobs.download(job_id, tmp_path / f"{number}", connections=1)
            assert holds(done.path, DATA)
            assert sum(fills) > number * (len(DATA) - 64 * 1024)
        assert [asked.connection for asked in storage.asked] == [1, 2, 3]


def test_bytes_after_the_end_of_a_body_are_dropped(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

    def answer(asked: Asked) -> Reply:
        reply = storing(DATA)(asked)
        return Reply(headers=reply.headers, body=DATA + forged)

    with serving(answer) as storage:
        job_id = job_at(sandbox, f"{storage.url}/a")
        for name in ("a", "b"):
            assert holds(jobs.download(job_id, tmp_path / name, connections=1).path, DATA)
        assert storage.connections == 2
    assert fills


def test_small_bodies_keep_their_connection(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    with serving(storing(SMALL)) as storage:
        job_id = job_at(sandbox, f"{storage.url}/a")
        for number in range(9):
            assert holds(jobs.download(job_id, tmp_path / f"{number}").path, SMALL)
        assert (len(storage.asked), storage.connections) == (9, 1)
    assert fills == []


def test_a_body_of_four_mebibytes_is_too_small_for_it(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    with serving(storing(DATA[: 4 * MIB])) as storage:  # some of it arrives with the head
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv")
        assert holds(done.path, DATA[: 4 * MIB])
    assert fills == []


def test_a_cut_is_a_transport_error(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]) -> None:
    def answer(asked: Asked) -> Reply:
        reply = storing(DATA, serves_ranges=False)(asked)
        return Reply(headers=reply.headers, body=DATA[: 2 * MIB], ends=True)

    one_try = jobs.with_options(retry=Retry(attempts=1))
    with serving(answer) as storage:
        job_id = job_at(sandbox, f"{storage.url}/a")
        with pytest.raises(TransportError, match="the connection ended"):
            one_try.download(job_id, tmp_path / "a.csv", connections=1)
    assert fills
    assert not (tmp_path / "a.csv").exists()


def test_silence_is_a_timeout(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]) -> None:
    over = threading.Event()

    def answer(asked: Asked) -> Reply:
        def body() -> Iterator[bytes]:
            yield DATA[:MIB]
            asked.over.wait(60)

        return Reply(headers=storing(DATA)(asked).headers, body=body())

    impatient = jobs.with_options(retry=Retry(attempts=1), request_timeout=0.3)
    with serving(answer) as storage:
        try:
            job_id = job_at(sandbox, f"{storage.url}/a")
            with pytest.raises(TransportError, match=r"timed out after 0.3 s.*request_timeout"):
                impatient.download(job_id, tmp_path / "a.csv", connections=1)
            assert sum(fills) < MIB
        finally:
            over.set()
    assert (tmp_path / "a.csv.part").stat().st_size == len(DATA)


# Where it is not used


def chunked(data: bytes) -> Answer:
    def answer(_: Asked) -> Reply:
        pieces = (data[at : at + MIB] for at in range(0, len(data), MIB))
        body = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
        return Reply(headers={"Transfer-Encoding": "chunked", "ETag": '"v1"'}, body=body)

    return answer


def encoded(data: bytes) -> Answer:
    packed = gzip.compress(data, compresslevel=0)  # uncompressed, so it is large enough
    return storing(packed, headers={"Content-Encoding": "gzip"})


def both_framings(data: bytes) -> Answer:
    """State a length for a chunked body; HTTP requires clients to ignore it."""
    return lambda asked: Reply(
        headers={**chunked(data)(asked).headers, "Content-Length": str(len(data) - 7)}, body=chunked(data)(asked).body
    )


def until_the_end(data: bytes) -> Answer:
    return lambda _: Reply(headers={"Content-Type": "text/csv"}, body=data, ends=True)


@pytest.mark.parametrize("answer", [chunked, encoded, both_framings, until_the_end])
def test_other_framings_use_the_parser(
    answer: Callable[[bytes], Answer], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    with serving(answer(DATA)) as storage:
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv")
        assert len(storage.asked) == 1
    assert holds(done.path, DATA)
    assert fills == []


class OverHttp2(httpx.HTTPTransport):
    """Reports HTTP/2, as httpx does if it is enabled: the socket then carries the frames of several bodies."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.extensions["http_version"] = b"HTTP/2"
        return response


@pytest.mark.parametrize("http_client", [httpx.Client], indirect=True)
def test_http_2_does_not_use_it(http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int]) -> None:
    client = http_client(transport=OverHttp2())
    with serving(storing(DATA)) as storage, client_over(sandbox, client, http_client) as jobs:
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv")
    assert holds(done.path, DATA)
    assert fills == []


@over_own_client
def test_a_mocked_transport_does_not_use_it(
    http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        reply = storing(DATA)(Asked(connection=1, method=request.method, target="/", headers=request.headers))
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)  # type: ignore[arg-type]

    client = http_client(transport=httpx.MockTransport(handler))
    with client_over(sandbox, client, http_client) as jobs:
        for connections in (None, 3):
            job_id = job_at(sandbox, "https://storage.example/a", times=1)
            done = jobs.download(job_id, tmp_path / f"{connections}", connections=connections)
            assert holds(done.path, DATA)
    assert fills == []


@over_own_client
def test_a_custom_client_uses_it_only_if_it_is_blocking(
    http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    client = http_client()
    with serving(storing(DATA)) as storage, client_over(sandbox, client, http_client) as jobs:
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv")
    assert holds(done.path, DATA)
    assert bool(fills) == isinstance(client, httpx.Client)


@over_own_client
def test_without_it_a_file_that_is_measured_has_the_right_bytes(
    http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece of the parser's extends beyond the end of the measurement, and no byte of it may be lost."""
    monkeypatch.setattr(SocketReader, "from_response", classmethod(lambda *_, **__: None))
    with serving(storing(LARGE)) as storage, client_over(sandbox, http_client(), http_client) as jobs:
        done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv")
    assert holds(done.path, LARGE)
    assert fills == []


# Through a proxy


def test_a_tunnel_does_not_use_it(
    sandbox: Sandbox, tmp_path: Path, fills: list[int], monkeypatch: pytest.MonkeyPatch, client_kind: MakeClient
) -> None:
    with proxying() as proxy, serving(storing(DATA), tls=server_tls()) as storage, asyncio.Runner() as runner:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)  # the sandbox's API is plain http, so no proxy is used for it
        with client_kind(sandbox, runner) as jobs:
            done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv", connections=1)
        assert proxy.asked == [f"CONNECT {storage.url.removeprefix('https://')}"]
    assert holds(done.path, DATA)
    assert fills == []


@over_own_client
def test_a_proxy_that_forwards_plain_http_returns_the_right_bytes(
    http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    """As a client of the user's own may have one; ours send nothing in clear to a proxy."""
    with proxying() as proxy, serving(storing(DATA)) as storage:
        with client_over(sandbox, http_client(proxy=proxy.url), http_client) as jobs:
            done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv", connections=1)
        assert proxy.asked == [f"GET {storage.url}/a"]
    assert holds(done.path, DATA)
    assert fills == []


@over_own_client
def test_through_tls_in_tls_the_bytes_are_right(
    http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int]
) -> None:
    with proxying(tls=server_tls()) as proxy, serving(storing(DATA), tls=server_tls()) as storage:
        client = http_client(proxy=httpx.Proxy(proxy.url, ssl_context=client_tls()))
        with client_over(sandbox, client, http_client) as jobs:
            done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv", connections=1)
        assert proxy.asked == [f"CONNECT {storage.url.removeprefix('https://')}"]
    assert holds(done.path, DATA)
    assert fills == []


@pytest.mark.parametrize("http_client", [httpx.Client], indirect=True)
def test_tls_in_tls_is_recognised_even_on_equal_ports(
    http_client: Any, sandbox: Sandbox, tmp_path: Path, fills: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With proxy and storage on port 443, the outer socket would return bytes that are still encrypted."""
    monkeypatch.setattr(socket_reader, "_port_of", lambda _: 443)
    monkeypatch.setattr(socket_reader, "_port_of_url", lambda _: 443)
    with proxying(tls=server_tls()) as proxy, serving(storing(DATA), tls=server_tls()) as storage:
        client = http_client(proxy=httpx.Proxy(proxy.url, ssl_context=client_tls()))
        with client_over(sandbox, client, http_client) as jobs:
            done = jobs.download(job_at(sandbox, f"{storage.url}/a"), tmp_path / "a.csv", connections=1)
    assert holds(done.path, DATA)
    assert fills == []
