"""The work on planned files as tasks of the engine of windows: what to request, and what earlier runs have left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TypeAlias, TypeGuard

from attrs import define, evolve, field, frozen

from impact_jobs._api.context import ClientContext
from impact_jobs._download.destination import Place, check_folder
from impact_jobs._download.export_journal import WindowState, size_of
from impact_jobs._download.filesystem import exists
from impact_jobs._download.manifest import ManifestEntry
from impact_jobs._download.part_file import disk_errors
from impact_jobs._operations.export import ExportArguments, ExportRequest, check_export, with_filters
from impact_jobs._operations.planned_files.steps import asked_filters, file_key, is_current, required_since
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._operations.to_parquet import prepare_parquet
from impact_jobs._operations.windows.assembling import Assemble
from impact_jobs._operations.windows.manifests import WindowManifests, complete_file
from impact_jobs._operations.windows.tasks import Journal, WindowTask
from impact_jobs._tables.arrow import require_pyarrow
from impact_jobs.errors import DestinationExistsError, JobsError, RateLimitError
from impact_jobs.models import DownloadResult, Job

OnNews: TypeAlias = Callable[[PlannedFile, Job | DownloadResult | JobsError], object]
"""A function that is called with a file and its news, one call at a time, from any thread."""


@frozen
class _Report:
    """What the files of one report share."""

    parameters: Mapping[str, str]
    assemble: Assemble | None


@frozen(kw_only=True)
class Site:
    """Where a file is made.

    Attributes:
        journal: Where the progress is recorded.
        work: The path of the result that a Parquet file is assembled from.
        is_ours: Whether the file in its place may be replaced even if the manifest has another one.
    """

    journal: Journal
    work: Path
    is_ours: bool


@define(kw_only=True, eq=False)
class PlannedTasks:
    """Creates the tasks of one run. The metadata of a report is requested once, and only if it is needed."""

    context: ClientContext
    now: datetime
    on_news: OnNews | None = None
    manifests: WindowManifests = field(init=False)
    _before: dict[PlannedFile, str | None] = field(factory=dict, init=False)  # the digest in the manifest
    _reports: dict[str, _Report | JobsError] = field(factory=dict, init=False)  # by the plan's name
    _lock: Lock = field(factory=Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self.manifests = WindowManifests(self.context.account)

    async def create(self, step: FileStep, site: Site) -> WindowTask:
        """Return the task that brings a file up to date.

        Raises:
            DestinationExistsError: A file of another origin is in its place.
            JobsError: The request is not valid, or the report's metadata could not be read.
        """
        window = step.file.window
        given = ExportArguments(
            report_id=step.file.report_id,
            start_date=window.start,
            end_date=window.end,
            filters=None,
            result_format="JSON" if step.file.format == "json" else "CSV",
        )
        request, _ = check_export(self.context, given)
        report = await self._report_of(step.file, request)
        return await self.context.transport.run(lambda: self._create(step, site, request, report))

    def compared(self, file: PlannedFile, result: DownloadResult) -> DownloadResult:
        """Return the result of a run, compared with what the manifest stated before it."""
        before = self._before.get(file)
        return evolve(result, unchanged=None if before is None else result.sha256 == before)

    def report(self, file: PlannedFile, news: Job | DownloadResult | JobsError) -> None:
        """Report news of a file to the user's function, unless it is left for the next run."""
        with self._lock:  # because files are made in several threads
            if self.on_news is not None and not is_limit(news):
                self.on_news(file, news)

    async def _report_of(self, file: PlannedFile, request: ExportRequest) -> _Report:
        found = self._reports.get(file.report)
        if found is None:
            try:
                found = await self._read_report(file, request)
            except RateLimitError:
                raise
            except JobsError as error:
                found = error
            self._reports[file.report] = found
        if isinstance(found, JobsError):
            raise copy(found)
        return found

    async def _read_report(self, file: PlannedFile, request: ExportRequest) -> _Report:
        assemble = None
        if file.format == "parquet":
            await self.context.transport.run(require_pyarrow)
            assemble = await prepare_parquet(self.context, file.report_id)
        request = await with_filters(self.context, request, file.filters)
        return _Report(request.parameters, assemble)

    def _create(self, step: FileStep, site: Site, request: ExportRequest, report: _Report) -> WindowTask:
        file, key = step.file, file_key(self.context.account, step.file)
        entry = self.manifests.entry_of(file.path)
        replaces = _may_replace(file, entry, is_ours=site.is_ours)
        folder = file.path.parent  # which is created once there is a result
        check_folder(next(each for each in (folder, *folder.parents) if exists(each)))
        self._before[file] = None if entry is None else entry.sha256
        target, state = Place(file.path, file.path), site.journal.states.get(key) or WindowState()
        return WindowTask(
            window=file.window,
            request=evolve(request, parameters=report.parameters),
            key=key,
            source=target if report.assemble is None else Place(site.work, site.work),
            target=target,
            state=self._state(step, state, entry),
            journal=site.journal,
            age_rule=lambda job, _: is_current(file, job, self.now),
            on_window=lambda _, news: self.report(file, news),
            assemble=report.assemble,
            asked=asked_filters(file),
            is_due=step.action is FileAction.REFRESH,
            replaces=replaces,
        )

    def _state(self, step: FileStep, found: WindowState, entry: ManifestEntry | None) -> WindowState:
        """Return how far the work on a file has come, by the journal and by what has been decided."""
        lost = found.replay_sent_at
        if lost is not None and lost < required_since(step.file, self.now):
            lost = None  # another one is due anyway
        if step.job_id is None:  # what is complete says nothing about another export
            return WindowState(sent_at=found.sent_at if found.file is None else None, is_saving=found.is_saving)
        is_known = found.job_id is not None and found.job_id.lower() == step.job_id.lower()
        if step.action is FileAction.DOWNLOAD and is_known and found.file is None:
            return evolve(found, fresh=None, replay_sent_at=lost)  # its age is checked
        return WindowState(
            job_id=step.job_id,
            replay_sent_at=lost if is_known else None,
            fresh=True if step.action is FileAction.DOWNLOAD else None,
            is_saving=found.is_saving,
            file=complete_file(entry) if entry is not None and step.action is FileAction.REFRESH else None,
        )


def is_limit(news: Job | DownloadResult | JobsError) -> TypeGuard[RateLimitError]:
    """Return whether the account has no requests or exports left, so that a file is left for the next run."""
    return isinstance(news, RateLimitError) and not news.is_from_storage


def _may_replace(file: PlannedFile, entry: ManifestEntry | None, *, is_ours: bool) -> bool:
    """Return whether there is a file that may be replaced; raise DestinationExistsError if it may not."""
    with disk_errors(file.path):
        if size_of(file.path) is None:
            return is_ours
        if not is_ours and not (entry is not None and complete_file(entry).is_at(file.path)):
            raise DestinationExistsError(
                f"{str(file.path)!r} exists, but this plan has not made it, or it was changed since. Move it or "
                "delete it."
            )
    return True
