"""`download`, `wait_and_download` and `stream`: from an open result to bytes in the user's hands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import define, evolve, frozen

from impact_jobs.config import JobReference
from impact_jobs.core import Core, Tries, seconds_of
from impact_jobs.errors import (
    ConfigurationError,
    IntegrityError,
    JobsError,
    ResultNotReadyError,
    WaitTimeoutError,
)
from impact_jobs.fetching import Mode, check_mode, open_result
from impact_jobs.models import DownloadResult, Job
from impact_jobs.polling import Polling
from impact_jobs.port import Head, Stream
from impact_jobs.targets import PartFile, check_target, suggested_name
from impact_jobs.waiting import wait

logger = logging.getLogger("impact_jobs")

OnProgress = Callable[[int, int | None], object]

_WRITE_BYTES = 256 * 1024


async def download(
    core: Core,
    reference: JobReference,
    path: str | PathLike[str],
    *,
    overwrite: bool,
    mode: Mode,
    on_progress: OnProgress | None,
) -> DownloadResult:
    """The result as a file; see `JobsClient.download`."""
    job_id = core.account.job_id(reference)
    started = core.port.now()
    saved = await _Saving(
        core=core, job_id=job_id, path=path, overwrite=overwrite, mode=mode, meter=_Meter(on_progress)
    ).run()
    return evolve(saved, job=reference if isinstance(reference, Job) else None, seconds=core.port.now() - started)


async def wait_and_download(
    core: Core,
    reference: JobReference,
    path: str | PathLike[str],
    *,
    timeout: float | None,
    polling: Polling | None,
    overwrite: bool,
    mode: Mode,
    on_update: Callable[[Job], object] | None,
    on_progress: OnProgress | None,
) -> DownloadResult:
    """`wait`, then `download`; see `JobsClient.wait_and_download`."""
    # What is wrong with the target is worth knowing before an hour of waiting.
    check_mode(mode)
    check_target(path_of(path), overwrite=overwrite)
    started = core.port.now()
    deadline = started + seconds_of(timeout)
    job = await wait(core, reference, timeout=timeout, polling=polling, on_update=on_update)
    while True:
        try:
            return await download(core, job, path, overwrite=overwrite, mode=mode, on_progress=on_progress)
        except ResultNotReadyError as error:
            # COMPLETED, but the endpoint that hands out the result has not noticed yet.
            now = core.port.now()
            if now >= deadline:
                raise WaitTimeoutError(job, timeout=seconds_of(timeout), cause=str(error)) from None
            pause = (polling or core.polling).pause(now - started, random=core.random)
            await core.port.sleep(min(pause, deadline - now))


def path_of(path: str | PathLike[str]) -> Path:
    """A user's path.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        found = Path(path)
    except TypeError:
        raise ConfigurationError(f"path={path!r}: give the path of a file, or of an existing folder.") from None
    if "\0" in str(found) or not str(path):
        raise ConfigurationError(f"path={str(path)!r} is no file name: give the path of a file or an existing folder.")
    return found


@define
class _Meter:
    """Reports progress, never backwards, not even when a download begins anew."""

    report: OnProgress | None
    _done: int = -1

    def show(self, done: int, total: int | None) -> None:
        if self.report is not None and done > self._done:
            self._done = done
            self.report(done, total)


@frozen(kw_only=True)
class _Saving:
    """One download to disk, with its retries."""

    core: Core
    job_id: str
    path: str | PathLike[str]
    overwrite: bool
    mode: Mode
    meter: _Meter

    async def run(self) -> DownloadResult:
        check_mode(self.mode)
        target = path_of(self.path)
        check_target(target, overwrite=self.overwrite)
        what = f"download of job {self.job_id}"
        tries = Tries(self.core, what)
        while True:
            try:
                stream = await open_result(self.core, self.job_id, self.mode, what)
                try:
                    return await self._save(stream, target)
                finally:
                    await stream.aclose()
            except JobsError as error:
                await tries.pause_after(error)

    async def _save(self, stream: Stream, target: Path) -> DownloadResult:
        name = suggested_name(stream.head.headers.get("content-disposition"))
        if target.is_dir():  # noqa: ASYNC240 - one stat, as quick as the rest of the preparation
            target /= name or self.job_id
            check_target(target, overwrite=self.overwrite)
        port = self.core.port
        part = await port.run(lambda: PartFile(target, overwrite=self.overwrite))
        try:
            await self._copy(stream, part)
            sha256 = await port.run(part.publish)
        finally:
            await port.run(part.discard)
        logger.info("job %s: %d bytes are in %s", self.job_id, part.size, target)
        return DownloadResult(
            path=target,
            job_id=self.job_id,
            job=None,
            bytes_written=part.size,
            sha256=sha256,
            content_type=stream.head.headers.get("content-type"),
            filename=name,
            seconds=0.0,
        )

    async def _copy(self, stream: Stream, part: PartFile) -> None:
        total = length_of(stream.head)
        buffer = bytearray()
        self.meter.show(0, total)
        while chunk := await stream.chunk():
            buffer += chunk
            if len(buffer) >= _WRITE_BYTES:
                await self.core.port.run(partial(part.write, buffer))
                buffer.clear()
                self.meter.show(part.size, total)
        await self.core.port.run(partial(part.write, buffer))
        if total is not None and part.size != total:
            raise IntegrityError(
                f"download of job {self.job_id}: {part.size} bytes came where {total} were announced; "
                "they were thrown away. Download again."
            )
        self.meter.show(part.size, total)


def length_of(head: Head) -> int | None:
    """The body's size in bytes as announced, or None when that is unknown or of an encoded body."""
    length = head.headers.get("content-length", "")
    return int(length) if length.isdecimal() and "content-encoding" not in head.headers else None


class ResultStream:
    """A result as it arrives; see `JobsClient.stream`."""

    def __init__(self, core: Core, reference: JobReference, *, mode: Mode) -> None:
        check_mode(mode)
        self._core = core
        self._job_id = core.account.job_id(reference)
        self._mode = mode
        self._stream: Stream | None = None

    async def __aenter__(self) -> Self:
        what = f"stream of job {self._job_id}"
        tries = Tries(self._core, what)
        while self._stream is None:
            try:
                self._stream = await open_result(self._core, self._job_id, self._mode, what)
            except JobsError as error:
                await tries.pause_after(error)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.aclose()

    @property
    def bytes_total(self) -> int | None:
        """The result's size in bytes, or None where the storage does not say."""
        return None if self._stream is None else length_of(self._stream.head)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._stream is None:
            raise ConfigurationError("open the stream first: `with jobs.stream(job) as chunks`.")
        chunk = await self._stream.chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk
