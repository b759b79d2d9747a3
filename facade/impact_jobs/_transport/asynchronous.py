"""The asynchronous transport over httpx, on asyncio.

Results are read by the blocking transport in threads: per chunk, an event loop costs more than the network does, and
the fast path to the socket blocks. Only if the user passed in a client do they go through the loop.
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
from impact_jobs._transport.base import Head, Request, Stream, Write
from impact_jobs._transport.blocking import BlockingStream, BlockingTransport
from impact_jobs._transport.daemon_thread import start_in_thread
from impact_jobs._transport.gzip import GzipDecoder
from impact_jobs._transport.httpx_common import (
    FAILURES,
    LIMITS,
    PLAIN_IS_DIRECT,
    READ_FAILURES,
    RequestBuilder,
    closed_error,
    framed_length,
    head_of,
    set_up,
)
from impact_jobs._transport.request_trace import EXTENSION, TRACED_EVENTS, RequestTrace
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.errors import ConfigurationError, JobsError

T = TypeVar("T")

_MAX_THREADS = 64
_COPY_BYTES = 4 * 1024 * 1024


class AsyncTransport:
    """The transport of `AsyncJobsClient`."""

    now = staticmethod(clock.now)

    def __init__(
        self,
        account: Account,
        *,
        http_client: httpx.AsyncClient | None = None,
        storage_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.builder: RequestBuilder = RequestBuilder(account=account)
        self.api: httpx.AsyncClient = http_client or set_up(
            lambda: httpx.AsyncClient(verify=httpx.create_ssl_context(), limits=LIMITS, mounts=PLAIN_IS_DIRECT)
        )
        self._is_own_api = http_client is None
        self.storage: httpx.AsyncClient | None = storage_client
        # Counted apart, because silent servers may occupy all threads that wait for the network.
        self._network_slots = asyncio.Semaphore(_MAX_THREADS)
        self._disk_slots = asyncio.Semaphore(_MAX_THREADS)
        self._is_closed = False
        self._blocking: BlockingTransport | None = None
        self._blocking_lock = threading.Lock()
        self._openings: set[ThreadFuture[BlockingStream]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # the first one that the client is used in

    @property
    def blocking(self) -> BlockingTransport:
        """The transport that reads results, created on first use, perhaps in a thread."""
        with self._blocking_lock:
            self._blocking = self._blocking or BlockingTransport(self.builder.account)
            return self._blocking

    def for_files(self) -> BlockingTransport:
        """Return the blocking transport, for file objects.

        Raises:
            ConfigurationError: The client is closed, or the user passed in an asynchronous client, which a blocking
                file cannot use.
        """
        if unusable_error := self.builder.unusable_error(self.api):
            raise unusable_error
        if self.storage is not None or not self._is_own_api:
            raise ConfigurationError("a file object cannot read through an httpx.AsyncClient: use stream or download.")
        return self.blocking

    async def open(self, request: Request) -> Stream:
        self._check_loop()
        given = self.storage if request.to_storage else None if self._is_own_api else self.api
        if given is not None or not request.is_download:
            return await self._open_in_loop(given or self.api, request)
        trace, blocking = RequestTrace(), self.blocking
        async with self._network_slots:
            opening = self._start(lambda: run_sync(blocking.open(request, trace)))
            self._openings.add(opening)
            opening.add_done_callback(self._openings.discard)
            awaited = asyncio.wrap_future(opening)
            try:
                return ThreadedStream(await awaited, self._in_thread)
            except asyncio.CancelledError:
                opening.add_done_callback(_close_unwanted)  # in its thread, because the loop may be closed by then
                if not opening.done():  # otherwise another request may use the connection by now
                    trace.abort()
                _retrieve(awaited)
                raise

    async def _open_in_loop(self, client: httpx.AsyncClient, request: Request) -> AsyncStream:
        if unusable_error := self.builder.unusable_error(client):
            raise unusable_error
        trace, deadline, timeout = RequestTrace(), time.monotonic() + request.timeout, _timeout(request.timeout)
        # No timeouts of httpx: they limit single steps, and one that expires together with ours could go unnoticed.
        extensions = {"timeout": httpx.Timeout(None).as_dict(), "trace": _listener(trace), EXTENSION: trace}
        failure: BaseException
        try:
            async with timeout:
                with redact_http_logs():
                    response = await client.send(
                        self.builder.build(client, request, extensions),
                        stream=True,
                        auth=None if request.to_storage else self.builder.auth,  # None: not even the client's own
                        follow_redirects=False,
                    )
        except httpx.HTTPStatusError:  # raised by a user's own hook, like everything else that is raised on
            raise
        except FAILURES as error:
            failure = self.builder.failure(error, request, sent=not trace.has_not_left(error))
        except BaseException as error:
            is_late = isinstance(error, TimeoutError) and timeout.expired()
            is_closed = isinstance(error, RuntimeError) and client.is_closed  # by another task, just now
            if isinstance(error, Exception) and not (is_late or is_closed):
                raise
            if is_closed:
                failure = closed_error()
            else:
                # If it is cancelled in a TLS handshake, httpcore forgets the connection and leaves it open. Others are
                # httpcore's to close, and over HTTP/2 may serve further requests.
                for connection in trace.connecting:
                    await connection.aclose()
                failure = self._timeout_error(request, trace) if is_late else error.with_traceback(None)
        else:
            return AsyncStream(response, request, self.builder, self.run, deadline=deadline)
        raise failure

    def _timeout_error(self, request: Request, trace: RequestTrace) -> JobsError:
        kind = httpx.ConnectTimeout if trace.is_connecting else httpx.ReadTimeout
        return self.builder.failure(kind(""), request, sent=not trace.is_connecting)

    async def sleep(self, seconds: float) -> None:
        self._check_loop()
        await asyncio.sleep(clock.left_to_sleep(seconds))

    async def run(self, function: Callable[[], T]) -> T:
        self._check_loop()
        async with self._disk_slots:
            try:
                future = start_in_thread(function)
            except RuntimeError:  # the interpreter is shutting down, but work that has begun must be finished
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
            await _all_done(running)
            raise

    async def aclose(self) -> None:
        """Close the clients that were not passed in."""
        if self.builder.fork_error:
            return
        self._is_closed = True
        if self._blocking is not None:
            self._close_blocking(self._blocking)
        if self._is_own_api:
            if self._loop is not None:
                self._check_loop()
            await self.api.aclose()

    def _close_blocking(self, blocking: BlockingTransport) -> None:
        # The thread of a cancelled request may still wait. If its socket were closed now, it would wait on for the full
        # timeout, on a descriptor that the next opened file reuses. So the last of these threads closes the clients.
        openings = tuple(self._openings)

        def close(_: object = None) -> None:
            if all(opening.done() for opening in openings):
                blocking.close()

        close()
        for opening in openings:
            opening.add_done_callback(close)

    def _start(self, function: Callable[[], T]) -> ThreadFuture[T]:
        if unusable_error := self.builder.unusable_error(self.api) or (closed_error() if self._is_closed else None):
            raise unusable_error
        try:
            return start_in_thread(function)
        except RuntimeError:
            pass
        raise ConfigurationError("the interpreter is shutting down: results are fetched before that.")

    async def _in_thread(self, function: Callable[[], T], abort: Callable[[], None]) -> T:
        """Wait for the network in a thread; `abort` ends the wait if the task is cancelled."""
        self._check_loop()
        async with self._network_slots:
            return await finished(self._start(function), on_cancel=abort)

    def _check_loop(self) -> None:
        """Raise ConfigurationError in another process or event loop than the one that the connections belong to."""
        if fork_error := self.builder.fork_error:
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


def _listener(trace: RequestTrace) -> Callable[[str, Mapping[str, Any]], Coroutine[Any, Any, None]]:
    async def on_event(event: str, info: Mapping[str, Any]) -> None:
        _, _, name = event.partition(".")
        if name in TRACED_EVENTS:
            trace.note(name, info)

    return on_event


def _timeout(seconds: float) -> asyncio.Timeout:
    return asyncio.timeout(None if math.isinf(seconds) else seconds)


async def finished(work: ThreadFuture[T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Return the result of a thread. If cancelled, wait for it first: it must not outlive the files it works on."""
    future = asyncio.wrap_future(work)
    awaited = asyncio.shield(future)
    try:
        return await awaited
    except asyncio.CancelledError:
        on_cancel()
        try:
            await _all_done([future])
        finally:
            _retrieve(future)
            _retrieve(awaited)
        raise


