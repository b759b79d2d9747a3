"""`download` and `wait_and_download`: a result as a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._download.content import pages_of_file, warning_of
from impact_jobs._download.destination import check_folder, check_target, suggested_name
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.source import ResultSource, open_whole
from impact_jobs._download.transfer import Transfer
from impact_jobs._operations.wait import wait
from impact_jobs._policy.polling import Polling
from impact_jobs._transport.base import Stream
from impact_jobs.errors import ConfigurationError, ResultNotReadyError, WaitTimeoutError
from impact_jobs.models import DownloadResult, Job

logger: logging.Logger = logging.getLogger("impact_jobs")


async def download(
    context: ClientContext,
    reference: JobReference,
    path: str | PathLike[str],
    options: DownloadOptions,
    *,
    name_from: Callable[[Mapping[str, str]], str] | None = None,
) -> DownloadResult:
    """Download the result to a file; see `JobsClient.download`.

    With `name_from`, `path` is a folder, and `name_from` returns the file's name from the response's headers.
    """
    started = context.transport.now()
    job_id = context.account.job_id(reference)
    snapshot = reference if isinstance(reference, Job) else None
    source = ResultSource(context, job_id, options.mode, f"download of job {job_id}", snapshot)
    target = path_of(path)
    first_stream: Stream | None = None
    is_folder = name_from is not None or os.path.isdir(target)  # noqa: ASYNC240, PTH112 - see check_target
    source.target_name = "" if is_folder else target.name
    if is_folder:
        check_folder(target)
        first_stream = await open_whole(source)
        headers = first_stream.head.headers
        target /= name_from(headers) if name_from else suggested_name(headers.get("content-disposition")) or job_id
    opened: list[PartFile] = []  # filled in the thread, so that a file is closed even if its opening was cancelled
    try:
        if is_folder:
            _check_name_is_free(target)
        check_target(target, overwrite=options.overwrite)
        await context.transport.run(lambda: opened.append(PartFile(target, job_id, options)))
        (part,) = opened
        transfer = Transfer(
            context=context,
            source=source,
            part=part,
            connections=options.connections,
            on_progress=options.on_progress,
        )
        connections = await transfer.run(first_stream)
        sha256 = await context.transport.run(part.commit)
    except BaseException:
        for part in opened:
            await context.transport.run(part.close)
        raise
    finally:
        if first_stream is not None:
            await first_stream.aclose()
    size = part.coverage.size
    logger.info("job %s: %d bytes are in %s", job_id, size, target)
    pages_total = await context.transport.run(lambda: pages_of_file(target))
    if warning := warning_of(pages_total):
        logger.warning("job %s: %s", job_id, warning)
    return DownloadResult(
        path=target,
        job_id=job_id,
        job=snapshot,
        bytes_written=size,
        sha256=sha256,
        content_type=part.journal.content_type,
        filename=part.journal.filename,
        resumed_from=transfer.resumed_from,
        connections=connections,
        seconds=context.transport.now() - started,
        pages_total=pages_total,
    )


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
    check_target(path_of(path), overwrite=options.overwrite)  # before the wait, which may take an hour
    started = context.transport.now()
    deadline = started + seconds_of(timeout)
    job = await wait(context, reference, timeout=timeout, polling=polling, on_update=on_update)
    while True:
        try:
            return await download(context, job, path, options)
        except ResultNotReadyError as error:
            # The job is COMPLETED, but the download endpoint may lag behind.
            now = context.transport.now()
            if now >= deadline:
                raise WaitTimeoutError(job, timeout=seconds_of(timeout), cause=str(error)) from None
            pause = (polling or context.polling).pause(now - started, random=context.random)
            await context.pause_to_poll(pause, deadline=deadline)


def _check_name_is_free(target: Path) -> None:
    if target.is_dir():
        raise ConfigurationError(
            f"{str(target)!r}, as the storage names the file, is a folder: give the path of a file."
        )


def path_of(path: str | PathLike[str]) -> Path:
    """Return a user's path, checked."""
    with suppress(TypeError, UnicodeEncodeError):
        found = Path(path)
        if str(path) and b"\0" not in os.fsencode(found):
            return found
    raise ConfigurationError(f"path={path!r} is not a file name: give the path of a file, or of an existing folder.")
