"""`fetch_all`: wait for a set of jobs and bring all their results into one folder, which is all the state there is."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from os import PathLike
from pathlib import Path

from attrs import Factory, define, field

from impact_jobs.config import JobReference
from impact_jobs.core import Core
from impact_jobs.downloading import check_connections, download, path_of
from impact_jobs.errors import ConfigurationError, DownloadError, JobsError, RateLimitError, ResultNotReadyError
from impact_jobs.fetching import Mode, check_mode
from impact_jobs.gathering import Finished, Group, Timeouts, named_jobs
from impact_jobs.limits import HOUR
from impact_jobs.models import DownloadResult, FetchReport, Job
from impact_jobs.polling import Polling
from impact_jobs.targets import check_target, suggested_name

logger: logging.Logger = logging.getLogger("impact_jobs")

_MOST_AT_ONCE = 64
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")
_OF_TYPES = {"text/csv": ".csv", "application/json": ".json", "application/xml": ".xml", "text/xml": ".xml"}
_HALF = ".part"
# A job's id and up to two extensions, neither of them one of a file that is not whole.
_NAME = re.compile(r"(?P<job>[0-9A-Fa-f-]{32,36})(\.(?!part\b)[A-Za-z0-9]{1,10}){0,2}")
_PAUSE_SECONDS = 15.0


async def fetch_all(
    core: Core,
    references: Iterable[JobReference],
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
    check_connections(connections)
    is_number = isinstance(concurrency, int) and not isinstance(concurrency, bool)
    if not (is_number and 1 <= concurrency <= _MOST_AT_ONCE):
        raise ConfigurationError(f"concurrency={concurrency!r}: give a number from 1 to {_MOST_AT_ONCE}.")
    folder = path_of(directory)
    named = named_jobs(core, references)
    ids = [job_id for job_id, _ in named.values()]
    await core.port.run(lambda: _prepare(folder))
    found = await core.port.run(lambda: _whole_files(folder, ids))
    missing = [snapshot or job_id for job_id, snapshot in named.values() if job_id not in found]
    collection = _Collection(
        core=core,
        group=Group(core, missing, timeout=timeout, polling=polling, on_update=on_update),
        folder=folder,
        connections=connections,
        digest=digest,
        mode=mode,
        found=deque(found.items()),
    )
    workers = [collection.work] * max(min(concurrency, len(ids)), 1)
    try:
        await core.port.run_many(workers, stop=lambda: None)
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
            done = sum(isinstance(outcome, DownloadResult) for outcome in collection.outcomes.values())
            error.add_note(f"{done} of {len(ids)} files are in {str(folder)!r}; call fetch_all again to go on")
        raise
    return FetchReport(directory=folder, outcomes={job_id: collection.outcomes[job_id] for job_id in ids})


@define(kw_only=True)
class _Collection:
    """What the workers of one `fetch_all` share.

    They take turns at waiting: one of them asks for all jobs until some have finished, hands its place to the next
    one, and downloads. So results are looked for only while somebody is free to fetch them.

    Attributes:
        found: Files that an earlier call has finished, still to be digested.
        outcomes: By the job's id, as far as there are any.
    """

    core: Core
    group: Group
    folder: Path
    connections: int | None
    digest: bool
    mode: Mode
    found: deque[tuple[str, Path]] = field(factory=deque)
    outcomes: dict[str, DownloadResult | JobsError] = field(factory=dict)
    _finished: deque[Finished] = field(factory=deque)
    _turn: AbstractAsyncContextManager[object] = field(
        default=Factory(lambda self: self.core.port.lock(), takes_self=True), init=False
    )

    async def work(self) -> None:
        """Deal with one job after the other, until none is left."""
        while self.found:
            job_id, path = self.found.popleft()
            self.outcomes[job_id] = await self._recognised(job_id, path)
        while (finished := await self._next()) is not None:
            job_id, job = finished.job_id, finished.outcome
            outcome = job if isinstance(job, JobsError) else await self._fetched(job, job_id)
            if isinstance(outcome, JobsError):
                outcome.job_id = job_id
                logger.warning("job %s has no file: %s", job_id, outcome)
            self.outcomes[job_id] = outcome

    async def _next(self) -> Finished | None:
        async with self._turn:
            if not self._finished:
                self._finished.extend(await anext(self.group, []))
            return self._finished.popleft() if self._finished else None

    async def _fetched(self, job: Job, job_id: str) -> DownloadResult | JobsError:
        give_up_at = self.core.port.now() + HOUR
        while True:
            try:
                return await download(
                    self.core,
                    job,
                    await self.core.port.run(lambda: self.folder / _half_file(self.folder, job_id)),
                    overwrite=False,
                    resume=True,
                    connections=self.connections,
                    digest=self.digest,
                    mode=self.mode,
                    on_progress=None,
                    name_of=lambda headers: job_id + _extension(headers),
                )
            except (RateLimitError, ResultNotReadyError) as error:
                # The budget is spent, or the endpoint has not noticed yet that the job is completed: both pass.
                if self.core.port.now() >= give_up_at:
                    return error
                asked = error.retry_after if isinstance(error, RateLimitError) else None
                await self.core.pause_to_poll(_PAUSE_SECONDS if asked is None else asked, deadline=give_up_at)
            except JobsError as error:
                return error

    async def _recognised(self, job_id: str, path: Path) -> DownloadResult | JobsError:
        """What is told of a file that an earlier call has finished."""
        started = self.core.port.now()
        try:
            size, sha256 = await self.core.port.run(lambda: _measured(path, digest=self.digest))
        except OSError as error:
            return DownloadError(f"{str(path)!r} could not be read: {error.strerror}. Remove it, and call again.")
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
            seconds=self.core.port.now() - started,
        )


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {str(folder)!r} could not be made: {error.strerror}. Choose another."
        ) from None
    check_target(folder, overwrite=False)


def _whole_files(folder: Path, ids: Iterable[str]) -> dict[str, Path]:
    """The files that are there under their final names, by job id: only what is whole ever gets one."""
    wanted = set(ids)
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match and match["job"] in wanted and entry.is_file(follow_symlinks=False):
                found[match["job"]] = Path(entry.path)
    return found


def _half_file(folder: Path, job_id: str) -> str:
    """The final name of what an earlier call has begun; "" where there is none."""
    return next((path.name.removesuffix(_HALF) for path in folder.glob(f"{job_id}*{_HALF}")), "")


def _extension(headers: Mapping[str, str]) -> str:
    """That of the name which the storage suggests, or else of its content type: "", ".csv", ".csv.gz"."""
    suffixes = Path(suggested_name(headers.get("content-disposition")) or "").suffixes
    kept = suffixes[-2:] if suffixes and suffixes[-1].lower() in _COMPRESSED else suffixes[-1:]
    plain = "".join(suffix for suffix in kept if _EXTENSION.fullmatch(suffix))
    return plain or _OF_TYPES.get(headers.get("content-type", "").partition(";")[0].strip().lower(), "")


def _measured(path: Path, *, digest: bool) -> tuple[int, str | None]:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest() if digest else None
