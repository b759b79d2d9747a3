"""Which jobs were replayed or exported a moment ago, because the server may not show them everywhere at once."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from attrs import define, field, frozen

from impact_jobs._policy.per_account import PerAccount
from impact_jobs.models import Job

_SETTLING_SECONDS = 60.0  # how long the server may refuse the new job, or show the run before the replay


@frozen
class _Replay:
    answered_at: float
    begun: datetime | None
    before: Job | None


@define(eq=False)
class RecentReplays:
    """The jobs of one account that replays and exports of the last minute returned. Thread-safe.

    Every `now` is in seconds on the transport's clock.
    """

    _replays: dict[str, _Replay] = field(factory=dict)  # by job id in lower case, the oldest first
    _lock: Lock = field(factory=Lock)

    def record(self, job_id: str, *, now: float, begun: datetime | None = None, before: Job | None = None) -> None:
        """Record that a replay returned this job: if it is the replayed job itself, pass when its new run has `begun`.

        That moment is by the server's clock, and may be too early by a few seconds. `before` is a snapshot that shows
        the end of the run before, if there is one.
        """
        begun = None if begun is None else begun.replace(microsecond=0)  # the dates of jobs are whole seconds
        with self._lock:
            recent = {key: each for key, each in self._replays.items() if now - each.answered_at < _SETTLING_SECONDS}
            earlier = recent.pop(job_id.lower(), None)
            if begun is None and earlier is not None:  # an export that returned the job once more
                begun = earlier.begun
            self._replays = {**recent, job_id.lower(): _Replay(now, begun, before)}

    def holds(self, job_id: str, now: float) -> bool:
        """Return whether a replay returned this job in the last minute."""
        return self._find(job_id, now) is not None

    def is_earlier_run(self, job: Job, now: float) -> bool:
        """Return whether a snapshot still shows the end of the run before a replay that kept the job's id."""
        replay = self._find(job.id, now)
        if replay is None or replay.begun is None or not job.is_terminal:
            return False
        if replay.before is not None and _is_same_run(job, replay.before):
            return True
        return all(end < replay.begun for end in ends_of(job))

    def _find(self, job_id: str, now: float) -> _Replay | None:
        found = self._replays.get(job_id.lower())
        return None if found is None or now - found.answered_at >= _SETTLING_SECONDS else found


def _is_same_run(job: Job, other: Job) -> bool:
    """Return whether two snapshots have the dates of one run that took a second or more, which no other run has."""
    started, ends = job.started_date, ends_of(job)
    has_length = started is not None and any(end > started for end in ends)
    return has_length and started == other.started_date and ends == ends_of(other)


def ends_of(job: Job) -> list[datetime]:
    """Return when the job's runs have ended: of earlier ones, too, because a replay in place may keep their dates."""
    ends = (job.completed_date, job.failed_date, job.cancelled_date, job.abandoned_date)
    return [end for end in ends if end is not None]


RECENT_REPLAYS: PerAccount[RecentReplays] = PerAccount(RecentReplays)
"""The recent replays of all clients of an account in this process."""
