"""When to poll a job again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from attrs import define, field, frozen, validators

from impact_jobs._account_kinds import AccountKind
from impact_jobs._policy.durations import PRIOR, History, cheapest_pause, learn_history, survival_of_job
from impact_jobs._validators import instance_of, number
from impact_jobs.errors import ConfigurationError
from impact_jobs.models import Job

_JITTER = 0.1
_MIN_PAUSE = 0.01  # seconds; no shorter pause is considered
_HALF_SECOND = 0.5  # by which the server's dates, whole seconds, are wrong on average


@define(kw_only=True)
class JobProgress:
    """What a wait has seen of one job, in constant memory. Times are seconds since the wait began."""

    seen_at: float | None = None  # when the last snapshot arrived
    age_at_start: float = 0.0  # how old the job was at least when the wait began
    type: str | None = None
    percentage: int = 0
    moved_at: float = 0.0  # when `percentage` was first seen
    origin: tuple[float, int] = (0.0, 0)  # the time and percentage from which the progress is extrapolated

    def update(self, job: Job, *, waited: float) -> None:
        """Record a snapshot that arrived that many seconds after the wait began."""
        started, moved = job.started_date, job.last_progress_update_date
        # Only differences between the server's own times count, because its clock may be wrong.
        self.age_at_start = max(self.age_at_start, _seconds_between(job.created_date, moved or started) - waited)
        stated = self.percentage if job.percentage_complete is None else job.percentage_complete
        percentage = min(max(stated, 0), 100)
        if self.seen_at is None or percentage < self.percentage or percentage == 0:
            self.origin = waited, percentage
            if self.seen_at is None and (ran := _seconds_between(started, moved)) > 0:
                self.origin = waited - ran, 0
            self.percentage, self.moved_at = percentage, waited
        elif percentage > self.percentage:
            if self.percentage == 0 and started and moved and (ran := _seconds_between(started, moved)) >= 0:
                # The time in the queue is not progress.
                self.origin = max(self.origin[0], waited - max(ran, _HALF_SECOND)), 0
            self.percentage, self.moved_at = percentage, waited
        self.seen_at, self.type = waited, job.type

    @property
    def remaining(self) -> float | None:
        """The seconds that were left when the progress last moved, at its average speed, or None if unknown."""
        gained, seconds = self.percentage - self.origin[1], self.moved_at - self.origin[0]
        if gained <= 0 or seconds <= 0:
            return None
        return max(100 - self.percentage - 0.5, 0.5) * seconds / gained  # whole numbers: half a percent on average


@frozen(kw_only=True)
class Polling:
    """How often a waiting client polls: as often as lateness is worth.

    Every request costs `request_cost`, and every second between a job's end and the poll that notices it costs one.
    The next poll is made when the total is expected to be lowest, given the job's age, its progress and how long
    similar jobs take; see docs/polling.md.

    Attributes:
        minimum: The shortest pause between polls, in seconds.
        maximum: The longest pause between polls, in seconds.
        request_cost: How many seconds of lateness one request is worth. A higher value means fewer requests.
        error_grace: How long a job may stay in ERROR before the wait gives up on it. None means at once on an agency
            account, and 85 minutes on a brand or partner account, whose server runs such a job again every 15 minutes,
            5 times. `timedelta(0)` means at once on every account.
        history: Finished jobs, from which to learn how long each type takes. They are read once and not kept.

    Raises:
        ConfigurationError: A number is out of range, `error_grace` is not a timedelta, or `history` does not consist
            of jobs.

    Example:
        >>> Polling(minimum=5, maximum=120)
        Polling(minimum=5, maximum=120, request_cost=1.0, error_grace=None, history=None)
        >>> jobs = jobs.with_options(polling=Polling(history=jobs.list(created_after="2026-05-01")))
    """

    minimum: float = field(default=1.0, validator=number(above=0))
    maximum: float = field(default=300.0, validator=number(above=0))
    request_cost: float = field(default=1.0, validator=number(above=0))
    error_grace: timedelta | None = field(default=None, validator=validators.optional(instance_of(timedelta)))
    history: History | None = field(default=None, converter=learn_history)

    def __attrs_post_init__(self) -> None:
        if self.maximum < self.minimum:
            raise ConfigurationError(f"Polling: maximum={self.maximum:g} is below minimum={self.minimum:g}.")

    def pause(
        self,
        waited: float,
        *,
        random: Callable[[], float],
        progress: JobProgress | None = None,
        at_least: float = 0.0,
        left: float = math.inf,
    ) -> float:
        """Return the seconds until the next poll of one job.

        Args:
            waited: Seconds since the wait began.
            random: Returns numbers from 0 to 1.
            progress: What has been seen of the job; None if nothing has.
            at_least: Seconds that the server asked for, for example by Retry-After.
            left: Seconds until the deadline. The last poll is made exactly then.

        Returns:
            Seconds, from `minimum` to `maximum` unless `at_least` or `left` require otherwise.

        Example:
            >>> Polling(minimum=5, maximum=60).pause(3600.0, random=lambda: 0.5)
            60
        """
        pause = max(self._bounded(self._cheapest(waited, progress or JobProgress(seen_at=waited)), random), at_least)
        # Poll at the deadline instead of just before it.
        return max(left, 0.0) if left < pause + self.minimum and left <= max(self.maximum, at_least) else pause

    def together(self, pauses: Iterable[float], *, random: Callable[[], float], requests: float = 1.0) -> float:
        """Return the seconds until the next poll of many jobs at once.

        Args:
            pauses: What `pause` returns for each job, in seconds, without `at_least` and `left`.
            random: Returns numbers from 0 to 1.
            requests: How many requests the poll takes, such as the pages of a list.

        Returns:
            Seconds, from `minimum` to `maximum`.

        Example:
            >>> Polling().together([8.0] * 4, random=lambda: 0.5)
            4.0
        """
        # Each pause implies that its job ends with a chance of 2 * request_cost / pause**2 per second; these add up.
        chances = math.fsum(max(pause, _MIN_PAUSE) ** -2 for pause in pauses)
        return self._bounded(math.sqrt(requests / chances) if chances else self.maximum, random)

    def _bounded(self, pause: float, random: Callable[[], float]) -> float:
        jitter = 1.0 + _JITTER * (2.0 * random() - 1.0)
        return min(max(pause * jitter, self.minimum), self.maximum)

    def _cheapest(self, waited: float, progress: JobProgress) -> float:
        seen_at, remaining = progress.seen_at or 0.0, progress.remaining
        survival = survival_of_job(
            PRIOR if self.history is None else self.history.model_for(progress.type),
            age=seen_at + progress.age_at_start,
            remaining=remaining,
            stalled=0.0 if remaining is None else max(seen_at - progress.moved_at, 0.0),
        )
        return cheapest_pause(
            survival,
            elapsed=max(waited - seen_at, 0.0),
            request_cost=self.request_cost,
            shortest=min(max(self.minimum, _MIN_PAUSE), self.maximum),
            longest=self.maximum,
        )


def error_grace_seconds(polling: Polling, kind: AccountKind) -> float:
    """Return for how long a job in ERROR may still be run again by the server of that kind of account."""
    return (kind.error_grace if polling.error_grace is None else polling.error_grace).total_seconds()


def _seconds_between(earlier: datetime | None, later: datetime | None) -> float:
    """Return the seconds from one moment to the other, or 0 if either is unknown."""
    return 0.0 if earlier is None or later is None else (later - earlier).total_seconds()
