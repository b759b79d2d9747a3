"""Find the job that a task has scheduled before, or schedule it: one job, over kills, retries and clears.

What the task is about to send is written to its state first, and the job's id right after. So a state without an id
means that a process has ended in between: an export is then sent again, because the server returns the job of an equal
export, and a replay is looked for in the list of jobs.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from attrs import asdict, evolve, field, frozen

from impact_jobs import (
    Job,
    JobFailedError,
    JobNotFoundError,
    JobsClient,
    JobsError,
    JobStatus,
    NotReplayableError,
    PermissionDeniedError,
    ReplayUncertainError,
    WaitTimeoutError,
)
from impact_jobs.airflow._task_state import Memory
from impact_jobs.client import find_lost_replay

logger: logging.Logger = logging.getLogger("impact_jobs")

JOB_KEY: Final = "impact_jobs"
"""The key of the job in the task's state."""

_CLOCKS: Final = timedelta(seconds=60)  # how far the clocks of this machine and the server may differ
_SETTLING_SECONDS: Final = 600.0  # after a replay in place, in which the server may still show the earlier run


@frozen(kw_only=True)
class ExportRequest:
    """An export as a task asks for it; `start` and `end` are days as text."""

    report_id: str
    start: str | None = None
    end: str | None = None
    result_format: str = "CSV"
    filters: Mapping[str, Any] = field(factory=dict)

    @property
    def key(self) -> str:
        """A text that is equal for equal requests of one account."""
        days = (self.start, self.end)
        return json.dumps(["export", self.report_id, *days, self.result_format.upper(), sorted(self.filters.items())])

    def send(self, client: JobsClient) -> Job:
        """Send the request; return the new job, or the existing one of an equal export."""
        return client.export_report(
            self.report_id,
            start_date=self.start,
            end_date=self.end,
            result_format=self.result_format,
            filters=self.filters or None,
        )


@frozen(kw_only=True)
class JobNote:
    """What the task's state says about its job.

    Attributes:
        request: The request that the job is for. The note of another request is not used.
        sent_at: When the last request was sent, in epoch seconds of the worker's clock.
        clears: Airflow's `max_tries` at that time, which grows whenever the task is cleared. None if the job's result
            is not known to be new enough.
        job: The job's id, or None before it is known.
        source: The job whose replay was sent, until the answer is recorded.
        earlier_end: When the job had completed before it was replayed in place, in ISO text.
    """

    request: str
    sent_at: float
    clears: int | None
    job: str | None = None
    source: str | None = None
    earlier_end: str | None = None

    @classmethod
    def read(cls, value: Mapping[str, Any] | None, request: str) -> Self | None:
        """Return the note, or None if there is none, or it is of another request or version."""
        try:
            note = cls(**(value or {}))
        except TypeError:
            return None
        return note if note.request == request else None

    def corrected(self, job: Job) -> Job:
        """Return a snapshot as QUEUED if it still shows the run before a replay in place, as servers do for a moment."""
        end = job.completed_date
        is_earlier = job.status == JobStatus.COMPLETED and end is not None and end.isoformat() == self.earlier_end
        is_recent = time.time() - self.sent_at < _SETTLING_SECONDS
        return evolve(job, status=JobStatus.QUEUED) if is_earlier and is_recent else job


