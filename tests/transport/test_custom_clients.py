"""A user's own httpx client keeps the promises as well, even if it has hooks or a transport of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from impact_jobs import (
    AsyncJobsClient,
    ConfigurationError,
    JobsClient,
    ReplayUncertainError,
    RequestTimeoutError,
    Retry,
)
from impact_jobs._transport.httpx_common import RequestBuilder
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, Driven

QUICK = Retry(attempts=2, base_delay=0.0)
NOBODY = "http://127.0.0.1:9/"  # the port of `discard`, where no server listens

Own = tuple[type[Any], dict[str, Any]]


@contextmanager
def over(own: Any, sandbox: Sandbox, **options: Any) -> Iterator[AnyClient]:
    settings = {"base_url": sandbox.base_url, "http_client": own, "retry": QUICK} | options
    account = sandbox.account_sid, sandbox.auth_token
    if isinstance(own, httpx.Client):
        with own, JobsClient(*account, **settings) as jobs:
            yield jobs
        return
    with asyncio.Runner() as runner:
        with Driven(AsyncJobsClient(*account, **settings), runner) as driven:
            yield driven
        runner.run(own.aclose())


def with_hooks(kind: type[Any], hook: Callable[[httpx.Response], object]) -> Any:
    async def in_loop(response: httpx.Response) -> None:
        hook(response)

    return kind(event_hooks={"response": [hook if kind is httpx.Client else in_loop]})


kinds = pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])


def puts(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests)


@kinds
def test_a_replay_is_not_sent_again_if_the_request_of_a_hook_fails(kind: type[Any], sandbox: Sandbox) -> None:
    """The hook may report to a metrics server that is down."""
    job_id = sandbox.add_job(age=3600)

    def report(_: httpx.Response) -> None:
        httpx.get(NOBODY)

    with over(with_hooks(kind, report), sandbox) as jobs, pytest.raises(ReplayUncertainError):
        jobs.replay(job_id)
    assert puts(sandbox) == 1


class FailingOver(httpx.BaseTransport):
    """Sends the request to a second host after the first one has responded."""

    def __init__(self, second: str) -> None:
        self._inner = httpx.HTTPTransport()
        self._second = second

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with httpx.Client(transport=self._inner) as first:
            first.send(
                httpx.Request(request.method, request.url, headers=request.headers, extensions=request.extensions)
            )
        self._inner = httpx.HTTPTransport()
        again = httpx.Request(request.method, self._second, headers=request.headers, extensions=request.extensions)
        return self._inner.handle_request(again)

    def close(self) -> None:
        self._inner.close()


class AsyncFailingOver(httpx.AsyncBaseTransport):
    """The same, asynchronously."""

    def __init__(self, second: str) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._second = second

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        await response.aread()
        await response.aclose()
        again = httpx.Request(request.method, self._second, headers=request.headers, extensions=request.extensions)
        return await self._inner.handle_async_request(again)

    async def aclose(self) -> None:
        await self._inner.aclose()


@kinds
@pytest.mark.parametrize("second", ["refuses", "is silent in its handshake"])
def test_a_replay_is_not_sent_again_if_a_transport_fails_over(kind: type[Any], second: str, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(age=3600)
    transport: Any = FailingOver if kind is httpx.Client else AsyncFailingOver
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = NOBODY if second == "refuses" else f"https://127.0.0.1:{silent.getsockname()[1]}/"
        own = kind(transport=transport(url))
        with over(own, sandbox, request_timeout=0.2) as jobs, pytest.raises(ReplayUncertainError):
            jobs.replay(job_id)
    assert puts(sandbox) == 1


@kinds
def test_an_error_that_a_hook_raises_reaches_the_caller_without_retries(kind: type[Any], sandbox: Sandbox) -> None:
    job_id = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
    with over(with_hooks(kind, httpx.Response.raise_for_status), sandbox) as jobs:
        with pytest.raises(httpx.HTTPStatusError):
            jobs.get(job_id)
        assert len(sandbox.requests) == 1


@kinds
def test_a_transport_with_retries_of_its_own_keeps_the_deadline(kind: type[Any], sandbox: Sandbox) -> None:
    transport = (httpx.HTTPTransport if kind is httpx.Client else httpx.AsyncHTTPTransport)(retries=5)
    once = {"base_url": NOBODY, "request_timeout": 0.2, "retry": Retry(attempts=1)}
    with over(kind(transport=transport), sandbox, **once) as jobs, pytest.raises(RequestTimeoutError) as raised:
        jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
    assert not raised.value.request_sent


@kinds
def test_a_client_that_was_closed_a_moment_ago_is_reported_as_closed(
    kind: type[Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RequestBuilder, "check_usable", lambda *_: None)  # it was still open at the time of the check
    own = kind()
    with over(own, sandbox) as jobs:
        if kind is httpx.Client:
            own.close()
        else:
            jobs._runner.run(own.aclose())
        with pytest.raises(ConfigurationError, match="this client is closed"):
            jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")


@kinds
@pytest.mark.parametrize("body", [b'{"Records": []}', b'{"Records": ["' + bytes(200_000)], ids=["short", "long"])
def test_the_beginning_of_a_result_is_checked_and_still_part_of_the_file(
    kind: type[Any], body: bytes, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", f"{job_id}/Download", status=200, body=body)
    with over(kind(), sandbox) as jobs:
        assert jobs.download(job_id, tmp_path / "a.json").path.read_bytes() == body
