"""`wait_all` and `as_completed`: one list a tick answers for all jobs that are waited for."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Self, TypeAlias

from attrs import evolve, frozen

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._api.endpoints import Pages, get_once
from impact_jobs._api.parsing import parse_job
from impact_jobs._dates import Window
from impact_jobs._operations.job_tracker import BatchEntry, JobTracker
from impact_jobs._operations.wait import can_poll_again
from impact_jobs._policy.polling import Polling
from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    JobFailedError,
    JobsError,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

Timeouts: TypeAlias = float | Mapping[str, float | None] | None
"""Seconds for all jobs together, or a mapping from each job's id to its own; None is for ever."""

_SAMPLE = 200  # so many jobs tell well enough when to ask for ten thousand
_SHOWN_IDS = 20
_SOON = 0.01  # seconds; what is due that soon is due
# An entry of the list costs us 7 to 10 µs: at this rate, reading it takes a thirtieth of one core at most.
_MOST_ENTRIES_A_SECOND = 3000
_NO_ANSWER = (TransportError, ApiError, UnexpectedResponseError)


@frozen
class JobOutcome:
    """How one job ended: the job, COMPLETED, or why it is not."""

    job_id: str
    outcome: Job | JobsError


class JobBatch:
    """Jobs that are waited for together; iterates over batches of those that have finished, as soon as it is seen.

    Each turn asks one question: the list, where that is expected to answer for more jobs than it has pages, or else
    for the one job that is due first.

    Args:
        context: The client's settings.
        references: The jobs; one that is named twice counts once.
        timeout: See `Timeouts`.
        polling: Instead of the client's.
        on_update: Called with every snapshot of every job.

    Raises:
        ConfigurationError: A name names no job; nothing was requested.
    """

    def __init__(
        self,
        context: ClientContext,
        references: Iterable[JobReference],
        *,
        timeout: Timeouts,
        polling: Polling | None,
        on_update: Callable[[Job], object] | None,
    ) -> None:
        self._context = context
        self._polling = polling or context.polling
        self._started = context.transport.now()
        self._ready: list[JobOutcome] = []
        self._has_asked = self._has_list_failed = False
        self._pages = 1  # that the list took the last time
        self._list_due_at = -math.inf
        self._created: datetime | None = None  # the job that was asked for alone the last time
        self._failure: JobsError | None = None
        self._failures_in_a_row = 0
        named = named_jobs(context, references)
        self._pending: dict[str, BatchEntry] = {
            key: BatchEntry(
                tracked=JobTracker(job_id=job_id, polling=self._polling, on_update=on_update, seen=snapshot)
            )
            for key, (job_id, snapshot) in named.items()
        }
        # What has ended stays so, and needs no request.
        self._ended = deque((key, job) for key, (_, job) in named.items() if job is not None and job.is_terminal)
        self.ids: tuple[str, ...] = tuple(job_id for job_id, _ in named.values())
        self._set_deadlines(timeout)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[JobOutcome]:
        try:
            while self._ended:
                self._take(*self._ended.popleft())
            while self._pending and not self._ready:
                if await self._pause() or self._can_spare_one():
                    await self._ask()
                self._give_up_overdue()
        except BaseException as error:
            if not isinstance(error, Exception):  # Ctrl-C, or a cancelled task
                error.add_note(f"{self._what_remains()} at the server; wait for them again with the same ids")
            raise
        finished, self._ready = self._ready, []
        if not finished:
            raise StopAsyncIteration
        return finished

    async def _ask(self) -> None:
        """Ask the one question that is due."""
        now, has_asked, self._has_asked = self._context.transport.now(), self._has_asked, True
        is_list_due = now >= self._list_due_at - _SOON
        wanted = {
            key: member
            for key, member in self._pending.items()
            if now >= member.deadline or (is_list_due if member.is_listed else now >= member.early_due_at)
        }
        shown = sum(member.is_listed or now >= member.listed_from for member in wanted.values())
        # Without any date it would be the list of all times; that of one job is a good guess at those of the others.
        # After a list that failed one job is asked for alone, lest the list is all that is broken.
        if shown > self._pages and not self._has_list_failed and (has_asked or self._oldest() is not None):
            await self._scan(wanted)
        else:
            key = min(wanted or self._pending, key=lambda key: self._due_at(self._pending[key]))
            await self._look(key, self._pending[key])

    async def _scan(self, wanted: dict[str, BatchEntry]) -> None:
        """Read the list as far as it may pay, and see to those of `wanted` that it lacks."""
        lacking, count, failure = dict(wanted), 0, None
        deadline = self._next_deadline()
        # Whole days alone: the list may tell a job's date a little otherwise than the job itself.
        window = evolve(Window.create(self._oldest(), None), exactly_after=None)
        pages = Pages(self._context, window, deadline=deadline, parse=self._news)
        # What is shown by no page that could be read in time is not asked for either: it is overdue.
        while lacking and count < len(wanted) and (count == 0 or self._context.transport.now() < deadline):
            try:
                page = await anext(pages, None)
            except _NO_ANSWER as error:
                failure = error
                break
            if page is None:
                break
            count += 1
            for job in page:
                if (member := self._pending.get(key := job.id.lower())) is not None:
                    lacking.pop(key, None)
                    member.show()
                    self._take(key, job)
        if isinstance(failure, ApiError) and not can_poll_again(failure):
            self._finish_all(failure)
            return
        self._note(failure)
        self._has_list_failed = failure is not None
        if failure is None:
            self._pages = max(count, 1)
        self._miss(list(lacking.values()))
        self._schedule_list(pages.entries)

    def _miss(self, lacking: list[BatchEntry]) -> None:
        """See to jobs that the list did not show; whether they are done is still to be asked."""
        now, are_many = self._context.transport.now(), len(lacking) > self._pages
        for number, member in enumerate(lacking):
            if self._failures_in_a_row <= 1:  # where nothing at all is answered, the list is not to blame
                member.miss(now)
            if member.is_listed or member.due_at == -math.inf:
                # Just scheduled, perhaps, and shown the next time: hundreds of requests are not spent on that. One is,
                # for if it is older than was thought, the next list reaches back to it.
                pause = self._pause_of(member) if number and are_many else 0.0
                member.schedule(now, pause if now + pause < member.deadline else 0.0)

    async def _look(self, key: str, member: BatchEntry) -> None:
        """Ask for one job."""
        self._has_list_failed = False
        try:
            job = await get_once(self._context, member.tracked.job_id, deadline=self._next_deadline())
        except UnexpectedResponseError as error:
            self._note(None)
            member.unreadable += 1
            logger.info("%s; the wait goes on", error)
            if member.unreadable >= self._context.retry.attempts:
                self._finish(key, error)
        except (TransportError, ApiError) as error:
            if can_poll_again(error):
                self._note(error)
            elif isinstance(error, AuthenticationError):
                self._finish_all(error)
            else:
                self._note(None)
                self._finish(key, error)
        else:
            self._note(None)
            member.unreadable = 0
            self._created = job.created_date or self._created
            self._take(key, job)
        member.schedule(self._context.transport.now(), self._pause_of(member))

    def _note(self, failure: JobsError | None) -> None:
        """Take note of whether the server has answered."""
        if failure is not None:
            logger.info("%s; the wait goes on", failure)
        self._failure = failure
        self._failures_in_a_row = 0 if failure is None else self._failures_in_a_row + 1

    def _news(self, entry: object) -> Job | None:
        """The job that an entry of the list tells of, if it is waited for; parsed only if anything has changed."""
        job_id = entry.get("Id") if isinstance(entry, dict) else None
        member = self._pending.get(job_id.lower()) if isinstance(job_id, str) else None
        if member is None:
            return None
        seen = member.tracked.seen
        return seen if seen is not None and seen.raw == entry else parse_job(entry)

    def _take(self, key: str, job: Job) -> None:
        try:
            if self._pending[key].tracked.has_ended(job, waited=self._context.transport.now() - self._started):
                self._finish(key, job)
        except JobFailedError as error:
            if error.job is not job:  # from `on_update`
                raise
            self._finish(key, error)

    def _finish(self, key: str, outcome: Job | JobsError) -> None:
        job_id = self._pending.pop(key).tracked.job_id
        if isinstance(outcome, JobsError):
            outcome.job_id = job_id
        self._ready.append(JobOutcome(job_id, outcome))

    def _finish_all(self, error: JobsError) -> None:
        for key in tuple(self._pending):
            self._finish(key, copy(error))

    def _pause_of(self, member: BatchEntry) -> float:
        waited = self._context.transport.now() - self._started
        return self._polling.pause(waited, random=self._context.random, course=member.tracked.course)

    def _schedule_list(self, entries: int) -> None:
        """Decide when the list is to be read again."""
        listed = [member for member in self._pending.values() if member.is_listed]
        sample = listed[:: math.ceil(len(listed) / _SAMPLE) or 1]
        requests = min(self._pages, len(listed)) * len(sample) / max(len(listed), 1)
        pauses = [self._pause_of(member) for member in sample]
        pause = self._polling.together(pauses, random=self._context.random, requests=requests)
        self._list_due_at = self._context.transport.now() + max(pause, entries / _MOST_ENTRIES_A_SECOND)

    def _due_at(self, member: BatchEntry) -> float:
        return min(self._list_due_at if member.is_listed else member.due_at, member.deadline)

    async def _pause(self) -> bool:
        """Let the time pass until a question is due; False where a deadline comes first."""
        now, members = self._context.transport.now(), self._pending.values()
        listed = sum(member.is_listed for member in members)
        alone_at = min((member.due_at for member in members if not member.is_listed), default=math.inf)
        due_at = min(alone_at, self._list_due_at) if listed else alone_at
        if self._failure is not None:
            at_least = self._context.retry.pause(self._failure, self._failures_in_a_row, random=self._context.random)
            due_at = max(due_at, now + at_least)
        elif due_at == -math.inf:  # the first questions
            return True
        return await self._context.pause_to_poll(
            max(due_at - now, 0.0),
            deadline=self._next_deadline(),
            requests=self._pages if self._list_due_at <= alone_at and listed > self._pages else 1,
        )

    def _next_deadline(self) -> float:
        """When the next of them is overdue, which is not to wait for an answer that concerns another."""
        return min(member.deadline for member in self._pending.values())

    def _can_spare_one(self) -> bool:
        """Whether to ask because of a deadline: always at the last one, else unless the budget is short."""
        now = self._context.transport.now()
        return self._context.rate_limiter.pace(now) == 0 or all(
            now >= member.deadline for member in self._pending.values()
        )

    def _give_up_overdue(self) -> None:
        now, cause = self._context.transport.now(), str(self._failure or "")
        is_enough = bool(cause) or self._context.rate_limiter.pace(now) > 0
        for key, member in tuple(self._pending.items()):
            # With timeout=0 each is still asked for once.
            if now >= member.deadline and (member.deadline > self._started or member.was_seen or is_enough):
                timeout, tracked = member.deadline - self._started, member.tracked
                error = WaitTimeoutError(tracked.seen, job_id=tracked.job_id, timeout=timeout, cause=cause)
                self._finish(key, error)

    def _oldest(self) -> datetime | None:
        """When the oldest job was created, as far as is known; None where nothing is."""
        seen = (member.tracked.seen for member in self._pending.values())
        created = (job.created_date for job in seen if job is not None)
        return min((moment for moment in created if moment is not None), default=self._created)

    def _set_deadlines(self, timeout: Timeouts) -> None:
        if not isinstance(timeout, Mapping):
            deadline = self._started + seconds_of(timeout)
            for member in self._pending.values():
                member.deadline = deadline
            return
        each = {self._context.account.job_id(name).lower(): seconds_of(seconds) for name, seconds in timeout.items()}
        for key, member in self._pending.items():
            if key not in each:
                raise ConfigurationError(
                    f"timeout={{…}} lacks job {member.tracked.job_id}: give every job its seconds, or None."
                )
            member.deadline = self._started + each[key]

    def _what_remains(self) -> str:
        ids = first_of([member.tracked.job_id for member in self._pending.values()])
        return f"{len(self._pending)} of {len(self.ids)} jobs go on ({ids})"


