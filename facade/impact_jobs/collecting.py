"""`fetch_all`: wait for a set of jobs and bring all their results into one folder, which is all the state there is."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import deque
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from os import PathLike
from pathlib import Path

from attrs import Factory, define, field

from impact_jobs.config import JobReference
from impact_jobs.core import Core
from impact_jobs.downloading import check_connections, download, path_of
from impact_jobs.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    JobsError,
    RateLimitError,
    ResultNotReadyError,
)
from impact_jobs.fetching import Mode, check_mode
from impact_jobs.gathering import Finished, Group, Timeouts, first_of, named_jobs
from impact_jobs.limits import HOUR
from impact_jobs.models import DownloadResult, FetchReport, Job
from impact_jobs.part_file import PartFile
from impact_jobs.plan import MOST_CONNECTIONS
from impact_jobs.polling import Polling
from impact_jobs.targets import check_folder, suggested_name

logger: logging.Logger = logging.getLogger("impact_jobs")

_MOST_AT_ONCE = 64
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
_OF_TYPES = {"text/csv": ".csv", "application/json": ".json", "application/xml": ".xml", "text/xml": ".xml"}
_ID_LENGTH = 36
_EXTENSION = r"\.(?!(?i:part)\b)[A-Za-z0-9]{1,10}"  # none that makes it look like half a file
_NAME = re.compile(
    rf"(?P<whole>(?P<job>[0-9A-Fa-f-]{{{_ID_LENGTH}}})(?:{_EXTENSION}){{0,2}})(?P<half>\.part(?:\.json(?:\.new)?)?)?"
)
_PAUSE_SECONDS = 15.0
_LOCKED_SECONDS = 1.0


async def fetch_all(
    core: Core,
    references: Iterable[JobReference] | AsyncIterable[JobReference],
    directory: str | PathLike[str],
    *,
    concurrency: int,
    timeout: Timeouts,
    polling: Polling | None,
    connections: int | None,
    digest: bool,
    mode: Mode,
    on_update: Callable[[Job], object] | None,
) -> FetchReport:
    """Every job's file, or why there is none; see `JobsClient.fetch_all`."""
    check_mode(mode)
    _check_numbers(concurrency, connections)
    folder = path_of(directory)
    if isinstance(references, AsyncIterable):
        references = [reference async for reference in references]
    named = named_jobs(core, references)  # by the id in lower case, as are the files and all that follows
    await core.port.run(lambda: _prepare(folder))
    survey = await core.port.run(lambda: _survey(folder, named))
    missing = [snapshot or job_id for key, (job_id, snapshot) in named.items() if survey[key].whole is None]
    collection = _Collection(
        core=core,
        group=Group(core, missing, timeout=timeout, polling=polling, on_update=on_update),
        folder=folder,
        connections=connections,
        digest=digest,
        mode=mode,
        whole=iter([(key, found) for key, found in survey.items() if found.whole is not None]),
    )
    try:
        await core.port.run_many([collection.work] * max(min(concurrency, len(named)), 1), stop=lambda: None)
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
class _Collection:
    """What the workers of one `fetch_all` share.

    They take turns at waiting: one of them asks for all jobs until some have finished, hands its place to the next
    one, and downloads. So results are looked for only while somebody is free to fetch them.

    Attributes:
        whole: Files that an earlier call has finished, still to be digested; an iterator, from which threads can take.
        outcomes: By the job's id in lower case, as far as there are any.
    """

    core: Core
    group: Group
    folder: Path
    connections: int | None
    digest: bool
    mode: Mode
    whole: Iterator[tuple[str, _Found]]
    outcomes: dict[str, DownloadResult | JobsError] = field(factory=dict)
    _finished: deque[Finished] = field(factory=deque)
    _turn: AbstractAsyncContextManager[object] = field(
        default=Factory(lambda self: self.core.port.lock(), takes_self=True), init=False
    )

    def has(self, key: str) -> bool:
        """Whether this call has brought the job's file."""
        return isinstance(self.outcomes.get(key), DownloadResult)

    async def work(self) -> None:
        """Deal with one job after the other, until none is left."""
        for key, found in self.whole:
            self.outcomes[key] = await self._recognised(key, found)
        while (finished := await self._next()) is not None:
            job_id, job = finished.job_id, finished.outcome
            outcome = job if isinstance(job, JobsError) else await self._fetched(job, job_id.lower())
            if isinstance(outcome, JobsError):
                outcome.job_id = job_id
                logger.info("job %s has no file: %s", job_id, outcome)
            self.outcomes[job_id.lower()] = outcome

    async def _next(self) -> Finished | None:
        async with self._turn:
            if not self._finished:
                self._finished.extend(await anext(self.group, []))
            return self._finished.popleft() if self._finished else None

    async def _fetched(self, job: Job, key: str) -> DownloadResult | JobsError:
        give_up_at = self.core.port.now() + HOUR
        while True:
            try:
                return await self._fetched_once(job, key)
            except (RateLimitError, ResultNotReadyError, DestinationExistsError) as error:
                # The budget is spent, the endpoint has not noticed yet that the job is completed, or another process
                # is at it: all that passes.
                if self.core.port.now() >= give_up_at:
                    return error
                if isinstance(error, DestinationExistsError):
                    await self.core.port.sleep(_LOCKED_SECONDS)
                else:
                    asked = getattr(error, "retry_after", None) or 0.0
                    await self.core.pause_to_poll(max(asked, _PAUSE_SECONDS), deadline=give_up_at)
            except JobsError as error:
                return error

    async def _fetched_once(self, job: Job, key: str) -> DownloadResult | JobsError:
        # Looked at anew, for another process may be at work in here.
        found = (await self.core.port.run(lambda: _survey(self.folder, [key])))[key]
        if found.whole is not None:
            return await self._recognised(key, found)
        # First, for should another process be at one of them, that is known without a request.
        await self.core.port.run(lambda: _tidy(self.folder, found.halves - {found.begun}))
        return await download(
            self.core,
            job,
            self.folder / found.begun,
            overwrite=False,
            resume=True,
            connections=self.connections,
            digest=self.digest,
            mode=self.mode,
            on_progress=None,
            name_of=None if found.begun else lambda headers: key + _extension(headers),
        )

    async def _recognised(self, key: str, found: _Found) -> DownloadResult | JobsError:
        """What is told of a file that an earlier call, or another process, has finished."""
        path, started = found.whole or self.folder, self.core.port.now()
        with suppress(JobsError):  # another process is about to tidy up itself
            await self.core.port.run(lambda: _tidy(self.folder, found.halves))
        try:
            size, sha256 = await self.core.port.run(lambda: _measured(path, digest=self.digest))
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
            seconds=self.core.port.now() - started,
        )


def _check_numbers(concurrency: int, connections: int | None) -> None:
    check_connections(connections)
    is_number = isinstance(concurrency, int) and not isinstance(concurrency, bool)
    if not (is_number and 1 <= concurrency <= _MOST_AT_ONCE):
        raise ConfigurationError(f"concurrency={concurrency!r}: give a number from 1 to {_MOST_AT_ONCE}.")
    # More would wait for each other: the asynchronous client reads with so many threads.
    if concurrency * (connections or MOST_CONNECTIONS) > _MOST_AT_ONCE:
        raise ConfigurationError(
            f"concurrency={concurrency} with connections={connections} may take "
            f"{concurrency * (connections or MOST_CONNECTIONS)} connections: {_MOST_AT_ONCE} in all are the most."
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


def _survey(folder: Path, keys: Collection[str]) -> dict[str, _Found]:
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


def _tidy(folder: Path, halves: Iterable[str]) -> None:
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
