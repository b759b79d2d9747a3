"""The jobs of an export in windows: one for each window, within the daily limit, and none exported twice."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from attrs import define, evolve, field

from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get_with_head
from impact_jobs._dates import next_minute
from impact_jobs._operations.export import OTHERS_WITHIN, candidates, send_export, whole_second
from impact_jobs._operations.lost_requests import SENT_WITHIN, find_lost_replay, jobs_since
from impact_jobs._operations.quota_reset import exports_again_at, hourly_pause
from impact_jobs._operations.replay import is_replayable, replay_current
from impact_jobs._operations.result_age import is_new, replayed_if_old
from impact_jobs._operations.windows.tasks import WindowTask
from impact_jobs._policy.daily_exports import PERIOD
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs._transport.clock import utc
from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    DownloadError,
    ExportUncertainError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    ReplayUncertainError,
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
# Each other window of the report would fail in the same way: by the first ones for good, by the second ones now.
_FATAL = (AuthenticationError, PermissionDeniedError, ReportNotFoundError)
_SHARED = (TransportError, ServerError, UnexpectedResponseError, ExportUncertainError)
_WITHOUT_RESULT = (JobFailedError, JobNotFoundError, ResultExpiredError)
_GONE = 410
_PATIENCE = 1800.0  # seconds for which a run of a plan waits for exports, at most
_NO_EXPORTS = "the account has no exports left, by this client's count or the server's answer"
_NO_REQUESTS = "the account has no requests left in this hour"


@define(kw_only=True, eq=False)
class WindowExports:
    """Gets a job for every window.

    With `is_plan`, the windows are of several reports: an error that concerns a whole report or the account is the
    outcome of their windows, and is not raised; and replays are sent within the daily limit of exports only.
    """

    context: ClientContext
    tasks: Sequence[WindowTask]
    deadline: float  # until when the hourly limit of requests is waited for, on the transport's clock
    is_plan: bool = False
    known: Collection[str] = ()  # ids of jobs that other exports and replays have made
    left: list[WindowTask] = field(factory=list)  # not exported, because the account has no exports or requests left
    why_left: str = ""
    again_at: datetime | None = None  # from when on it has some again
    sent: int = 0  # exports and replays
    _patient_until: float = field(default=0.0, init=False)
    _replaying: AbstractAsyncContextManager[object] = field(init=False)  # because two lost ones look alike

    def __attrs_post_init__(self) -> None:
        self._replaying = self.context.transport.lock()

    async def run(self) -> None:
        """Export each window that has neither a job nor a file, and replay the jobs that are due, in order."""
        now = self.context.transport.now()
        self._patient_until = now + min(_PATIENCE, (self.deadline - now) / 2) if self.is_plan else now
        try:
            await self.within_quota(self._find_jobs)
        except RateLimitError as error:
            self.stop_after(error, self._pending())
            return
        except JobsError as error:
            if not self.is_plan:
                raise
            _fail(self._pending(), error)
            return
        pending = self._pending()
        for number, task in enumerate(pending):
            if task.outcome is not None:  # its report has failed
                continue
            rest = pending[number:]
            if not await self._has_exports():
                self._stop(rest, self.context.daily_exports.again_at(utc()), _NO_EXPORTS)
                return
            if not await self._advance(task, rest):
                return

    async def _has_exports(self) -> bool:
        """Return whether the account has exports left.

        Those of a run at the same time yesterday become available again one after another, so a plan waits for them.
        """
        exports = self.context.daily_exports
        while exports.left(now := utc()) == 0:
            seconds = max((exports.again_at(now) - now).total_seconds(), 0.0)
            if self.context.transport.now() + seconds >= self._patient_until:
                return False
            logger.info("no exports are left: the run goes on in %.0f s", seconds)
            await self.context.pause_to_poll(seconds, deadline=self.deadline)
        return True

    async def _advance(self, task: WindowTask, rest: Sequence[WindowTask]) -> bool:
        """Get a job for the first window of `rest`; return whether to go on with the others."""
        try:
            await self.within_quota(partial(self.refresh if task.state.job_id else self.export, task))
        except RateLimitError as error:
            self.stop_after(error, rest)
            return False
        except _FATAL as error:
            if not self.is_plan:
                raise
            is_of_account, report = isinstance(error, AuthenticationError), task.request.report_id
            _fail([other for other in rest if is_of_account or other.request.report_id == report], error)
        except _SHARED as error:
            _fail(rest, error)
            return False
        except JobsError as error:
            task.outcome = error
        return True

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
        for task in self.tasks:
            if task.outcome is None and task.state.replay_sent_at is not None:
                await self._find_lost_replay(task)
        pending = self._pending()
        unanswered = [task for task in pending if task.state.sent_at is not None and task.state.job_id is None]
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
            self.sent += 1
            raise
        except JobsError:
            await self.record(task, sent_at=before)
            raise
        self.sent += 1
        await self.use(task, job)

    async def refresh(self, task: WindowTask) -> None:
        """Replay the job of a window that is due; if that is not possible, its older result stays."""
        try:
            job, head = await get_with_head(self.context, task.state.job_id or "")
        except JobNotFoundError:
            await self.export(task)
        else:
            task.job = job
            await self._replay_if_old(task, job, now=server_time(head))
        task.is_due = False

    async def use(self, task: WindowTask, job: Job, *, fresh: bool | None = None) -> None:
        """Wait for this job from now on. `fresh` is None until the age of its result is known."""
        task.job = job if job.created_date is not None else None  # the answer to an export says little about the job
        is_ours = task.state.is_saving or task.state.file is not None
        await self.record(task, job_id=job.id, replay_sent_at=None, fresh=fresh, file=None, is_saving=is_ours)

    async def record(self, task: WindowTask, **changes: Any) -> None:  # noqa: ANN401 - fields of WindowState
        """Change the state of a window, also in the journal."""
        state = evolve(task.state, window=str(task.window), **changes)
        await self.context.transport.run(lambda: task.journal.record(task.key, state))
        task.state = state

    async def check_age(self, task: WindowTask, job: Job) -> bool:
        """Return whether the result of a completed job may be used; False if the task has to wait for a replay now."""
        if task.state.fresh is not None:
            return True
        fresh = self._is_new(task, job)
        if task.rule is not None and not (fresh and task.is_exported):  # a new one is fresh, however long it has run
            current, head = await get_with_head(self.context, job.id)
            return await self._replay_if_old(task, current, now=server_time(head))
        await self.record(task, fresh=fresh)
        return True

    async def _replay_if_old(self, task: WindowTask, job: Job, *, now: datetime) -> bool:
        """Replay a job, requested at `now`, whose result is too old. Return whether its present result is used."""
        found, fresh = await replayed_if_old(
            self.context, job, task.rule, now=now, replay=partial(self._replay, task, now)
        )
        if found is not job:
            return False
        if job.status != JobStatus.COMPLETED:
            await self.use(task, job)
            return False
        file = task.state.file
        # If a replay that kept the job's id has made another result since, the file is not of that.
        is_of_job = file is None or file.completed_at == job.completed_date or not fresh
        is_saving = task.state.is_saving or not is_of_job
        await self.record(task, fresh=fresh, file=file if is_of_job else None, is_saving=is_saving)
        return True

    async def _replay(self, task: WindowTask, now: datetime, job: Job) -> Job | None:
        """Replay a job, and use the new one; return None if that is not possible. `now` is by the server's clock.

        The attempt is in the journal before it is sent, so that a run after a kill looks for it before it sends one.
        """
        began = self.context.transport.now()
        async with self._replaying:
            is_lost = task.state.replay_sent_at is not None  # and may still appear
            if is_lost or (self.is_plan and self.context.daily_exports.left(utc()) == 0):
                return None
            now += timedelta(seconds=self.context.transport.now() - began)
            replayed = await self._send_replay(task, now, job) if is_replayable(job) else None
            task.is_refused = replayed is None
            return replayed

    async def _send_replay(self, task: WindowTask, now: datetime, job: Job) -> Job | None:
        sent, replayed = utc(), None
        await self.record(task, job_id=job.id, replay_sent_at=now)
        self.context.daily_exports.on_sent(sent)
        try:
            replayed = await replay_current(self.context, job)
        except ReplayUncertainError:
            self.sent += 1
            raise
        except JobsError as error:
            task.is_refused = isinstance(error, PermissionDeniedError)
            await self._forget_replay(task, sent)
            raise
        if replayed is None:
            await self._forget_replay(task, sent)
        else:
            self.sent += 1
            self.context.daily_exports.on_answer(replayed.id, utc())
            await self.use(task, replayed, fresh=True)
        return replayed

    async def _forget_replay(self, task: WindowTask, sent: datetime) -> None:
        self.context.daily_exports.on_not_accepted(sent)
        await self.record(task, replay_sent_at=None)

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
                if failed is not None and await self.within_quota(partial(self._replayed, task, failed)):
                    return True
                if self.context.daily_exports.left(utc()) > 0:
                    await self.within_quota(partial(self.export, task))
                    # An export that equals an earlier one returns its job, even one that has failed.
                    if task.state.job_id != failed or isinstance(failure, JobNotFoundError):
                        return True
                elif self.is_plan:
                    task.outcome = None
                    self._stop([task], self.context.daily_exports.again_at(utc()), _NO_EXPORTS)
        except (ExportUncertainError, ReplayUncertainError):  # the next call looks for it
            return False
        except JobsError as error:
            logger.info("%s; the window %s is not retried", error, task.window)
            if self.is_plan and isinstance(error, RateLimitError):
                task.outcome = error
        with suppress(DownloadError):  # of the disk: the next call finds the failed job once more
            await self.record(task, job_id=None, sent_at=None, replay_sent_at=None)
        return False

    async def _replayed(self, task: WindowTask, job_id: str) -> bool:
        try:
            job, head = await get_with_head(self.context, job_id)
            return await self._replay(task, server_time(head), job) is not None
        except JobNotFoundError:
            return False

    def _pending(self) -> list[WindowTask]:
        return [task for task in self.tasks if task.outcome is None and (task.is_due or task.state.job_id is None)]

    def _claimed(self, task: WindowTask) -> Collection[str]:
        claimed = {job_id.lower() for job_id in self.known}
        for journal in {id(each.journal): each.journal for each in self.tasks}.values():
            states = journal.states.items()
            claimed |= {state.job_id.lower() for key, state in states if key != task.key and state.job_id is not None}
        return claimed

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

    async def _find_lost_replay(self, task: WindowTask) -> None:
        """Find the job of a replay that was about to be sent when its process ended.

        If that stays open, the older result is used.
        """
        sent, job_id = task.state.replay_sent_at, task.state.job_id
        found, is_open = None, False
        if sent is not None and job_id is not None:
            try:
                found = await find_lost_replay(
                    self.context, job_id, sent, claimed=self._claimed(task), is_server_time=True
                )
            except ReplayUncertainError as error:
                logger.warning("%s; the older result of the window %s is used", error, task.window)
                is_open = True
            except JobNotFoundError:
                logger.info("job %s is gone", job_id)
        if is_open:
            task.is_due = False
            await self.record(task, fresh=False)
        elif found is None:
            await self.record(task, replay_sent_at=None)
        else:
            task.is_due = False
            await self.use(task, found, fresh=True)

    def _stop(self, left: Sequence[WindowTask], again_at: datetime, why: str) -> None:
        left = [task for task in left if task.outcome is None]
        self.left, self.again_at = [*self.left, *left], next_minute(again_at)
        self.why_left = why
        if left:
            logger.info("%d windows are left until %s, because %s", len(left), self.again_at, why)

    def stop_after(self, error: RateLimitError, left: Sequence[WindowTask]) -> None:
        """Leave these windows for later, because the account has no requests or exports left."""
        logger.info("%s", error)
        if seconds := hourly_pause(self.context, error):
            self._stop(left, utc() + timedelta(seconds=seconds), _NO_REQUESTS)
        else:
            self._stop(left, exports_again_at(self.context, error), _NO_EXPORTS)


def _fail(tasks: Iterable[WindowTask], error: JobsError) -> None:
    for task in tasks:
        if task.outcome is None:
            task.outcome = copy(error)
