"""Bring the files of a plan up to date, within the limits of their account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from datetime import datetime
from functools import partial
from pathlib import Path

from attrs import define, field, frozen, validators

from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._download.destination import make_folder, remove_empty_folders
from impact_jobs._download.export_journal import ExportJournal, WindowState
from impact_jobs._download.filesystem import SuppressSystemErrors, exists
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_names import remove_part
from impact_jobs._operations.planned_files.steps import decide, file_key, journal_folder, place_of
from impact_jobs._operations.planned_files.tasks import OnNews, PlannedTasks, Site, is_limit
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._operations.windows.exports import WindowExports
from impact_jobs._operations.windows.files import WindowFiles
from impact_jobs._operations.windows.tasks import WindowTask
from impact_jobs._policy.polling import Polling
from impact_jobs._transport.clock import utc
from impact_jobs._validators import callback, instance_of
from impact_jobs.errors import AlreadyRunningError, DestinationExistsError, DownloadError, JobsError
from impact_jobs.models import DownloadResult


@frozen(kw_only=True)
class RunOptions:
    """How to run: for how many seconds jobs and the hourly limit are waited for, how, and whom to call with news."""

    timeout: float | None = 14400.0
    polling: Polling | None = field(default=None, validator=validators.optional(instance_of(Polling)))
    on_news: OnNews | None = field(default=None, validator=callback)

    def __attrs_post_init__(self) -> None:
        seconds_of(self.timeout)


@frozen(kw_only=True)
class RunOutcome:
    """What a run has done.

    Attributes:
        steps: What was to be done about each file, in the order of the files.
        outcomes: The result or the error of each file that was not up to date. A result that is not `fresh` is an
            older one, which the server does not replay.
        left: The files that are left for the next run, because the account has no exports or requests left.
        again_at: From when on it has some again, in UTC, if files are left; otherwise None.
        why_left: Which limit is the reason; "" if none is.
        exports: How many exports and replays were sent.
        requests: How many requests were sent to the API.
    """

    steps: tuple[FileStep, ...]
    outcomes: Mapping[PlannedFile, DownloadResult | JobsError] = field(factory=dict)
    left: tuple[PlannedFile, ...] = ()
    again_at: datetime | None = None
    why_left: str = ""
    exports: int = 0
    requests: int = 0


async def make_files(context: ClientContext, files: Sequence[PlannedFile], options: RunOptions) -> RunOutcome:
    """Bring the files of one account up to date, in their order, and return what was done.

    A file that cannot be made has its error among the outcomes, and does not stop the others.

    Raises:
        AlreadyRunningError: Another process makes files in the same folders for the same account.
    """
    now = utc()
    steps = await context.transport.run(lambda: decide(context.account, files, now=now))
    run = _Run(context=context.counting(), options=options, files=files, now=now)
    if not any(map(_is_work, steps)):
        await context.transport.run(lambda: run.tidy(steps))
        return RunOutcome(steps=tuple(steps))
    return await run.run(steps)


def _is_work(step: FileStep) -> bool:
    return step.action is not FileAction.KEEP or step.error is not None


@define(kw_only=True, eq=False)
class _Run:
    """A run that has something to do. The journals of its areas are locked meanwhile."""

    context: ClientContext
    options: RunOptions
    files: Sequence[PlannedFile]
    now: datetime
    steps: Sequence[FileStep] = field(factory=list, init=False)
    outcomes: dict[PlannedFile, DownloadResult | JobsError] = field(factory=dict, init=False)
    _tasks: dict[PlannedFile, WindowTask] = field(factory=dict, init=False)
    _journals: dict[Path, ExportJournal | JobsError] = field(factory=dict, init=False)
    _saving: set[tuple[Path, str]] = field(factory=set, init=False)  # whose files may be of an interrupted run
    _made: list[Path] = field(factory=list, init=False)  # folders, inner ones first
    _factory: PlannedTasks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._factory = PlannedTasks(context=self.context, now=self.now, on_news=self.options.on_news)

    async def run(self, steps: Sequence[FileStep]) -> RunOutcome:
        run, deadline = self.context.transport.run, self.context.transport.now() + seconds_of(self.options.timeout)
        try:
            await run(lambda: self._open({step.file.area for step in steps if _is_work(step)}))
            self.steps = await run(lambda: self._decide_again(steps))
            exports = WindowExports(context=self.context, tasks=(), deadline=deadline, is_plan=True)
            await self._create_tasks(exports)
            exports.tasks = tuple(self._tasks.values())
            exports.known = [step.job_id for step in self.steps if step.job_id is not None]
            await exports.run()
            await self._save(exports)
        finally:
            await run(self._close)
        return self._outcome(exports)

    def tidy(self, steps: Sequence[FileStep]) -> None:
        """Remove what interrupted runs have left, if their files are up to date."""
        areas = {file.area for file in self.files}
        try:
            self._open({area for area in areas if exists(journal_folder(self.context.account, area))})
            self.steps = self._decide_again(steps)
        except AlreadyRunningError:
            self.steps = ()
        finally:
            self._close()

    def _open(self, areas: Iterable[Path]) -> None:
        for area in sorted(areas):
            folder = journal_folder(self.context.account, area)
            try:
                self._made[:0] = make_folder(area)
                self._journals[area] = ExportJournal.open(folder, folder, DownloadOptions())
            except DestinationExistsError:
                raise AlreadyRunningError(
                    f"another process makes the files of this account in {str(area)!r}: let it finish."
                ) from None
            except JobsError as error:
                self._journals[area] = error

    def _decide_again(self, before: Sequence[FileStep]) -> Sequence[FileStep]:
        """Decide again where there is work, because another run may have ended just before the journals were opened."""
        journals = {area: each for area, each in self._journals.items() if isinstance(each, ExportJournal)}
        states = {area: journal.states for area, journal in journals.items()}
        for area, journal in journals.items():
            self._saving |= {(area, place_of(key)) for key, state in journal.states.items() if state.is_saving}
        steps = decide(self.context.account, self.files, now=self.now, states=states)
        return [new if new.file.area in self._journals else old for new, old in zip(steps, before, strict=True)]

    async def _create_tasks(self, exports: WindowExports) -> None:
        for step in filter(_is_work, self.steps):
            try:
                self._tasks[step.file] = await exports.within_quota(partial(self._create_task, step))
            except JobsError as error:
                self.outcomes[step.file] = error
                self._factory.report(step.file, error)

    async def _create_task(self, step: FileStep) -> WindowTask:
        file, key, journal = step.file, file_key(self.context.account, step.file), self._journals[step.file.area]
        if step.error is not None:
            raise step.error
        if isinstance(journal, JobsError):
            raise copy(journal)
        work = journal.folder / f"{file.window.start}.{file.window.end}.{key}.csv"
        is_ours = (file.area, place_of(key)) in self._saving
        return await self._factory.create(step, Site(journal=journal, work=work, is_ours=is_ours))

    async def _save(self, exports: WindowExports) -> None:
        """Give each task that has a job its outcome."""
        files = WindowFiles(
            context=self.context,
            exports=exports,
            options=DownloadOptions(),
            polling=self.options.polling,
            on_complete=self._factory.manifests.record,
        )
        left = set(map(id, exports.left))
        await files.run([task for task in exports.tasks if task.outcome is None and id(task) not in left])
        refused = [task for task in exports.tasks if task.is_refused and isinstance(task.outcome, DownloadResult)]
        await self.context.transport.run(lambda: self._factory.manifests.record_refusals(refused, utc()))
        for file, task in self._tasks.items():
            if isinstance(task.outcome, DownloadResult):
                self.outcomes[file] = self._factory.compared(file, task.outcome)
            elif task.outcome is not None:
                self.outcomes[file] = task.outcome

    def _close(self) -> None:
        """Close the journals; remove those that are no longer needed, because the manifests have all they hold."""
        made = {self._place_of(file): file for file, task in self._tasks.items() if _is_done(task)}
        kept = {self._place_of(step.file): step for step in self.steps if not _is_work(step)}
        right, now = {place: step.file for place, step in kept.items()} | made, utc()
        for file in (right[place] for place in self._saving & right.keys()):
            with suppress(BlockingIOError), SuppressSystemErrors():
                remove_part(file.path)  # of a process that died just after it had given the file its name
        for area, journal in self._journals.items():
            if isinstance(journal, ExportJournal):
                states = {key: (state, (area, place_of(key))) for key, state in journal.states.items()}
                needed = [
                    key
                    for key, (state, place) in states.items()
                    if not state.is_empty
                    and (_is_ahead(state, now) or not (place in made or _is_known(state, kept.get(place))))
                ]
                with suppress(DownloadError):  # of the disk; the journal only stays longer than it must
                    (partial(journal.keep_only, needed) if needed else journal.remove)()
                journal.close()
        remove_empty_folders(self._made)

    def _place_of(self, file: PlannedFile) -> tuple[Path, str]:
        return file.area, place_of(file_key(self.context.account, file))

    def _outcome(self, exports: WindowExports) -> RunOutcome:
        limits = {file: error for file, error in self.outcomes.items() if is_limit(error)}
        for error in limits.values():
            exports.stop_after(error, ())
        left = {id(task) for task in exports.left}
        left_files = {file for file, task in self._tasks.items() if id(task) in left} | limits.keys()
        return RunOutcome(
            steps=tuple(self.steps),
            outcomes={file: each for file, each in self.outcomes.items() if file not in limits},
            left=tuple(step.file for step in self.steps if step.file in left_files),
            again_at=exports.again_at,
            why_left=exports.why_left,
            exports=exports.sent,
            requests=self.context.request_count.total,
        )


def _is_done(task: WindowTask) -> bool:
    """Return whether the next run needs nothing of what the journal says about a file."""
    return isinstance(task.outcome, DownloadResult) and task.state.replay_sent_at is None


def _is_ahead(state: WindowState, now: datetime) -> bool:
    """Return whether an export was sent later than now: the clock was set back, and the next run needs its job."""
    return state.file is None and state.sent_at is not None and state.sent_at > now


def _is_known(state: WindowState, step: FileStep | None) -> bool:
    """Return whether a state says no more than the manifest does of a file that was right before.

    It has a newer job than the file only if the clock was set back, or the plan was changed and changed back.
    """
    is_open = state.replay_sent_at is not None or (state.job_id is None and state.sent_at is not None)
    return step is not None and not is_open and state.job_id in {None, step.job_id}
