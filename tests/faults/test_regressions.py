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

from tests.faults.exchanges import ExchangeProxy, Fault
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
def test_a_tls_record_that_is_spoilt_on_its_way_is_a_transport_error(
    place: Literal["head", "body"], make: MakeClient, sandbox: Sandbox, proxy: ExchangeProxy
) -> None:
    proxy.play([Fault("corrupt", place)])
    options: dict[str, Any] = {"base_url": proxy.url(tls=True), "retry": ONCE}
    with asyncio.Runner() as runner, make(sandbox, runner, **options) as jobs:
        with pytest.raises(TransportError, match=r"(?i)mac|record"):
            jobs.get(sandbox.add_job())
        assert jobs.get(sandbox.add_job()), "and the client is none the worse for it"


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_a_header_that_is_not_ascii_is_nothing_to_generated_code(make: MakeClient, sandbox: Sandbox) -> None:
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
def test_a_call_that_is_cancelled_within_its_handshake_leaves_no_connection(
    call: Callable[[AsyncJobsClient, str], Coroutine[Any, Any, object]], sandbox: Sandbox
) -> None:
    async def cancel() -> None:
        has_begun, is_over = asyncio.Event(), asyncio.Event()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.read(1)
            has_begun.set()
            await reader.read()
            writer.close()
            is_over.set()

        async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with sandbox.async_client(base_url=f"https://127.0.0.1:{port}", retry=ONCE) as jobs:
                task = asyncio.ensure_future(call(jobs, sandbox.add_job()))
                await has_begun.wait()
                task.cancel()
                await asyncio.wait([task])
                async with asyncio.timeout(10):  # while the client is open, which would close what it knows of
                    await is_over.wait()

    asyncio.run(cancel())


def test_a_lost_replay_of_a_job_that_still_runs_is_not_taken_for_one_that_was_queued_again(
    jobs: AnyClient, sandbox: Sandbox
) -> None:
    running = sandbox.add_job(seconds=3600, age=60)
    sandbox.answer_next("PUT", "/Replay", status=None)
    with pytest.raises(ReplayUncertainError):
        jobs.with_options(retry=QUICK).replay(running)


def test_a_replay_that_still_runs_is_no_answer_to_its_own_lost_replay(jobs: AnyClient, sandbox: Sandbox) -> None:
    first = jobs.replay(sandbox.add_job(seconds=30, age=3600))
    sandbox.answer_next("PUT", "/Replay", status=None)
    with pytest.raises(ReplayUncertainError):
        jobs.with_options(retry=QUICK).replay(first)


def test_brand_style_replays_that_are_lost_one_after_the_other_are_each_the_same_job_again() -> None:
    now = 1_000_000.0
    with Sandbox(job_seconds=0, replay_same_id=True, clock=lambda: now) as brand, brand.client(retry=QUICK) as jobs:
        job_id = brand.add_job(seconds=30, age=60)
        for _ in range(2):
            brand.answer_next("PUT", "/Replay", status=None, perform=True)
            assert jobs.replay(job_id).id == job_id
            now += 60


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_what_a_client_that_is_gone_was_told_is_nobody_else_s(make: MakeClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    with asyncio.Runner() as runner:
        with make(sandbox, runner) as jobs:
            told = jobs.replay(job_id).id
        del jobs
        gc.collect()
        sandbox.answer_next("PUT", "/Replay", status=None)
        with make(sandbox, runner, retry=QUICK) as jobs, pytest.raises(ReplayUncertainError) as raised:
            jobs.replay(job_id)
    assert told not in {job.id for job in raised.value.candidates}
