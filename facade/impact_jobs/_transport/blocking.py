"""The blocking transport over httpx: every call blocks, so none of its coroutines suspends."""

from __future__ import annotations

import math
import socket
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
from impact_jobs._transport.gzip import GzipDecoder
from impact_jobs._transport.httpx_common import (
    FAILURES,
    LIMITS,
    PLAIN_IS_DIRECT,
    RequestBuilder,
    closed_error,
    framed_length,
    head_of,
    set_up,
)
from impact_jobs._transport.request_trace import EXTENSION, TRACED_EVENTS, RequestTrace
from impact_jobs._transport.run_sync import run_sync
from impact_jobs._transport.socket_reader import MIN_BYTES, SocketReader
from impact_jobs._transport.thread_group import GroupLock, ThreadGroup, current
from impact_jobs.errors import JobsError

T = TypeVar("T")

_MAX_COPY_SECONDS = 0.25
_GATHERED_BYTES = 256 * 1024


class BlockingTransport:
    """The transport of `JobsClient`."""

    now = staticmethod(clock.now)

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.Client | None = None,
        storage_client: httpx.Client | None = None,
    ) -> None:
        self.builder: RequestBuilder = RequestBuilder(account=account)

        def make() -> tuple[httpx.Client, httpx.Client]:
            tls = httpx.create_ssl_context()  # shared, because loading the certificates takes some 20 ms
            return (
                http_client or httpx.Client(verify=tls, limits=LIMITS, mounts=PLAIN_IS_DIRECT),
                storage_client or httpx.Client(verify=tls, limits=LIMITS, mounts=PLAIN_IS_DIRECT),
            )

        self.api, self.storage = set_up(make)
        self._own = [client for client, given in ((self.api, http_client), (self.storage, storage_client)) if not given]

    async def open(self, request: Request, progress: RequestTrace | None = None) -> BlockingStream:
        """See `Transport`. A caller that may have to abort it from another thread passes `progress`."""
        client = self.storage if request.to_storage else self.api
        if unusable_error := self.builder.unusable_error(client):
            raise unusable_error
        trace = progress or RequestTrace()
        extensions = {"timeout": TimeLeft(request.timeout), "trace": _listener(trace), EXTENSION: trace}
        deadline = time.monotonic() + request.timeout
        failure: BaseException
        try:
            with redact_http_logs(), deadline_scope(deadline):
                response = client.send(
                    self.builder.build(client, request, extensions),
                    stream=True,
                    auth=None if request.to_storage else self.builder.auth,  # None: not even the client's own
                    follow_redirects=False,
                )
        except httpx.HTTPStatusError:  # raised by a user's own hook, like everything else that is raised on
            raise
        except FAILURES as error:
            failure = self.builder.failure(error, request, sent=not trace.has_not_left(error))
        except Exception as error:
            if not (isinstance(error, RuntimeError) and client.is_closed):
                raise
            failure = closed_error()  # by another thread, just now
        except BaseException as error:  # noqa: BLE001 - raised below
            failure = error.with_traceback(None)
        else:
            return BlockingStream(response, request, self.builder, deadline=deadline)
        raise failure

    async def sleep(self, seconds: float) -> None:
        seconds = clock.left_to_sleep(seconds)
        group = current.get()
        if group is None:
            time.sleep(seconds)  # noqa: ASYNC251 - this transport blocks by design
        else:
            group.sleep(seconds)

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
        if self.builder.fork_error:  # threads of the parent process may hold their locks for ever
            return
        for client in self._own:
            client.close()


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
        self._socket_reader: SocketReader | None = None
        self._has_copied = self._has_ended = False
        self._failure: JobsError | None = None
        self._left = framed_length(self.head)
        # A mocked transport may have read the body already, and decoded it.
        is_decoded = response.is_stream_consumed
        is_encoded = "content-encoding" in self.head.headers and not is_decoded
        self._decoder = GzipDecoder.for_response(self.head, request) if is_encoded else None
        self._chunks: Iterator[bytes] = response.iter_bytes() if is_decoded else response.iter_raw()

    async def read(self, deadline: float = math.inf) -> bytes:
        return self._read(deadline)

    async def copy_to(self, write: Write, limit: int) -> int:
        pause_at = time.monotonic() + _MAX_COPY_SECONDS
        count = 0
        while count < limit and (data := self._next_piece(limit - count)):
            write(data)
            count += len(data)
            if time.monotonic() >= pause_at:
                break
        return count

    def _next_piece(self, limit: int) -> bytes | memoryview:
        if self._socket_reader is not None:
            return self._fill(self._socket_reader, limit)
        if self._has_copied:
            return self._gather()
        data = self._read()
        self._has_copied = True
        if self._left >= MIN_BYTES:
            timeout = self._request.timeout
            self._socket_reader = SocketReader.from_response(self._response, left=self._left, timeout=timeout)
        return data

    def _gather(self) -> bytes:
        """Join what arrives within a moment, because one large write costs half as much as many small ones."""
        pause_at = time.monotonic() + _MAX_COPY_SECONDS
        pieces: list[bytes] = []
        while self._failure is None and sum(map(len, pieces)) < _GATHERED_BYTES and time.monotonic() < pause_at:
            try:
                data = self._read()
            except JobsError as error:
                self._failure = error  # raised by the next call, because the bytes before it count
                break
            if not data:
                break
            pieces.append(data)
        if self._failure is not None and not pieces:
            raise self._failure
        return b"".join(pieces)

    def _read(self, deadline: float = math.inf) -> bytes:
        if self._has_ended:
            return b""
        if fork_error := self._builder.fork_error:
            raise fork_error
        failure: JobsError
        try:
            with deadline_scope(min(deadline, time.monotonic() + self._request.timeout)):
                data = next(self._chunks, b"") if self._decoder is None else self._decode(self._decoder)
                self._left -= len(data)
                if data and self._left == 0:
                    next(self._chunks, b"")  # the bare end, which returns the connection: many callers stop before it
                self._has_ended = not data or self._left == 0
                return data
        except httpx.HTTPError as error:
            failure = self._builder.failure(error, self._request)
        except JobsError as error:  # the decoder's, whose frames hold the body
            failure = error.with_traceback(None)
        raise failure

    def _decode(self, decoder: GzipDecoder) -> bytes:
        while not (piece := decoder.next_piece()):
            data = next(self._chunks, b"")
            decoder.feed(data)
            if not data:
                break
        return piece

    def _fill(self, socket_reader: SocketReader, limit: int) -> memoryview:
        if fork_error := self._builder.fork_error:
            raise fork_error
        try:
            return socket_reader.fill(limit)
        except OSError as error:
            kind = httpx.ReadTimeout if isinstance(error, TimeoutError) else httpx.ReadError
            failure = self._builder.failure(kind(str(error)), self._request)
        raise failure

    @property
    def network_stream(self) -> Any:  # noqa: ANN401 - httpx does not type it
        """The connection, as httpcore's `NetworkStream`; None over a mocked transport."""
        return self._response.extensions.get("network_stream")

    def abort(self) -> None:
        stream = self.network_stream
        found = None if stream is None else stream.get_extra_info("socket")
        if found is not None:
            with suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    async def aclose(self) -> None:
        if not self._builder.fork_error:
            self._response.close()
