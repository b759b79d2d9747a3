"""The files of an export in windows: wait for all jobs together, and download each result once its job is done."""

from __future__ import annotations

import filecmp
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from threading import Lock

from attrs import define, evolve, field

from impact_jobs._api.context import ClientContext
from impact_jobs._download.assembled_file import commit_file, measure
from impact_jobs._download.destination import make_folder
from impact_jobs._download.export_journal import CompleteFile
from impact_jobs._download.joining import csv_rows
from impact_jobs._download.options import MAX_CONNECTIONS, DownloadOptions, OnProgress
from impact_jobs._download.part_file import PartFile, disk_errors
from impact_jobs._download.ranges import AUTOMATIC_CONNECTIONS
from impact_jobs._download.source import source_of
from impact_jobs._operations.download import keep_trying, save_result, shown_at
from impact_jobs._operations.result_pages import download_all_pages
from impact_jobs._operations.wait_many import JobBatch
from impact_jobs._operations.windows.exports import WindowExports
from impact_jobs._operations.windows.tasks import WindowTask
from impact_jobs._policy.polling import Polling
from impact_jobs.errors import DestinationExistsError, JobsError
from impact_jobs.models import DownloadResult, Job

logger: logging.Logger = logging.getLogger("impact_jobs")

_CONCURRENCY = 4


