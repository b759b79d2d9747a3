"""The jobs that `watch` follows: their latest snapshots, how fast they progress, and when they may end."""

from __future__ import annotations

from collections import Counter, deque
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from attrs import define, field, frozen

from impact_jobs.cli.output import one_line
from impact_jobs.models import Job, JobStatus

_KEPT_STEPS = 8  # the rate is computed from the latest steps only, because older ones say little about now
JOBS: Final = "JOB"
DONE: Final = "DONE"  # the status of a window of an export whose file is there
_NEARLY_DONE, _DONE = 99, 100  # percent; servers often rest at 99
# Running jobs come first, then those that need attention, because a terminal may not hold all rows. Within a group
# the jobs keep their order, because rows that move cannot be read.
_COMPLETED = frozenset({JobStatus.COMPLETED, "DOWNLOADING", DONE})  # the last two are of a window of an export
_RANKS = {"FAILED": 1, "ERROR": 1, "CANCELLED": 1, "QUEUED": 2, "COMPLETED": 3, DONE: 3}


@define
class _Series:
    """The latest values of a growing quantity, each with the moment at which it was first seen."""

    steps: deque[tuple[datetime, int]] = field(factory=lambda: deque(maxlen=_KEPT_STEPS))

    def add(self, value: int, *, at: datetime, since: datetime | None) -> None:
        is_first = not self.steps
        if not is_first and value < self.steps[-1][1]:
            self.steps.clear()  # the job was started over
        if is_first and value and since is not None and since < at:
            self.steps.append((since, 0))  # so that the first snapshot gives a rate
        if not self.steps or value != self.steps[-1][1]:
            self.steps.append((at, value))

    def rate(self, seen: datetime) -> float | None:
        """Return the gain per second; None if unknown, or if the last step is older than all steps together took."""
        if not self.steps:
            return None
        (first, low), (last, high) = self.steps[0], self.steps[-1]
        took = (last - first).total_seconds()
        return (high - low) / took if 0 < took >= (seen - last).total_seconds() else None


@frozen(kw_only=True)
class Pace:
    """How fast a job has progressed lately, and when it will end at that rate; None where that is unknown.

    A job `is_nearly_done` if it is at 99 percent or past the expected end.
    """

    percent_per_minute: float | None = None
    records_per_second: float | None = None
    ends: datetime | None = None
    is_nearly_done: bool = False


@define
class _History:
    """The latest snapshot of a job, and its progress so far."""

    job: Job
    seen: datetime
    percent: _Series = field(factory=_Series)
    records: _Series = field(factory=_Series)

    def update(self, job: Job, at: datetime) -> None:
        if at < self.seen or _is_stale(job, known=self.job):
            return
        self.job, self.seen = job, at
        self.percent.add(percent_of(job), at=at, since=job.started_date)
        self.records.add(max(job.records_processed or 0, 0), at=at, since=job.started_date)

    def pace(self, now: datetime) -> Pace:
        if self.job.is_terminal or self.job.status == JobStatus.QUEUED:
            return Pace()
        rate = self.percent.rate(self.seen)
        reached, percent = self.percent.steps[-1]
        ends = _later(reached, (_DONE - percent) / rate) if rate else None
        return Pace(
            percent_per_minute=rate and rate * 60,
            records_per_second=self.records.rate(self.seen),
            ends=ends,
            is_nearly_done=percent >= _NEARLY_DONE or (ends is not None and ends <= now),
        )


@define
class WatchState:
    """The jobs that are watched, built from their snapshots. It does no I/O and reads no clock."""

    title: str = JOBS  # of the column of their ids
    total: int = 0  # of windows, if it is known before each has news
    _histories: dict[str, _History] = field(factory=dict)
    _lock: Lock = field(factory=Lock, repr=False, eq=False)  # because a live display draws in its own thread

    @property
    def of_windows(self) -> bool:
        """Whether these are windows of exports, each shown as a job."""
        return self.title != JOBS

    def update(self, job: Job, *, at: datetime) -> None:
        """Record a snapshot taken `at` a moment; ignore it if it is older than the last one."""
        with self._lock:
            self._histories.setdefault(job.id, _History(job, at)).update(job, at)

    @property
    def jobs(self) -> list[Job]:
        """The latest snapshots: running, failed, queued, completed."""
        with self._lock:
            jobs = [history.job for history in self._histories.values()]
        return sorted(jobs, key=lambda job: _RANKS.get(str(job.status), 0))

    @property
    def summary(self) -> str:
        """How many jobs there are of each status, such as "2 running, 1 failed"; of windows, how many are done."""
        counts = Counter(one_line(job.status).lower() for job in self.jobs)
        if self.of_windows:
            total, done = max(self.total, counts.total()), counts.pop("done", 0)
            return ", ".join([*(f"{count} {status}" for status, count in counts.items()), f"{done} of {total} done"])
        return ", ".join(f"{count} {status}" for status, count in counts.items()) or "no jobs"

    def pace(self, job: Job, *, now: datetime) -> Pace:
        """Return how fast `job`, one of these, progresses."""
        with self._lock:
            return self._histories[job.id].pace(now)


def percent_of(job: Job) -> int:
    """Return the progress, 0 to 100; 100 for every completed job."""
    return _DONE if job.status in _COMPLETED else min(max(job.percentage_complete or 0, 0), _DONE)


def _is_stale(job: Job, *, known: Job) -> bool:
    """Return whether the server sent a cached snapshot that is older than the known one."""
    new, old = job.last_progress_update_date, known.last_progress_update_date
    return new is not None and old is not None and new < old and not job.is_terminal


def _later(moment: datetime, seconds: float) -> datetime | None:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None
