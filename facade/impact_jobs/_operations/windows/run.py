"""One run of an export in windows: what an earlier run has left, the exports, the files, and the joined file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from threading import Lock

from attrs import define, evolve, field

from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._api.endpoints import get_with_head
from impact_jobs._download.assembled_file import commit_file, measure
from impact_jobs._download.destination import Place, check_file, remove_empty_folders
from impact_jobs._download.export_journal import ASSEMBLED, CompleteFile, ExportJournal, WindowState, size_of
from impact_jobs._download.filesystem import exists
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import disk_errors
from impact_jobs._operations.download import existing_file, shown_at
from impact_jobs._operations.export import ExportRequest
from impact_jobs._operations.export_names import ExportNames
from impact_jobs._operations.export_options import ExportOptions
from impact_jobs._operations.result_age import no_older_than
from impact_jobs._operations.wait_many import format_ids
from impact_jobs._operations.windows.assembling import Assemble
from impact_jobs._operations.windows.exports import WindowExports
from impact_jobs._operations.windows.files import WindowFiles
from impact_jobs._operations.windows.manifests import WindowManifests
from impact_jobs._operations.windows.tasks import WindowTask, window_key
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs._transport.clock import utc
from impact_jobs.errors import ExportIncompleteError, ExportReport, IntegrityError, JobsError
from impact_jobs.models import DownloadResult, Job
from impact_jobs.report_models import ExportWindow


@define(kw_only=True, eq=False)
class ExportRun:
    """Exports windows, and gives each its file, or all of them one.

    Its journal is in a folder of its own, which is removed once everything is complete. The results that are to be
    assembled are in the same folder.
    """

    context: ClientContext
    request: ExportRequest  # for the whole range
    windows: Sequence[ExportWindow]  # none for a single export
    names: ExportNames
    places: Sequence[Place]  # of each window, or of the joined file
    options: DownloadOptions
    export: ExportOptions
    assemble: Assemble | None
    tasks: Sequence[WindowTask] = field(factory=tuple, init=False)
    _lock: Lock = field(factory=Lock, init=False)
    _manifests: WindowManifests = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._manifests = WindowManifests(self.context.account)

    async def run(self) -> DownloadResult | ExportReport:
        """Run until everything is complete, or nothing more can be done now."""
        run, opened, made = self.context.transport.run, list[ExportJournal](), list[Path]()
        try:
            await run(lambda: made.extend(self.names.make_folders(self.places)))
            await run(lambda: opened.append(ExportJournal.open(self._folder, self.places[0].path, self.options)))
            return await self._run(opened[0])
        except BaseException as error:
            if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
                done = sum(isinstance(task.outcome, DownloadResult) for task in self.tasks)
                ids = [
                    task.state.job_id
                    for task in self.tasks
                    if task.state.job_id and not isinstance(task.outcome, DownloadResult)
                ]
                continued = f", and jobs continue on the server ({format_ids(ids)})" if ids else ""
                error.add_note(
                    f"{done} of {len(self.tasks)} windows of report {self.request.report_id} are there{continued}: "
                    "make the same call again to go on"
                )
            raise
        finally:
            for journal in opened:
                await run(journal.close)
            await run(lambda: remove_empty_folders(made))

    async def _run(self, journal: ExportJournal) -> DownloadResult | ExportReport:
        run, started = self.context.transport.run, self.context.transport.now()
        self.tasks = self._tasks(journal)
        if (joined := await run(lambda: self._find(journal))) is not None:
            return joined
        await self._use_young_files()
        report, assemble = await self._complete_windows(), self.assemble
        if assemble is None or not self.is_joined:
            if report.is_complete:
                await run(journal.remove)
            return report
        if not report.is_complete:
            of_single = None if self.windows else next(iter(report.errors.values()), None)
            raise of_single or ExportIncompleteError(report, report_id=self.request.report_id)
        result = await run(lambda: self._join(journal, assemble))
        return evolve(result, seconds=self.context.transport.now() - started)

    @property
    def is_joined(self) -> bool:
        """Whether there is one file for all windows."""
        return self.export.join or not self.windows

    @property
    def _folder(self) -> Path:
        if self.is_joined:
            target = self.places[0].path
            return target.with_name(f"{target.name}.windows")
        key = window_key(self.context.account, evolve(self.request, start=None, end=None))
        return self.names.folder.path / f"{self.request.report_id}.{key}.windows"

    def _tasks(self, journal: ExportJournal) -> list[WindowTask]:
        if not self.windows:
            whole = ExportWindow(self.request.start or date.min, self.request.end or date.max)
            return [self._task(journal, whole, self.request, None)]
        targets = [None] * len(self.windows) if self.is_joined else self.places
        return [
            self._task(journal, window, self.request.for_window(window.start, window.end), target)
            for window, target in zip(self.windows, targets, strict=True)
        ]

    def _task(
        self, journal: ExportJournal, window: ExportWindow, request: ExportRequest, target: Place | None
    ) -> WindowTask:
        key, max_age = window_key(self.context.account, request), self.export.max_age
        work = self._folder / f"{window.start}.{window.end}.{key}.{request.result_format.lower()}"
        source = Place(work, work) if target is None or self.assemble is not None else target
        return WindowTask(
            window=window,
            request=request,
            key=key,
            source=source,
            target=target,
            state=WindowState(),
            journal=journal,
            age_rule=None if max_age is None else no_older_than(max_age),
            assemble=self.assemble,
            on_window=self._on_window if self.windows and self.export.on_window else None,
        )

    def _on_window(self, window: ExportWindow, news: Job | DownloadResult | JobsError) -> None:
        with self._lock:  # because windows are downloaded in several threads
            if self.export.on_window is not None:
                self.export.on_window(window, news)

    def _find(self, journal: ExportJournal) -> DownloadResult | None:
        """Find what earlier runs have completed; return the joined file if that is complete.

        Raises:
            DestinationExistsError: A file of another origin is in the way.
        """
        if self.is_joined:
            state, target = journal.states.get(self._joined_key), self.places[0]
            if state is not None and state.file is not None and self._is_committed(state.file):
                journal.remove()
                return self._joined_result(state, state.file)
            check_file(target.path, overwrite=self.options.overwrite)
        for task in self.tasks:
            found = journal.states.get(task.key)
            task.is_news = found is not None and found.file is not None
            if found is None and task.target is not None and not self.options.overwrite:
                found = self._manifests.find(task)
            self._resume(task, found or WindowState())
        return None

    @property
    def _assembled(self) -> Path:
        return self._folder / ASSEMBLED

    def _is_committed(self, file: CompleteFile) -> bool:
        """Return whether the target is the joined file, which had the name `_assembled` before."""
        target = self.places[0].path
        return file.is_at(target) and not (exists(self._assembled) and not target.samefile(self._assembled))

    def _resume(self, task: WindowTask, state: WindowState) -> None:
        task.state = state
        is_there = task.existing_result()
        if is_there is None:
            task.state = evolve(state, file=None)
            if task.target is not None:
                task.replaces = self.options.overwrite or state.is_saving or self._manifests.may_replace(task)
                check_file(task.target.path, overwrite=task.replaces)
        elif self.export.max_age is None and not task.is_unfinished:
            task.outcome = evolve(is_there, fresh=bool(is_there.fresh))
        else:
            task.state = evolve(state, fresh=None)

    async def _use_young_files(self) -> None:
        """Use the files of earlier runs that are no older than `max_age`, by the server's clock."""
        max_age = self.export.max_age
        unknown = [task for task in self.tasks if task.outcome is None and task.state.file is not None]
        if max_age is None or not unknown:
            return
        now = await self._server_time(unknown[0].state.job_id or "")
        for task in unknown:
            made = None if task.state.file is None else task.state.file.completed_at
            found = await self.context.transport.run(task.existing_result)
            if made is not None and now - made <= max_age and found is not None:
                task.state = evolve(task.state, fresh=True)
                task.outcome = evolve(found, fresh=True)

    async def _server_time(self, job_id: str) -> datetime:
        """Return the server's time, or this machine's if the job cannot be requested."""
        try:
            _, head = await get_with_head(self.context, job_id)
        except JobsError:
            return utc()
        return server_time(head)

    async def _complete_windows(self) -> ExportReport:
        exports = WindowExports(
            context=self.context,
            tasks=self.tasks,
            deadline=self.context.transport.now() + seconds_of(self.export.timeout),
        )
        await exports.run()
        files = WindowFiles(
            context=self.context,
            exports=exports,
            options=self.options,
            polling=self.export.polling,
            on_update=self.export.on_update,
            on_complete=None if self.is_joined else self._manifests.record,
        )
        await files.run([task for task in self.tasks if task.outcome is None and task.state.job_id is not None])
        return ExportReport(
            outcomes={task.window: task.outcome for task in self.tasks if task.outcome is not None},
            left=tuple(task.window for task in exports.left),
            again_at=exports.again_at,
            why_left=exports.why_left,
        )

    @property
    def _joined_key(self) -> str:
        return hashlib.sha256(" ".join(task.key for task in self.tasks).encode()).hexdigest()[:16]

    def _join(self, journal: ExportJournal, assemble: Assemble) -> DownloadResult:
        """Assemble the windows into the target; the journal says what it is before it has its name."""
        place, assembled = self.places[0], self._assembled
        with disk_errors(place.path):
            counted = {task.source.path: _rows(task) for task in self.tasks}
            assembled.unlink(missing_ok=True)  # which may be a link, or another name of the target
            rows = assemble(counted, assembled)
            expected = sum(filter(None, counted.values()))
            if None not in counted.values() and rows != expected:
                raise IntegrityError(
                    f"{str(place.shown)!r} was not written, because {rows} rows were joined and the windows have "
                    f"{expected}. Remove {str(self._folder)!r}, and export again."
                )
            size, sha256 = measure(assembled, digest=self.options.digest)
            file = CompleteFile(size=size, rows=rows, sha256=sha256, completed_at=None)
        known = {task.state.fresh for task in self.tasks}
        state = WindowState(
            window="all",
            job_id=self.tasks[-1].state.job_id,
            fresh=False if False in known else None if None in known else True,
            file=file,
        )
        journal.record(self._joined_key, state)
        unchanged = file.is_at(place.path) if exists(place.path) else None
        commit_file(assembled, place.path, self.options, replaces=self.options.overwrite)
        journal.remove()
        return shown_at(place.shown, evolve(self._joined_result(state, file), unchanged=unchanged))

    def _joined_result(self, state: WindowState, file: CompleteFile) -> DownloadResult:
        downloads = [task.outcome for task in self.tasks if isinstance(task.outcome, DownloadResult)]
        result = existing_file(
            self.places[0].shown,
            state.job_id or "",
            size=file.size,
            sha256=file.sha256,
            rows=file.rows,
            fresh=state.fresh,
        )
        return evolve(
            result,
            job=self.tasks[0].job if len(self.tasks) == 1 else None,
            resumed_from=sum(each.resumed_from for each in downloads),
            connections=max((each.connections for each in downloads), default=0),
        )


def _rows(task: WindowTask) -> int | None:
    """Return the rows of a window whose file is as large as when they were counted."""
    result = task.outcome
    if isinstance(result, DownloadResult) and size_of(task.path) == result.bytes_written:
        return result.rows
    return None
