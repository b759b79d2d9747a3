"""The blocking port over httpx: every call blocks, so none of its coroutines suspends."""

from __future__ import annotations

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
from impact_jobs._transport.base import Head, Request, Response, Stream, Write, read_whole
from impact_jobs._transport.deadline import TimeLeft, check, deadline_scope, enforce_deadline
from impact_jobs._transport.gzip import Decoder
from impact_jobs._transport.httpx_common import (
    FAILURES,
    LIMITS,
    PLAIN_IS_DIRECT,
    RequestBuilder,
    closed,
    framed_length,
    head_of,
    set_up,
    unless_failed,
)
from impact_jobs._transport.request_trace import EXTENSION, RequestTrace
from impact_jobs._transport.run_sync import run_sync
from impact_jobs._transport.socket_reader import SocketReader
from impact_jobs._transport.thread_group import GroupLock, ThreadGroup, current
from impact_jobs.errors import JobsError

T = TypeVar("T")

_LONGEST_POUR_SECONDS = 0.25
_GATHERED_BYTES = 256 * 1024


class BlockingTransport:
    """The port of `JobsClient`."""

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.Client | None = None,
        storage_client: httpx.Client | None = None,
    ) -> None:
        self.wire: RequestBuilder = RequestBuilder(account=account)

        def make() -> tuple[httpx.Client, httpx.Client]:
            tls = httpx.create_ssl_context()  # shared, for it takes some 20 ms to load
            return (
                http_client or httpx.Client(verify=tls, limits=LIMITS, mounts=PLAIN_IS_DIRECT),
                storage_client or httpx.Client(verify=tls, limits=LIMITS, mounts=PLAIN_IS_DIRECT),
            )

        clients = set_up(make)
        self.api: httpx.Client = clients[0]
        self.storage: httpx.Client = clients[1]
        self._own = [client for client, given in ((self.api, http_client), (self.storage, storage_client)) if not given]

    async def send(self, request: Request) -> Response:
        return await self.whole(await self.stream(request), request)

    async def stream(self, request: Request) -> BlockingStream:
        return self.open(request)

    def open(self, request: Request, course: RequestTrace | None = None) -> BlockingStream:
        """`stream`, for callers that are in a thread already; see `begin`."""
        return unless_failed(self.begin(request, course=course))

    async def whole(self, stream: Stream, request: Request) -> Response:
        with deadline_scope(stream.deadline):
            return await read_whole(stream, request)

    def begin(
        self, request: Request, built: httpx.Request | None = None, course: RequestTrace | None = None
    ) -> BlockingStream | BaseException:
        """The open answer, or why there is none; see `httpx_wire` for why that is not raised.

        Args:
            request: What is asked.
            built: The same as httpx has it, where others have made it.
            course: Is told how far it comes, for callers that may want to abort it from another thread.
        """
        client = self.storage if request.to_storage else self.api
        if unusable_error := self.wire.unusable_error(client):
            return unusable_error
        course = course or RequestTrace()

        def trace(event: str, info: Mapping[str, Any]) -> None:
            enforce_deadline(event, info)
            course.note(event, info)

        extensions = {"timeout": TimeLeft(request.timeout), "trace": trace, EXTENSION: course}
        deadline = time.monotonic() + request.timeout
        try:
            with redact_http_logs(), deadline_scope(deadline):
                response = client.send(
                    self.wire.build(client, request, built, extensions),
                    stream=True,
                    auth=self.wire.auth_for(request),
                    follow_redirects=False,
                )
        except httpx.HTTPStatusError:  # of the user's own hook, like all that follows
            raise
        except FAILURES as error:
            return self.wire.failure(error, request, sent=not course.has_not_left(error))
        except BaseException as error:
            if not isinstance(error, Exception):
                return error.with_traceback(None)
            if isinstance(error, RuntimeError) and client.is_closed:  # in another thread, just now
                return closed()
            raise
        return BlockingStream(response, request, self.wire, deadline=deadline)

    async def sleep(self, seconds: float) -> None:
        seconds = clock.left_to_sleep(seconds)
        crew = current.get()
        if crew is None:
            time.sleep(seconds)  # noqa: ASYNC251 - this port blocks by design
        else:
            crew.sleep(seconds)

    def now(self) -> float:
        return clock.now()

    async def run(self, function: Callable[[], T]) -> T:
        return function()

    def lock(self) -> GroupLock:
        return GroupLock()

    async def run_many(
        self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
    ) -> None:
        with ThreadGroup(stop, within=current.get()) as crew:
            if len(tasks) == 1:
                await tasks[0]()
            else:
                crew.work([partial(_do, task) for task in tasks])

    def __del__(self) -> None:
        with suppress(Exception):  # as in an interpreter that is half gone, or after a failed __init__
            self.close()

    def close(self) -> None:
        """Close what was not passed in."""
        if self.wire.fork_error:  # then its locks may be held by threads that are not here
            return
        for client in self._own:
            client.close()


