"""The transfer of one result into a part file: over one connection or several, resumed when a connection breaks."""

from __future__ import annotations

import logging
import threading
from collections import deque

from attrs import define, field

from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._download.checksums import stated_checksums
from impact_jobs._download.destination import suggested_name
from impact_jobs._download.journal import Journal
from impact_jobs._download.options import OnProgress
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.ranges import (
    END,
    MEASURED_BYTES,
    MEASURED_SECONDS,
    PARTIAL_CONTENT,
    Representation,
    connections_for,
    range_mismatch,
    split_ranges,
)
from impact_jobs._download.source import ResultSource, open_whole
from impact_jobs._transport.base import Head, Stream
from impact_jobs._transport.headers import Span
from impact_jobs.errors import DownloadError, JobsError, RequestTimeoutError, TransportError

logger: logging.Logger = logging.getLogger("impact_jobs")

_COPY_BYTES = 8 * 1024 * 1024


class _RestartDownload(Exception):  # noqa: N818 - control flow, not an error
    """The bytes fetched so far are useless: the result has changed, or the storage does not serve parts."""


@define
class _Piece:
    """A range that one connection fetches: the position of the next byte, and a body that is open there already."""

    position: int
    stop: int
    stream: Stream | None = None


@define(kw_only=True)
class Transfer:
    """Fetches the missing bytes of a result into its part file."""

    context: ClientContext
    source: ResultSource
    part: PartFile
    connections: int | None  # how many to use at once; None decides by the speed of the first one
    on_progress: OnProgress | None
    resumed_from: int = field(default=0, init=False)  # how many bytes of the file an earlier call has fetched
    _shown_bytes: int = field(default=-1, init=False)
    _progress_lock: threading.Lock = field(factory=threading.Lock, init=False)
    _waiting: deque[_Piece] = field(factory=deque, init=False)  # pieces that no connection fetches
    _working: int = field(default=0, init=False)  # connections
    _pieces_lock: threading.Lock = field(factory=threading.Lock, init=False)  # of these two
    _most_connections: int = field(default=0, init=False)
    _is_stopped: bool = field(default=False, init=False)
    _streams: set[Stream] = field(factory=set, init=False)

    async def run(self, first_stream: Stream | None = None) -> int:
        """Fetch until the file is complete; return how many connections were used at once, at most.

        `first_stream` is the body from its beginning, if it is open already; it is closed here.
        """
        self.resumed_from = self.part.coverage.size
        # At least twice, because the first attempt may only find out that an earlier call fetched an older result.
        attempts = max(self.context.retry.attempts, 2)
        problem = ""
        for _ in range(attempts):
            try:
                await self._run_once(first_stream)
            except _RestartDownload as reason:
                problem = str(reason)
                logger.warning("%s: %s; it starts over", self.source.what, problem)
                self._is_stopped, first_stream, self.resumed_from = False, None, 0
                self.connections = 1  # because some storages announce ranges and do not serve them
                await self.context.transport.run(lambda: self.part.start(Journal(job_id=self.source.job_id)))
            else:
                return self._most_connections
        raise DownloadError(
            f"{self.source.what}: the storage sent another file, or broke off one that it cannot resume, {attempts} "
            f"times (the last time: {problem}). Try again later."
        )

    async def _run_once(self, stream: Stream | None) -> None:
        try:
            if not self.part.coverage.size:
                stream = stream or await open_whole(self.source)
                await self._start(stream.head)
            elif stream is not None:
                await stream.aclose()  # it was opened for its headers, and begins with bytes that are there already
                stream = None
            length = self._representation.length
            gaps = [Span(0, END)] if length is None else self.part.coverage.gaps(length)
            if gaps:
                stream = stream or await self._open_with_retries(gaps[0])
                await self._fill_gaps(gaps, stream)
            elif length:
                # An earlier call has fetched all bytes, but the result may have changed: a request for the last one
                # compares the two.
                stream = await self._open_with_retries(Span(length - 1, length))
            self._show_progress()
        finally:
            if stream is not None:
                await stream.aclose()

    async def _start(self, head: Head) -> None:
        journal = Journal(
            job_id=self.source.job_id,
            representation=Representation.from_headers(head.headers),
            checksums=stated_checksums(head.headers),
            content_type=head.headers.get("content-type"),
            filename=suggested_name(head.headers.get("content-disposition")),
        )
        await self.context.transport.run(lambda: self.part.start(journal))
        self._show_progress()

    async def _fill_gaps(self, gaps: list[Span], stream: Stream) -> None:
        """Fetch all gaps, the first of them from `stream`, over as many connections as requested or worth it."""
        first = _Piece(*gaps[0])
        count = await self._choose_connections(stream, first)
        pieces = [_Piece(*span) for span in split_ranges([Span(first.position, first.stop), *gaps[1:]], count)]
        if pieces and pieces[0].position == first.position:  # else the first gap was filled while measuring
            pieces[0].stream = stream
        tasks = [self._work] * max(min(count, len(pieces)), 1)
        self._waiting, self._working = deque(pieces), len(tasks)
        self._most_connections = max(self._most_connections, len(tasks))
        if len(tasks) > 1:
            logger.info("%s: %d connections", self.source.what, len(tasks))
        await self.context.transport.run_many(tasks, stop=self._stop)

    async def _work(self) -> None:
        """Fetch one waiting piece after another, until none is left or this connection is one too many."""
        while (piece := self._take()) is not None and await self._fetch(piece):
            pass

    def _take(self) -> _Piece | None:
        with self._pieces_lock:
            if self._waiting:
                return self._waiting.popleft()
            self._working -= 1
            return None

    def _hand_back(self, piece: _Piece) -> bool:
        """Leave the rest of a piece to the other connections; return False if this is the last one."""
        with self._pieces_lock:
            if self._working == 1:
                return False
            self._working -= 1
            self._waiting.append(_Piece(piece.position, piece.stop))  # without its stream, which is about to be closed
            return True

    async def _choose_connections(self, stream: Stream, piece: _Piece) -> int:
        """Return how many connections to use: unless the user has chosen, fetch for a moment to measure the first."""
        missing = (self._representation.length or 0) - self.part.coverage.size
        most = self.connections or connections_for(missing, bytes_per_second=0)
        # A storage that serves no ranges would send the whole file to every connection.
        accepts_ranges = stream.head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        serves_ranges = accepts_ranges or stream.head.status_code == PARTIAL_CONTENT
        if most == 1 or not (serves_ranges and self._representation.is_resumable):
            return 1
        if self.connections:
            return self.connections
        started, begin = self.context.transport.now(), piece.position
        end = min(piece.stop, begin + MEASURED_BYTES)
        try:
            # A piece that stops at `end` would lose what the stream holds beyond it, because `_copy` drops that.
            while piece.position < end and self.context.transport.now() - started < MEASURED_SECONDS:
                await self._copy(stream, piece)
        except TransportError:
            return 1  # `_fetch` reads on, meets the same error, and retries
        fetched, seconds = piece.position - begin, self.context.transport.now() - started
        return connections_for(missing - fetched, bytes_per_second=fetched / max(seconds, 1e-6))

    async def _fetch(self, piece: _Piece) -> bool:
        """Fetch one piece, resuming it as often as needed; return False if its rest is left to other connections."""
        # Other connections count their own attempts, because a storage that restarts breaks all of them at once.
        retry_state = self.source.retry_state if piece.stream else RetryState(self.context, self.source.what)
        while piece.position < piece.stop and not self._is_stopped:
            begin, is_alone = piece.position, self._working == 1
            try:
                piece.stream = stream = piece.stream or await self._open_at(begin, piece.stop)
                self._streams.add(stream)
                while piece.position < piece.stop and not self._is_stopped:
                    await self._copy(stream, piece)
            except JobsError as error:
                if self._is_stopped:
                    return True  # this stream was aborted because another connection failed, which raises its own error
                if isinstance(error, RequestTimeoutError) and not is_alone:
                    # The link may be too slow for so many: one connection can be fast enough where eight time out.
                    logger.info("%s; one connection fewer from now on", error)
                    if self._hand_back(piece):
                        return False
                    continue  # the others have ended meanwhile
                if piece.position > begin:
                    retry_state.reset()
                await retry_state.pause_after(error)
                if piece.position and not self._representation.is_resumable:
                    raise _RestartDownload("the connection broke, and the storage cannot resume it") from None
            finally:
                if piece.stream is not None:
                    self._streams.discard(piece.stream)
                    await piece.stream.aclose()
                    piece.stream = None
        return True

    async def _copy(self, stream: Stream, piece: _Piece) -> None:
        """Copy some bytes of a piece to the file. If the length is not known, the end of the body ends the piece."""

        def write(data: bytes | memoryview) -> None:
            wanted = data[: piece.stop - piece.position]
            self.part.write(wanted, piece.position)
            piece.position += len(wanted)

        try:
            count = await stream.copy_to(write, min(_COPY_BYTES, piece.stop - piece.position))
        finally:
            self._show_progress()
        if count == 0 and piece.stop < END:
            raise TransportError(f"{self.source.what}: the body ended {piece.stop - piece.position} bytes early.")
        if count == 0:
            piece.stop = piece.position

    def _show_progress(self) -> None:
        """Report the progress to the user: from any thread, one call at a time, never backwards."""
        if self.on_progress is None:
            return
        with self._progress_lock:
            done = self.part.coverage.size
            if done > self._shown_bytes:
                self._shown_bytes = done
                self.on_progress(done, self._representation.length)

    async def _open_with_retries(self, span: Span) -> Stream:
        while True:
            try:
                return await self._open_at(*span)
            except JobsError as error:
                await self.source.retry_state.pause_after(error)

    async def _open_at(self, position: int, stop: int) -> Stream:
        """Open the body from `position` on, or raise `_RestartDownload` if that is not possible."""
        representation = self._representation
        span = Span(position, stop) if position or stop < (representation.length or END) else None
        stream = await self.source.open(span, validator=representation.validator)
        problem = range_mismatch(stream.head, position, representation)
        if problem:
            await stream.aclose()
            raise _RestartDownload(problem)
        return stream

    @property
    def _representation(self) -> Representation:
        return self.part.journal.representation

    def _stop(self) -> None:
        self._is_stopped = True
        for stream in tuple(self._streams):
            stream.abort()
