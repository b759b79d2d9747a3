"""Which new job was made by which replay or export of this process, so that no call takes another call's job."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from threading import Lock

from attrs import define, field, frozen

from impact_jobs._policy.per_account import PerAccount
from impact_jobs.errors import JobsError
from impact_jobs.models import Job

# The hourly limit allows 1,000 replays, and no attempt takes an hour to find its job.
_MAX_CLAIMED = 4096
_MAX_UNRESOLVED = 256
_UNRESOLVED_SECONDS = 300.0  # how late the job of a request without a response may still appear
_KEPT_ACCOUNTS = 16  # claims outlive the account's last client, because the next one must not claim the same jobs
_SAME_RUN = timedelta(seconds=2)  # by how much the dates of one run may differ between responses


@frozen
class _Claim:
    """A claimed job or, if it was replayed in place, one of its runs."""

    created: datetime | None
    begun: datetime | None  # when the replay began, by the server's clock; only known of a run

    def is_of_earlier_run(self, job: Job, ends: Iterable[datetime]) -> bool:
        """Return whether `job` has run again since, by its creation date, or by when its earlier runs have ended."""
        is_made_anew = bool(job.created_date and self.created and job.created_date - self.created > _SAME_RUN)
        return is_made_anew or (self.begun is not None and any(end - self.begun > _SAME_RUN for end in ends))


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

    _claimed: dict[str, _Claim] = field(factory=dict)  # by id in lower case, the latest last
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
            if attempt.is_lost or not isinstance(error, JobsError):  # also if interrupted
                with self._lock:
                    attempt.ended_at = now()
                    self._unresolved.append(attempt)
            raise
        finally:
            with self._lock:
                self._in_flight.remove(attempt)

    def record(self, job: Job, *, begun: datetime | None = None) -> None:
        """Record that a replay that began then, by the server's clock, was answered with `job`."""
        with self._lock:
            self._claim(job, begun)

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

    def claim_rerun(
        self, attempt: ReplayAttempt, source: Job, *, begun: datetime, ends: Iterable[datetime] = ()
    ) -> bool:
        """Claim the present run of the replayed job itself, unless it may be that of another attempt.

        `begun` is when the attempt began, and `ends` are when earlier runs have ended, by the server's clock.
        """
        with self._lock:
            claim = self._claimed.get(source.id.lower())
            others = [other for other in self._in_flight if other is not attempt and other.repeats(attempt)]
            if any(not other.is_lost for other in others) or (claim and not claim.is_of_earlier_run(source, ends)):
                return False
            self._claim(source, begun)
            return True

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

    def _claim(self, job: Job, begun: datetime | None = None) -> None:
        self._claimed.pop(job.id.lower(), None)
        self._claimed[job.id.lower()] = _Claim(job.created_date, begun)
        if len(self._claimed) > _MAX_CLAIMED:
            del self._claimed[next(iter(self._claimed))]


def kind_of(job: Job) -> tuple[object, object]:
    """Return the job's type and program, which are all that the API says about how it was made."""
    return job.type, job.program_id


REPLAY_CLAIMS: PerAccount[ReplayClaims] = PerAccount(ReplayClaims, kept=_KEPT_ACCOUNTS)
"""The claims of all clients of an account in this process."""
