"""`wait_all` and `as_completed`: one list answers for all jobs that are waited for."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Self, TypeAlias

from attrs import evolve, frozen

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._api.endpoints import get_once
from impact_jobs._api.pages import job_pages
from impact_jobs._api.parsing import parse_job
from impact_jobs._dates import Window
from impact_jobs._operations.job_tracker import BatchEntry, JobTracker
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.retry import is_transient
from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    JobNotFoundError,
    JobsError,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

Timeouts: TypeAlias = float | Mapping[str, float | None] | None
"""Seconds for all jobs together, or a mapping from each job's id to its own seconds; None waits without a limit."""

_SAMPLE = 200  # the pauses of so many jobs are enough to schedule the list for ten thousand
_SHOWN_IDS = 20
# Reading an entry of the list takes 7 to 10 µs: at this rate, at most a thirtieth of one core.
_MAX_ENTRIES_PER_SECOND = 3000


@frozen
class JobOutcome:
    """How one job ended: the completed job, or the error that says why it is not."""

    job_id: str
    outcome: Job | JobsError


class JobBatch:
    """Jobs that are waited for together: an iterator over their outcomes, in the order in which they are noticed.

    Each turn makes one poll: it reads the list if that is expected to answer for more jobs than it has pages, and
    otherwise polls the one job that is due first. A job that is named twice counts once.

    Jobs may join and leave while it runs. `pause`, which replaces `ClientContext.pause_to_poll`, then returns None, so
    that the next poll is scheduled anew.
    """

    def __init__(
        self,
        context: ClientContext,
        references: Iterable[JobReference],
        *,
        timeout: Timeouts,
        polling: Polling | None,
        on_update: Callable[[Job], object] | None,
        pause: Callable[..., Awaitable[bool | None]] | None = None,
    ) -> None:
        self._context = context
        self._polling = context.polling if polling is None else polling
        self._pause_to_poll = pause or context.pause_to_poll
        started = context.transport.now()
        named = named_jobs(context, references)
        seconds = _seconds_by_job(context, timeout, named)
        self.ids: tuple[str, ...] = tuple(job_id for job_id, _ in named.values())
        self._pending: dict[str, BatchEntry] = {
            key: BatchEntry(
                tracker=JobTracker(
                    job_id=job_id,
                    polling=self._polling,
                    kind=context.account.kind,
                    on_update=on_update,
                    is_earlier_run=context.is_earlier_run,
                    last=snapshot,
                ),
                started=started,
                timeout=seconds[key],
                deadline=started + seconds[key],
            )
            for key, (job_id, snapshot) in named.items()
        }
        # A job that has ended needs no request.
        snapshots = [(key, job) for key, (_, job) in named.items() if job is not None and job.is_terminal]
        self._ended = deque((key, job) for key, job in snapshots if not context.is_earlier_run(job))
        self._ready: deque[JobOutcome] = deque()
        self._has_polled = self._has_list_failed = False
        self._pages = 1  # of the last list
        self._list_pause = 0.0  # seconds before the list is read again for jobs that it lacks; doubled each time
        self._list_again_at = -math.inf
        self._last_created: datetime | None = None  # the creation date of the job that was last polled alone
        self._failure: JobsError | None = None
        self._failures_in_a_row = 0
        self._retry_at: float | None = None  # after a failure, if the pause until then was interrupted
        self.next_turn_at = -math.inf  # when the pause ends, unless the quota is short

    def leave_out(self, keys: Iterable[str]) -> None:
        """Do not wait for these jobs, which are given by their ids in lower case."""
        for key in keys:
            del self._pending[key]
        self._ended = deque((key, job) for key, job in self._ended if key in self._pending)
        self.ids = tuple(entry.tracker.job_id for entry in self._pending.values())

    def add(self, entry: BatchEntry) -> None:
        """Wait for one more job. Others may join in a moment, so only the first of all is polled at once."""
        if self._pending and entry.due_at == -math.inf:
            entry.due_at = entry.started + self.pause_of(entry)
        entry.has_joined = True
        self._pending[entry.tracker.job_id.lower()] = entry
        self._list_pause, self._list_again_at = 0.0, -math.inf

    def remove(self, entry: BatchEntry) -> None:
        """Do not wait for a job any more. A poll of it that is in flight may go on."""
        self._pending.pop(entry.tracker.job_id.lower(), None)

    @property
    def cause(self) -> str:
        """Why the last poll failed; empty if it did not."""
        return str(self._failure or "")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobOutcome:
        try:
            while self._pending and not self._ready:
                if self._ended:
                    self._update(*self._ended.popleft())
                    continue
                is_due = await self._pause()
                if is_due is None or not self._pending:  # jobs have joined or left
                    continue
                if is_due or self._can_afford_last_poll():
                    await self._poll()
                self._give_up_overdue()
        except BaseException as error:
            if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
                ids = format_ids([entry.tracker.job_id for entry in self._pending.values()])
                remaining = f"{len(self._pending)} of {len(self.ids)} jobs continue on the server ({ids})"
                error.add_note(f"{remaining}; wait for them again with the same ids")
            raise
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    async def _poll(self) -> None:
        now, has_polled, self._has_polled = self._context.transport.now(), self._has_polled, True
        due = {key: entry for key, entry in self._pending.items() if now >= min(entry.early_due_at, entry.deadline)}
        expected = len(due) if now >= self._list_again_at else sum(entry.is_listed for entry in due.values())
        # Poll one job alone if the last list failed, and before the first list if no job's date is known: without a
        # date, the list would contain all jobs of the account, and the date of one is a good guess for the others.
        if expected > self._pages and not self._has_list_failed and (has_polled or self._oldest_date() is not None):
            await self._poll_list(due)
        else:
            pending = self._pending
            await self._poll_one(min(due or pending, key=lambda key: min(pending[key].due_at, pending[key].deadline)))

    async def _poll_list(self, due: Mapping[str, BatchEntry]) -> None:
        """Read the list as far as it may help, and schedule those of `due` that it lacks."""
        lacking, pages_read, failure = dict(due), 0, None
        deadline = self._next_deadline()
        # Only whole days, because the list may state a job's date slightly differently from the job itself.
        window = Window.create(self._oldest_date(), None, self._context.account.kind)
        window = evolve(window, exactly_after=None)
        pages = job_pages(self._context, window, deadline=deadline, parse=self._parse_if_changed)
        while lacking and pages_read < len(due) and (pages_read == 0 or self._context.transport.now() < deadline):
            try:
                page = await anext(pages, None)
            except (TransportError, ApiError, UnexpectedResponseError) as error:
                failure = error
                break
            if page is None:
                break
            pages_read += 1
            for job in page:
                if (entry := self._pending.get(key := job.id.lower())) is not None:
                    lacking.pop(key, None)
                    entry.is_listed = True
                    self._update(key, job)
        if isinstance(failure, ApiError) and not (is_transient(failure) or self._is_too_early(failure)):
            self._finish_all(failure)
            return
        if failure is not None:
            logger.info("%s; the wait continues", failure)
        self._record(failure)
        self._has_list_failed = failure is not None
        if failure is None:
            self._pages = max(pages_read, 1)
        self._schedule_lacking(list(lacking.values()))
        self._schedule_list(pages.entries)

    def _is_too_early(self, failure: ApiError) -> bool:
        """Return whether the list may have been refused only because a job in it was replayed a moment ago."""
        is_last = self._failures_in_a_row + 1 >= self._context.retry.attempts
        return not is_last and any(self._context.is_too_early(failure, job_id) for job_id in self._pending)

    def _parse_if_changed(self, raw: object) -> Job | None:
        """Return the job in an entry of the list, or None if it is not waited for; reuse the last snapshot if equal."""
        job_id = raw.get("Id") if isinstance(raw, dict) else None
        entry = self._pending.get(job_id.lower()) if isinstance(job_id, str) else None
        if entry is None:
            return None
        last = entry.tracker.last
        return last if last is not None and last.raw == raw else parse_job(raw, self._context.account.redact)

    def _schedule_lacking(self, lacking: Sequence[BatchEntry]) -> None:
        now, are_many = self._context.transport.now(), len(lacking) > self._pages
        if any(entry.is_listed for entry in lacking):  # the list has just lost some
            self._list_pause = 0.0
        if lacking and self._failures_in_a_row <= 1:  # after more, the server is down, and no list can show the jobs
            self._list_pause = min(max(2 * self._list_pause, self._polling.minimum), self._polling.maximum)
            self._list_again_at = now + self._list_pause
        for number, entry in enumerate(lacking):
            if entry.is_listed or entry.early_due_at == -math.inf:
                # Poll one at once, because its date shows how far the list must reach back. The others may have been
                # scheduled a moment ago, so that the next list shows them.
                pause = self.pause_of(entry) if number and are_many else 0.0
                entry.schedule_alone(now, pause if now + pause < entry.deadline else 0.0)

    async def _poll_one(self, key: str) -> None:
        entry, is_hidden = self._pending[key], False
        self._has_list_failed = False
        try:
            job = await get_once(self._context, entry.tracker.job_id, deadline=self._next_deadline())
        except (TransportError, ApiError, UnexpectedResponseError) as error:
            self._record(error if is_transient(error) else None)
            is_hidden = isinstance(error, JobNotFoundError) and self._context.transport.now() < entry.hidden_until
            if entry.tracker.can_poll_again(error, attempts=self._context.retry.attempts, is_hidden=is_hidden):
                logger.info("%s; the wait continues", error)
            elif isinstance(error, AuthenticationError):
                self._finish_all(error)
            elif key in self._pending:
                self._finish(key, error)
        else:
            self._last_created = job.created_date or self._last_created
            self._record(None)
            if key in self._pending:
                self._update(key, job)
        now = self._context.transport.now()
        entry.schedule_alone(now, max(self.pause_of(entry), (now - entry.started) / 2 if is_hidden else 0.0))

    def _record(self, failure: JobsError | None) -> None:
        """Record the failure of the last poll; None if the server answered it, even if with an error about one job."""
        self._failure = failure
        self._failures_in_a_row = 0 if failure is None else self._failures_in_a_row + 1

    def _update(self, key: str, job: Job) -> None:
        entry = self._pending[key]
        if entry.tracker.update(job, waited=self._context.transport.now() - entry.started):
            self._finish(key, job if job.status == JobStatus.COMPLETED else self._context.job_failed(job))

    def _finish(self, key: str, outcome: Job | JobsError) -> None:
        job_id = self._pending.pop(key).tracker.job_id
        if isinstance(outcome, JobsError):
            outcome.job_id = job_id
        self._ready.append(JobOutcome(job_id, outcome))

    def _finish_all(self, error: JobsError) -> None:
        for key in tuple(self._pending):
            self._finish(key, copy(error))

    def pause_of(self, entry: BatchEntry) -> float:
        """Return the seconds until a job would be polled if it were alone."""
        waited = self._context.transport.now() - entry.started
        return self._polling.pause(waited, random=self._context.random, progress=entry.tracker.progress)

    def _schedule_list(self, entries: int) -> None:
        listed = [entry for entry in self._pending.values() if entry.is_listed]
        if not listed:
            return
        sample = listed[:: math.ceil(len(listed) / _SAMPLE)]
        requests = min(self._pages, len(listed)) * len(sample) / len(listed)
        pauses = [self.pause_of(entry) for entry in sample]
        pause = self._polling.together(pauses, random=self._context.random, requests=requests)
        due_at = self._context.transport.now() + max(pause, entries / _MAX_ENTRIES_PER_SECOND)
        for entry in listed:
            entry.schedule_with_list(due_at)

    async def _pause(self) -> bool | None:
        """Let the time pass until a poll is due; return False if a deadline comes first, None if interrupted."""
        now, entries = self._context.transport.now(), self._pending.values()
        due_at = min(entry.due_at for entry in entries)
        listed = sum(entry.is_listed and entry.due_at == due_at for entry in entries)
        if self._failure is not None:
            self._retry_at = self._retry_at or now + self._context.retry.pause(
                self._failure, self._failures_in_a_row, random=self._context.random
            )
            due_at = max(due_at, self._retry_at)
        elif due_at == -math.inf:  # the first poll
            return True
        deadline = self._next_deadline()
        self.next_turn_at = min(due_at, deadline)
        is_due = await self._pause_to_poll(
            max(due_at - now, 0.0),
            deadline=deadline,
            requests=self._pages if listed > self._pages else 1,
        )
        if is_due is not None:
            self._retry_at = None
        return is_due

    def _next_deadline(self) -> float:
        """Return the first deadline of all jobs, which limits every poll, because that job's outcome is due then."""
        return min(entry.deadline for entry in self._pending.values())

    def _can_afford_last_poll(self) -> bool:
        """Return whether to poll because of a deadline: if it is the last one, or the quota is not short."""
        now = self._context.transport.now()
        return self._context.rate_limiter.pace(now) == 0 or all(now >= each.deadline for each in self._pending.values())

    def _give_up_overdue(self) -> None:
        now, cause = self._context.transport.now(), str(self._failure or "")
        is_unanswerable = bool(cause) or self._context.rate_limiter.pace(now) > 0
        for key, entry in tuple(self._pending.items()):
            timeout, tracker = entry.timeout, entry.tracker
            # With timeout=0, each job is still polled once; so is one that has just joined.
            is_polled = tracker.was_answered or is_unanswerable or (timeout > 0 and not entry.has_joined)
            if now >= entry.deadline and is_polled:
                error = WaitTimeoutError(tracker.last, job_id=tracker.job_id, timeout=timeout, cause=cause)
                self._finish(key, error)

    def _oldest_date(self) -> datetime | None:
        """Return when the oldest job was created, as far as is known."""
        snapshots = (entry.tracker.last for entry in self._pending.values())
        created = (job.created_date for job in snapshots if job is not None)
        return min((moment for moment in created if moment is not None), default=self._last_created)