class AsCompleted:
    """The outcomes one by one, in order of finishing; see `JobsClient.as_completed`."""

    def __init__(self, group: JobBatch, *, return_exceptions: bool) -> None:
        self._group = group
        self._return_exceptions = return_exceptions
        self._finished: deque[JobOutcome] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job | JobsError:
        while not self._finished:
            self._finished.extend(await anext(self._group))
        outcome = self._finished.popleft().outcome
        if isinstance(outcome, JobsError) and not self._return_exceptions:
            raise outcome
        return outcome


async def wait_all(group: JobBatch, *, return_exceptions: bool) -> dict[str, Job | JobsError]:
    """How each job ended, in the order given; see `JobsClient.wait_all`."""
    outcomes: dict[str, Job | JobsError] = {}
    async for batch in group:
        for finished in batch:
            if isinstance(finished.outcome, JobsError) and not return_exceptions:
                raise finished.outcome
            outcomes[finished.job_id] = finished.outcome
    return {job_id: outcomes[job_id] for job_id in group.ids}


def named_jobs(context: ClientContext, references: Iterable[JobReference]) -> dict[str, tuple[str, Job | None]]:
    """Each job's id as it was first given, by the same in lower case, with a snapshot where there is one."""
    if isinstance(references, str | Job) or not isinstance(references, Iterable):
        raise ConfigurationError(f"a {type(references).__name__} is not several jobs: give a list of them.")
    named: dict[str, tuple[str, Job | None]] = {}
    for reference in references:
        job_id = context.account.job_id(reference)
        first_id, snapshot = named.get(job_id.lower(), (job_id, None))
        named[job_id.lower()] = (first_id, reference if isinstance(reference, Job) else snapshot)
    return named


def first_of(ids: Sequence[str]) -> str:
    """The ids for a message: all of a few, the first of many."""
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return ", ".join(ids[:_SHOWN_IDS]) + more
