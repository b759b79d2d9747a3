"""`fetch_all`: wait for several jobs and download their results into one folder, whose files are the only state."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from os import PathLike
from pathlib import Path

from attrs import define, evolve, field, frozen

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._download.assembled_file import measure
from impact_jobs._download.content import Paging
from impact_jobs._download.destination import Place, check_folder
from impact_jobs._download.filesystem import is_of_system
from impact_jobs._download.options import MAX_CONNECTIONS, DownloadOptions, check_count
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.ranges import AUTOMATIC_CONNECTIONS
from impact_jobs._download.source import source_of
from impact_jobs._operations.download import existing_file, keep_trying, save_result, shown_at
from impact_jobs._operations.fetch_folder import (
    FetchFolder,
    FolderEntry,
    SameFileExistsError,
    checked_template,
    remove_partials,
)
from impact_jobs._operations.wait_many import JobBatch, Timeouts, format_ids, named_jobs
from impact_jobs._policy.polling import Polling
from impact_jobs.errors import (
    ConfigurationError,
    DownloadError,
    JobsError,
)
from impact_jobs.models import DownloadResult, Job

logger: logging.Logger = logging.getLogger("impact_jobs")


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
    name: str | None,
    concurrency: int,
    timeout: Timeouts,
    polling: Polling | None,
    on_update: Callable[[Job], object] | None,
) -> FetchReport:
    """Download the results of several jobs; see `JobsClient.fetch_all`."""
    concurrency = check_count("concurrency", concurrency)
    _check_connections(concurrency, options.connections)
    folder = Place.at(directory)
    files = FetchFolder(path=folder.path, account=context.account.name, template=checked_template(name))
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
    snapshots = {key: snapshot for key, (_, snapshot) in jobs.items()}
    files.check_names(snapshots)
    await context.transport.run(files.prepare)  # once all arguments have been checked
    entries = await context.transport.run(lambda: files.scan(snapshots))
    complete = {key: entries[key] for key, snapshot in snapshots.items() if entries[key].holds_result_of(snapshot)}
    batch.leave_out(complete)
    workers = FetchWorkers(
        context=context,
        batch=batch,
        folder=folder,
        files=files,
        options=options,
        entries=entries,
        complete=iter([(key, entry, snapshots[key]) for key, entry in complete.items()]),
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
    files: FetchFolder
    options: DownloadOptions
    entries: dict[str, FolderEntry]  # as last seen, by job id in lower case
    # Those of an earlier call; an iterator, because all workers take from it.
    complete: Iterator[tuple[str, FolderEntry, Job | None]]
    turn: AbstractAsyncContextManager[object]  # the lock that one worker holds while it waits
    outcomes: dict[str, DownloadResult | JobsError] = field(factory=dict)  # by job id in lower case

    async def work(self) -> None:
        """Handle one job after another until none is left."""
        for key, entry, snapshot in self.complete:
            self.outcomes[key] = await self._existing_result(key, entry, snapshot)
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
            self.files.check_is_free(key, job, before)
            part = PartFile(
                folder / key, job.id, self.options, base=folder / (before.resumable or key), replaces=before.complete,
                replaced_sha256=self.files.known_sha256(before.complete),
            )  # fmt: skip
            try:
                entry = self.entries[key] = self.files.scan({key: job})[key]
                if not entry.holds_result_of(job) and entry.complete == before.complete:
                    remove_partials(folder, entry.partials - {before.resumable or key, part.path.stem})
                    return part
            except BaseException:
                part.close()
                raise
            part.close()
            if entry.holds_result_of(job):
                raise _CompletedMeanwhileError
            return open_part()

        def name(part: PartFile) -> None:
            self.files.name_part(part, key, job, self.entries[key])

        try:
            result = await save_result(self.context, source, job, self.options, open_part, finish=name)
        except _CompletedMeanwhileError:
            return await self._existing_result(key, self.entries[key], job)
        except SameFileExistsError:
            same = await self._existing_result(key, self.entries[key], job)
            return same if isinstance(same, JobsError) else evolve(same, unchanged=True)
        outdated = self.entries[key].complete
        if outdated is not None:
            await self.context.transport.run(lambda: self._remove_outdated(outdated, result.path))
        return self._shown(await self._recorded(key, job, result))

    async def _recorded(self, key: str, job: Job | None, result: DownloadResult) -> DownloadResult:
        with self.options.warning_if_it_fails(result.path, "the manifest could not be written"):
            return await self.context.transport.run(lambda: self.files.record(key, job, result))
        return result

    def _shown(self, result: DownloadResult) -> DownloadResult:
        return shown_at(self.folder.shown / result.path.relative_to(self.folder.path), result)

    def _remove_outdated(self, outdated: Path, latest: Path) -> None:
        with self.options.warning_if_it_fails(outdated, "it is outdated, and could not be removed"):
            if not outdated.samefile(latest):  # the extension of the latest result is another one
                outdated.unlink()

    async def _existing_result(self, key: str, entry: FolderEntry, job: Job | None) -> DownloadResult | JobsError:
        """Return the result of a file that an earlier call, or another process, has completed."""
        path, started = entry.complete or self.folder.path, self.context.transport.now()
        with suppress(JobsError):  # another process, which is about to remove its partial file itself
            await self.context.transport.run(lambda: remove_partials(self.folder.path, entry.partials))
        try:
            size, sha256 = await self.context.transport.run(lambda: measure(path, digest=self.options.digest))
            paging = await self.context.transport.run(lambda: Paging.of_file(path))
        except OSError as error:
            if not is_of_system(error):
                raise
            return DownloadError(f"{str(path)!r} could not be read: {error.strerror}. Remove it, and call again.")
        result = existing_file(path, key, size=size, sha256=sha256)
        result = evolve(result, seconds=self.context.transport.now() - started, pages_total=paging.pages_total)
        result = await self._recorded(key, job, result)
        return evolve(result, path=self.folder.shown / path.relative_to(self.folder.path))


def _check_connections(concurrency: int, connections: int | None) -> None:
    in_all = concurrency * (connections or AUTOMATIC_CONNECTIONS)
    if in_all > MAX_CONNECTIONS:
        raise ConfigurationError(
            f"concurrency={concurrency} with connections={connections} may use {in_all} connections: "
            f"the maximum is {MAX_CONNECTIONS}."
        )
