"""The state of one job that is waited for, alone or among many, and when its wait is over."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from attrs import define, field

from impact_jobs._account_kinds import AGENCY, AccountKind
from impact_jobs._policy.polling import JobProgress, Polling, error_grace_seconds
from impact_jobs._policy.retry import is_transient
from impact_jobs._validators import callback, instance_of
from impact_jobs.errors import JobsError, UnexpectedResponseError
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

_SOON = 0.01  # seconds; a poll that is due that soon is made now


@define(kw_only=True)
class JobTracker:
    """One job that is waited for."""

    job_id: str
    polling: Polling = field(validator=instance_of(Polling))
    kind: AccountKind = AGENCY  # of the account
    on_update: Callable[[Job], object] | None = field(validator=callback)  # called with every snapshot
    # Whether a snapshot shows the end of the run before a replay, and so says nothing about this one.
    is_earlier_run: Callable[[Job], bool] = lambda _: False
    last: Job | None = None  # the last snapshot
    progress: JobProgress = field(factory=JobProgress)
    _in_error_since: float | None = None
    _warned_of: str = ""
    _unusable_in_a_row: int = 0  # responses

    def update(self, job: Job, *, waited: float) -> bool:
        """Record a snapshot; return whether the wait is over, because the job is completed or has failed for good."""
        self._unusable_in_a_row = 0
        if self.is_earlier_run(job):
            logger.info("job %s still shows its run before the replay (%s); the wait continues", job.id, job.status)
            self.progress.seen_at = waited
            return False
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
        return not self._may_recover(job, waited) and job.is_terminal

    def delay_first_poll(self, snapshot: Job) -> bool:
        """Start from a snapshot, so that a job which was scheduled a moment ago is not polled at once.

        Return False, and change nothing, if the snapshot shows that the job has run for a while.
        """
        progress = JobProgress()
        progress.update(snapshot, waited=0.0)
        if snapshot.is_terminal or progress.percentage or progress.age_at_start:
            return False
        progress.type = None  # the history of its type could delay the poll for hours, and the snapshot may be old
        self.progress = progress
        return True

    def can_poll_again(self, error: JobsError, *, attempts: int, is_hidden: bool = False) -> bool:
        """Return whether the wait continues after a failed poll.

        Transient failures never end it, nor does the 404 of a new job that `is_hidden` yet. The last of `attempts`
        responses in a row that are unreadable, or that came too early for a job that was just replayed, does.
        """
        if is_hidden:
            self._unusable_in_a_row = 1
            return True
        if isinstance(error, UnexpectedResponseError) or error.is_too_early:
            self._unusable_in_a_row += 1
            return self._unusable_in_a_row < attempts
        return is_transient(error)

    @property
    def was_answered(self) -> bool:
        """Whether the server has answered a poll of this job during this wait."""
        return self.progress.seen_at is not None or self._unusable_in_a_row > 0

    def _may_recover(self, job: Job, waited: float) -> bool:
        # On brand and partner accounts, the server itself restarts a job in ERROR every 15 minutes.
        if job.status != JobStatus.ERROR:
            self._in_error_since = None
            return False
        if self._in_error_since is None:
            self._in_error_since = waited
        return waited - self._in_error_since < error_grace_seconds(self.polling, self.kind)


@define(kw_only=True)
class BatchEntry:
    """One job of a batch. Times are on the transport's clock."""

    tracker: JobTracker
    started: float  # when its wait began
    timeout: float  # seconds
    deadline: float
    hidden_until: float = -math.inf  # until then, the server may answer 404, because the job is new
    is_listed: bool = False  # whether the last list showed it
    has_joined: bool = False  # whether it came while others were waited for
    due_at: float = -math.inf  # when the list is due, or a poll of this job alone
    early_due_at: float = -math.inf  # when the job may be polled together with others, by one list

    def schedule_with_list(self, due_at: float) -> None:
        """Schedule the job for when the list is due."""
        self.due_at, self.early_due_at = due_at, due_at - _SOON

    def schedule_alone(self, now: float, pause: float) -> None:
        """Schedule a poll of this job alone."""
        self.is_listed, self.due_at, self.early_due_at = False, now + pause, now + pause / 2
