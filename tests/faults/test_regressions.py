"""What the campaign over whole sessions (tests/faults) has found, each by itself."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from impact_agency_api.api.jobs import get_job
from impact_jobs import AsyncJobsClient, ReplayUncertainError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.faults.exchange_proxy import ExchangeProxy
from tests.faults.faults import Fault
from tests.support.driving import AnyClient, MakeClient, by_generated_code, clients
from tests.support.raw_server import Reply, serving

CA = trustme.CA()
ONCE = Retry(attempts=1)
QUICK = Retry(base_delay=0.0)


@pytest.fixture
def proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExchangeProxy]:
    """Give a proxy of the sandbox's API whose certificate clients trust."""
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1").configure_cert(tls)
    with ExchangeProxy(sandbox.base_url, tls) as proxy:
        yield proxy


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
@pytest.mark.parametrize("place", ["head", "body"])
def test_a_corrupted_tls_record_is_a_transport_error(
    place: Literal["head", "body"], make: MakeClient, sandbox: Sandbox, proxy: ExchangeProxy
) -> None:
    proxy.play([Fault("corrupt", place)])
    options: dict[str, Any] = {"base_url": proxy.url(tls=True), "retry": ONCE}
    with asyncio.Runner() as runner, make(sandbox, runner, **options) as jobs:
        with pytest.raises(TransportError, match=r"(?i)mac|record"):
            jobs.get(sandbox.add_job())
        assert jobs.get(sandbox.add_job()), "the client did not recover"


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_generated_code_accepts_a_header_that_is_not_ascii(make: MakeClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    body = f'{{"Id": "{job_id}", "Status": "COMPLETED"}}'.encode()
    reply = Reply(headers={"Content-Length": f"{len(body)}", "X-Odd": "\xb9"}, body=body)
    with serving(lambda _: reply) as api, asyncio.Runner() as runner, make(sandbox, runner, base_url=api.url) as jobs:
        assert str(by_generated_code(jobs, get_job, job_id).id) == job_id


CALLS: dict[str, Callable[[AsyncJobsClient, str], Coroutine[Any, Any, object]]] = {
    "get": lambda jobs, job_id: jobs.get(job_id),
    "the generated client": lambda jobs, job_id: by_generated_code(jobs, get_job, job_id),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_cancelled_during_its_tls_handshake_leaves_no_connection_open(
    call: Callable[[AsyncJobsClient, str], Coroutine[Any, Any, object]], sandbox: Sandbox
) -> None:
    async def cancel() -> None:
        connected, disconnected = asyncio.Event(), asyncio.Event()

        async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.read(1)
            connected.set()
            await reader.read()
            writer.close()
            disconnected.set()

        async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with sandbox.async_client(base_url=f"https://127.0.0.1:{port}", retry=ONCE) as jobs:
                task = asyncio.ensure_future(call(jobs, sandbox.add_job()))
                await connected.wait()
                task.cancel()
                await asyncio.wait([task])
                async with asyncio.timeout(
                    10
                ):  # the client is still open: closing it would close the connections that it knows
                    await disconnected.wait()

    asyncio.run(cancel())


def test_a_lost_replay_of_a_running_job_does_not_return_the_running_job(jobs: AnyClient, sandbox: Sandbox) -> None:
    running = sandbox.add_job(seconds=3600, age=60)
    sandbox.answer_next("PUT", "/Replay", status=None)
    with pytest.raises(ReplayUncertainError):
        jobs.with_options(retry=QUICK).replay(running)


def test_a_lost_replay_of_a_running_replay_does_not_return_that_replay(jobs: AnyClient, sandbox: Sandbox) -> None:
    first = jobs.replay(sandbox.add_job(seconds=30, age=3600))
    sandbox.answer_next("PUT", "/Replay", status=None)
    with pytest.raises(ReplayUncertainError):
        jobs.with_options(retry=QUICK).replay(first)


def test_each_lost_replay_of_a_brand_account_returns_the_same_job() -> None:
    now = 1_000_000.0
    with Sandbox(job_seconds=0, replay_same_id=True, clock=lambda: now) as brand, brand.client(retry=QUICK) as jobs:
        job_id = brand.add_job(seconds=30, age=60)
        for _ in range(2):
            brand.answer_next("PUT", "/Replay", status=None, perform=True)
            assert jobs.replay(job_id).id == job_id
            now += 60


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_a_replay_returned_by_a_closed_client_is_not_a_candidate_for_the_next_client(
    make: MakeClient, sandbox: Sandbox
) -> None:
    job_id = sandbox.add_job(age=3600)
    with asyncio.Runner() as runner:
        with make(sandbox, runner) as jobs:
            returned = jobs.replay(job_id).id
        del jobs
        gc.collect()
        sandbox.answer_next("PUT", "/Replay", status=None)
        with make(sandbox, runner, retry=QUICK) as jobs, pytest.raises(ReplayUncertainError) as raised:
            jobs.replay(job_id)
    assert returned not in {job.id for job in raised.value.candidates}
