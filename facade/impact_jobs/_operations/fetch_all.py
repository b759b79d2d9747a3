"""`fetch_all`: wait for a set of jobs and bring all their results into one folder, which is all the state there is."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from os import PathLike
from pathlib import Path

from attrs import Factory, define, field, frozen

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._download.destination import check_folder, suggested_name
from impact_jobs._download.options import MAX_CONNECTIONS, DownloadOptions, check_count
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.ranges import AUTOMATIC_CONNECTIONS
from impact_jobs._operations.download import download, path_of
from impact_jobs._operations.wait_many import JobBatch, JobOutcome, Timeouts, first_of, named_jobs
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.rate_limit_headers import HOUR
from impact_jobs.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    JobsError,
    RateLimitError,
    ResultNotReadyError,
)
from impact_jobs.models import DownloadResult, Job

logger: logging.Logger = logging.getLogger("impact_jobs")

_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
_OF_TYPES = {"text/csv": ".csv", "application/json": ".json", "application/xml": ".xml", "text/xml": ".xml"}
_ID_LENGTH = 36
_EXTENSION = r"\.(?!(?i:part)\b)[A-Za-z0-9]{1,10}"  # none that makes it look like half a file
_NAME = re.compile(
    rf"(?P<whole>(?P<job>[0-9A-Fa-f-]{{{_ID_LENGTH}}})(?:{_EXTENSION}){{0,2}})(?P<half>\.part(?:\.json(?:\.new)?)?)?"
)
_PAUSE_SECONDS = 15.0
_LOCKED_SECONDS = 1.0


@frozen(kw_only=True)
class FetchReport:
    """What came of a set of jobs.

    Attributes:
        directory: The folder that holds the files.
        outcomes: By job id, in the order given: the file, or why there is none.

    Example:
        >>> report = jobs.fetch_all([queued_uri], "reports")
        >>> [file.path.name for file in report.files.values()], list(report.errors)
        (['3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1.csv'], [])
    """

    directory: Path
    outcomes: Mapping[str, DownloadResult | JobsError]

    @property
    def files(self) -> dict[str, DownloadResult]:
        """The files, by job id.

        Example:
            >>> sum(file.bytes_written for file in jobs.fetch_all([job], "reports").files.values())
            52428800
        """
        return {job_id: found for job_id, found in self.outcomes.items() if isinstance(found, DownloadResult)}

    @property
    def errors(self) -> dict[str, JobsError]:
        """Why the others have none, by job id. Call again with the same folder to try these once more.

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
    """Every job's file, or why there is none; see `JobsClient.fetch_all`."""
    _check_numbers(concurrency, options.connections)
    folder = path_of(directory)
    if isinstance(references, AsyncIterable):
        references = [reference async for reference in references]
    named = named_jobs(context, references)  # by the id in lower case, as are the files and all that follows
    await context.transport.run(lambda: _prepare(folder))
    survey = await context.transport.run(lambda: _scan_folder(folder, named))
    missing = [snapshot or job_id for key, (job_id, snapshot) in named.items() if survey[key].whole is None]
    collection = FetchWorkers(
        context=context,
        group=JobBatch(context, missing, timeout=timeout, polling=polling, on_update=on_update),
        folder=folder,
        options=options,
        whole=iter([(key, found) for key, found in survey.items() if found.whole is not None]),
    )
    try:
        await context.transport.run_many([collection.work] * max(min(concurrency, len(named)), 1), stop=lambda: None)
    except BaseException as error:
        left = [job_id for key, (job_id, _) in named.items() if survey[key].whole is None and not collection.has(key)]
        error.add_note(_what_remains(left, of=len(named), folder=folder))
        raise
    return FetchReport(
        directory=folder, outcomes={job_id: collection.outcomes[key] for key, (job_id, _) in named.items()}
    )


@define
class _Found:
    """What the folder holds of one job.

    Attributes:
        whole: Its file.
        begun: What a half file with a journal is to be called at last; "" where there is none.
        halves: The same of all traces of half files.
    """

    whole: Path | None = None
    begun: str = ""
    halves: set[str] = field(factory=set)


