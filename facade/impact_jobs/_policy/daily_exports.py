"""Count the exports of an account in the last 24 hours, because the server allows 100 of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from threading import Lock

from attrs import define, field

from impact_jobs._policy.per_account import PerAccount
from impact_jobs.models import Job, JobType

DAILY_LIMIT = 100
"""Exports in any 24 hours. Documented for brand and partner accounts, and assumed for agencies."""

PERIOD = timedelta(days=1)
"""The time in which the limit holds. The documentation says "a day", so no day of any time zone can have more."""

COUNTED_FOR = PERIOD + timedelta(seconds=10)
"""For how long an export counts. The server receives it later than it is sent, and dates it in whole seconds."""

_KEPT_ACCOUNTS = 16  # the counts outlive the account's last client, because the limit does


@define(eq=False)
class DailyExports:
    """The exports of one account. Thread-safe. All moments are aware.

    It counts every request for an export that this process has sent, unless it was certainly not accepted, and every
    job of a report in the list that none of those has returned. So replays, and exports that returned an existing job,
    are counted as well: the count may be too high, but not too low.
    """

    _sent: list[datetime] = field(factory=list)
    _own: dict[str, datetime] = field(factory=dict)  # when an export returned it, by job id in lower case
    _listed: dict[str, datetime] = field(factory=dict)  # the creation date, by job id in lower case
    _lock: Lock = field(factory=Lock)

    def on_sent(self, now: datetime) -> None:
        """Count an export that is about to be sent."""
        with self._lock:
            self._sent = [*_recent(self._sent, now), now]

    def on_not_accepted(self, sent: datetime) -> None:
        """Remove an export that was counted at `sent`, because it did not arrive, or was refused."""
        with self._lock:
            if sent in self._sent:
                self._sent.remove(sent)

    def on_answer(self, job_id: str, now: datetime) -> None:
        """Record the job that an export of this process has returned."""
        with self._lock:
            self._own = {key: at for key, at in self._own.items() if at > now - COUNTED_FOR} | {job_id.lower(): now}

    def on_listed(self, jobs: Iterable[Job]) -> None:
        """Replace the jobs that the list showed before."""
        listed = {job.id.lower(): job.created_date for job in jobs if is_export(job)}
        with self._lock:
            self._listed = {key: created for key, created in listed.items() if created is not None}

    def left(self, now: datetime) -> int:
        """Return how many exports may still be sent."""
        return max(DAILY_LIMIT - len(self._counted(now)), 0)

    def again_at(self, now: datetime) -> datetime:
        """Return from when on at least one export may be sent."""
        counted = self._counted(now)
        return (
            now if len(counted) < DAILY_LIMIT else (counted[len(counted) - DAILY_LIMIT] + COUNTED_FOR).astimezone(UTC)
        )

    def _counted(self, now: datetime) -> list[datetime]:
        with self._lock:
            others = [created for key, created in self._listed.items() if key not in self._own]
            return sorted(_recent([*self._sent, *others], now))


def is_export(job: Job) -> bool:
    """Return whether the type of a job is that of a report's export."""
    return job.type == JobType.APIREPORT


def _recent(moments: Iterable[datetime], now: datetime) -> list[datetime]:
    return [moment for moment in moments if moment > now - COUNTED_FOR]


DAILY_EXPORTS: PerAccount[DailyExports] = PerAccount(DailyExports, kept=_KEPT_ACCOUNTS)
"""The exports of all clients of an account in this process."""
