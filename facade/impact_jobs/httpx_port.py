"""The I/O port over httpx, blocking and asynchronous. With `generated_client`, the only place that imports it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeAlias, TypeVar

import httpx
from attrs import field, frozen

from impact_jobs.config import Account
from impact_jobs.errors import (
    ConfigurationError,
    JobsError,
    RequestTimeoutError,
    TransportError,
)
from impact_jobs.port import Head, Request, Response, Stream, read_whole
from impact_jobs.redaction import quiet_logs, secret_url, without_secrets

T = TypeVar("T")
HttpClient: TypeAlias = httpx.Client
AsyncHttpClient: TypeAlias = httpx.AsyncClient

# The connection was never made, so no byte of the request can have left.
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# Both ports turn httpx's exceptions into ours by functions that *return* the failure, and raise it outside of any
# `except`: neither a chained httpx exception nor a frame that holds an httpx request, both of which print signed
# URLs, is then part of a traceback.


@frozen(kw_only=True)
class Wire:
    """What goes along with every request to the API, and what is kept out of every answer."""

    account: Account
    headers: dict[str, str] = field(init=False, repr=False)
    auth: httpx.BasicAuth = field(init=False, repr=False)

    @headers.default
    def _default_headers(self) -> dict[str, str]:
        agent = f"impact-jobs/{version('impact-jobs')} httpx/{httpx.__version__}"
        return {"Accept": "application/json", "IR-Version": "3", "User-Agent": agent}

    @auth.default
    def _default_auth(self) -> httpx.BasicAuth:
        return httpx.BasicAuth(self.account.sid, self.account.token.reveal())

    def build(self, client: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
        """`request` for httpx: for the API with the client's own headers, for the storage with none but ours."""
        extensions = {"timeout": httpx.Timeout(request.timeout).as_dict()}
        url = request.url.reveal()
        if request.to_storage:
            # Not `client.build_request`, which would add the client's headers and cookies.
            return httpx.Request(request.method, url, headers=dict(request.headers), extensions=extensions)
        headers = {**self.headers, **request.headers}
        return client.build_request(request.method, url, headers=headers, extensions=extensions)

    def auth_for(self, request: Request) -> httpx.Auth | None:
        """The credentials for the API; for the storage None, which keeps even the client's own away."""
        return None if request.to_storage else self.auth

    def failure(self, error: httpx.HTTPError | httpx.InvalidURL, request: Request) -> TransportError:
        """What an exception of httpx means to our users."""
        where = f"{request.method} {request.url}"
        sent = not isinstance(error, _NOTHING_SENT)
        if isinstance(error, httpx.TimeoutException):
            return RequestTimeoutError(
                f"{where}: nothing came for {request.timeout:.3g} s ({type(error).__name__}). "
                "Raise request_timeout, or try again.",
                request_sent=sent,
            )
        reason = without_secrets(str(error)) or type(error).__name__
        return TransportError(f"{where}: {reason}. Check network and proxy, then try again.", request_sent=sent)


