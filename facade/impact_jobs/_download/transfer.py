"""The transfer of one result into a part file: one connection or several, resumed across whatever cuts them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from attrs import Factory, define, field

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
    Representation,
    connections_for,
    is_worth_measuring,
    pieces,
    range_mismatch,
)
from impact_jobs._download.source import ResultSource, open_whole
from impact_jobs._transport.base import Head, Stream
from impact_jobs._transport.headers import Span
from impact_jobs.errors import DownloadError, JobsError, TransportError

logger: logging.Logger = logging.getLogger("impact_jobs")

_PARTIAL = 206
_POUR_BYTES = 8 * 1024 * 1024


class ProgressReporter:
    """Reports progress to the user: from any thread, one at a time, never backwards."""

    def __init__(self, report: OnProgress | None) -> None:
        self._report = report
        self._done = -1
        self._lock = threading.Lock()

    def show(self, done: int, total: int | None) -> None:
        """Report `done` bytes of `total`, if that is news."""
        if self._report is None:
            return
        with self._lock:
            if done > self._done:
                self._done = done
                self._report(done, total)


class _RestartDownload(Exception):  # noqa: N818 - control flow, not an error
    """What was fetched so far cannot be added to: another version is there, or parts are not to be had."""


@define
class _Cursor:
    """Where the next byte of a span belongs."""

    position: int


@define(kw_only=True)
class Transfer:
    """Brings what is missing of a result into its part file.

    Attributes:
        context: The client's settings.
        source: Where the bytes come from.
        part: Where they go.
        connections: How many at once; None finds out.
        meter: Is told how far it is.
        resumed_from: How many bytes were there before, and count still.
    """

    context: ClientContext
    source: ResultSource
    part: PartFile
    connections: int | None
    meter: ProgressReporter
    resumed_from: int = field(default=Factory(lambda self: self.part.coverage.size, takes_self=True), init=False)
    _most_connections: int = field(default=0, init=False)
    _is_stopped: bool = field(default=False, init=False)
    _streams: set[Stream] = field(factory=set, init=False)

    async def run(self, first: Stream | None = None) -> int:
        """Fetch until the file is whole.

        Args:
            first: The whole body, if it is open already; it is closed here.

        Returns:
            How many connections were used at once, at most; 0 when nothing was missing.

        Raises:
            JobsError: What `ResultSource.open` raises, and a TransportError when bytes stopped coming for good.
        """
        problem = ""
        # Twice at least: that an earlier call has left a part of a file that is gone is no failure of this one.
        times = max(self.context.retry.attempts, 2)
        for _ in range(times):
            try:
                await self._once(first)
            except _RestartDownload as reason:
                logger.warning("%s: %s; it starts over", self.source.what, reason)
                problem = str(reason)
                self._is_stopped, first = False, None
                self.connections = 1  # for some storages promise parts and give none
                await self.context.transport.run(self.part.forget)
                self.resumed_from = 0
            else:
                return self._most_connections
        raise DownloadError(
            f"{self.source.what}: the storage gave another file, or broke off one that it cannot resume, "
            f"{times} times (at last: {problem}). Try again later."
        )

    async def _once(self, lead: Stream | None) -> None:
        is_left_over = self.part.journal is not None
        try:
            if is_left_over and lead is not None:
                await lead.aclose()  # opened for its name: what is missing begins elsewhere
                lead = None
            if self.part.journal is None:
                lead = lead or await open_whole(self.source)
                await self._begin(lead.head)
            length = self._length
            gaps = [Span(0, END)] if length is None else self.part.coverage.gaps(length)
            if gaps:
                lead = lead or await self._open_with_retries(gaps[0])
                await self._fill(gaps, lead)
            elif is_left_over and length is not None:
                # Whole, but of what may be gone by now: whoever gives the last byte tells the version.
                lead = await self._open_with_retries(Span(max(length - 1, 0), length or END))
            self.meter.show(self.part.coverage.size, length)
        finally:
            if lead is not None:
                await lead.aclose()

    async def _begin(self, head: Head) -> None:
        journal = Journal(
            job_id=self.source.job_id,
            version=Representation.of(head.headers),
            checksums=stated_checksums(head.headers),
            content_type=head.headers.get("content-type"),
            filename=suggested_name(head.headers.get("content-disposition")),
        )
        await self.context.transport.run(partial(self.part.begin, journal))
        self.meter.show(0, journal.version.length)

    async def _fill(self, gaps: list[Span], lead: Stream) -> None:
        """Fetch all gaps, beginning with `lead`, by as many connections as were asked for or seem worth it."""
        cursor = _Cursor(gaps[0].start)
        count = 1
        if self._may_split(lead.head):
            count = self.connections or await self._measure(lead, cursor, gaps[0].stop)
        waiting = deque(pieces([Span(cursor.position, gaps[0].stop), *gaps[1:]], count))
        # Unless measuring has used up the first gap, the first piece is where `lead` stands.
        own = waiting.popleft() if waiting and waiting[0].start == cursor.position else None

        async def work(*, leads: bool = False) -> None:
            if leads and own is not None:
                await self._fetch(cursor, own.stop, lead)
            while not self._is_stopped:
                try:
                    span = waiting.popleft()
                except IndexError:
                    return
                await self._fetch(_Cursor(span.start), span.stop)

        tasks: list[Callable[[], Coroutine[Any, Any, None]]] = [partial(work, leads=True)]
        tasks += [work] * (min(count, len(waiting) + 1) - 1)
        self._most_connections = max(self._most_connections, len(tasks))
        if len(tasks) > 1:
            logger.info("%s: %d connections", self.source.what, len(tasks))
        await self.context.transport.run_many(tasks, stop=self._stop)

    async def _measure(self, lead: Stream, cursor: _Cursor, stop: int) -> int:
        """How many connections suit, after a moment of trying the first."""
        missing = (self._length or 0) - self.part.coverage.size
        if not is_worth_measuring(missing):
            return 1
        started, begun = self.context.transport.now(), cursor.position
        end = min(stop, begun + MEASURED_BYTES)
        try:
            # Poured up to `stop`, for what of a piece lies past the limit is lost, and `lead` is still read from.
            while cursor.position < end and self.context.transport.now() - started < MEASURED_SECONDS:
                if not await self._pour(lead, cursor, stop):
                    break
        except TransportError:
            return 1  # `_fetch` meets it again, and knows what to do
        fetched, seconds = cursor.position - begun, self.context.transport.now() - started
        return connections_for(missing - fetched, bytes_per_second=fetched / max(seconds, 1e-6))

    async def _fetch(self, cursor: _Cursor, stop: int, stream: Stream | None = None) -> None:
        """Fetch from `cursor` up to `stop`, or to the body's end where that is not known, over any number of cuts."""
        # Further connections have tries of their own: a storage that restarts cuts all of them at once.
        tries = RetryState(self.context, self.source.what) if stream is None else self.source.retry_state
        while cursor.position < stop and not self._is_stopped:
            begun = cursor.position
            try:
                stream = stream or await self._open_at(cursor.position, stop)
                self._streams.add(stream)
                while cursor.position < stop and not self._is_stopped:
                    if not await self._pour(stream, cursor, stop):
                        if stop == END:
                            return
                        raise TransportError(
                            f"{self.source.what}: the body ended {stop - cursor.position} bytes early."
                        )
            except JobsError as error:
                if self._is_stopped:
                    return  # another connection failed, and tells why
                if cursor.position > begun:
                    tries.reset()
                await tries.pause_after(error)
                if cursor.position and not self._is_resumable:
                    raise _RestartDownload("the connection broke, and the storage gives no parts of it") from None
            finally:
                if stream is not None:
                    self._streams.discard(stream)
                    await stream.aclose()
                    stream = None

    async def _pour(self, stream: Stream, cursor: _Cursor, stop: int) -> int:
        def write(data: bytes | memoryview) -> None:
            piece = data if len(data) <= stop - cursor.position else data[: stop - cursor.position]
            self.part.write(piece, cursor.position)
            cursor.position += len(piece)

        try:
            return await stream.copy_to(write, min(_POUR_BYTES, stop - cursor.position))
        finally:
            self.meter.show(self.part.coverage.size, self._length)

    async def _open_with_retries(self, span: Span) -> Stream:
        while True:
            try:
                return await self._open_at(span.start, span.stop)
            except JobsError as error:
                await self.source.retry_state.pause_after(error)

    async def _open_at(self, position: int, stop: int) -> Stream:
        """The body from `position` on, of the version that we have a part of.

        Raises:
            _RestartDownload: It is not to be had.
        """
        if self.part.journal is None:
            raise _RestartDownload("nothing is known of it")
        version = self.part.journal.version
        span = Span(position, stop) if position or stop < (version.length or END) else None
        stream = await self.source.open(span, validator=version.validator)
        problem = range_mismatch(stream.head, position, version)
        if problem:
            await stream.aclose()
            raise _RestartDownload(problem)
        return stream

    @property
    def _length(self) -> int | None:
        return None if self.part.journal is None else self.part.journal.version.length

    @property
    def _is_resumable(self) -> bool:
        return self.part.journal is not None and self.part.journal.version.is_resumable

    def _may_split(self, head: Head) -> bool:
        # Asked for its other parts, a storage that gives none would send the whole file again and again.
        serves_ranges = head.status_code == _PARTIAL or head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        return self._is_resumable and serves_ranges

    def _stop(self) -> None:
        self._is_stopped = True
        for stream in tuple(self._streams):
            stream.abort()
