"""What a wait remembers of one job, alone or among many, and how it judges each snapshot and each failed poll."""

from __future__ import annotations

import logging
from collections.abc import Callable

from attrs import define, field

from impact_jobs._policy.polling import JobProgress, Polling
from impact_jobs.errors import JobsError, RateLimitError, ServerError, TransportError, UnexpectedResponseError
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")


@define(kw_only=True)
class JobTracker:
    """One job that is waited for.

    Attributes:
        job_id: Its id.
        polling: When to poll it, and how long it may stay in ERROR.
        on_update: Called with every snapshot.
        last: The last snapshot.
        progress: What `polling` needs to know about the job.
    """

    job_id: str
    polling: Polling
    on_update: Callable[[Job], object] | None
    last: Job | None = None
    progress: JobProgress = field(factory=JobProgress)
    _in_error_since: float | None = None
    _warned_of: str = ""

    def update(self, job: Job, *, waited: float) -> bool:
        """Record a snapshot that arrived that many seconds after the wait began.

        Returns:
            Whether the wait is over, because the job is completed or has failed for good.
        """
        if self.last is None or self.last.status != job.status:
            logger.info("job %s is %s", job.id, job.status)
        self.last = job
        self.progress.update(job, waited=waited)
        if self.on_update is not None:
            self.on_update(job)
        if job.status == JobStatus.COMPLETED:
            return True
        if not isinstance(job.status, JobStatus) and job.status != self._warned_of:
            self._warned_of = job.status
            logger.warning("job %s has the unknown status %r; the wait continues", job.id, job.status)
        may_recover = self._may_recover(job, waited)
        return job.is_terminal and not may_recover

    def delay_first_poll(self, snapshot: Job) -> bool:
        """Start from a snapshot of a job that was scheduled a moment ago, so that it is not polled at once.

        Returns:
            False if the snapshot shows that the job has run for a while; then nothing has changed.
        """
        progress = JobProgress()
        progress.update(snapshot, waited=0.0)
        if snapshot.is_terminal or progress.percentage or progress.age_at_start:
            return False
        progress.type = None  # jobs of its type may take hours, and the snapshot may be old after all
        self.progress = progress
        return True

    def _may_recover(self, job: Job, waited: float) -> bool:
        # For brand-style accounts, the server itself restarts a job in ERROR every 15 minutes.
        if job.status != JobStatus.ERROR or self.polling.error_grace is None:
            self._in_error_since = None
            return False
        if self._in_error_since is None:
            self._in_error_since = waited
        return waited - self._in_error_since < self.polling.error_grace.total_seconds()


def can_poll_again(error: JobsError, failures_in_a_row: int = 1, *, attempts: int = 1) -> bool:
    """Whether a wait continues after a failed poll; an unreadable response is tolerated `attempts` times in a row."""
    if isinstance(error, UnexpectedResponseError):
        return failures_in_a_row < attempts
    return isinstance(error, TransportError | RateLimitError | ServerError)
