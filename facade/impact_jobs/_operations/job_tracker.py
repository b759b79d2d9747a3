"""What a wait remembers of one job, alone or among many, and what it makes of each snapshot."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from attrs import define, field

from impact_jobs._policy.polling import JobProgress, Polling
from impact_jobs.errors import JobFailedError
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")


@define(kw_only=True)
class JobTracker:
    """One job that is waited for. Times are seconds since the wait began.

    Attributes:
        job_id: Its id.
        polling: When it is to be asked for, and how long it may stay in ERROR.
        on_update: Is told of every snapshot.
        seen: The last snapshot.
        course: What `polling` is to know of it.
    """

    job_id: str
    polling: Polling
    on_update: Callable[[Job], object] | None
    seen: Job | None = None
    course: JobProgress = field(factory=JobProgress)
    _in_error_since: float | None = None
    _warned_of: str = ""

    def has_ended(self, job: Job, *, waited: float) -> bool:
        """Take note of a snapshot.

        Returns:
            Whether it is completed.

        Raises:
            JobFailedError: It ended otherwise.
        """
        if self.seen is None or self.seen.status != job.status:
            logger.info("job %s is %s", job.id, job.status)
        self.seen = job
        self.course.see(job, waited=waited)
        if self.on_update is not None:
            self.on_update(job)
        if job.status == JobStatus.COMPLETED:
            return True
        is_excused = self._is_excused(job, waited)
        if job.is_terminal and not is_excused:
            raise JobFailedError.of(job)
        if not isinstance(job.status, JobStatus) and job.status != self._warned_of:
            self._warned_of = job.status
            logger.warning("job %s has the status %r, which is new to us; the wait goes on", job.id, job.status)
        return False

    def _is_excused(self, job: Job, waited: float) -> bool:
        # Brand-style accounts: the server itself starts a job in ERROR again, every 15 minutes.
        if job.status != JobStatus.ERROR or self.polling.error_grace is None:
            self._in_error_since = None
            return False
        self._in_error_since = waited if self._in_error_since is None else self._in_error_since
        return waited - self._in_error_since < self.polling.error_grace.total_seconds()


@define(kw_only=True)
class BatchEntry:
    """One job of many that are waited for together. Times are on the port's clock.

    Attributes:
        tracked: What is known of it.
        deadline: When it is given up.
        is_listed: Whether the list showed it the last time, so that it is due when the list is.
        asked_at: When it was asked for alone, or first missed in the list.
        due_at: When it is to be asked for alone.
        missed_at: Since when the list has lacked it.
        listed_from: When the list may show it after all.
        unreadable: How many answers in a row made no sense.
    """

    tracked: JobTracker
    deadline: float = math.inf
    is_listed: bool = False
    asked_at: float = -math.inf
    due_at: float = -math.inf
    missed_at: float = math.inf
    listed_from: float = -math.inf
    unreadable: int = 0

    @property
    def early_due_at(self) -> float:
        """From then on it may go along with others, should the list answer for all of them."""
        return (self.asked_at + self.due_at) / 2

    @property
    def was_seen(self) -> bool:
        """Whether the server has answered for it, in this wait."""
        return self.tracked.course.seen is not None or self.unreadable > 0

    def show(self) -> None:
        """The list shows it."""
        self.is_listed, self.missed_at, self.listed_from = True, math.inf, -math.inf

    def miss(self, now: float) -> None:
        """The list lacks it. The longer it has, the longer it will: the list is looked at again in double that time."""
        self.missed_at = min(self.missed_at, now)
        pause = max(now - self.missed_at, self.tracked.polling.minimum)
        self.listed_from = now + min(pause, self.tracked.polling.maximum)

    def schedule(self, now: float, pause: float) -> None:
        """Have it asked for alone so many seconds from now."""
        self.is_listed, self.asked_at, self.due_at = False, now, now + pause
