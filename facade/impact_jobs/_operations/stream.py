"""`stream` and `open`: a result in the program's hands, with nothing on disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._download.options import Mode, check_mode
from impact_jobs._download.ranges import END, Representation, range_mismatch
from impact_jobs._download.source import ResultSource, open_whole
from impact_jobs._transport.base import Stream
from impact_jobs._transport.headers import Span
from impact_jobs._transport.run_sync import SyncIterator, run_sync
from impact_jobs.errors import ConfigurationError, DownloadError, JobsError, TransportError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK_BYTES = 256 * 1024
_BUFFER_BYTES = 1024 * 1024


class ResultStream:
    """A result as it arrives, resumed when its connection breaks; see `JobsClient.stream`."""

    def __init__(self, context: ClientContext, reference: JobReference, *, mode: Mode) -> None:
        check_mode(mode)
        job_id = context.account.job_id(reference)
        self._source = ResultSource(context, job_id, mode, f"stream of job {job_id}")
        self._stream: Stream | None = None
        self._version = Representation(length=None, validator=None)
        self._position = 0
        self._failure: JobsError | None = None
        self._is_adrift = False

    @property
    def bytes_total(self) -> int | None:
        """The result's size in bytes, or None where the storage does not say."""
        return self._version.length

    async def __aenter__(self) -> Self:
        self._stream = await open_whole(self._source)
        self._version = Representation.of(self._stream.head.headers)
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
            raise self._failure  # whoever reads on must not take what is missing for the end
        if self._is_adrift:
            await self._resume(TransportError(f"{self._source.what}: a read of it was cancelled."), pauses=False)
        while True:
            try:
                chunk = await self._read(self._stream)
                break
            except TransportError as error:
                await self._resume(error, pauses=True)
        if not chunk:
            raise StopAsyncIteration
        self._position += len(chunk)
        self._source.retry_state.reset()
        return chunk

    async def _read(self, stream: Stream) -> bytes:
        self._is_adrift = True  # unless it comes to its end, what it has taken from the connection is lost
        pieces: list[bytes] = []  # poured, for that takes the fast path where there is one
        await stream.copy_to(lambda piece: pieces.append(bytes(piece)), _CHUNK_BYTES)
        self._is_adrift = False
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        left = (self._version.length or 0) - self._position
        if not chunk and left > 0:
            raise TransportError(f"{self._source.what}: the body ended {left} bytes early.")
        return chunk

    async def _resume(self, error: JobsError, *, pauses: bool) -> None:
        """Open the rest; raises, now and ever after, when it is not to be had."""
        try:
            await self._open_rest(error, pauses=pauses)
        except JobsError as failure:
            self._failure = failure
            raise

    async def _open_rest(self, error: JobsError, *, pauses: bool) -> None:
        if not self._version.is_resumable:
            raise error
        while True:
            if pauses:
                await self._source.retry_state.pause_after(error)
            pauses = True
            try:
                stream = await self._source.open(Span(self._position, END), validator=self._version.validator)
                break
            except JobsError as next_error:
                error = next_error
        broken, self._stream, self._is_adrift = self._stream, stream, False
        if broken is not None:
            await broken.aclose()
        problem = range_mismatch(stream.head, self._position, self._version)
        if problem:
            raise DownloadError(
                f"{self._source.what} broke off after {self._position} bytes, and {problem}: start over."
            )


class BlockingResultStream:
    """A result as it arrives, resumed when its connection breaks; see `JobsClient.stream`."""

    def __init__(self, stream: ResultStream) -> None:
        self._stream = stream

    @property
    def bytes_total(self) -> int | None:
        """The result's size in bytes, or None where the storage does not say."""
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
    """The raw side of the file object: `io.BufferedReader` makes the rest of a file's methods of `readinto`."""

    def __init__(self, stream: BlockingResultStream) -> None:
        super().__init__()
        self._stream = stream  # first, for what could not be opened is closed all the same
        stream.__enter__()
        self._chunks = iter(stream)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.__exit__(None, None, None)
        super().close()


def open_file(context: ClientContext, reference: JobReference, *, mode: Mode) -> io.BufferedReader:
    """The result as a readable binary file over a blocking context; see `JobsClient.open`."""
    stream = BlockingResultStream(ResultStream(context, reference, mode=mode))
    return io.BufferedReader(_RawResult(stream), buffer_size=_BUFFER_BYTES)