class BlockingPort:
    """The port of `JobsClient`: every call blocks, so none of its coroutines suspends."""

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.Client | None = None,
        storage_client: httpx.Client | None = None,
    ) -> None:
        self.wire = Wire(account=account)
        with _setting_up():
            tls = httpx.create_ssl_context()  # shared, for it takes some 20 ms to load
            self.api = http_client or httpx.Client(verify=tls)
            self.storage = storage_client or httpx.Client(verify=tls)
        self._own = [client for client, given in ((self.api, http_client), (self.storage, storage_client)) if not given]

    async def send(self, request: Request) -> Response:
        return await read_whole(await self.stream(request), request, now=self.now)

    async def stream(self, request: Request) -> Stream:
        return _unless_failed(self._open(request))

    def _open(self, request: Request) -> BlockingStream | JobsError:
        client = self.storage if request.to_storage else self.api
        if client.is_closed:
            return ConfigurationError("this client is closed: make a new one.")
        try:
            with quiet_logs():
                response = client.send(
                    self.wire.build(client, request),
                    stream=True,
                    auth=self.wire.auth_for(request),
                    follow_redirects=False,
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self.wire.failure(error, request)
        return BlockingStream(response, request, self.wire)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - this port blocks by design

    def now(self) -> float:
        return time.monotonic()

    async def run(self, function: Callable[[], T]) -> T:
        return function()

    def close(self) -> None:
        for client in self._own:
            client.close()


class BlockingStream:
    """An open answer of the blocking port."""

    def __init__(self, response: httpx.Response, request: Request, wire: Wire) -> None:
        self.head = head_of(response)
        self._response = response
        self._request = request
        self._wire = wire
        # Undecoded bytes take one copy less; a storage that encodes without being asked is still understood.
        encoded = "content-encoding" in self.head.headers
        self._chunks: Iterator[bytes] = response.iter_bytes() if encoded else response.iter_raw()

    async def chunk(self) -> bytes:
        return _unless_failed(self._read())

    def _read(self) -> bytes | TransportError:
        try:
            return next(self._chunks, b"")
        except httpx.HTTPError as error:
            return self._wire.failure(error, self._request)

    async def aclose(self) -> None:
        self._response.close()


class AsyncPort:
    """The port of `AsyncJobsClient`, on asyncio."""

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.AsyncClient | None = None,
        storage_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.wire = Wire(account=account)
        with _setting_up():
            tls = httpx.create_ssl_context()  # shared, for it takes some 20 ms to load
            self.api = http_client or httpx.AsyncClient(verify=tls)
            self.storage = storage_client or httpx.AsyncClient(verify=tls)
        self._own = [client for client, given in ((self.api, http_client), (self.storage, storage_client)) if not given]

    async def send(self, request: Request) -> Response:
        return await read_whole(await self.stream(request), request, now=self.now)

    async def stream(self, request: Request) -> Stream:
        return _unless_failed(await self._open(request))

    async def _open(self, request: Request) -> AsyncStream | JobsError:
        client = self.storage if request.to_storage else self.api
        if client.is_closed:
            return ConfigurationError("this client is closed: make a new one.")
        try:
            with quiet_logs():
                response = await client.send(
                    self.wire.build(client, request),
                    stream=True,
                    auth=self.wire.auth_for(request),
                    follow_redirects=False,
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self.wire.failure(error, request)
        return AsyncStream(response, request, self.wire)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.monotonic()

    async def run(self, function: Callable[[], T]) -> T:
        return await asyncio.to_thread(function)

    async def aclose(self) -> None:
        for client in self._own:
            await client.aclose()


class AsyncStream:
    """An open answer of the asynchronous port."""

    def __init__(self, response: httpx.Response, request: Request, wire: Wire) -> None:
        self.head = head_of(response)
        self._response = response
        self._request = request
        self._wire = wire
        encoded = "content-encoding" in self.head.headers
        self._chunks = response.aiter_bytes() if encoded else response.aiter_raw()

    async def chunk(self) -> bytes:
        return _unless_failed(await self._read())

    async def _read(self) -> bytes | TransportError:
        try:
            return await anext(self._chunks, b"")
        except httpx.HTTPError as error:
            return self._wire.failure(error, self._request)

    async def aclose(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):  # else a running loop finalises it at some later time
            await self._chunks.aclose()
        await self._response.aclose()


@contextmanager
def _setting_up() -> Iterator[None]:
    """Around the making of httpx clients, which read certificates and the proxy variables."""
    try:
        yield
    except (OSError, ValueError, httpx.InvalidURL) as error:
        problem = without_secrets(str(error))
    else:
        return
    raise ConfigurationError(
        f"no HTTPS client could be made ({problem}): check SSL_CERT_FILE, SSL_CERT_DIR and the proxy variables."
    )


def head_of(response: httpx.Response) -> Head:
    """Status and headers of an httpx response, its `Location` made a secret."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    location = headers.pop("location", None)
    return Head(
        status_code=response.status_code,
        headers=headers,
        location=None if location is None else secret_url(location),
        received_at=datetime.now(UTC),
    )


def _unless_failed(outcome: T | JobsError) -> T:
    if isinstance(outcome, JobsError):
        raise outcome
    return outcome
