"""The asynchronous port over httpx, on asyncio.

Bodies are read by the blocking port in threads: an event loop costs more a chunk than the network does, and the fast
path to the socket blocks. Only over a client that the user passed in do they pass through the loop.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future as ThreadFuture
from typing import Any, TypeVar

import httpx

from impact_jobs._account import Account
from impact_jobs._redaction import redact_http_logs
from impact_jobs._transport import clock
from impact_jobs._transport.base import Head, Request, Response, Stream, Write, read_whole
from impact_jobs._transport.blocking import BlockingStream, BlockingTransport
from impact_jobs._transport.daemon_pool import DaemonThreads
from impact_jobs._transport.gzip import Decoder
from impact_jobs._transport.httpx_common import (
    FAILURES,
    LIMITS,
    PLAIN_IS_DIRECT,
    READ_FAILURES,
    RequestBuilder,
    closed,
    framed_length,
    head_of,
    set_up,
    unless_failed,
)
from impact_jobs._transport.request_trace import EXTENSION, RequestTrace
from impact_jobs.errors import ConfigurationError, JobsError

T = TypeVar("T")

_MOST_THREADS = 64


class AsyncTransport:
    """The port of `AsyncJobsClient`."""

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.AsyncClient | None = None,
        storage_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.wire: RequestBuilder = RequestBuilder(account=account)
        self.api: httpx.AsyncClient = http_client or set_up(
            lambda: httpx.AsyncClient(verify=httpx.create_ssl_context(), limits=LIMITS, mounts=PLAIN_IS_DIRECT)
        )
        self._own_api = http_client is None
        self.storage: httpx.AsyncClient | None = storage_client
        self._account = account
        # Apart, for those that wait for the network may all be taken up by servers that are silent.
        self._for_bodies = DaemonThreads(_MOST_THREADS, name="impact-jobs")
        self._for_disk = DaemonThreads(_MOST_THREADS, name="impact-jobs")
        self._blocking: BlockingTransport | None = None
        self._making = threading.Lock()
        self._openings: set[ThreadFuture[BlockingStream]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # the first one that it is used in

    @property
    def blocking(self) -> BlockingTransport:
        """The port that reads bodies, made when the first one is wanted, perhaps in a thread; there is but one."""
        with self._making:
            self._blocking = self._blocking or BlockingTransport(self._account)
            return self._blocking

    def for_files(self) -> BlockingTransport:
        """The blocking port, for file objects.

        Raises:
            ConfigurationError: The client is closed, or an asynchronous one was passed in, which a blocking file cannot
                go through.
        """
        if unusable_error := self.wire.unusable_error(self.api):
            raise unusable_error
        if self.storage is not None or not self._own_api:
            raise ConfigurationError("a file object cannot read through an httpx.AsyncClient: use stream or download.")
        return self.blocking

    async def send(self, request: Request) -> Response:
        return await self.whole(unless_failed(await self.begin(self.api, request)), request)

    async def stream(self, request: Request) -> Stream:
        client = self.storage if request.to_storage else None if self._own_api else self.api
        if client is not None:
            return unless_failed(await self.begin(client, request))
        self._check_place()
        if unusable_error := self.wire.unusable_error(self.api):
            raise unusable_error
        course, blocking = RequestTrace(), self.blocking
        opening = self._submit(self._for_bodies, lambda: blocking.open(request, course))
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)
        awaited = asyncio.wrap_future(opening)
        try:
            return ThreadedStream(await awaited, lambda read: self._in_thread(self._for_bodies, read))
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)  # in its thread, for the loop may be closed by then
            if not opening.done():  # then its connection may be another's by now
                course.abort()
            _take_note(awaited)
            raise

    async def whole(self, stream: Stream, request: Request) -> Response:
        bound = _timeout(stream.deadline - time.monotonic())
        try:
            async with bound:
                return await read_whole(stream, request)
        except TimeoutError:
            if not bound.expired():
                raise
        raise self.wire.failure(httpx.ReadTimeout(""), request)

    async def begin(
        self, client: httpx.AsyncClient, request: Request, built: httpx.Request | None = None
    ) -> AsyncStream | BaseException:
        """See `BlockingTransport.begin`."""
        self._check_place()
        if unusable_error := self.wire.unusable_error(client):
            return unusable_error
        course, deadline, bound = RequestTrace(), time.monotonic() + request.timeout, _timeout(request.timeout)

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            course.note(event, info)

        # No timeouts of httpx's: they bound each step alone, and were two to run out at once, one would linger.
        extensions = {"timeout": httpx.Timeout(None).as_dict(), "trace": trace, EXTENSION: course}
        try:
            async with bound:
                with redact_http_logs():
                    response = await client.send(
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
            is_late = isinstance(error, TimeoutError) and bound.expired()
            if isinstance(error, RuntimeError) and client.is_closed:  # in another task, just now
                return closed()
            if isinstance(error, Exception) and not is_late:
                raise
            # Cancelled in a TLS handshake, httpcore forgets the connection and leaves it open. One that is made is
            # httpcore's, and over HTTP/2 may serve others as well.
            for connection in course.connecting:
                await connection.aclose()
            if not is_late:
                return error.with_traceback(None)
            kind = httpx.ConnectTimeout if course.is_connecting else httpx.ReadTimeout
            return self.wire.failure(kind(""), request, sent=not course.is_connecting)
        return AsyncStream(response, request, self.wire, self.run, deadline=deadline)

    async def sleep(self, seconds: float) -> None:
        self._check_place()
        await asyncio.sleep(clock.left_to_sleep(seconds))

    def now(self) -> float:
        return clock.now()

    async def run(self, function: Callable[[], T]) -> T:
        self._check_place()
        try:
            future = self._for_disk.submit(function)
        except RuntimeError:  # closed meanwhile, or the interpreter ends: what was begun is ended all the same
            return function()
        return await finished(future)

    def lock(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def run_many(
        self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, stop: Callable[[], None]
    ) -> None:
        running = [asyncio.ensure_future(task()) for task in tasks]
        try:
            await asyncio.gather(*running)
        except BaseException:
            stop()
            for task in running:
                task.cancel()
            await _ended(running)
            raise

    async def aclose(self) -> None:
        """Close what was not passed in."""
        if self.wire.fork_error:
            return
        if self._blocking is not None:
            self._close_blocking(self._blocking)
        for threads in (self._for_bodies, self._for_disk):
            threads.shutdown(wait=False)
        if self._own_api:
            if self._loop is not None:
                self._check_place()
            await self.api.aclose()

    def _close_blocking(self, blocking: BlockingTransport) -> None:
        # A cancelled request still waits in its thread. Were its socket closed under it, it would wait on for its full
        # time, for a number that the next file to be opened takes over. So the last such thread closes.
        openings = tuple(self._openings)

        def close(_: object = None) -> None:
            if all(opening.done() for opening in openings):
                blocking.close()

        close()
        for opening in openings:
            opening.add_done_callback(close)

    def _in_thread(self, threads: DaemonThreads, function: Callable[[], T]) -> ThreadFuture[T]:
        self._check_place()
        return self._submit(threads, function)

    def _submit(self, threads: DaemonThreads, function: Callable[[], T]) -> ThreadFuture[T]:
        try:
            return threads.submit(function)
        except RuntimeError:
            unusable_error = self.wire.unusable_error(self.api)
        raise unusable_error or ConfigurationError("the interpreter is shutting down: results are fetched before that.")

    def _check_place(self) -> None:
        """Raises ConfigurationError unless it runs in the process and the event loop that the connections belong to."""
        if fork_error := self.wire.fork_error:
            raise fork_error
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is None:
            raise ConfigurationError(
                "AsyncJobsClient runs on asyncio alone: elsewhere, as under trio, use JobsClient in a thread."
            )
        self._loop = self._loop or running
        if self._loop is not running:
            raise ConfigurationError("this client belongs to another event loop: make one client for each loop.")


def _timeout(seconds: float) -> asyncio.Timeout:
    return asyncio.timeout(None if math.isinf(seconds) else seconds)


async def finished(work: ThreadFuture[T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """What a thread comes to; when we are cancelled, it ends first: it must not outlive what it works on."""
    future = asyncio.wrap_future(work)
    awaited = asyncio.shield(future)
    try:
        return await awaited
    except asyncio.CancelledError:
        on_cancel()
        try:
            await _ended([future])
        finally:
            _take_note(future)
            _take_note(awaited)
        raise


async def _ended(futures: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until they have ended, however often we are cancelled meanwhile: nothing may be closed under them."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _take_note(future: asyncio.Future[Any]) -> None:
    """Keep asyncio from printing a failure that nobody is there to be told of any more."""
    if future.done() and not future.cancelled():
        future.exception()


def _close_unwanted(opening: ThreadFuture[BlockingStream]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class ThreadedStream:
    """An open answer of the blocking port, read by threads."""

    def __init__(self, inner: BlockingStream, in_thread: Callable[[Callable[[], Any]], ThreadFuture[Any]]) -> None:
        self.head: Head = inner.head
        self.deadline: float = inner.deadline
        self._inner = inner
        self._in_thread = in_thread

    async def read(self) -> bytes:
        chunk: bytes = await self._read(self._inner.read_blocking)
        return chunk

    async def copy_to(self, write: Write, limit: int) -> int:
        count: int = await self._read(lambda: self._inner.copy_to_blocking(write, limit))
        return count

    async def _read(self, read: Callable[[], Any]) -> Any:  # noqa: ANN401 - what `read` gives
        work = self._in_thread(read)

        def give_up() -> None:
            if not work.cancel():  # it has begun
                self.abort()

        return await finished(work, on_cancel=give_up)

    def abort(self) -> None:
        self._inner.abort()

    async def aclose(self) -> None:
        self._inner.close()  # drops or returns a connection: no reason to go to a thread


class AsyncStream:
    """An open answer of an asynchronous client."""

    def __init__(
        self,
        response: httpx.Response,
        request: Request,
        wire: RequestBuilder,
        run: Callable[[Callable[[], None]], Coroutine[Any, Any, None]],
        *,
        deadline: float,
    ) -> None:
        self.head: Head = head_of(response)
        self.deadline: float = deadline
        self.response: httpx.Response = response
        self._request = request
        self._wire = wire
        self._run = run
        self._left = framed_length(self.head)
        cooked = response.is_stream_consumed  # see BlockingStream
        self._decoder = None if cooked else Decoder.of(self.head, request)
        self._chunks = response.aiter_bytes() if cooked else response.aiter_raw()

    async def read(self) -> bytes:
        return unless_failed(await self._read())

    async def _read(self) -> bytes | JobsError:
        bound = _timeout(self._request.timeout)
        try:
            async with bound:
                data = await anext(self._chunks, b"") if self._decoder is None else await self._decoded(self._decoder)
                self._left -= len(data)
                if data and self._left == 0:
                    await anext(self._chunks, b"")  # see BlockingStream
                return data
        except READ_FAILURES as error:
            return self._wire.failure(error, self._request)
        except JobsError as error:  # the decoder's
            return error
        except TimeoutError:
            if not bound.expired():
                raise
            return self._wire.failure(httpx.ReadTimeout(""), self._request)

    async def _decoded(self, decoder: Decoder) -> bytes:
        while not (piece := decoder.piece()):
            data = await anext(self._chunks, b"")
            decoder.feed(data)
            if not data:
                break
        return piece

    async def copy_to(self, write: Write, limit: int) -> int:
        count = 0
        while count < min(limit, _POUR_BYTES) and (chunk := await self.read()):
            await self._run(lambda chunk=chunk: write(chunk))  # type: ignore[misc]
            count += len(chunk)
        return count

    def abort(self) -> None:
        """Nobody reads it in a thread."""

    async def aclose(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):  # else a running loop finalises it at some later time
            await self._chunks.aclose()
        await self.response.aclose()


_POUR_BYTES = 4 * 1024 * 1024
