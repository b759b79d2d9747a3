"""`stream` and `open`: the bytes of a result as they arrive, with nothing on disk."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._download.content import Paging
from impact_jobs._download.options import Mode, check_mode
from impact_jobs._download.ranges import END, UNKNOWN, Representation, range_mismatch
from impact_jobs._download.source import open_whole, source_of
from impact_jobs._transport.base import Stream
from impact_jobs._transport.headers import Span
from impact_jobs._transport.run_sync import SyncIterator, run_sync
from impact_jobs.errors import ConfigurationError, DownloadError, JobsError, TransportError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logger: logging.Logger = logging.getLogger("impact_jobs")

_CHUNK_BYTES = 256 * 1024
_BUFFER_BYTES = 1024 * 1024


class AsyncResultStream:
    """The bytes of a result as they arrive; `AsyncJobsClient.stream` returns one.

    Enter it with `async with`, then iterate over it with `async for`. If the connection breaks, it is resumed where it
    stopped, provided that the storage identifies the version of the file.

    Args:
        context: The settings of the client.
        reference: The job.
        mode: As for `AsyncJobsClient.download`.

    Raises:
        JobsError: On entering, what `download` raises except for errors of the disk.
        TransportError: While iterating, when the rest of the result cannot be fetched. What to do: start over.
        DownloadError: While iterating, when the result has changed. What to do: start over.

    Example:
        >>> import asyncio
        >>> async def count_bytes():
        ...     async with AsyncJobsClient.from_env() as jobs, jobs.stream(job_id) as chunks:
        ...         return sum([len(chunk) async for chunk in chunks])
        >>> asyncio.run(count_bytes())
        52428800
    """

    def __init__(self, context: ClientContext, reference: JobReference, *, mode: Mode) -> None:
        check_mode(mode)
        self._source = source_of(context, reference, mode, "stream")
        self._stream: Stream | None = None
        self._representation = UNKNOWN
        self._position = 0
        self._failure: JobsError | None = None
        self._is_read_incomplete = False

    @property
    def bytes_total(self) -> int | None:
        """The size of the result in bytes; None before the stream is entered, or if the storage does not state it.

        Example:
            >>> async def size():
            ...     async with AsyncJobsClient.from_env() as jobs, jobs.stream(job_id) as chunks:
            ...         return chunks.bytes_total
            >>> import asyncio
            >>> asyncio.run(size())
            52428800
        """
        return self._representation.length

    async def __aenter__(self) -> Self:
        self._stream = await open_whole(self._source)
        self._representation = Representation.from_headers(self._stream.head.headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._stream is None:
            raise ConfigurationError("open the stream first: `with jobs.stream(job) as chunks`.")
        if self._failure is not None:
            raise self._failure  # again, because StopAsyncIteration would make a short result look complete
        try:
            chunk = await self._next_chunk(self._stream)
        except JobsError as error:
            self._failure = error
            raise
        if not chunk:
            raise StopAsyncIteration
        if self._position == 0 and (warning := Paging.of(chunk).warning):
            logger.warning("%s: %s", self._source.what, warning)
        self._position += len(chunk)
        self._source.retry_state.reset()
        return chunk

    async def _next_chunk(self, stream: Stream) -> bytes:
        if self._is_read_incomplete:
            error = TransportError(f"{self._source.what}: a read was cancelled.")
            stream = await self._resume(error, pause_first=False)
        while True:
            try:
                return await self._read(stream)
            except TransportError as error:
                stream = await self._resume(error, pause_first=True)

    async def _read(self, stream: Stream) -> bytes:
        self._is_read_incomplete = True  # a cancelled read loses the bytes that it has taken from the connection
        pieces: list[bytes] = []
        # copy_to rather than read, because it reads from the socket itself where it can.
        await stream.copy_to(lambda piece: pieces.append(bytes(piece)), _CHUNK_BYTES)
        self._is_read_incomplete = False
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        left = (self._representation.length or 0) - self._position
        if not chunk and left > 0:
            raise TransportError(f"{self._source.what}: the body ended {left} bytes early.")
        return chunk

    async def _resume(self, error: JobsError, *, pause_first: bool) -> Stream:
        """Open the rest of the result after `error`, and close the broken stream."""
        if not self._representation.is_resumable:
            raise error
        while True:
            if pause_first:
                await self._source.retry_state.pause_after(error)
            pause_first = True
            try:
                stream = await self._source.open(Span(self._position, END), validator=self._representation.validator)
                break
            except JobsError as next_error:
                error = next_error
        broken, self._stream, self._is_read_incomplete = self._stream, stream, False
        if broken is not None:
            await broken.aclose()
        problem = range_mismatch(stream.head, self._position, self._representation)
        if problem:
            raise DownloadError(
                f"{self._source.what} broke off after {self._position} bytes, and {problem}: start over."
            )
        return stream


class ResultStream:
    """The bytes of a result as they arrive; `JobsClient.stream` returns one.

    Enter it with `with`, then iterate over it. If the connection breaks, it is resumed where it stopped, provided that
    the storage identifies the version of the file.

    Args:
        stream: The asynchronous stream that this one runs, over a transport that blocks.

    Raises:
        JobsError: On entering, what `download` raises except for errors of the disk.
        TransportError: While iterating, when the rest of the result cannot be fetched. What to do: start over.
        DownloadError: While iterating, when the result has changed. What to do: start over.

    Example:
        >>> with jobs.stream(job) as chunks:
        ...     sum(len(chunk) for chunk in chunks)
        52428800
    """

    def __init__(self, stream: AsyncResultStream) -> None:
        self._stream = stream

    @property
    def bytes_total(self) -> int | None:
        """The size of the result in bytes; None before the stream is entered, or if the storage does not state it.

        Example:
            >>> with jobs.stream(job) as chunks:
            ...     chunks.bytes_total
            52428800
        """
        return self._stream.bytes_total

    def __enter__(self) -> Self:
        run_sync(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run_sync(self._stream.__aexit__(kind, error, trace))

    def __iter__(self) -> Iterator[bytes]:
        return SyncIterator(self._stream)


class _RawResult(io.RawIOBase):
    """The raw side of the file object: `io.BufferedReader` builds a file's other methods on `readinto`."""

    def __init__(self, stream: ResultStream) -> None:
        super().__init__()
        self._stream = stream  # assigned first, because close() runs even if the stream cannot be opened
        stream.__enter__()
        self._chunks = iter(stream)
        self._unread = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if not self._unread:
            self._unread = memoryview(next(self._chunks, b""))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._unread))
        target[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.__exit__(None, None, None)
        super().close()


def open_file(context: ClientContext, reference: JobReference, *, mode: Mode) -> io.BufferedReader:
    """Open the result as a readable binary file; see `JobsClient.open`."""
    stream = ResultStream(AsyncResultStream(context, reference, mode=mode))
    return io.BufferedReader(_RawResult(stream), buffer_size=_BUFFER_BYTES)
