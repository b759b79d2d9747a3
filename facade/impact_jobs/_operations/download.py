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
from impact_jobs._download.destination import check_folder, check_target, suggested_name
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.source import ResultSource, open_whole
from impact_jobs._download.transfer import ProgressReporter, Transfer
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
    name_of: Callable[[Mapping[str, str]], str] | None = None,
) -> DownloadResult:
    """The result as a file; see `JobsClient.download`.

    With `name_of` the path is a folder; it tells from the answer's headers what the file in it is called. Else that is
    the storage's name for it.
    """
    started = context.transport.now()
    job_id = context.account.job_id(reference)
    source = ResultSource(context, job_id, options.mode, f"download of job {job_id}")
    target = path_of(path)
    first: Stream | None = None
    is_folder = name_of is not None or os.path.isdir(target)  # noqa: ASYNC240, PTH112 - see check_target
    if is_folder:
        check_folder(target)
        first = await open_whole(source)
        headers = first.head.headers
        target /= name_of(headers) if name_of else suggested_name(headers.get("content-disposition")) or job_id
    try:
        if is_folder and target.is_dir():
            raise ConfigurationError(f"{str(target)!r}, as the storage calls it, is a folder: give the path of a file.")
        check_target(target, overwrite=options.overwrite)
        parts: list[PartFile] = []  # filled in the thread, so that a cancelled opening is closed as well
        try:
            await context.transport.run(
                lambda: parts.append(
                    PartFile(
                        target,
                        job_id,
                        overwrite=options.overwrite,
                        resume=options.resume,
                        digest=options.digest,
                    )
                )
            )
            (part,) = parts
            transfer = Transfer(
                context=context,
                source=source,
                part=part,
                connections=options.connections,
                meter=ProgressReporter(options.on_progress),
            )
            count = await transfer.run(first)
            sha256 = await context.transport.run(part.publish)
        finally:
            for opened in parts:
                await context.transport.run(opened.leave)
    finally:
        if first is not None:
            await first.aclose()
    journal = part.journal
    logger.info("job %s: %d bytes are in %s", job_id, part.coverage.size, target)
    return DownloadResult(
        path=target,
        job_id=job_id,
        job=reference if isinstance(reference, Job) else None,
        bytes_written=part.coverage.size,
        sha256=sha256,
        content_type=journal.content_type if journal else None,
        filename=journal.filename if journal else None,
        resumed_from=transfer.resumed_from,
        connections=count,
        seconds=context.transport.now() - started,
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
    """`wait`, then `download`; see `JobsClient.wait_and_download`."""
    # What is wrong with the target is worth knowing before an hour of waiting.
    check_target(path_of(path), overwrite=options.overwrite)
    started = context.transport.now()
    deadline = started + seconds_of(timeout)
    job = await wait(context, reference, timeout=timeout, polling=polling, on_update=on_update)
    while True:
        try:
            return await download(context, job, path, options)
        except ResultNotReadyError as error:
            # COMPLETED, but the endpoint that hands out the result has not noticed yet.
            now = context.transport.now()
            if now >= deadline:
                raise WaitTimeoutError(job, timeout=seconds_of(timeout), cause=str(error)) from None
            pause = (polling or context.polling).pause(now - started, random=context.random)
            await context.pause_to_poll(pause, deadline=deadline)


def path_of(path: str | PathLike[str]) -> Path:
    """A user's path.

    Raises:
        ConfigurationError: It is none.
    """
    with suppress(TypeError, UnicodeEncodeError):
        found = Path(path)
        if str(path) and b"\0" not in os.fsencode(found):
            return found
    raise ConfigurationError(f"path={path!r} is no file name: give the path of a file, or of an existing folder.")