@define(kw_only=True)
class FetchWorkers:
    """What the workers of one `fetch_all` share.

    They take turns at waiting: one of them asks for all jobs until some have finished, hands its place to the next
    one, and downloads. So results are looked for only while somebody is free to fetch them.

    Attributes:
        whole: Files that an earlier call has finished, still to be digested; an iterator, from which threads can take.
        outcomes: By the job's id in lower case, as far as there are any.
    """

    context: ClientContext
    group: JobBatch
    folder: Path
    options: DownloadOptions
    whole: Iterator[tuple[str, _Found]]
    outcomes: dict[str, DownloadResult | JobsError] = field(factory=dict)
    _turn: AbstractAsyncContextManager[object] = field(
        default=Factory(lambda self: self.context.transport.lock(), takes_self=True), init=False
    )

    def has(self, key: str) -> bool:
        """Whether this call has brought the job's file."""
        return isinstance(self.outcomes.get(key), DownloadResult)

    async def work(self) -> None:
        """Deal with one job after the other, until none is left."""
        for key, found in self.whole:
            self.outcomes[key] = await self._existing_result(key, found)
        while (finished := await self._next()) is not None:
            job_id, job = finished.job_id, finished.outcome
            outcome = job if isinstance(job, JobsError) else await self._fetched(job, job_id.lower())
            if isinstance(outcome, JobsError):
                outcome.job_id = job_id
                logger.info("job %s has no file: %s", job_id, outcome)
            self.outcomes[job_id.lower()] = outcome

    async def _next(self) -> JobOutcome | None:
        async with self._turn:
            return await anext(self.group, None)

    async def _fetched(self, job: Job, key: str) -> DownloadResult | JobsError:
        give_up_at = self.context.transport.now() + HOUR
        while True:
            try:
                return await self._fetched_once(job, key)
            except (RateLimitError, ResultNotReadyError, DestinationExistsError) as error:
                # The budget is spent, the endpoint has not noticed yet that the job is completed, or another process
                # is at it: all that passes.
                if self.context.transport.now() >= give_up_at:
                    return error
                if isinstance(error, DestinationExistsError):
                    await self.context.transport.sleep(_LOCKED_SECONDS)
                else:
                    asked = getattr(error, "retry_after", None) or 0.0
                    await self.context.pause_to_poll(max(asked, _PAUSE_SECONDS), deadline=give_up_at)
            except JobsError as error:
                return error

    async def _fetched_once(self, job: Job, key: str) -> DownloadResult | JobsError:
        # Looked at anew, for another process may be at work in here.
        found = (await self.context.transport.run(lambda: _scan_folder(self.folder, [key])))[key]
        if found.whole is not None:
            return await self._existing_result(key, found)
        # First, for should another process be at one of them, that is known without a request.
        await self.context.transport.run(lambda: _remove_partials(self.folder, found.halves - {found.begun}))
        return await download(
            self.context,
            job,
            self.folder / found.begun,
            self.options,
            name_of=None if found.begun else lambda headers: key + _extension(headers),
        )

    async def _existing_result(self, key: str, found: _Found) -> DownloadResult | JobsError:
        """What is told of a file that an earlier call, or another process, has finished."""
        path, started = found.whole or self.folder, self.context.transport.now()
        with suppress(JobsError):  # another process is about to tidy up itself
            await self.context.transport.run(lambda: _remove_partials(self.folder, found.halves))
        try:
            size, sha256 = await self.context.transport.run(lambda: _measured(path, digest=self.options.digest))
        except OSError as error:
            return DownloadError(f"{str(path)!r} could not be read: {error.strerror}. Remove it, and call again.")
        return DownloadResult(
            path=path,
            job_id=key,
            job=None,
            bytes_written=size,
            sha256=sha256,
            content_type=None,
            filename=None,
            resumed_from=size,
            connections=0,
            seconds=self.context.transport.now() - started,
        )


def _check_numbers(concurrency: int, connections: int | None) -> None:
    check_count("concurrency", concurrency)
    in_all = concurrency * (connections or AUTOMATIC_CONNECTIONS)
    if in_all > MAX_CONNECTIONS:
        raise ConfigurationError(
            f"concurrency={concurrency} with connections={connections} may take {in_all} connections: "
            f"{MAX_CONNECTIONS} in all are the most."
        )


def _what_remains(left: list[str], *, of: int, folder: Path) -> str:
    remain = f"; those of {first_of(left)} remain: call fetch_all again to go on" if left else ""
    return f"{of - len(left)} of {of} files are in {str(folder)!r}{remain}"


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {str(folder)!r} could not be made: {error.strerror}. Choose another."
        ) from None
    check_folder(folder)


def _scan_folder(folder: Path, keys: Collection[str]) -> dict[str, _Found]:
    """What there is of each of these jobs: only what is whole ever has a name without `.part`."""
    survey = {key: _Found() for key in keys}
    try:
        names = sorted(name for name in os.listdir(folder) if name[:_ID_LENGTH].lower() in survey)  # noqa: PTH208 - large
    except OSError as error:
        raise ConfigurationError(
            f"the folder {str(folder)!r} could not be read: {error.strerror}. Choose another."
        ) from None
    for match in filter(None, map(_NAME.fullmatch, names)):
        found, path = survey[match["job"].lower()], folder / match["whole"]
        if match["half"]:
            found.halves.add(path.name)
        elif path.is_file() and not path.is_symlink():
            found.whole = path
        if match["half"] == ".part.json" and not path.is_dir():
            found.begun = path.name
    return survey


def _remove_partials(folder: Path, halves: Iterable[str]) -> None:
    """Remove what is left of half files.

    Raises:
        DestinationExistsError: Another process is at one.
    """
    for name in halves:
        PartFile(folder / name, "", overwrite=False, resume=False, digest=False).discard()


def _extension(headers: Mapping[str, str]) -> str:
    """That of the name which the storage suggests, or else of its content type: "", ".csv", ".csv.gz"."""
    suffixes = Path(suggested_name(headers.get("content-disposition")) or "").suffixes
    kept = suffixes[-2:] if suffixes and suffixes[-1].lower() in _COMPRESSED else suffixes[-1:]
    plain = "".join(suffix for suffix in kept if re.fullmatch(_EXTENSION, suffix))
    return plain or _OF_TYPES.get(headers.get("content-type", "").partition(";")[0].strip().lower(), "")


def _measured(path: Path, *, digest: bool) -> tuple[int, str | None]:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest() if digest else None
