"""`wait`: poll until the job has ended or the deadline has passed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from attrs import define

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._api.endpoints import get_once
from impact_jobs._operations.job_tracker import JobTracker
from impact_jobs._policy.polling import Polling
from impact_jobs.errors import (
    ApiError,
    JobsError,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")


async def wait(
    context: ClientContext,
    reference: JobReference,
    *,
    timeout: float | None,
    polling: Polling | None,
    on_update: Callable[[Job], object] | None,
) -> Job:
    """Return the completed job; see `JobsClient.wait`."""
    job_id = context.account.job_id(reference)
    waiting = _Wait(
        context=context,
        tracker=JobTracker(
            job_id=job_id,
            polling=context.polling if polling is None else polling,
            kind=context.account.kind,
            on_update=on_update,
            is_earlier_run=context.is_earlier_run,
        ),
        timeout=seconds_of(timeout),
        started=context.transport.now(),
    )
    try:
        return await waiting.run(reference if isinstance(reference, Job) else None)
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
            error.add_note(f"job {job_id} continues on the server; wait for it again with wait({job_id!r})")
        raise


@define(kw_only=True)
class _Wait:
    context: ClientContext
    tracker: JobTracker
    timeout: float
    started: float
    failure: JobsError | None = None
    failures_in_a_row: int = 0

    @property
    def deadline(self) -> float:
        return self.started + self.timeout

    async def run(self, snapshot: Job | None) -> Job:
        """Return the completed job, without a request if the snapshot shows that it has ended."""
        if snapshot is not None:
            if snapshot.is_terminal and self._is_completed(snapshot, self.started):
                return snapshot
            if self.tracker.delay_first_poll(snapshot):
                await self._pause(self.started)
        while True:
            job = await self._poll()
            now = self.context.transport.now()
            if job is not None and self._is_completed(job, now):
                return job
            if now >= self.deadline:
                job_id, cause = self.tracker.job_id, str(self.failure or "")
                raise WaitTimeoutError(self.tracker.last, job_id=job_id, timeout=self.timeout, cause=cause)
            await self._pause(now)

    async def _poll(self) -> Job | None:
        """Return a snapshot, or None if the poll failed but another one may succeed."""
        try:
            job = await get_once(self.context, self.tracker.job_id, deadline=self.deadline)
        except (TransportError, ApiError, UnexpectedResponseError) as error:
            self.failures_in_a_row += 1
            if not self.tracker.can_poll_again(error, attempts=self.context.retry.attempts):
                raise
            logger.info("%s; the wait continues", error)
            self.failure = error
            return None
        self.failure, self.failures_in_a_row = None, 0
        return job

    def _is_completed(self, job: Job, now: float) -> bool:
        if not self.tracker.update(job, waited=now - self.started):
            return False
        if job.status != JobStatus.COMPLETED:
            raise self.context.job_failed(job)
        return True

    async def _pause(self, now: float) -> None:
        """Let the time pass until the next poll, or until the deadline."""
        at_least = 0.0
        if self.failure is not None:
            at_least = self.context.retry.pause(self.failure, self.failures_in_a_row, random=self.context.random)
        pause = self.tracker.polling.pause(
            now - self.started,
            random=self.context.random,
            progress=self.tracker.progress,
            at_least=at_least,
            left=self.deadline - now,
        )
        await self.context.pause_to_poll(pause, deadline=self.deadline)