@frozen(kw_only=True)
class JobScheduler:
    """Schedules a task's job at most once, and finds it again.

    Args:
        client: A client of the account.
        memory: Where the task's state notes the job.
        is_durable: Whether that outlasts the process.
        is_retry: Whether the task has been started before.
        max_age: How old the result of a job may be that the task has not scheduled since it was cleared.
        clears: Airflow's `max_tries`.
        scope: The account, as text that is equal for equal connections and brands.
    """

    client: JobsClient
    memory: Memory
    is_durable: bool = True
    is_retry: bool = False
    max_age: timedelta | None = None
    clears: int = 0
    scope: str = ""

    def export(self, request: ExportRequest) -> Job:
        """Return the job of an export: the task's own, that of an equal export, a replay of it, or a new one.

        Raises:
            JobsError: As for `export_report`; or the job has failed, and can be neither replayed nor exported anew.
        """
        key = self._scoped(request.key)
        note = self._note(key)
        job = self._known_job(note)
        if job is None or note is None:
            return self._export(key, request)
        return self._usable(key, job, is_accepted=note.clears == self.clears, anew=lambda: request.send(self.client))

    def export_again(self, request: ExportRequest, job_id: str) -> Job | None:
        """Return a job in place of one whose result is gone, or None if an equal export still returns that one."""
        key = self._scoped(request.key)
        self.memory.delete()
        try:
            replayed = self._replay_if_possible(key, self.client.get(job_id))
        except JobNotFoundError:
            replayed = None
        if replayed is not None:
            return replayed
        job = self._send_export(key, request)
        return None if _is_same(job.id, job_id) else job

    def replay(self, source: str) -> Job:
        """Return the job of a replay: the task's own, or a new one.

        Raises:
            JobsError: As for `JobsClient.replay`.
        """
        key = self._scoped(json.dumps(["replay", source.lower()]))
        note = self._note(key)
        job = self._known_job(note)
        if job is None or note is None:
            return self._replay(key, self.client.get(source), fallback=None)
        return self._usable(
            key,
            job,
            is_accepted=note.clears == self.clears,
            anew=lambda: self._replay(key, self.client.get(source), fallback=None),
        )

    def _scoped(self, key: str) -> str:
        return f"{self.scope} {key}"

    def _note(self, key: str) -> JobNote | None:
        return JobNote.read(self.memory.get(), key)

    def _write(self, note: JobNote) -> None:
        self.memory.set(asdict(note))

    def _known_job(self, note: JobNote | None) -> Job | None:
        """Return the job that an earlier process has scheduled, or None if it has to be scheduled."""
        if note is None:
            return None
        if note.source is not None:
            found = self._find_replay(note, note.source)
            if found is not None:
                self._record(evolve(note, clears=self.clears), found)
                return found
        if note.job is None:
            return None
        try:
            job = self.client.get(note.job)
        except JobNotFoundError:
            logger.warning("job %s of an earlier try is gone, so it is scheduled anew", note.job)
            return None
        logger.info("job %s of an earlier try is %s", job.id, job.status)
        return note.corrected(job)

    def _find_replay(self, note: JobNote, source: str) -> Job | None:
        """Return the job of a replay whose answer was not recorded, or None if it was not accepted."""
        try:
            return find_lost_replay(self.client, source, datetime.fromtimestamp(note.sent_at, UTC))
        except JobNotFoundError:
            return None
        except ReplayUncertainError as error:
            if note.clears == self.clears:
                raise
            # Somebody has read the message, and has cleared the task to have it replay again.
            logger.warning("the task was cleared, so it replays again although: %s", error)
            return None

    def _usable(self, key: str, job: Job, *, is_accepted: bool, anew: Callable[[], Job]) -> Job:
        """Return the job if its result is new enough or still to come; else that of a replay, or of a new request."""
        if not self._has_ended(job):
            return job
        is_completed = job.status == JobStatus.COMPLETED
        if is_completed and (is_accepted or self._is_young(job)):
            return job
        replayed = self._earlier_replay(key, job) or self._replay_if_possible(key, job)
        if replayed is not None:
            return replayed
        if is_completed:
            logger.warning("job %s is older than max_age and cannot be replayed, so its result is used", job.id)
            return job
        again = anew()
        self._record(JobNote(request=key, sent_at=time.time(), clears=self.clears), again)
        if _is_same(again.id, job.id):
            raise JobFailedError.of(job)
        return again

    def _has_ended(self, job: Job) -> bool:
        if job.status != JobStatus.ERROR:
            return job.is_terminal
        try:  # the servers of brand and partner accounts run such a job again for a while
            self.client.wait(job, timeout=0)
        except JobFailedError:
            return True
        except WaitTimeoutError:
            pass
        return False

    def _is_young(self, job: Job) -> bool:
        made = job.completed_date or job.created_date
        return self.max_age is None or (made is not None and datetime.now(UTC) - made <= self.max_age)

    def _export(self, key: str, request: ExportRequest) -> Job:
        """Send an export; see to it that the result of the job is new enough."""
        sent = datetime.now(UTC)
        job = self._send_export(key, request)
        if self.max_age is None and not job.is_terminal:
            return job  # its state shows while it is waited for
        job = self.client.get(job.id)
        is_new = job.created_date is not None and job.created_date >= sent - _CLOCKS
        usable = self._usable(key, job, is_accepted=is_new, anew=lambda: request.send(self.client))
        if usable is job and self.max_age is not None:
            self._record(JobNote(request=key, sent_at=sent.timestamp(), clears=self.clears), job)
        return usable

    def _send_export(self, key: str, request: ExportRequest) -> Job:
        note = JobNote(request=key, sent_at=time.time(), clears=None if self.max_age is not None else self.clears)
        self._write(note)
        job = request.send(self.client)
        self._record(note, job)
        return job

    def _record(self, note: JobNote, job: Job) -> None:
        self._write(evolve(note, job=job.id, source=None))

    def _earlier_replay(self, key: str, job: Job) -> Job | None:
        """Return the replay that an earlier try may have made of a failed job, if there is no state that names it."""
        ended = job.failed_date or job.completed_date or job.cancelled_date
        if self.is_durable or not self.is_retry or ended is None or job.status == JobStatus.COMPLETED:
            return None
        try:
            found = find_lost_replay(self.client, job.id, ended)
        except ReplayUncertainError as error:
            logger.warning("job %s is replayed, although an earlier try may have done so: %s", job.id, error)
            return None
        if found is not None:
            self._record(JobNote(request=key, sent_at=time.time(), clears=self.clears), found)
        return found

    def _replay_if_possible(self, key: str, job: Job) -> Job | None:
        if str(job.raw.get("Replayable")).lower() == "false":
            return None
        try:
            return self._replay(key, job, fallback=job.id)
        except (NotReplayableError, PermissionDeniedError, JobNotFoundError) as error:
            logger.warning("job %s is %s and could not be replayed: %s", job.id, job.status, error)
            return None

    def _replay(self, key: str, job: Job, *, fallback: str | None) -> Job:
        """Send a replay; `fallback` is the task's job if it is not accepted."""
        before = self.memory.get()
        note = JobNote(request=key, sent_at=time.time(), clears=self.clears, job=fallback, source=job.id)
        self._write(note)
        try:
            replayed = self.client.replay(job)
        except ReplayUncertainError:
            raise  # the note makes the next try look for the job
        except JobsError:
            self._put_back(before)
            raise
        is_same = _is_same(replayed.id, job.id)
        ended = job.completed_date.isoformat() if is_same and job.completed_date else None
        self._record(evolve(note, earlier_end=ended), replayed)
        logger.info("job %s, which was %s, is replayed as job %s", job.id, job.status, replayed.id)
        return replayed

    def _put_back(self, value: Mapping[str, Any] | None) -> None:
        if value is None:
            self.memory.delete()
        else:
            self.memory.set(value)


def rerun(client: JobsClient, memory: Memory, job_id: str) -> Job | None:
    """Return the current state of a job that this task has replayed in place, or None if it has not done so."""
    value = memory.get() or {}
    note = JobNote.read(value, value.get("request", ""))
    if note is None or note.job is None or note.earlier_end is None or not _is_same(note.job, job_id):
        return None
    return note.corrected(client.get(job_id))


def _is_same(first: str, second: str) -> bool:
    return first.lower() == second.lower()
