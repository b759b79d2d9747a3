"""`fetch_all`: wait for several jobs and download their results into one folder, whose files are the only state."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from os import PathLike
from pathlib import Path

from attrs import define, field, frozen

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._download.content import MAGIC_BYTES, Paging, is_compressed_name, true_name
from impact_jobs._download.destination import Place, check_file, check_folder, make_folder
from impact_jobs._download.filesystem import is_of_system
from impact_jobs._download.options import MAX_CONNECTIONS, DownloadOptions, check_count
from impact_jobs._download.part_file import PartFile, disk_errors
from impact_jobs._download.part_names import remove_part
from impact_jobs._download.ranges import AUTOMATIC_CONNECTIONS
from impact_jobs._download.source import source_of
from impact_jobs._operations.download import keep_trying, save_result, shown_at
from impact_jobs._operations.wait_many import JobBatch, Timeouts, format_ids, named_jobs
from impact_jobs._policy.polling import Polling
from impact_jobs.errors import (
    ConfigurationError,
    DownloadError,
    JobsError,
)
from impact_jobs.models import DownloadResult, Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

_EXTENSION_OF = {
    "text/csv": ".csv",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/gzip": ".gz",
    "application/x-gzip": ".gz",
    "application/zip": ".zip",
}
_ID_LENGTH = 36
_EXTENSION = r"\.(?!(?i:part)\b)[A-Za-z0-9]{1,10}"  # not ".part", because that marks an incomplete file
_NAME = re.compile(
    rf"(?P<file>(?P<job>[0-9A-Fa-f-]{{{_ID_LENGTH}}})(?:{_EXTENSION}){{0,2}})(?P<partial>\.part(?:\.json)?)?"
)


@frozen(kw_only=True)
class FetchReport:
    """The outcome of `fetch_all`.

    Attributes:
        directory: The folder that holds the files.
        outcomes: The file of each job, or the error in place of it: by job id, in the order given.

    Example:
        >>> report = jobs.fetch_all([queued_uri], "reports")
        >>> [file.path.name for file in report.files.values()], list(report.errors)
        (['3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1.csv'], [])
    """

    directory: Path
    outcomes: Mapping[str, DownloadResult | JobsError]

    @property
    def files(self) -> dict[str, DownloadResult]:
        """The files by job id.

        Example:
            >>> sum(file.bytes_written for file in jobs.fetch_all([job], "reports").files.values())
            52428800
        """
        return {job_id: found for job_id, found in self.outcomes.items() if isinstance(found, DownloadResult)}

    @property
    def errors(self) -> dict[str, JobsError]:
        """The errors of the jobs without a file, by job id. Call `fetch_all` again with the same folder to retry.

        Example:
            >>> for job_id, error in jobs.fetch_all([job], "reports").errors.items():
            ...     print(job_id, error)
        """
        return {job_id: error for job_id, error in self.outcomes.items() if isinstance(error, JobsError)}

    @property
    def is_complete(self) -> bool:
        """Whether every job has its file.

        Example:
            >>> jobs.fetch_all([job], "reports").is_complete
            True
        """
        return not self.errors


async def fetch_all(
    context: ClientContext,
    references: Iterable[JobReference] | AsyncIterable[JobReference],
    directory: str | PathLike[str],
    options: DownloadOptions,
    *,
    concurrency: int,
    timeout: Timeouts,
    polling: Polling | None,
    on_update: Callable[[Job], object] | None,
) -> FetchReport:
    """Download the results of several jobs; see `JobsClient.fetch_all`."""
    concurrency = check_count("concurrency", concurrency)
    _check_connections(concurrency, options.connections)
    folder = Place.at(directory)
    if isinstance(references, AsyncIterable):
        references = [reference async for reference in references]
    jobs = named_jobs(context, references)  # by id in lower case, which also names the files
    batch = JobBatch(
        context,
        [snapshot or job_id for job_id, snapshot in jobs.values()],
        timeout=timeout,
        polling=polling,
        on_update=on_update,
    )
    await context.transport.run(lambda: make_folder(folder.path))  # once all arguments have been checked
    entries = await context.transport.run(lambda: _scan_folder(folder.path, jobs))
    complete = {key: entries[key] for key, (_, snapshot) in jobs.items() if entries[key].holds_result_of(snapshot)}
    batch.leave_out(complete)
    workers = FetchWorkers(
        context=context,
        batch=batch,
        folder=folder,
        options=options,
        entries=entries,
        complete=iter(complete.items()),
        turn=context.transport.lock(),
    )
    try:
        await context.transport.run_many([workers.work] * max(min(concurrency, len(jobs)), 1), stop=lambda: None)
    except BaseException as error:
        left = [
            job_id
            for key, (job_id, _) in jobs.items()
            if key not in complete and not isinstance(workers.outcomes.get(key), DownloadResult)
        ]
        remaining = f"; those of {format_ids(left)} remain: call fetch_all again to go on" if left else ""
        error.add_note(f"{len(jobs) - len(left)} of {len(jobs)} files are in {str(folder.given)!r}{remaining}")
        raise
    return FetchReport(
        directory=folder.shown, outcomes={job_id: workers.outcomes[key] for key, (job_id, _) in jobs.items()}
    )


@define
class _FolderEntry:
    """The files of one job in the folder. A partial file stands under its name without `.part`."""

    complete: Path | None = None
    modified: float = 0.0  # when `complete` was, in seconds since 1970
    resumable: str = ""  # a partial file whose journal lists some bytes
    partials: set[str] = field(factory=set)  # all partial files

    def holds_result_of(self, job: Job | None) -> bool:
        """Return whether the complete file is the job's latest result, as far as the snapshot shows."""
        if self.complete is None or job is None:
            return self.complete is not None
        ended = job.completed_date
        return job.status == JobStatus.COMPLETED and (ended is None or int(ended.timestamp()) <= self.modified)


