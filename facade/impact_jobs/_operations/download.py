"""`download` and `wait_and_download`: a result as a file."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from os import PathLike
from pathlib import Path

from attrs import evolve

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._download.content import MAGIC_BYTES, Paging, is_compressed_name, true_name
from impact_jobs._download.destination import Place, check_folder, check_target, is_folder, suggested_name
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.source import ResultSource, open_whole, source_of
from impact_jobs._download.transfer import Transfer
from impact_jobs._operations.wait import wait
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.rate_limit_headers import HOUR
from impact_jobs._transport.base import Stream
from impact_jobs.errors import (
    ConfigurationError,
    DestinationExistsError,
    JobsError,
    RateLimitError,
    ResultNotReadyError,
    TransportError,
    WaitTimeoutError,
)
from impact_jobs.models import DownloadResult, Job

logger: logging.Logger = logging.getLogger("impact_jobs")

_PAUSE_SECONDS = 15.0
_LOCKED_SECONDS = 1.0


async def download(
    context: ClientContext, reference: JobReference, path: str | PathLike[str], options: DownloadOptions
) -> DownloadResult:
    """Download the result to a file; see `JobsClient.download`."""
    return await _download_to(context, reference, Place.of_target(path), options)


async def _download_to(
    context: ClientContext, reference: JobReference, place: Place, options: DownloadOptions
) -> DownloadResult:
    started = context.transport.now()
    source = source_of(context, reference, options.mode, "download")
    first_stream: Stream | None = None
    into_folder = is_folder(place.path)
    source.target_name = "" if into_folder else place.path.name
    try:
        if into_folder:
            check_folder(place.path)
            first_stream, name = await _open_named(source)
            place /= name
            _check_name_is_free(place.path)
        check_target(place.path, overwrite=options.overwrite)
        result = await save_result(
            context, source, reference, options,
            lambda: PartFile(place.path, source.job_id, options), first_stream=first_stream,
        )  # fmt: skip
    finally:
        if first_stream is not None:
            await first_stream.aclose()
    return evolve(shown_at(place.shown, result), seconds=context.transport.now() - started)


def shown_at(path: Path, result: DownloadResult) -> DownloadResult:
    """Return a result with the path that the user sees, and log it."""
    unchanged = ", unchanged" if result.unchanged else ""
    logger.info("job %s: %d bytes are in %s%s", result.job_id, result.bytes_written, path, unchanged)
    return evolve(result, path=path)


async def save_result(
    context: ClientContext,
    source: ResultSource,
    reference: JobReference,
    options: DownloadOptions,
    open_part: Callable[[], PartFile],
    *,
    first_stream: Stream | None = None,
    finish: Callable[[PartFile], object] = lambda _: None,
    is_page: bool = False,
) -> DownloadResult:
    """Transfer a result into the part file that `open_part` returns, and commit it.

    `finish` is called once all bytes are there, and may still change the part's target. A result that `is_page` may
    have other pages without a warning.
    """
    started = context.transport.now()
    opened: list[PartFile] = []  # filled in the thread, so that a file is closed even if its opening was cancelled

    def commit() -> str | None:
        finish(part)
        return part.commit()

    try:
        await context.transport.run(lambda: opened.append(open_part()))
        (part,) = opened
        job = reference if isinstance(reference, Job) else None
        part.completed_at = job.completed_date if job is not None else None
        transfer = Transfer(
            context=context,
            source=source,
            part=part,
            connections=options.connections,
            on_progress=options.on_progress,
        )
        connections = await transfer.run(first_stream)
        sha256 = await context.transport.run(commit)
    except BaseException:
        for each in opened:
            await context.transport.run(each.close)
        raise
    size = part.coverage.size
    paging = await context.transport.run(lambda: Paging.of_file(part.target))
    if paging.warning and not is_page:
        logger.warning("job %s: %s", source.job_id, paging.warning)
    return DownloadResult(
        path=part.target,
        job_id=source.job_id,
        job=job,
        bytes_written=size,
        sha256=sha256,
        content_type=part.journal.content_type,
        filename=part.journal.filename,
        resumed_from=transfer.resumed_from,
        connections=connections,
        seconds=context.transport.now() - started,
        pages_total=paging.pages_total,
        unchanged=part.unchanged,
    )


def existing_file(
    path: Path,
    job_id: str,
    *,
    size: int,
    sha256: str | None,
    rows: int | None = None,
    fresh: bool | None = None,
) -> DownloadResult:
    """Return the result for a file that was complete before the call, so that nothing was transferred."""
    return DownloadResult(
        path=path,
        job_id=job_id,
        job=None,
        bytes_written=size,
        sha256=sha256,
        content_type=None,
        filename=None,
        resumed_from=size,
        connections=0,
        seconds=0.0,
        rows=rows,
        fresh=fresh,
    )


async def keep_trying(
    context: ClientContext, download_once: Callable[[], Awaitable[DownloadResult | JobsError]], *, until: float = 0.0
) -> DownloadResult | JobsError:
    """Return the result of one of several downloads, or its error; try again for an hour if the error may pass.

    Or until `until`, on the transport's clock, if that is later.
    """
    give_up_at = max(context.transport.now() + HOUR, until)
    pause = _LOCKED_SECONDS / 20
    while True:
        try:
            return await download_once()
        except (RateLimitError, ResultNotReadyError, DestinationExistsError) as error:
            # Temporary: no requests are left, the download endpoint lags behind, or another process downloads it.
            is_of_storage = isinstance(error, RateLimitError) and error.is_from_storage  # retried already
            if is_of_storage or context.transport.now() >= give_up_at:
                return error
            if isinstance(error, DestinationExistsError):
                await context.transport.sleep(pause)
                pause = min(2 * pause, _LOCKED_SECONDS)
            else:
                retry_after = getattr(error, "retry_after", None) or 0.0
                seconds = _PAUSE_SECONDS * (4 if error.is_too_early else 1)  # which the download itself has retried
                await context.pause_to_poll(max(retry_after, seconds), deadline=give_up_at)
        except JobsError as error:
            return error


async def _open_named(source: ResultSource) -> tuple[Stream, str]:
    """Open the body from its beginning, and return it with a name for its file in a folder."""
    while True:
        stream = await open_whole(source)
        name = suggested_name(stream.head.headers.get("content-disposition")) or source.job_id
        if not is_compressed_name(name):
            return stream, name
        beginning = b""
        try:
            while len(beginning) < MAGIC_BYTES and (data := await stream.read()):
                beginning += data
        except TransportError as error:
            await stream.aclose()
            await source.retry_state.pause_after(error)
        except BaseException:
            await stream.aclose()
            raise
        else:
            stream.unread(beginning)
            return stream, true_name(name, beginning)


async def wait_and_download(
    context: ClientContext,
    reference: JobReference,
    path: str | PathLike[str],
    options: DownloadOptions,
    *,
    timeout: float | None,
    polling: Polling | None,
    on_update: Callable[[Job], object] | None,
) -> DownloadResult:
    """Wait for the job, then download its result; see `JobsClient.wait_and_download`."""
    place = Place.of_target(path)
    check_target(place.path, overwrite=options.overwrite)  # before the wait, which may take an hour
    return await wait_and_save(
        context,
        reference,
        lambda job: _download_to(context, job, place, options),
        timeout=timeout,
        polling=polling,
        on_update=on_update,
    )


async def wait_and_save(
    context: ClientContext,
    reference: JobReference,
    download_job: Callable[[Job], Awaitable[DownloadResult]],
    *,
    timeout: float | None,
    polling: Polling | None,
    on_update: Callable[[Job], object] | None,
) -> DownloadResult:
    """Wait for the job, then call `download_job`, until the download endpoint has the result of the completed job."""
    started = context.transport.now()
    deadline = started + seconds_of(timeout)
    job = await wait(context, reference, timeout=timeout, polling=polling, on_update=on_update)
    while True:
        try:
            return await download_job(job)
        except ResultNotReadyError as error:
            # The job is COMPLETED, but the download endpoint may lag behind.
            now = context.transport.now()
            if now >= deadline:
                raise WaitTimeoutError(job, timeout=seconds_of(timeout), cause=str(error)) from None
            pause = (polling or context.polling).pause(now - started, random=context.random)
            await context.pause_to_poll(pause, deadline=deadline)


def _check_name_is_free(target: Path) -> None:
    if is_folder(target):
        raise ConfigurationError(
            f"{str(target)!r}, as the storage names the file, is a folder: give the path of a file."
        )
