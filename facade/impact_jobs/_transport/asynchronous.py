"""The asynchronous transport over httpx, on asyncio.

Results are read by the blocking transport in threads, because an event loop costs more per chunk than the network does.
Only if the user passed in a client do they go through the loop.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future as ThreadFuture
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import httpx

from impact_jobs._account import Account
from impact_jobs._redaction import redact_http_logs
from impact_jobs._transport import clock
from impact_jobs._transport.base import Head, Request, Stream, Write
from impact_jobs._transport.blocking import BlockingStream, BlockingTransport
from impact_jobs._transport.daemon_thread import start_in_thread
from impact_jobs._transport.foreign_timeout import foreign_timeout
from impact_jobs._transport.headers import framed_length
from impact_jobs._transport.httpx_common import (
    LIMITS,
    READ_FAILURES,
    TRACE_EXTENSION,
    TRACED_EVENTS,
    RequestBuilder,
    RequestTrace,
    check_clients,
    closed_error,
    create_or_explain,
    decoder_for,
    failure_to_open,
    head_of,
    transport_error,
)
from impact_jobs._transport.proxies import Proxies, proxies_from_environment
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
        check_clients(httpx.AsyncClient, http_client=http_client, storage_client=storage_client)
        self.builder: RequestBuilder = RequestBuilder(account=account)
        self._proxies: Proxies | None = None if http_client else proxies_from_environment(account.base_url)
        self.api: httpx.AsyncClient = http_client or create_or_explain(partial(_create_client, self._proxies or {}))
        self._is_own_api = http_client is None
        self.storage: httpx.AsyncClient | None = storage_client
        # Two, so that servers that do not respond cannot keep others from the disk.
        self._network_slots = asyncio.Semaphore(_MAX_THREADS)
        self._disk_slots = asyncio.Semaphore(_MAX_THREADS)
        self._is_closed = False
        self._blocking: BlockingTransport | None = None
        self._blocking_lock = threading.Lock()
        self._openings: set[ThreadFuture[BlockingStream]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None  # the first one that the client is used in

    @property
    def blocking(self) -> BlockingTransport:
        """The transport that reads results, created on first use, perhaps in a thread."""
        with self._blocking_lock:
            self._blocking = self._blocking or BlockingTransport(self.builder.account, proxies=self._proxies)
            return self._blocking

    def for_files(self) -> BlockingTransport:
        """Return the blocking transport, for file objects.

        Raise ConfigurationError if the client is closed, or if the user passed in an asynchronous client, which a
        blocking file cannot use.
        """
        self.builder.check_usable(self.api)
        if self.storage is not None or not self._is_own_api:
            raise ConfigurationError("a file object cannot read through an httpx.AsyncClient: use stream or download.")
        return self.blocking

    async def open(self, request: Request) -> Stream:
        self._check_loop()
        users_client = self.storage if request.to_storage else None if self._is_own_api else self.api
        if users_client is not None or not request.is_download:
            return await self._open_in_loop(users_client or self.api, request)
        trace, blocking = RequestTrace(), self.blocking
        async with self._network_slots:
            opening = self._start_thread(lambda: run_sync(blocking.open(request, trace)))
            self._openings.add(opening)
            opening.add_done_callback(self._on_opened)
            future = asyncio.wrap_future(opening)
            try:
                return ThreadedStream(await future, self._run_in_thread)
            except asyncio.CancelledError:
                opening.add_done_callback(_close_unwanted)  # in its thread, because the loop may be closed by then
                if not opening.done():  # otherwise another request may use the connection by now
                    trace.abort()
                _retrieve(future)
                raise

    async def _open_in_loop(self, client: httpx.AsyncClient, request: Request) -> AsyncStream:
        self.builder.check_usable(client)
        trace, deadline, timeout = RequestTrace(), time.monotonic() + request.timeout, asyncio.timeout(request.timeout)
        handled = sys.exception()
        # Without timeouts of httpx, because they limit single steps, and one could expire at the same time as ours.
        extensions = {"timeout": httpx.Timeout(None).as_dict(), "trace": _listener(trace), TRACE_EXTENSION: trace}
        try:
            async with timeout:
                with redact_http_logs(), _in_real_time(timeout, request.timeout):
                    response = await client.send(
                        self.builder.build(client, request, extensions),
                        stream=True,
                        auth=None if request.to_storage else self.builder.auth,  # None: not the client's own either
                        follow_redirects=False,
                    )
        except BaseException as error:
            # If a TLS handshake is cancelled, httpcore forgets the connection and leaves it open.
            for connection in trace.connecting:
                await connection.aclose()
            if isinstance(error, TimeoutError) and timeout.expired():
                kind = httpx.ConnectTimeout if trace.is_connecting else httpx.ReadTimeout
                failure: BaseException | None = transport_error(kind(""), request, is_sent=not trace.is_connecting)
            else:
                failure = failure_to_open(error, request, trace, client, handled=handled)
            if failure is None:
                raise
        else:
            return AsyncStream(response, request, self.run, deadline=deadline)
        raise failure

    async def sleep(self, seconds: float) -> None:
        self._check_loop()
        seconds = clock.left_to_sleep(seconds)
        if seconds > 0 and clock.seems_frozen():
            before = clock.now()
            await self.run(lambda: time.sleep(clock.NAP_SECONDS))  # because asyncio sleeps by the same clock
            clock.check_running(before)
        await asyncio.sleep(seconds)

    async def run(self, function: Callable[[], T]) -> T:
        self._check_loop()
        async with self._disk_slots:
            try:
                future = start_in_thread(function)
            except RuntimeError:  # the interpreter is shutting down, but work that has begun must be finished
                return function()
            return await _result_of(future)

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
            await _wait_for_all(running)
            raise

    async def aclose(self) -> None:
        """Close the clients that were not passed in."""
        if self.builder.is_forked:
            return
        self._is_closed = True
        self._close_blocking_if_idle()
        if self._is_own_api:
            if self.loop is not None:
                self._check_loop()
            await self.api.aclose()

    def _on_opened(self, opening: ThreadFuture[BlockingStream]) -> None:
        self._openings.discard(opening)
        if self._is_closed:
            self._close_blocking_if_idle()

    def _close_blocking_if_idle(self) -> None:
        # The thread of a cancelled request may still wait. If its socket were closed now, the thread would wait for the
        # full timeout, on a descriptor that the next opened file reuses. So the last such thread closes the clients.
        if self._blocking is not None and not self._openings:
            self._blocking.close()

    def _start_thread(self, function: Callable[[], T]) -> ThreadFuture[T]:
        if self._is_closed:
            raise closed_error()
        try:
            return start_in_thread(function)
        except RuntimeError:
            raise ConfigurationError("the interpreter is shutting down: results are fetched before that.") from None

    async def _run_in_thread(self, function: Callable[[], T], abort: Callable[[], None]) -> T:
        """Wait for the network in a thread; `abort` ends the wait if the task is cancelled."""
        self._check_loop()
        async with self._network_slots:
            return await _result_of(self._start_thread(function), on_cancel=abort)

    def _check_loop(self) -> None:
        """Raise ConfigurationError in another process or event loop than the one that the connections belong to."""
        self.builder.check_process()
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "AsyncJobsClient runs on asyncio alone: elsewhere, as under trio, use JobsClient in a thread."
            ) from None
        self.loop = self.loop or running
        if self.loop is not running:
            raise ConfigurationError("this client belongs to another event loop: make one client for each loop.")


def _create_client(proxies: Proxies) -> httpx.AsyncClient:
    tls = httpx.create_ssl_context()
    mounts = {
        pattern: None if proxy is None else httpx.AsyncHTTPTransport(verify=tls, limits=LIMITS, proxy=proxy)
        for pattern, proxy in proxies.items()
    }
    return httpx.AsyncClient(verify=tls, limits=LIMITS, trust_env=False, mounts=mounts)


@contextmanager
def _in_real_time(timeout: asyncio.Timeout, seconds: float) -> Iterator[None]:
    """Let `timeout` expire after `seconds` even if a test has frozen the clock that asyncio reads."""
    if time.monotonic() != time.monotonic():
        yield
        return
    loop = asyncio.get_running_loop()

    def expire() -> None:
        with suppress(RuntimeError):  # the block has ended just now
            timeout.reschedule(loop.time())

    timer = threading.Timer(min(max(seconds, 0.0), threading.TIMEOUT_MAX), loop.call_soon_threadsafe, [expire])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _listener(trace: RequestTrace) -> Callable[[str, Mapping[str, Any]], Coroutine[Any, Any, None]]:
    async def on_event(event: str, info: Mapping[str, Any]) -> None:
        _, _, name = event.partition(".")
        if name in TRACED_EVENTS:
            trace.note(name, info)

    return on_event


async def _result_of(work: ThreadFuture[T], *, on_cancel: Callable[[], None] = lambda: None) -> T:
    """Return the result of a thread, or raise its failure. If cancelled, wait for it: it may be writing to files."""
    future = asyncio.wrap_future(work)
    try:
        await _wait_for_all([future], on_cancel=on_cancel)
    finally:
        _retrieve(future)
    return future.result()


async def _wait_for_all(
    futures: Sequence[asyncio.Future[Any]], *, on_cancel: Callable[[], None] = lambda: None
) -> None:
    """Wait until all are done, and only then raise CancelledError if cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
            on_cancel()
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

    def __init__(self, inner: BlockingStream, run_in_thread: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self.head: Head = inner.head
        self.deadline: float = inner.deadline
        self.unread = inner.unread
        self.abort = inner.abort
        self._inner = inner
        self._run_in_thread = run_in_thread

    async def read(self, deadline: float = math.inf) -> bytes:
        data: bytes = await self._run_in_thread(lambda: run_sync(self._inner.read(deadline)), self.abort)
        return data

    async def copy_to(self, write: Write, limit: int) -> int:
        count: int = await self._run_in_thread(lambda: run_sync(self._inner.copy_to(write, limit)), self.abort)
        return count

    async def aclose(self) -> None:
        await self._inner.aclose()  # blocks for a moment at most


class AsyncStream:
    """An open response of an asynchronous client; `run` calls a function that blocks on the disk."""

    def __init__(
        self,
        response: httpx.Response,
        request: Request,
        run: Callable[[Callable[[], None]], Coroutine[Any, Any, None]],
        *,
        deadline: float,
    ) -> None:
        self.head: Head = head_of(response)
        self.deadline: float = deadline
        self._response = response
        self._request = request
        self._run = run
        chunks: Any = response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()
        decoder = decoder_for(response, self.head, request)
        self._chunks: AsyncGenerator[bytes] = decoder.decode_async(chunks) if decoder else chunks
        self._unread = b""
        self._bytes_read = 0
        self._length = -1  # until `copy_to` needs it

    async def read(self, deadline: float = math.inf) -> bytes:
        failure: JobsError | TimeoutError
        handled = sys.exception()
        seconds = min(self._request.timeout, deadline - time.monotonic())
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                with _in_real_time(timeout, seconds):
                    return await self._next()
        except READ_FAILURES as error:
            failure = foreign_timeout(error, handled=handled) or transport_error(error, self._request)
        except JobsError as error:  # the decoder's, whose frames hold the body
            failure = error.with_traceback(None)
        except TimeoutError:
            if not timeout.expired():
                raise
            failure = transport_error(httpx.ReadTimeout(""), self._request)
        raise failure

    async def _next(self) -> bytes:
        data, self._unread = self._unread or await anext(self._chunks, b""), b""
        self._bytes_read += len(data)
        if self._bytes_read == self._length:  # see BlockingStream
            await anext(self._chunks, b"")
        return data

    async def copy_to(self, write: Write, limit: int) -> int:
        self._length = framed_length(self.head.headers)
        count = 0
        while count < min(limit, _COPY_BYTES) and (data := await self.read()):
            await self._run(lambda data=data: write(data))  # type: ignore[misc]
            count += len(data)
        return count

    def unread(self, data: bytes) -> None:
        self._unread = data
        self._bytes_read -= len(data)

    def abort(self) -> None:
        """Do nothing, because no thread reads it."""

    async def aclose(self) -> None:
        await self._chunks.aclose()  # otherwise the loop finalises it at some later time
        await self._response.aclose()
