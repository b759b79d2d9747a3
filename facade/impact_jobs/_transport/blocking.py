"""The blocking transport over httpx: every call blocks, so none of its coroutines suspends."""

from __future__ import annotations

import math
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import httpx

from impact_jobs._account import Account
from impact_jobs._redaction import redact_http_logs
from impact_jobs._transport import clock
from impact_jobs._transport.base import Head, Request, Write
from impact_jobs._transport.deadline import CONNECTION_EVENTS, TimeLeft, deadline_scope, enforce_deadline
from impact_jobs._transport.foreign_timeout import foreign_timeout, raise_if_foreign
from impact_jobs._transport.headers import framed_length
from impact_jobs._transport.httpx_common import (
    LIMITS,
    TRACE_EXTENSION,
    TRACED_EVENTS,
    RequestBuilder,
    RequestTrace,
    check_clients,
    create_or_explain,
    decoder_for,
    failure_to_open,
    head_of,
    shut_down,
    transport_error,
)
from impact_jobs._transport.proxies import Proxies, proxies_from_environment
from impact_jobs._transport.run_sync import run_sync
from impact_jobs._transport.socket_reader import MIN_BYTES, SocketReader
from impact_jobs._transport.thread_group import GroupLock, ThreadGroup, current
from impact_jobs.errors import JobsError

T = TypeVar("T")

_MAX_COPY_SECONDS = 0.25
_JOINED_BYTES = 256 * 1024


class BlockingTransport:
    """The transport of `JobsClient`."""

    now = staticmethod(clock.now)

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.Client | None = None,
        storage_client: httpx.Client | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        check_clients(httpx.Client, http_client=http_client, storage_client=storage_client)
        self.builder: RequestBuilder = RequestBuilder(account=account)
        if proxies is None and not (http_client and storage_client):
            proxies = proxies_from_environment(account.base_url)
        tls = create_or_explain(httpx.create_ssl_context)  # shared, because loading the certificates takes some 20 ms
        create = partial(create_client, proxies or {}, tls)
        self.api: httpx.Client = http_client or create_or_explain(create)
        self.storage: httpx.Client = storage_client or create_or_explain(create)
        self._own = [client for client in (self.api, self.storage) if client not in (http_client, storage_client)]

    async def open(self, request: Request, trace: RequestTrace | None = None) -> BlockingStream:
        """See `Transport`. A caller that may have to abort it from another thread passes a `trace`."""
        client = self.storage if request.to_storage else self.api
        self.builder.check_usable(client)
        trace = trace or RequestTrace()
        extensions = {"timeout": TimeLeft(request.timeout), "trace": _listener(trace), TRACE_EXTENSION: trace}
        deadline, handled = time.monotonic() + request.timeout, sys.exception()
        try:
            with redact_http_logs(), deadline_scope(deadline):
                response = client.send(
                    self.builder.build(client, request, extensions),
                    stream=True,
                    auth=None if request.to_storage else self.builder.auth,  # None: not the client's own either
                    follow_redirects=False,
                )
        except BaseException as error:
            failure = failure_to_open(error, request, trace, client, handled=handled)
            if failure is None:
                raise
        else:
            return BlockingStream(response, request, self.builder, deadline=deadline)
        raise failure

    async def sleep(self, seconds: float) -> None:
        seconds = clock.left_to_sleep(seconds)
        group = current.get()
        sleep = time.sleep if group is None else group.sleep
        if seconds > 0 and clock.seems_frozen():
            before = clock.now()
            sleep(clock.NAP_SECONDS)
            clock.check_running(before)
        sleep(seconds)

    async def run(self, function: Callable[[], T]) -> T:
        return function()

    def lock(self) -> GroupLock:
        return GroupLock()

    async def run_many(
        self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
    ) -> None:
        outer = current.get()
        if len(tasks) == 1 and outer is None:
            await tasks[0]()
            return
        with ThreadGroup(stop, within=outer) as group:
            if len(tasks) == 1:
                await tasks[0]()
            else:
                group.work([partial(_run, task) for task in tasks])

    def __del__(self) -> None:
        with suppress(Exception):  # the interpreter may be shutting down, or `__init__` may have failed
            self.close()

    def close(self) -> None:
        """Close the clients that were not passed in."""
        if self.builder.is_forked:  # threads of the parent process may hold their locks forever
            return
        for client in self._own:
            client.close()