async def _all_done(futures: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until all are done, even if cancelled meanwhile: nothing that they use may be closed before."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Keep asyncio from logging that the exception was never retrieved."""
    if future.done() and not future.cancelled():
        future.exception()


def _close_unwanted(opening: ThreadFuture[BlockingStream]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        run_sync(opening.result().aclose())


class ThreadedStream:
    """An open response of the blocking transport, read by threads."""

    def __init__(self, inner: BlockingStream, in_thread: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self.head: Head = inner.head
        self.deadline: float = inner.deadline
        self._inner = inner
        self._in_thread = in_thread

    async def read(self, deadline: float = math.inf) -> bytes:
        data: bytes = await self._in_thread(lambda: run_sync(self._inner.read(deadline)), self.abort)
        return data

    async def copy_to(self, write: Write, limit: int) -> int:
        count: int = await self._in_thread(lambda: run_sync(self._inner.copy_to(write, limit)), self.abort)
        return count

    def abort(self) -> None:
        self._inner.abort()

    async def aclose(self) -> None:
        await self._inner.aclose()  # blocks for a moment at most


class AsyncStream:
    """An open response of an asynchronous client."""

    def __init__(
        self,
        response: httpx.Response,
        request: Request,
        builder: RequestBuilder,
        run: Callable[[Callable[[], None]], Coroutine[Any, Any, None]],
        *,
        deadline: float,
    ) -> None:
        self.head: Head = head_of(response)
        self.deadline: float = deadline
        self._response = response
        self._request = request
        self._builder = builder
        self._run = run
        self._left = framed_length(self.head)
        is_decoded = response.is_stream_consumed  # see BlockingStream
        self._decoder = None if is_decoded else GzipDecoder.for_response(self.head, request)
        self._chunks = response.aiter_bytes() if is_decoded else response.aiter_raw()

    async def read(self, deadline: float = math.inf) -> bytes:
        failure: JobsError
        timeout = _timeout(min(self._request.timeout, deadline - time.monotonic()))
        try:
            async with timeout:
                data = await anext(self._chunks, b"") if self._decoder is None else await self._decode(self._decoder)
                self._left -= len(data)
                if data and self._left == 0:
                    await anext(self._chunks, b"")  # see BlockingStream
                return data
        except READ_FAILURES as error:
            failure = self._builder.failure(error, self._request)
        except JobsError as error:  # the decoder's, whose frames hold the body
            failure = error.with_traceback(None)
        except TimeoutError:
            if not timeout.expired():
                raise
            failure = self._builder.failure(httpx.ReadTimeout(""), self._request)
        raise failure

    async def _decode(self, decoder: GzipDecoder) -> bytes:
        while not (piece := decoder.next_piece()):
            data = await anext(self._chunks, b"")
            decoder.feed(data)
            if not data:
                break
        return piece

    async def copy_to(self, write: Write, limit: int) -> int:
        count = 0
        while count < min(limit, _COPY_BYTES) and (data := await self.read()):
            await self._run(lambda data=data: write(data))  # type: ignore[misc]
            count += len(data)
        return count

    def abort(self) -> None:
        """Do nothing, because no thread reads it."""

    async def aclose(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):  # otherwise the loop finalises it at some later time
            await self._chunks.aclose()
        await self._response.aclose()
