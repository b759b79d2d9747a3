"""The jobs of an export in windows: one for each window, within the daily limit, and none exported twice."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from attrs import define, evolve, field

from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get_with_head
from impact_jobs._dates import next_minute
from impact_jobs._download.export_journal import ExportJournal
from impact_jobs._operations.export import OTHERS_WITHIN, candidates, send_export, whole_second
from impact_jobs._operations.lost_requests import SENT_WITHIN, jobs_since
from impact_jobs._operations.quota_reset import exports_again_at, hourly_pause
from impact_jobs._operations.replay import replay_if_replayable
from impact_jobs._operations.result_age import is_new, replayed_if_old
from impact_jobs._operations.windows.tasks import WindowTask
from impact_jobs._policy.daily_exports import PERIOD
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs._transport.clock import utc
from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    ExportUncertainError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    ReportNotFoundError,
    ResultExpiredError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job, JobStatus

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("impact_jobs")

_MAX_RETRIES = 2  # of a window whose job has failed
_MAX_UNCOUNTED = 5  # exports that are sent without reading the list, which counts those of the last day
# Each other window would fail in the same way: by the first ones for good, by the second ones now.
_FATAL = (AuthenticationError, PermissionDeniedError, ReportNotFoundError)
_SHARED = (TransportError, ServerError, UnexpectedResponseError, ExportUncertainError)
_WITHOUT_RESULT = (JobFailedError, JobNotFoundError, ResultExpiredError)
_GONE = 410
_NO_EXPORTS = "the account has no exports left, by this client's count or the server's answer"
_NO_REQUESTS = "the account has no requests left in this hour"


@define(kw_only=True, eq=False)
class WindowExports:
    """Gets a job for every window."""

    context: ClientContext
    tasks: Sequence[WindowTask]
    journal: ExportJournal
    max_age: timedelta | None
    deadline: float  # until when the hourly limit of requests is waited for, on the transport's clock
    left: list[WindowTask] = field(factory=list)  # not exported, because the account has no exports or requests left
    why_left: str = ""
    again_at: datetime | None = None  # from when on it has some again

    async def run(self) -> None:
        """Export each window that has neither a job nor a file, in order."""
        try:
            await self.within_quota(self._find_jobs)
        except RateLimitError as error:
            self._stop_after(error, self._pending())
            return
        pending = self._pending()
        for number, task in enumerate(pending):
            if self.context.daily_exports.left(utc()) == 0:
                self._stop(pending[number:], self.context.daily_exports.again_at(utc()), _NO_EXPORTS)
                return
            try:
                await self.within_quota(partial(self.export, task))
            except RateLimitError as error:
                self._stop_after(error, pending[number:])
                return
            except _FATAL:
                raise
            except _SHARED as error:
                for other in pending[number:]:
                    other.outcome = copy(error)
                return
            except JobsError as error:
                task.outcome = error

    async def within_quota(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` returns. While the hourly limit of requests is spent, wait for it until the deadline."""
        while True:
            try:
                return await call()
            except RateLimitError as error:
                seconds = hourly_pause(self.context, error)
                if not seconds or self.context.transport.now() >= self.deadline:
                    raise
                logger.info("no requests are left: the export goes on in %.0f s (%s)", seconds, error)
            await self.context.pause_to_poll(seconds, deadline=self.deadline)

    async def _find_jobs(self) -> None:
        """Count the exports of the last day, and find those whose response was lost, if either is needed."""
        pending = self._pending()
        unanswered = [task for task in pending if task.state.sent_at is not None]
        if unanswered or len(pending) > _MAX_UNCOUNTED:
            jobs, ahead = await jobs_since(
                self.context, min([utc() - PERIOD, *(t.state.sent_at or utc() for t in unanswered)])
            )
            self.context.daily_exports.on_listed(jobs)
            for task in unanswered:
                await self._find_lost(task, jobs, ahead=ahead)

    async def export(self, task: WindowTask) -> None:
        """Export one window; both the attempt and its job are in the journal before anything else happens."""
        before = task.state.sent_at  # of a lost request, whose job may still appear
        await self.record(task, sent_at=utc(), job_id=None)
        task.is_exported = True
        try:
            job = await send_export(self.context, task.request, claimed=self._claimed(task))
        except ExportUncertainError:
            raise
        except JobsError:
            await self.record(task, sent_at=before)
            raise
        await self.use(task, job)

    async def use(self, task: WindowTask, job: Job, *, fresh: bool | None = None) -> None:
        """Wait for this job from now on. `fresh` is None until the age of its result is known."""
        task.job = job if job.created_date is not None else None  # the answer to an export says little about the job
        is_ours = task.state.is_saving or task.state.file is not None
        await self.record(task, job_id=job.id, fresh=fresh, file=None, is_saving=is_ours)

    async def record(self, task: WindowTask, **changes: Any) -> None:  # noqa: ANN401 - fields of WindowState
        """Change the state of a window, also in the journal."""
        state = evolve(task.state, window=str(task.window), **changes)
        await self.context.transport.run(lambda: self.journal.record(task.key, state))
        task.state = state

    async def check_age(self, task: WindowTask, job: Job) -> bool:
        """Return whether the result of a completed job may be used; False if the task has to wait for a replay now."""
        if task.state.fresh is not None:
            return True
        fresh = self._is_new(task, job)
        max_age = timedelta() if self.max_age is None and task.is_unfinished else self.max_age
        if max_age is not None and not (fresh and task.is_exported):  # a new one is fresh, however long it has run
            current, head = await get_with_head(self.context, job.id)
            found, fresh = await replayed_if_old(self.context, current, max_age, now=server_time(head))
            if found is not current or found.status != JobStatus.COMPLETED:
                await self.use(task, found, fresh=True if found is not current else None)
                return False
        await self.record(task, fresh=fresh)
        return True

    def _is_new(self, task: WindowTask, job: Job) -> bool:
        return is_new(job, self.context.report_memory.export_sent(job.id) or task.state.sent_at)

    async def renew(self, task: WindowTask, failure: JobsError) -> bool:
        """Replace the failed job of a window by a replay, or else by another export; return whether that was possible.

        Otherwise, the next call exports the window again.
        """
        is_gone = isinstance(failure, ApiError) and failure.status_code == _GONE
        if failure.is_too_early or not (is_gone or isinstance(failure, _WITHOUT_RESULT)):
            return False
        # Somebody has cancelled the job, unless an export has returned one that was cancelled before.
        is_cancelled = isinstance(failure, JobCancelledError) and self._is_new(task, failure.job)
        failed = task.state.job_id
        try:
            if task.retries < _MAX_RETRIES and not is_cancelled:
                task.retries += 1
                logger.info("%s; the window %s is retried", failure, task.window)
                if failed is not None:
                    replayed = await self.within_quota(partial(self._replayed, failed))
                    if replayed is not None:
                        await self.use(task, replayed, fresh=True)
                        return True
                if self.context.daily_exports.left(utc()) > 0:
                    await self.within_quota(partial(self.export, task))
                    # An export that equals an earlier one returns its job, even one that has failed.
                    if task.state.job_id != failed or isinstance(failure, JobNotFoundError):
                        return True
        except ExportUncertainError:  # the next call looks for it
            return False
        except JobsError as error:
            logger.info("%s; the window %s is not retried", error, task.window)
        await self.record(task, job_id=None, sent_at=None)
        return False

    async def _replayed(self, job_id: str) -> Job | None:
        try:
            return await replay_if_replayable(self.context, job_id)
        except JobNotFoundError:
            return None

    def _pending(self) -> list[WindowTask]:
        return [task for task in self.tasks if task.outcome is None and task.state.job_id is None]

    def _claimed(self, task: WindowTask) -> Collection[str]:
        states = self.journal.states.items()
        return {state.job_id for key, state in states if key != task.key and state.job_id is not None}

    async def _find_lost(self, task: WindowTask, jobs: Iterable[Job], *, ahead: timedelta) -> None:
        """Find the job of an export that was about to be sent when its process ended.

        If the list leaves it open, the export is sent again, and the server returns the job if there is one.
        """
        if task.state.sent_at is None:
            return
        sent, claimed = whole_second(task.state.sent_at + ahead), self._claimed(task)
        near = [job for job in jobs if job.created_date is not None and abs(job.created_date - sent) <= OTHERS_WITHIN]
        found = self.context.replay_claims.unclaimed(candidates(near, task.request, claimed))
        # Exactly one new job, and no sign that somebody else exports, too: the list says nothing of a job's report.
        created = found[0].created_date if len(found) == 1 else None
        if created is not None and sent <= created <= sent + SENT_WITHIN:
            logger.info("the export of %s was found in the list: job %s", task.window, found[0].id)
            await self.use(task, found[0])

    def _stop(self, left: Sequence[WindowTask], again_at: datetime, why: str) -> None:
        self.left, self.again_at = list(left), next_minute(again_at)
        self.why_left = why
        logger.warning("%d windows wait for %s, because %s", len(left), self.again_at, why)

    def _stop_after(self, error: RateLimitError, left: Sequence[WindowTask]) -> None:
        logger.info("%s", error)
        if seconds := hourly_pause(self.context, error):
            self._stop(left, utc() + timedelta(seconds=seconds), _NO_REQUESTS)
        else:
            self._stop(left, exports_again_at(self.context, error), _NO_EXPORTS)