def create_client(proxies: Proxies, tls: ssl.SSLContext) -> httpx.Client:
    """Create a client that reads nothing from the environment."""
    mounts = {
        pattern: None if proxy is None else httpx.HTTPTransport(verify=tls, limits=LIMITS, proxy=proxy)
        for pattern, proxy in proxies.items()
    }
    return httpx.Client(verify=tls, limits=LIMITS, trust_env=False, mounts=mounts)


def _listener(trace: RequestTrace) -> Callable[[str, Mapping[str, Any]], None]:
    def on_event(event: str, info: Mapping[str, Any]) -> None:
        _, _, name = event.partition(".")
        if name in CONNECTION_EVENTS:
            enforce_deadline(name, info)
        if name in TRACED_EVENTS:
            trace.note(name, info)

    return on_event


def _run(task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_sync(task())


class BlockingStream:
    """An open response of the blocking transport."""

    def __init__(self, response: httpx.Response, request: Request, builder: RequestBuilder, *, deadline: float) -> None:
        self.head: Head = head_of(response)
        self.deadline: float = deadline
        self._response = response
        self._request = request
        self._builder = builder
        chunks = response.iter_bytes() if response.is_stream_consumed else response.iter_raw()
        decoder = decoder_for(response, self.head, request)
        self._chunks: Iterator[bytes] = decoder.decode(chunks) if decoder else chunks
        self._unread = b""
        self._bytes_read = 0
        self._length = -1  # until `copy_to` needs it
        self._has_copied = False
        self._socket_reader: SocketReader | None = None
        self._failure: JobsError | None = None

    async def read(self, deadline: float = math.inf) -> bytes:
        self._builder.check_process()
        return self._read(deadline)

    async def copy_to(self, write: Write, limit: int) -> int:
        self._builder.check_process()
        self._length = framed_length(self.head.headers)
        pause_at = time.monotonic() + _MAX_COPY_SECONDS
        count = 0
        while count < limit and (data := self._next_piece(limit - count)):
            write(data)
            count += len(data)
            if time.monotonic() >= pause_at:
                break
        return count

    def _next_piece(self, limit: int) -> bytes | memoryview:
        if self._failure is not None:
            raise self._failure
        if self._socket_reader is not None:
            return self._fill(self._socket_reader, limit)
        if self._has_copied:
            return self._read_joined()
        data = self._read()
        self._has_copied = True
        left, timeout = self._length - self._bytes_read, self._request.timeout
        if left >= MIN_BYTES:
            self._socket_reader = SocketReader.from_response(self._response, left=left, timeout=timeout)
        return data

    def _read_joined(self) -> bytes:
        """Join what arrives within a moment, because one large write costs half as much as many small ones."""
        pause_at = time.monotonic() + _MAX_COPY_SECONDS
        pieces: list[bytes] = []
        while sum(map(len, pieces)) < _JOINED_BYTES and time.monotonic() < pause_at:
            try:
                data = self._read()
            except JobsError as error:
                if not pieces:
                    raise
                self._failure = error  # raised by the next call, because the bytes before it count
                break
            if not data:
                break
            pieces.append(data)
        return b"".join(pieces)

    def _read(self, deadline: float = math.inf) -> bytes:
        if self._bytes_read == self._length:
            return b""
        failure: JobsError | TimeoutError
        handled = sys.exception()
        try:
            with deadline_scope(min(deadline, time.monotonic() + self._request.timeout)):
                data, self._unread = self._unread or next(self._chunks, b""), b""
                self._bytes_read += len(data)
                if self._bytes_read == self._length:  # a copy stops here, but only the end returns the connection
                    next(self._chunks, b"")
                return data
        except httpx.HTTPError as error:
            failure = foreign_timeout(error, handled=handled) or transport_error(error, self._request)
        except JobsError as error:  # the decoder's, whose frames hold the body
            failure = error.with_traceback(None)
        raise failure

    def _fill(self, socket_reader: SocketReader, limit: int) -> memoryview:
        try:
            return socket_reader.fill(limit)
        except OSError as error:
            raise_if_foreign(error)
            kind = httpx.ReadTimeout if isinstance(error, TimeoutError) else httpx.ReadError
            failure = transport_error(kind(str(error)), self._request)
        raise failure

    def unread(self, data: bytes) -> None:
        self._unread = data
        self._bytes_read -= len(data)

    @property
    def network_stream(self) -> Any:  # noqa: ANN401 - httpx does not type it
        """The connection, as httpcore's `NetworkStream`; None over a mocked transport."""
        return self._response.extensions.get("network_stream")

    def abort(self) -> None:
        if self.network_stream is not None:
            shut_down(self.network_stream)

    async def aclose(self) -> None:
        if not self._builder.is_forked:
            self._response.close()
