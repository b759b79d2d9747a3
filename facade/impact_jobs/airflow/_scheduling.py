"""Find the job that a task has scheduled before, or schedule it: one job, over kills, retries and clears.

What the task is about to send is written to its state first, and the job's id right after. So a state without an id
means that a process has ended in between: an export is then sent again, because the server returns the job of an equal
export, and a replay is looked for in the list of jobs.
"""

from __future__ import annotations

import json
import logging
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
from impact_jobs.toolkit import epoch_seconds, find_lost_replay

logger: logging.Logger = logging.getLogger("impact_jobs")

JOB_KEY: Final = "impact_jobs"
"""The key of the job in the task's state."""

_CLOCKS: Final = timedelta(seconds=2)  # of this machine and the server, whose dates are whole seconds
_LISTED_SECONDS: Final = 60.0  # until the list of jobs shows each new one
_SETTLING_SECONDS: Final = 120.0  # in which the server may not show a new job yet, or still its earlier run


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
        clears: Airflow's `max_tries`, which grows whenever the task is cleared.
        since: When the task first asked for the job since then, in epoch seconds of the worker's clock.
        sent_at: When the last request was sent.
        job: The job's id, or None before it is known.
        source: The job whose replay was sent, until the answer is recorded.
        earlier_end: When the job had completed before it was replayed in place, in ISO text.
    """

    request: str
    clears: int
    since: float
    sent_at: float
    job: str | None = None
    source: str | None = None
    earlier_end: str | None = None

    @classmethod
    def read(cls, value: Mapping[str, Any] | None, request: str | None = None) -> Self | None:
        """Return the note, or None if there is none, or it is of another request or version."""
        try:
            note = cls(**(value or {}))
        except TypeError:
            return None
        return note if request in (None, note.request) else None

    @property
    def is_recent(self) -> bool:
        """Whether the server may still show what was before the last request."""
        return epoch_seconds() - self.sent_at < _SETTLING_SECONDS

    def corrected(self, job: Job) -> Job:
        """Return a snapshot as QUEUED if it still shows the run before a replay in place, as may be for a moment."""
        end = job.completed_date
        is_earlier = job.status == JobStatus.COMPLETED and end is not None and end.isoformat() == self.earlier_end
        return evolve(job, status=JobStatus.QUEUED) if is_earlier and self.is_recent else job


@frozen(kw_only=True)
class JobScheduler:
    """Schedules a task's job at most once, and finds it again.

    Args:
        client: A client of the account.
        memory: Where the task's state notes the job.
        max_age: How old the result may have been when the task first asked for it since it was cleared.
        is_new: Returns whether a completed job is new enough, given the aware moment at which the task first asked. It
            is used instead of `max_age`.
        clears: Airflow's `max_tries`.
        scope: The account, as text that is equal for equal connections and brands.
        defer_until: Ends the process until a moment, in epoch seconds, when the list of jobs shows a replay that may
            have been sent; None to wait for that in this process.
    """

    client: JobsClient
    memory: Memory
    max_age: timedelta | None = None
    is_new: Callable[[Job, datetime], bool] | None = None
    clears: int = 0
    scope: str = ""
    defer_until: Callable[[float], object] | None = None

    def export(self, request: ExportRequest, *, known: str | None = None) -> Job:
        """Return the job of an export: the task's own, that of an equal export, a replay of it, or a new one.

        Args:
            request: The export.
            known: The job of an equal export, if one is known, which saves the export.

        Raises:
            JobsError: As for `export_report`; or the job has failed, and can be neither replayed nor exported anew.
        """
        note = self._note(request.key)
        job = self._known_job(note)
        if job is None and known is not None:
            job = self._job_if_there(known)
        if job is None:
            job = self._send_export(note, request)
            if self._takes_any and not job.is_terminal:
                return job  # its state shows while it is waited for
            job = self.client.get(job.id)
        return self._usable(note, job, anew=lambda: self._send_export(note, request))

    def export_again(self, request: ExportRequest, job_id: str) -> Job | None:
        """Return a job in place of one whose result is gone, or None if an equal export still returns that one."""
        note = self._note(request.key)
        self.memory.delete()
        try:
            replayed = self._replay_if_possible(note, self.client.get(job_id))
        except JobNotFoundError:
            replayed = None
        if replayed is not None:
            return replayed
        job = self._send_export(note, request)
        return None if _is_same(job.id, job_id) else job

    def replay(self, source: str) -> Job:
        """Return the job of a replay: the task's own, or a new one.

        Raises:
            JobsError: As for `JobsClient.replay`.
        """
        note = self._note(json.dumps(["replay", source.lower()]))

        def anew() -> Job:
            return self._replay(note, self.client.get(source), fallback=None)

        job = self._known_job(note)
        return anew() if job is None else self._usable(note, job, anew=anew)

    def _note(self, request: str) -> JobNote:
        """Return the note about a request: that of an earlier process, or a new one."""
        key, now = f"{self.scope} {request}", epoch_seconds()
        note = JobNote.read(self.memory.get(), key)
        if note is None:
            return JobNote(request=key, clears=self.clears, since=now, sent_at=now)
        return note if note.clears == self.clears else evolve(note, since=now)

    def _write(self, note: JobNote) -> None:
        self.memory.set(asdict(evolve(note, clears=self.clears)))

    def _known_job(self, note: JobNote) -> Job | None:
        """Return the job that an earlier process has scheduled, or None if it has to be scheduled."""
        if note.source is not None:
            found = self._find_replay(note, note.source)
            if found is not None:
                self._write(evolve(note, job=found.id, source=None))
                return found
        if note.job is None:
            return None
        try:
            job = self.client.get(note.job)
        except JobNotFoundError:
            if note.is_recent:
                return Job(id=note.job, status=JobStatus.QUEUED)
            logger.warning("job %s of an earlier try is gone, so it is scheduled anew", note.job)
            return None
        logger.info("job %s of an earlier try is %s", job.id, job.status)
        return note.corrected(job)

    def _job_if_there(self, job_id: str) -> Job | None:
        try:
            return self.client.get(job_id)
        except JobNotFoundError:
            return None

    def _find_replay(self, note: JobNote, source: str) -> Job | None:
        """Return the job of a replay whose answer was not recorded, or None if it was not accepted."""
        try:
            return self._listed_replay(source, note.sent_at)
        except JobNotFoundError:
            return None
        except ReplayUncertainError as error:
            if note.clears == self.clears:
                raise
            # Somebody has read the message, and has cleared the task to have it replay again.
            logger.warning("the task was cleared, so it replays again although: %s", error)
            return None

    def _listed_replay(self, source: str, sent_at: float) -> Job | None:
        left = sent_at + _LISTED_SECONDS - epoch_seconds()
        if self.defer_until is not None and 0 < left <= _LISTED_SECONDS:
            logger.info("whether job %s was replayed shows in %.0f s", source, left)
            self.defer_until(sent_at + _LISTED_SECONDS)
        return find_lost_replay(self.client, source, datetime.fromtimestamp(sent_at, UTC))

    def _usable(self, note: JobNote, job: Job, *, anew: Callable[[], Job]) -> Job:
        """Return the job if its result is new enough or still to come; else that of a replay, or of a new request."""
        if not self._has_ended(job):
            return job
        is_completed = job.status == JobStatus.COMPLETED
        if is_completed and self._is_new_enough(note, job):
            return job
        replayed = self._replay_if_possible(note, job)
        if replayed is not None:
            return replayed
        if is_completed:
            logger.warning("job %s is older than asked and cannot be replayed, so its result is used", job.id)
            return job
        again = anew()
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

    @property
    def _takes_any(self) -> bool:
        return self.max_age is None and self.is_new is None

    def _is_new_enough(self, note: JobNote, job: Job) -> bool:
        since = datetime.fromtimestamp(note.since, UTC)
        if self.is_new is not None:
            return self.is_new(job, since)
        if self.max_age is None:
            return True
        made = job.completed_date or job.created_date
        return made is not None and since - made <= self.max_age + _CLOCKS

    def _send_export(self, note: JobNote, request: ExportRequest) -> Job:
        note = evolve(note, sent_at=epoch_seconds(), job=None, source=None, earlier_end=None)
        self._write(note)
        job = request.send(self.client)
        self._write(evolve(note, job=job.id))
        return job

    def _replay_if_possible(self, note: JobNote, job: Job) -> Job | None:
        if str(job.raw.get("Replayable")).lower() == "false":
            return None
        try:
            return self._replay(note, job, fallback=job.id)
        except (NotReplayableError, PermissionDeniedError, JobNotFoundError) as error:
            logger.warning("job %s is %s and could not be replayed: %s", job.id, job.status, error)
            return None

    def _replay(self, note: JobNote, job: Job, *, fallback: str | None) -> Job:
        """Send a replay; `fallback` is the task's job if it is not accepted."""
        before = self.memory.get()
        note = evolve(note, sent_at=epoch_seconds(), job=fallback, source=job.id, earlier_end=None)
        self._write(note)
        try:
            replayed = self.client.replay(job)
        except ReplayUncertainError:
            raise  # the note makes the next try look for the job
        except JobsError:
            self._put_back(before)
            raise
        ended = job.completed_date if _is_same(replayed.id, job.id) else None
        if ended is not None and ended > datetime.fromtimestamp(note.sent_at, UTC) - _CLOCKS:
            ended = None  # the new run may end in the same second, and the earlier result is as good
        self._write(
            evolve(note, job=replayed.id, source=None, earlier_end=None if ended is None else ended.isoformat())
        )
        logger.info("job %s, which was %s, is replayed as job %s", job.id, job.status, replayed.id)
        return replayed

    def _put_back(self, value: Mapping[str, Any] | None) -> None:
        if value is None:
            self.memory.delete()
        else:
            self.memory.set(value)


def rerun(client: JobsClient, memory: Memory, job_id: str) -> tuple[Job, bool] | None:
    """Return the current state of a job that this task has replayed in place, or None if it has not done so.

    Return also whether the replay was so recent that the server may still show the earlier run.
    """
    note = JobNote.read(memory.get())
    if note is None or note.job is None or note.earlier_end is None or not _is_same(note.job, job_id):
        return None
    return note.corrected(client.get(job_id)), note.is_recent


def _is_same(first: str, second: str) -> bool:
    return first.lower() == second.lower()