def _do(task: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_sync(task())


class BlockingStream:
    """An open answer of the blocking port."""

    def __init__(self, response: httpx.Response, request: Request, wire: RequestBuilder, *, deadline: float) -> None:
        self.head: Head = head_of(response)
        self.deadline: float = deadline
        self.response: httpx.Response = response
        self._request = request
        self._wire = wire
        self._door: SocketReader | None = None
        self._is_begun = False
        self._failure: JobsError | None = None
        self._left = framed_length(self.head)
        # Of a mocked transport's answer the body may have been read already, and decoded.
        cooked = response.is_stream_consumed
        self._decoder = None if cooked else Decoder.of(self.head, request)
        self._chunks: Iterator[bytes] = response.iter_bytes() if cooked else response.iter_raw()

    async def read(self) -> bytes:
        return self.read_blocking()

    def read_blocking(self) -> bytes:
        """`chunk`, for callers that are in a thread already."""
        return unless_failed(self._read())

    async def copy_to(self, write: Write, limit: int) -> int:
        return self.copy_to_blocking(write, limit)

    def copy_to_blocking(self, write: Write, limit: int) -> int:
        """`copy_to`, for callers that are in a thread already."""
        deadline = time.monotonic() + _LONGEST_POUR_SECONDS
        count = 0
        while count < limit and (data := self._next_piece(limit - count)):
            write(data)
            count += len(data)
            if time.monotonic() >= deadline:
                break
        return count

    def _next_piece(self, limit: int) -> bytes | memoryview:
        if self._door is not None:
            return unless_failed(self._fill(self._door, limit))
        if self._is_begun:
            return unless_failed(self._gather())
        data: bytes = unless_failed(self._read())
        self._is_begun = True
        self._door = SocketReader.of(self.response, received=len(data), timeout=self._request.timeout)
        return data

    def _gather(self) -> bytes | JobsError:
        """What comes within a moment, joined: one large write costs half of what many small ones do."""
        deadline = time.monotonic() + _LONGEST_POUR_SECONDS
        pieces: list[bytes] = []
        while self._failure is None and sum(map(len, pieces)) < _GATHERED_BYTES and time.monotonic() < deadline:
            data = self._read()
            if isinstance(data, JobsError):
                self._failure = data  # told next time, for what came before it counts
            elif data:
                pieces.append(data)
            else:
                break
        return self._failure if self._failure is not None and not pieces else b"".join(pieces)

    def _read(self) -> bytes | JobsError:
        if fork_error := self._wire.fork_error:
            return fork_error
        try:
            with deadline_scope(time.monotonic() + self._request.timeout):
                check()  # not left to the connection, which may be another transport's
                data = next(self._chunks, b"") if self._decoder is None else self._decoded(self._decoder)
                self._left -= len(data)
                if data and self._left == 0:
                    next(self._chunks, b"")  # the mere end, at which the connection goes back: many readers stop before
                return data
        except httpx.HTTPError as error:
            return self._wire.failure(error, self._request)
        except JobsError as error:  # the decoder's
            return error

    def _decoded(self, decoder: Decoder) -> bytes:
        while not (piece := decoder.piece()):
            data = next(self._chunks, b"")
            decoder.feed(data)
            if not data:
                break
        return piece

    def _fill(self, door: SocketReader, limit: int) -> memoryview | JobsError:
        if fork_error := self._wire.fork_error:
            return fork_error
        try:
            return door.fill(limit)
        except OSError as error:
            kind = httpx.ReadTimeout if isinstance(error, TimeoutError) else httpx.ReadError
            return self._wire.failure(kind(str(error)), self._request)

    def abort(self) -> None:
        stream = self.response.extensions.get("network_stream")
        found = None if stream is None else stream.get_extra_info("socket")
        if found is not None:
            with suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """`aclose`, for callers that are in a thread already."""
        if not self._wire.fork_error:
            self.response.close()
