"""`wait`: ask until the job has ended or the deadline has passed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from attrs import define

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._api.endpoints import get_once
from impact_jobs._operations.job_tracker import JobTracker
from impact_jobs._policy.polling import JobProgress, Polling
from impact_jobs.errors import (
    ApiError,
    JobsError,
    RateLimitError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")


async def wait(
    context: ClientContext,
    reference: JobReference,
    *,
    timeout: float | None,
    polling: Polling | None,
    on_update: Callable[[Job], object] | None,
) -> Job:
    """The completed job; see `JobsClient.wait`."""
    job_id = context.account.job_id(reference)
    started = context.transport.now()
    watch = _Watch(
        context=context,
        tracked=JobTracker(job_id=job_id, polling=polling or context.polling, on_update=on_update),
        started=started,
        deadline=started + seconds_of(timeout),
    )
    try:
        if isinstance(reference, Job):
            # A snapshot that has ended needs no request: what has ended stays so.
            if reference.is_terminal and watch.has_ended(reference):
                return reference
            await watch.delay_first_poll(reference)
        return await _until_done(watch, seconds_of(timeout))
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
            error.add_note(f"job {job_id} goes on at the server; wait for it again with wait({job_id!r})")
        raise


async def _until_done(watch: _Watch, timeout: float) -> Job:
    while (job := await watch.ask()) is None:
        if watch.context.transport.now() >= watch.deadline:
            seen, job_id = watch.tracked.seen, watch.tracked.job_id
            raise WaitTimeoutError(seen, job_id=job_id, timeout=timeout, cause=str(watch.failure or ""))
        await watch.context.pause_to_poll(watch.pause(), deadline=watch.deadline)
    return job


@define(kw_only=True)
class _Watch:
    """A wait for one job."""

    context: ClientContext
    tracked: JobTracker
    started: float
    deadline: float
    failure: JobsError | None = None
    failures_in_a_row: int = 0

    async def ask(self) -> Job | None:
        """The job once it is completed, None while it is not.

        Raises:
            JobFailedError: It ended otherwise.
            ApiError: The server will not answer another time either.
            UnexpectedResponseError: It has not made sense for as many times as the retry policy grants.
        """
        try:
            job = await get_once(self.context, self.tracked.job_id, deadline=self.deadline)
        except (TransportError, ApiError, UnexpectedResponseError) as error:
            self.failures_in_a_row += 1
            if not can_poll_again(error, self.failures_in_a_row, attempts=self.context.retry.attempts):
                raise
            logger.info("%s; the wait goes on", error)
            self.failure = error
            return None
        self.failure, self.failures_in_a_row = None, 0
        return job if self.has_ended(job) else None

    def has_ended(self, job: Job) -> bool:
        """Take note of a snapshot: True once it is completed, an error when it ended otherwise."""
        return self.tracked.has_ended(job, waited=self.context.transport.now() - self.started)

    async def delay_first_poll(self, snapshot: Job) -> None:
        """Let the first pause pass where the snapshot is one of a job that has just been scheduled, so not done."""
        fresh = JobProgress()
        fresh.see(snapshot, waited=0.0)
        if not snapshot.is_terminal and fresh.percentage == fresh.age == 0:
            # Without its type, whose jobs may take hours: the snapshot may be an old one after all.
            fresh.type = None
            self.tracked.course = fresh
            await self.context.pause_to_poll(self.pause(), deadline=self.deadline)

    def pause(self) -> float:
        """Seconds until the next question, none of them past the deadline."""
        now = self.context.transport.now()
        at_least = 0.0
        if self.failure is not None:
            at_least = self.context.retry.pause(self.failure, self.failures_in_a_row, random=self.context.random)
        return self.tracked.polling.pause(
            now - self.started,
            random=self.context.random,
            course=self.tracked.course,
            at_least=at_least,
            left=self.deadline - now,
        )


def can_poll_again(error: JobsError, failures_in_a_row: int = 1, *, attempts: int = 1) -> bool:
    """Whether a wait goes on over a failed question."""
    if isinstance(error, UnexpectedResponseError):
        return failures_in_a_row < attempts
    return isinstance(error, TransportError | RateLimitError | ServerError)
