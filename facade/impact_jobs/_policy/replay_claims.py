"""Which replay of this process which new job belongs to, so that no attempt takes another's job for its own."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from threading import Lock
from typing import TypeAlias

from attrs import define, field

from impact_jobs._account import Account
from impact_jobs._policy.per_account import PerAccount
from impact_jobs.errors import JobsError, ReplayUncertainError
from impact_jobs.models import Job

Kind: TypeAlias = tuple[object, object]
"""A job's type and program: all that the API says about what it was made of."""

# The hourly budget allows for 1,000 replays, and no attempt takes an hour to be sure.
_MOST_TOLD = 4096
_MOST_UNRESOLVED = 256
_UNRESOLVED_SECONDS = 300.0  # how late the job of a request whose answer was lost may still come to light
_MOST_ACCOUNTS = 16  # remembered when their last client is gone: the next one must not take what that one was told
# By how much the date of a job's creation may differ from one answer to the next.
_SAME_RUN = timedelta(seconds=2)


@define(eq=False)
class ReplayAttempt:
    """One replay that is under way, or that ended without knowing its job.

    Attributes:
        number: Calls begin, and jobs are first seen, in the order of their numbers.
        source: The id of the job that is replayed.
        kind: Its kind, once known.
        is_lost: Whether its answer is; until then it may still arrive.
        seen: The jobs that the list showed to it, with the numbers of their first sight.
        ended_at: When it ended without knowing, on the port's clock.
    """

    number: int
    source: str
    kind: Kind | None = None
    is_lost: bool = False
    seen: dict[str, int] = field(factory=dict)
    ended_at: float = math.inf

    def may_own(self, job: Job, *, seen_at: int) -> bool:
        """Whether `job` can be the replay that this attempt asked for."""
        return self.number < seen_at and self.kind in {None, kind_of(job)}


@define(eq=False)
class ReplayClaims:
    """The replays of one account in this process: those under way, and the jobs that are known to be somebody's.

    It does no I/O, and is safe in threads.

    A call whose answer was lost takes a job only when no other call can own it. Calls that replay the same job are
    as good as each other: of as many jobs as there are such calls, each takes one.
    """

    _told: OrderedDict[str, datetime | None] = field(factory=OrderedDict)  # ids, with the dates of creation
    _open: list[ReplayAttempt] = field(factory=list)
    _unresolved: list[ReplayAttempt] = field(factory=list)  # ended without knowing: their jobs may still come to light
    _numbers: Iterator[int] = field(factory=count)
    _lock: Lock = field(factory=Lock)

    @classmethod
    def of(cls, account: Account) -> ReplayClaims:
        """The account's claims: those of all its clients in this process."""
        return _of_accounts.of(account)

    @contextmanager
    def calling(self, source: str, *, now: Callable[[], float]) -> Iterator[ReplayAttempt]:
        """Around one replay, from before it leaves until its job is claimed, or it is known to have made none.

        Args:
            source: The id of the job that is replayed.
            now: The port's clock.
        """
        with self._lock:
            attempt = ReplayAttempt(next(self._numbers), source)
            self._open.append(attempt)
        is_astray = True
        try:
            yield attempt
            is_astray = False
        except JobsError as error:
            is_astray = isinstance(error, ReplayUncertainError)
            raise
        finally:  # Ctrl-C or a cancelled task too
            with self._lock:
                self._open.remove(attempt)
                if is_astray:
                    attempt.ended_at = now()
                    self._unresolved.append(attempt)

    def tell(self, job: Job) -> None:
        """Take note that `job` is somebody's: a replay was answered with it."""
        with self._lock:
            self._tell(job)

    def claim(self, attempt: ReplayAttempt, jobs: Sequence[Job], *, now: float) -> tuple[Job | None, tuple[Job, ...]]:
        """Take the one of `jobs` that is the attempt's own, if that is beyond doubt.

        Args:
            attempt: One whose answer was lost.
            jobs: What the list showed just now that could be its own, newest first.
            now: The time, on the port's clock.

        Returns:
            The job, claimed; and those of them that are nobody's yet.
        """
        with self._lock:
            attempt.is_lost = True
            free = tuple(job for job in jobs if job.id not in self._told)
            for job in free:
                attempt.seen.setdefault(job.id, next(self._numbers))
            if not free or not self._is_certain(attempt, free, now):
                return None, free
            self._tell(free[-1])
            return free[-1], free

    def claim_again(self, source: Job) -> bool:
        """Take the job that was replayed itself, if it was queued again and that run is nobody's yet."""
        with self._lock:
            told, created = self._told.get(source.id), source.created_date
            is_another_run = told is not None and created is not None and created - told > _SAME_RUN
            if source.id in self._told and not is_another_run:
                return False
            self._tell(source)
            return True

    def _is_certain(self, attempt: ReplayAttempt, free: Sequence[Job], now: float) -> bool:
        """Whether no other attempt can own the last of `free`, or only one that does as well with another of them."""
        self._unresolved = [other for other in self._unresolved if now - other.ended_at < _UNRESOLVED_SECONDS][
            -_MOST_UNRESOLVED:
        ]
        astray = [other for other in self._unresolved if other.source != attempt.source]
        rivals = [
            other
            for other in (*self._open, *astray)
            if other is not attempt and any(other.may_own(job, seen_at=attempt.seen[job.id]) for job in free)
        ]
        are_equal = all(other.source == attempt.source and other.is_lost for other in rivals)
        return are_equal and len(free) <= len(rivals) + 1

    def _tell(self, job: Job) -> None:
        self._told[job.id] = job.created_date
        self._told.move_to_end(job.id)
        while len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)


def kind_of(job: Job) -> Kind:
    """The job's kind."""
    return job.type, job.program_id


_of_accounts: PerAccount[ReplayClaims] = PerAccount(ReplayClaims, kept=_MOST_ACCOUNTS)
