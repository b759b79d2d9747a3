"""Which new job was made by which replay or export of this process, so that no call takes another call's job."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from threading import Lock

from attrs import define, field

from impact_jobs._policy.per_account import PerAccount
from impact_jobs.errors import ExportUncertainError, JobsError, ReplayUncertainError
from impact_jobs.models import Job

# The hourly limit allows 1,000 replays, and no attempt takes an hour to find its job.
_MAX_CLAIMED = 4096
_MAX_UNRESOLVED = 256
_UNRESOLVED_SECONDS = 300.0  # how late the job of a request without a response may still appear
_KEPT_ACCOUNTS = 16  # claims outlive the account's last client, because the next one must not claim the same jobs
_SAME_RUN = timedelta(seconds=2)  # by how much a job's creation date may differ between responses


@define(eq=False)
class ReplayAttempt:
    """One call that replays the job `source`, or that exports what `source` identifies."""

    number: int  # counts the beginnings of attempts and the first sightings of jobs, in the order of these events
    source: str
    kind: tuple[object, object] | None = None  # see `kind_of`; None until it is known
    is_lost: bool = False  # whether the response was lost; otherwise it may still arrive
    seen: dict[str, int] = field(factory=dict)  # the number of each job's first sighting, by id in lower case
    ended_at: float = 0.0  # on the transport's clock, if it ended without finding its job

    def repeats(self, other: ReplayAttempt) -> bool:
        """Return whether both replay the same job."""
        return self.source.lower() == other.source.lower()

    def may_have_made(self, job: Job, *, seen_at: int) -> bool:
        """Return whether this attempt began before the job was first seen, and replays a job of its kind."""
        return self.number < seen_at and self.kind in {None, kind_of(job)}


@define(eq=False)
class ReplayClaims:
    """The replays of one account that are in flight or unresolved, and the jobs they have claimed. Thread-safe.

    An attempt whose response was lost takes a job only if no other attempt can have made it. Attempts that replay the
    same job are interchangeable: if there are no more new jobs than such attempts, each takes one.
    """

    _claimed: dict[str, datetime | None] = field(factory=dict)  # creation dates by id in lower case, the latest last
    _in_flight: list[ReplayAttempt] = field(factory=list)
    _unresolved: deque[ReplayAttempt] = field(factory=lambda: deque(maxlen=_MAX_UNRESOLVED))
    _numbers: Iterator[int] = field(factory=count)
    _lock: Lock = field(factory=Lock)

    @contextmanager
    def attempt(self, source: str, *, now: Callable[[], float]) -> Iterator[ReplayAttempt]:
        """Track one replay, from before its request is sent until its job is claimed or known not to exist."""
        with self._lock:
            attempt = ReplayAttempt(next(self._numbers), source)
            self._in_flight.append(attempt)
        try:
            yield attempt
        except BaseException as error:
            if isinstance(error, ReplayUncertainError | ExportUncertainError) or not isinstance(
                error, JobsError
            ):  # also if interrupted
                with self._lock:
                    attempt.ended_at = now()
                    self._unresolved.append(attempt)
            raise
        finally:
            with self._lock:
                self._in_flight.remove(attempt)

    def record(self, job: Job) -> None:
        """Record that a replay was answered with `job`."""
        with self._lock:
            self._claim(job)

    def claim(self, attempt: ReplayAttempt, jobs: Sequence[Job], *, now: float) -> tuple[Job | None, tuple[Job, ...]]:
        """Claim the job that an attempt without a response made, if it is certainly one of `jobs`, newest first.

        Return the job that was claimed, or None, and those of `jobs` that were unclaimed before.
        """
        with self._lock:
            free = self._unclaimed(jobs)
            for job in free:
                attempt.seen.setdefault(job.id.lower(), next(self._numbers))
            if not free or not self._is_certain(attempt, free, now):
                return None, free
            self._claim(free[-1])
            return free[-1], free

    def unclaimed(self, jobs: Iterable[Job]) -> tuple[Job, ...]:
        """Return those of `jobs` that no attempt has claimed."""
        with self._lock:
            return self._unclaimed(jobs)

    def claim_rerun(self, source: Job) -> bool:
        """Claim the replayed job itself if the server queued it again and no other attempt has claimed that run."""
        with self._lock:
            claimed, created = self._claimed.get(source.id.lower()), source.created_date
            is_new_run = claimed is not None and created is not None and created - claimed > _SAME_RUN
            is_free = source.id.lower() not in self._claimed or is_new_run
            if is_free:
                self._claim(source)
            return is_free

    def _is_certain(self, attempt: ReplayAttempt, free: Sequence[Job], now: float) -> bool:
        """Return whether each attempt that may have made one of `free` can take another one of them instead."""
        others = [other for other in self._in_flight if other is not attempt]
        recent = [other for other in self._unresolved if now - other.ended_at < _UNRESOLVED_SECONDS]
        others += [other for other in recent if not other.repeats(attempt)]
        rivals = [o for o in others if any(o.may_have_made(job, seen_at=attempt.seen[job.id.lower()]) for job in free)]
        are_interchangeable = all(rival.repeats(attempt) and rival.is_lost for rival in rivals)
        return are_interchangeable and len(free) <= len(rivals) + 1

    def _unclaimed(self, jobs: Iterable[Job]) -> tuple[Job, ...]:
        return tuple(job for job in jobs if job.id.lower() not in self._claimed)

    def _claim(self, job: Job) -> None:
        self._claimed.pop(job.id.lower(), None)
        self._claimed[job.id.lower()] = job.created_date
        if len(self._claimed) > _MAX_CLAIMED:
            del self._claimed[next(iter(self._claimed))]


def kind_of(job: Job) -> tuple[object, object]:
    """Return the job's type and program, which are all that the API says about how it was made."""
    return job.type, job.program_id


REPLAY_CLAIMS: PerAccount[ReplayClaims] = PerAccount(ReplayClaims, kept=_KEPT_ACCOUNTS)
"""The claims of all clients of an account in this process."""