class AsCompleted:
    """The completed jobs and the errors of a batch, in order of finishing; see `JobsClient.as_completed`."""

    def __init__(self, batch: JobBatch, *, return_exceptions: bool) -> None:
        self._batch = batch
        self._return_exceptions = return_exceptions

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job | JobsError:
        outcome = (await anext(self._batch)).outcome
        if isinstance(outcome, JobsError) and not self._return_exceptions:
            raise outcome
        return outcome


async def wait_all(batch: JobBatch, *, return_exceptions: bool) -> dict[str, Job | JobsError]:
    """Return how each job ended, in the order given; see `JobsClient.wait_all`."""
    outcomes: dict[str, Job | JobsError] = {}
    async for finished in batch:
        if isinstance(finished.outcome, JobsError) and not return_exceptions:
            raise finished.outcome
        outcomes[finished.job_id] = finished.outcome
    return {job_id: outcomes[job_id] for job_id in batch.ids}


def named_jobs(context: ClientContext, references: Iterable[JobReference]) -> dict[str, tuple[str, Job | None]]:
    """Return each job's id as first given, and a snapshot if there is one, by the id in lower case."""
    if isinstance(references, str | Job) or not isinstance(references, Iterable):
        raise ConfigurationError(f"a {type(references).__name__} is not several jobs: give a list of them.")
    named: dict[str, tuple[str, Job | None]] = {}
    for reference in references:
        job_id = context.account.job_id(reference)
        first_id, snapshot = named.get(job_id.lower(), (job_id, None))
        named[job_id.lower()] = (first_id, reference if isinstance(reference, Job) else snapshot)
    return named


def _seconds_by_job(
    context: ClientContext, timeout: Timeouts, named: Mapping[str, tuple[str, object]]
) -> Mapping[str, float]:
    """Return each job's timeout in seconds, by the id in lower case."""
    if not isinstance(timeout, Mapping):
        return dict.fromkeys(named, seconds_of(timeout))
    given = {context.account.job_id(name).lower(): seconds_of(seconds) for name, seconds in timeout.items()}
    for key, (job_id, _) in named.items():
        if key not in given:
            raise ConfigurationError(f"timeout={{…}} lacks job {job_id}: give every job its seconds, or None.")
    return given


def format_ids(ids: Sequence[str]) -> str:
    """Return the ids for a message: all if they are few, else the first ones."""
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(ids[:_SHOWN_IDS]) + more