class _CompletedMeanwhileError(Exception):
    """Another process has completed the file."""


@define(kw_only=True)
class FetchWorkers:
    """The workers of one `fetch_all`.

    They take turns at waiting: one polls until a job has finished, passes the turn to another, and downloads. So jobs
    are polled only while a worker is free to download a result.
    """

    context: ClientContext
    batch: JobBatch
    folder: Place
    options: DownloadOptions
    entries: dict[str, _FolderEntry]  # as last seen, by job id in lower case
    complete: Iterator[tuple[str, _FolderEntry]]  # of an earlier call; an iterator, because all workers take from it
    turn: AbstractAsyncContextManager[object]  # the lock that one worker holds while it waits
    outcomes: dict[str, DownloadResult | JobsError] = field(factory=dict)  # by job id in lower case

    async def work(self) -> None:
        """Handle one job after another until none is left."""
        for key, entry in self.complete:
            self.outcomes[key] = await self._existing_result(key, entry)
        while True:
            async with self.turn:
                finished = await anext(self.batch, None)
            if finished is None:
                return
            job_id, outcome = finished.job_id, finished.outcome
            result = outcome if isinstance(outcome, JobsError) else await self._download(outcome, job_id.lower())
            if isinstance(result, JobsError):
                result.job_id = job_id
                logger.info("job %s has no file: %s", job_id, result)
            self.outcomes[job_id.lower()] = result

    async def _download(self, job: Job, key: str) -> DownloadResult | JobsError:
        return await keep_trying(self.context, partial(self._download_once, job, key))

    async def _download_once(self, job: Job, key: str) -> DownloadResult | JobsError:
        folder, source = self.folder.path, source_of(self.context, job, self.options.mode, "download")

        def open_part() -> PartFile:
            """Take the lock before any request, and look again, because other processes may use the folder, too."""
            check_folder(folder)
            before = self.entries[key]
            part = PartFile(
                folder / key, job.id, self.options, base=folder / (before.resumable or key), replaces=before.complete
            )
            try:
                entry = self.entries[key] = _scan_folder(folder, [key])[key]
                if not entry.holds_result_of(job) and entry.complete == before.complete:
                    _remove_partials(folder, entry.partials - {before.resumable or key, part.path.stem})
                    return part
            except BaseException:
                part.close()
                raise
            part.close()
            if entry.holds_result_of(job):
                raise _CompletedMeanwhileError
            return open_part()

        def name(part: PartFile) -> None:
            part.target = folder / f"{key}{_extension(part)}"
            check_file(part.target, overwrite=self.entries[key].complete is not None)

        try:
            result = await save_result(self.context, source, job, self.options, open_part, finish=name)
        except _CompletedMeanwhileError:
            return await self._existing_result(key, self.entries[key])
        outdated = self.entries[key].complete
        if outdated is not None:
            await self.context.transport.run(lambda: self._remove_outdated(outdated, result.path))
        return shown_at(self.folder.shown / result.path.name, result)

    def _remove_outdated(self, outdated: Path, latest: Path) -> None:
        with self.options.warning_if_it_fails(outdated, "it is outdated, and could not be removed"):
            if not outdated.samefile(latest):  # the extension of the latest result is another one
                outdated.unlink()

    async def _existing_result(self, key: str, entry: _FolderEntry) -> DownloadResult | JobsError:
        """Return the result of a file that an earlier call, or another process, has completed."""
        path, started = entry.complete or self.folder.path, self.context.transport.now()
        with suppress(JobsError):  # another process, which is about to remove its partial file itself
            await self.context.transport.run(lambda: _remove_partials(self.folder.path, entry.partials))
        try:
            size, sha256 = await self.context.transport.run(lambda: _measure(path, digest=self.options.digest))
            paging = await self.context.transport.run(lambda: Paging.of_file(path))
        except OSError as error:
            if not is_of_system(error):
                raise
            return DownloadError(f"{str(path)!r} could not be read: {error.strerror}. Remove it, and call again.")
        return DownloadResult(
            path=self.folder.shown / path.name,
            job_id=key,
            job=None,
            bytes_written=size,
            sha256=sha256,
            content_type=None,
            filename=None,
            resumed_from=size,
            connections=0,
            seconds=self.context.transport.now() - started,
            pages_total=paging.pages_total,
        )


