"""When to ask for a job's state again: a pure decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from attrs import define, field, frozen, validators

from impact_jobs._policy.durations import USUAL, DurationModel, History, history_of
from impact_jobs._validators import instance_of, number
from impact_jobs.errors import ConfigurationError
from impact_jobs.models import Job

_JITTER = 0.1
_SOONEST = 0.01  # seconds; nothing sooner is considered
_STRIDE = 1.3  # from one pause that is considered to the next; near the best one all are about as good
_SURE = 0.97  # past the moment at which the job is that likely done there is nothing to be gained
# How far progress is believed, and how sharply: some jobs stall, restart or stick. Neither number matters much.
_TRUST = 0.8
_SHARPNESS = 4.0


@define(kw_only=True)
class JobProgress:
    """What a wait has seen of one job, in constant memory. Times are seconds since the wait began.

    Attributes:
        seen: When the server last told the job's state; None before the first time.
        age: How much older the job is than the wait, at least.
        type: The job's type.
        percentage: The progress last seen, 0 to 100.
        moved: When it was first seen there.
        origin: Since when it has been going on, as far as it may be extrapolated.
        origin_percentage: Where it was then.

    Example:
        >>> course = JobProgress()
        >>> course.see(job, waited=4.0)
        >>> Polling().pause(4.0, course=course, random=random.random)
        1.95
    """

    seen: float | None = None
    age: float = 0.0
    type: str | None = None
    percentage: int = 0
    moved: float = 0.0
    origin: float = 0.0
    origin_percentage: int = 0

    def see(self, job: Job, *, waited: float) -> None:
        """Take note of a snapshot.

        Args:
            job: The snapshot.
            waited: Seconds since the wait began.
        """
        started, moved = job.started_date, job.last_progress_update_date
        # Differences between the server's own times: its clock may be far from ours.
        self.age = max(self.age, _seconds(job.created_date, moved or started) - waited)
        told = self.percentage if job.percentage_complete is None else job.percentage_complete
        percentage = min(max(told, 0), 100)
        if self.seen is None or percentage < self.percentage or percentage == 0:
            self.percentage = self.origin_percentage = percentage
            self.moved = self.origin = waited
            if self.seen is None and (ran := _seconds(started, moved)) > 0:
                self.origin, self.origin_percentage = waited - ran, 0
        elif percentage > self.percentage:
            self.percentage, self.moved = percentage, waited
        self.seen, self.type = waited, job.type

    @property
    def remainder(self) -> float | None:
        """Seconds that were left when the progress last moved, if it goes on as before; None where nothing tells."""
        gained, seconds = self.percentage - self.origin_percentage, self.moved - self.origin
        if gained <= 0 or seconds <= 0:
            return None
        return max(100 - self.percentage - 0.5, 0.5) * seconds / gained  # whole numbers: half a percent on average


@frozen(kw_only=True)
class Polling:
    """How often a waiting client asks: as often as being late is worth.

    Every request costs `request_cost`, every second between a job's end and the question that notices it costs
    one. The next question comes when that is expected to be cheapest, given the job's age, its progress and how
    long such jobs take; docs/polling.md tells how.

    Attributes:
        minimum: Seconds; no two questions are closer.
        maximum: Seconds; no two questions are further apart.
        request_cost: How many seconds of being late one request is worth. More of it means fewer requests.
        error_grace: How long a job may stay in ERROR before the wait gives up on it. None gives up at once;
            brand-style accounts, whose server retries such jobs every 15 minutes, want a timedelta.
        history: JobOutcome jobs, to learn from them how long each type takes; they are read at once, and not kept.

    Raises:
        ConfigurationError: A number is out of range, `error_grace` is no timedelta, or `history` holds no jobs.

    Example:
        >>> Polling(minimum=5, maximum=120)
        Polling(minimum=5, maximum=120, request_cost=1.0, error_grace=None, history=None)
        >>> jobs = jobs.with_options(polling=Polling(history=jobs.list(created_after="2026-05-01")))
    """

    minimum: float = field(default=1.0, validator=number(above=0))
    maximum: float = field(default=300.0, validator=number(above=0))
    request_cost: float = field(default=1.0, validator=number(above=0))
    error_grace: timedelta | None = field(default=None, validator=validators.optional(instance_of(timedelta)))
    history: History | None = field(default=None, converter=history_of)

    def __attrs_post_init__(self) -> None:
        if self.maximum < self.minimum:
            raise ConfigurationError(f"Polling: maximum={self.maximum:g} is below minimum={self.minimum:g}.")

    def pause(
        self,
        waited: float,
        *,
        random: Callable[[], float],
        course: JobProgress | None = None,
        at_least: float = 0.0,
        left: float = math.inf,
    ) -> float:
        """Seconds until the next question.

        Args:
            waited: Seconds since the wait began.
            random: Gives numbers from 0 to 1.
            course: What has been seen of the job; None knows nothing but `waited`.
            at_least: Seconds that the server asks for, as by Retry-After.
            left: Seconds to the deadline. The last question falls on it.

        Returns:
            Seconds, from `minimum` to `maximum` unless `at_least` or `left` say otherwise.

        Example:
            >>> Polling(minimum=5, maximum=60).pause(3600.0, random=lambda: 0.5)
            60
        """
        pause = max(self._clamped(self._best(waited, course or JobProgress(seen=waited)), random), at_least)
        # Rather the last question at once than one just before it.
        return max(left, 0.0) if left < pause + self.minimum and left <= max(self.maximum, at_least) else pause

    def together(self, pauses: Iterable[float], *, random: Callable[[], float], requests: float = 1.0) -> float:
        """Seconds until the next question about many jobs, asked for all at once.

        Args:
            pauses: What `pause` says of each, in seconds, without `at_least` and `left`.
            random: Gives numbers from 0 to 1.
            requests: How many requests such a question takes, as the pages of a list.

        Returns:
            Seconds, from `minimum` to `maximum`.

        Example:
            >>> Polling().together([8.0] * 4, random=lambda: 0.5)
            4.0
        """
        # A pause tells the chance of an end a second, 2 * request_cost / pause**2, and chances add up.
        chances = math.fsum(max(pause, _SOONEST) ** -2 for pause in pauses)
        return self._clamped(math.sqrt(requests / chances) if chances else self.maximum, random)

    def _clamped(self, pause: float, random: Callable[[], float]) -> float:
        jitter = 1.0 + _JITTER * (2.0 * random() - 1.0)
        return min(max(pause * jitter, self.minimum), self.maximum)

    def _best(self, waited: float, course: JobProgress) -> float:
        """The pause of the lowest (cost of a request + lateness expected) / chance that the job is done.

        That ratio is what the rest of the wait costs if every question is as good as the next one.
        """
        lengths = USUAL if self.history is None else self.history.lengths_of(course.type)
        seen, remainder = course.seen or 0.0, course.remainder
        # Two ways that the job may go on, weighed as they stood when its progress last moved: the longer it has
        # stood still since, the less is left of the first one.
        stood, trust = (0.0, 0.0) if remainder is None else (max(seen - course.moved, 0.0), _TRUST)
        steady = DurationModel(remainder or 1.0, _SHARPNESS)
        age = seen + course.age
        doubt = (1.0 - trust) / lengths.survival(age - stood)
        open_now = trust * steady.survival(stood) + doubt * lengths.survival(age)
        pause = best = min(max(self.minimum, _SOONEST), self.maximum)
        lowest = math.inf
        at = done = lateness = 0.0
        while pause < self.maximum * _STRIDE and done < _SURE:
            earlier, done_earlier, at = at, done, max(waited - seen, 0.0) + pause
            still_open = trust * steady.survival(stood + at) + doubt * lengths.survival(age + at)
            done = 1.0 - still_open / open_now
            lateness += (at - earlier) * (done + done_earlier) / 2.0
            if self.request_cost + lateness < lowest * done:
                best, lowest = pause, (self.request_cost + lateness) / done
            pause *= _STRIDE
        return best


def _seconds(earlier: datetime | None, later: datetime | None) -> float:
    """From one to the other; 0 where one is missing."""
    return 0.0 if earlier is None or later is None else (later - earlier).total_seconds()