@define(kw_only=True, eq=False)
class WindowFiles:
    """Waits for the jobs of windows, and completes the file of each."""

    context: ClientContext
    exports: WindowExports
    options: DownloadOptions
    polling: Polling | None
    on_update: Callable[[Job], object] | None = None
    on_complete: Callable[[WindowTask, Job, DownloadResult], object] | None = None  # called in a thread
    _progress: TotalProgress = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._progress = TotalProgress(self.options.on_progress)

    async def run(self, tasks: Sequence[WindowTask]) -> None:
        """Give each of these tasks, which have jobs, its outcome."""
        connections = self.options.connections or AUTOMATIC_CONNECTIONS
        deadline = self.exports.deadline
        workers = min(_CONCURRENCY, max(MAX_CONNECTIONS // connections, 1))
        while tasks:
            by_job: dict[str, list[WindowTask]] = {}
            for task in tasks:
                by_job.setdefault((task.state.job_id or "").lower(), []).append(task)
            batch = JobBatch(
                self.context,
                [each[0].job or each[0].state.job_id or "" for each in by_job.values()],
                timeout=None if math.isinf(deadline) else max(deadline - self.context.transport.now(), 0.0),
                polling=self.polling,
                on_update=partial(self._update, by_job),
            )
            work = partial(self._work, batch, by_job, self.context.transport.lock())
            await self.context.transport.run_many([work] * min(workers, len(by_job)), stop=lambda: None)
            again = [task for task in tasks if task.outcome is None]  # their jobs were replayed
            for task in tasks:
                if isinstance(task.outcome, JobsError) and await self.exports.renew(task, task.outcome):
                    task.outcome = None
                    again.append(task)
            tasks = again

    def _update(self, by_job: Mapping[str, Sequence[WindowTask]], job: Job) -> None:
        for task in by_job.get(job.id.lower(), ()):
            task.job = job
        if self.on_update is not None:
            self.on_update(job)

    async def _work(
        self,
        batch: JobBatch,
        by_job: Mapping[str, Sequence[WindowTask]],
        turn: AbstractAsyncContextManager[object],
    ) -> None:
        """Handle one job after another until none is left; only one worker waits at a time, as in `FetchWorkers`."""
        while True:
            async with turn:
                finished = await anext(batch, None)
            if finished is None:
                return
            for task in by_job[finished.job_id.lower()]:
                task.outcome = await self._outcome(task, finished.outcome)
                if isinstance(task.outcome, JobsError):
                    task.outcome.job_id = finished.job_id
                    logger.info("the window %s has no file: %s", task.window, task.outcome)

    async def _outcome(self, task: WindowTask, outcome: Job | JobsError) -> DownloadResult | JobsError | None:
        """Return the file of a window, or its error; None if its job is replayed."""
        if isinstance(outcome, JobsError):
            return outcome
        try:
            if not await self.exports.within_quota(lambda: self.exports.check_age(task, outcome)):
                return None
            existing = await self.context.transport.run(task.existing_result)
            if existing is not None:
                return existing
            return await self.save(task, outcome)
        except JobsError as error:
            return error

    async def save(self, task: WindowTask, job: Job) -> DownloadResult | JobsError:
        """Download the result of a completed job to the file of a window."""
        return await keep_trying(self.context, lambda: self.save_once(task, job), until=self.exports.deadline)

    async def save_once(self, task: WindowTask, job: Job) -> DownloadResult | JobsError:
        """Do the same, but raise an error that may pass."""
        if self.exports.is_plan:
            await self.context.transport.run(lambda: make_folder(task.path.parent))
        is_ours = task.state.is_saving or self.options.overwrite or task.replaces
        replaces = is_ours or task.source is not task.target
        if not task.state.is_saving:
            await self.exports.record(task, is_saving=True)
        options = evolve(self.options, on_progress=self._progress.of(task), overwrite=replaces)
        path, source = task.source.path, source_of(self.context, job, options.mode, "download")
        try:
            if task.takes_all_pages:
                result = await download_all_pages(self.context, job, path, options)
            else:
                result = await save_result(self.context, source, job, options, lambda: PartFile(path, job.id, options))
        except DestinationExistsError as error:
            await self.exports.record(task, is_saving=is_ours)
            return error
        result = await self.context.transport.run(lambda: self._complete(task, job, result, is_ours=is_ours))
        file = CompleteFile(
            size=result.bytes_written, rows=result.rows, sha256=result.sha256, completed_at=job.completed_date
        )
        if (on_complete := self.on_complete) is not None:
            await self.context.transport.run(lambda: on_complete(task, job, result))
        await self.exports.record(task, file=file, is_saving=False)
        return shown_at(task.place.shown, result)

    def _complete(self, task: WindowTask, job: Job, result: DownloadResult, *, is_ours: bool) -> DownloadResult:
        """Count the rows of a result, and assemble the file of the window if it has one of its own."""
        source = task.source.path
        with disk_errors(task.path):
            rows = csv_rows(source) if task.request.result_format == "CSV" else result.rows
            if None not in {rows, job.records_processed} and rows != job.records_processed:
                stated = job.records_processed
                logger.warning("job %s: it states %d records, and its result has %d", job.id, stated, rows)
            result = evolve(
                result, rows=rows, fresh=task.state.fresh, unchanged=task.compared(is_same=result.unchanged)
            )
            if task.target is None or task.target is task.source or task.assemble is None:
                return result
            assembled = source.with_name(f"{source.name}.assembled")
            assembled.unlink(missing_ok=True)  # which may be a link
            rows = task.assemble({source: rows}, assembled)
            size, sha256 = measure(assembled, digest=self.options.digest)
            if task.asked is not None and job.completed_date is not None:  # as a file that is not assembled has it
                moment = job.completed_date.timestamp()
                os.utime(assembled, (moment, moment))
            target = task.target.path
            is_same = filecmp.cmp(assembled, target, shallow=False) if target.is_file() else None
            commit_file(assembled, target, self.options, replaces=is_ours)
            source.unlink()
        unchanged = task.compared(is_same=is_same)
        return evolve(result, path=target, bytes_written=size, sha256=sha256, rows=rows, unchanged=unchanged)


class TotalProgress:
    """Adds up the progress of several downloads for the user's function."""

    def __init__(self, report: OnProgress | None) -> None:
        self._report = report
        self._done: dict[str, int] = {}
        self._lock = Lock()

    def of(self, task: WindowTask) -> OnProgress | None:
        """Return the function to call for the download of one window."""
        report = self._report
        if report is None:
            return None

        def on_progress(done: int, _: int | None) -> None:
            with self._lock:
                self._done[task.key] = max(done, self._done.get(task.key, 0))
                report(sum(self._done.values()), None)

        return on_progress