def _check_connections(concurrency: int, connections: int | None) -> None:
    in_all = concurrency * (connections or AUTOMATIC_CONNECTIONS)
    if in_all > MAX_CONNECTIONS:
        raise ConfigurationError(
            f"concurrency={concurrency} with connections={connections} may use {in_all} connections: "
            f"the maximum is {MAX_CONNECTIONS}."
        )


def _scan_folder(folder: Path, keys: Collection[str]) -> dict[str, _FolderEntry]:
    """Return the files of each job. A name without `.part` always belongs to a complete file."""
    entries = {key: _FolderEntry() for key in keys}
    try:
        names = sorted(name for name in os.listdir(folder) if name[:_ID_LENGTH].lower() in entries)  # noqa: PTH208 - large
    except OSError as error:
        if not is_of_system(error):
            raise
        raise ConfigurationError(
            f"the folder {str(folder)!r} could not be read: {error.strerror}. Choose another."
        ) from None
    for match in filter(None, map(_NAME.fullmatch, names)):
        entry, path = entries[match["job"].lower()], folder / match[0]
        if match["partial"]:
            entry.partials.add(match["file"])
        try:
            found = path.lstat() if match["partial"] != ".part" else None
        except OSError as error:
            if not is_of_system(error):
                raise
            continue  # it was removed meanwhile, or the error comes again once the job's file is opened
        if found is None or not stat.S_ISREG(found.st_mode):
            continue
        if match["partial"] is None and found.st_mtime >= entry.modified:
            entry.complete, entry.modified = path, found.st_mtime
        if match["partial"] == ".part.json" and found.st_size:
            entry.resumable = match["file"]
    return entries


def _remove_partials(folder: Path, names: Iterable[str]) -> None:
    """Remove partial files of ours and their journals; raise an error if another process is writing one."""
    for name in names:
        with disk_errors(folder / name):
            remove_part(folder / name)


def _extension(part: PartFile) -> str:
    """Return the extension of the name that the storage suggests, or else of the content type; "" if there is none."""
    beginning = part.read_beginning(MAGIC_BYTES)
    name = true_name(part.journal.filename or "", beginning)
    kept = Path(name).suffixes[-2 if is_compressed_name(name) else -1 :]
    plain = "".join(suffix for suffix in kept if re.fullmatch(_EXTENSION, suffix))
    stated = _EXTENSION_OF.get((part.journal.content_type or "").partition(";")[0].strip().lower(), "")
    return plain or true_name(f"x{stated}", beginning).removeprefix("x")


def _measure(path: Path, *, digest: bool) -> tuple[int, str | None]:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest() if digest else None
