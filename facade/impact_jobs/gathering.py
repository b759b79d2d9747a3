"""`wait_all` and `as_completed`: one list a tick answers for all jobs that are waited for."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import datetime
from itertools import islice
from typing import Self, TypeAlias

from attrs import define, frozen

from impact_jobs.config import JobReference
from impact_jobs.core import Core, seconds_of
from impact_jobs.dates import Window
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
from impact_jobs.listing import Pages, look
from impact_jobs.models import Job
from impact_jobs.polling import Polling
from impact_jobs.tracking import Tracked
from impact_jobs.waiting import will_pass

logger: logging.Logger = logging.getLogger("impact_jobs")

Timeouts: TypeAlias = float | Mapping[str, float | None] | None
"""Seconds for all jobs together, or a mapping from each job's id to its own; None is for ever."""

_SAMPLE = 200  # so many jobs tell well enough when to ask for ten thousand
_SHOWN_IDS = 20


@define(kw_only=True)
class _Member:
    """One job of a group.

    Attributes:
        tracked: What is known of it.
        deadline: When it is given up, on the port's clock, like all that follow.
        asked_at: When the list lacked it, or it was asked for alone.
        due_at: When it is to be asked for again; in the past while the list shows it.
        omissions: How often in a row the list has lacked it.
        unreadable: How many answers in a row made no sense.
    """

    tracked: Tracked
    deadline: float = math.inf
    asked_at: float = -math.inf
    due_at: float = -math.inf
    omissions: int = 0
    unreadable: int = 0

    @property
    def is_listed(self) -> bool:
        return self.due_at == -math.inf

    def is_worth_asking_for(self, now: float) -> bool:
        """Whether it is half due: then it goes along with those that are."""
        return self.is_listed or now >= (self.asked_at + self.due_at) / 2


@frozen
class Finished:
    """How one job ended: the job, COMPLETED, or why it is not."""

    job_id: str
    outcome: Job | JobsError


class Group:
    """Jobs that are waited for together; iterates over batches of those that have finished, as soon as it is seen.

    Args:
        core: The client's settings.
        references: The jobs; one that is named twice counts once.
        timeout: See `Timeouts`.
        polling: Instead of the client's.
        on_update: Called with every snapshot of every job.

    Raises:
        ConfigurationError: A name names no job; nothing was requested.
    """

    def __init__(
        self,
        core: Core,
        references: Iterable[JobReference],
        *,
        timeout: Timeouts,
        polling: Polling | None,
        on_update: Callable[[Job], object] | None,
    ) -> None:
        self._core = core
        self._polling = polling or core.polling
        self._started = core.port.now()
        self._ready: list[Finished] = []
        self._pages = 1  # that the list took the last time
        self._has_asked = False
        self._failure: JobsError | None = None
        self._failures_in_a_row = 0
        named = named_jobs(core, references)
        self._pending: dict[str, _Member] = {
            key: _Member(tracked=Tracked(job_id=job_id, polling=self._polling, on_update=on_update))
            for key, (job_id, _) in named.items()
        }
        self.ids: tuple[str, ...] = tuple(job_id for job_id, _ in named.values())
        self._set_deadlines(timeout)
        for _, snapshot in named.values():
            if snapshot is not None and snapshot.is_terminal:
                self._take(snapshot)
            elif snapshot is not None:
                self._pending[snapshot.id.lower()].tracked.seen = snapshot

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Finished]:
        try:
            while self._pending and not self._ready:
                if self._has_asked:
                    await self._pause()
                self._has_asked = True
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
        """Ask for all that are due, the cheaper way."""
        now = self._core.port.now()
        wanted = {key for key, member in self._pending.items() if member.is_worth_asking_for(now)}
        try:
            if len(wanted) > self._pages:  # else asking for each costs no more
                await self._scan(wanted)
            for number, key in enumerate(sorted(wanted, key=lambda key: self._pending[key].asked_at)):
                if number and self._core.budget.pace(self._core.port.now()) > 0:
                    break  # the others are still due at the next tick, whose pause the budget sets
                await self._look(key)
        except (TransportError, ApiError, UnexpectedResponseError) as error:
            self._failures_in_a_row += 1
            if not will_pass(error, self._failures_in_a_row, attempts=self._core.retry.attempts):
                for key in tuple(self._pending):
                    self._finish(key, copy(error))
                return
            logger.info("%s; the wait goes on", error)
            self._failure = error
        else:
            self._failure, self._failures_in_a_row = None, 0

    async def _scan(self, wanted: set[str]) -> None:
        """Read the list as far as it may pay, and strike out from `wanted` what need not be asked for alone."""
        count, worth_it = 0, len(wanted)
        async for page in Pages(self._core, Window.of(self._oldest(), None)):
            count += 1
            for job in page:
                key = job.id.lower()
                member = self._pending.get(key)
                if member is not None:
                    wanted.discard(key)
                    member.asked_at, member.due_at, member.omissions = -math.inf, -math.inf, 0
                    self._take(job)
            if not wanted or count >= worth_it:
                break
        self._pages = max(count, 1)
        are_many = len(wanted) > self._pages
        for key in tuple(wanted):
            member = self._pending[key]
            member.omissions += 1
            # Just scheduled, perhaps, and shown the next time: hundreds of requests are not spent on that.
            if are_many and member.omissions == 1:
                wanted.discard(key)
                self._schedule(member)

    async def _look(self, key: str) -> None:
        """Ask for one job.

        Raises:
            JobsError: What is not about this job alone.
        """
        member = self._pending[key]
        try:
            job = await look(self._core, member.tracked.job_id, deadline=member.deadline)
        except UnexpectedResponseError as error:
            member.unreadable += 1
            if not will_pass(error, member.unreadable, attempts=self._core.retry.attempts):
                self._finish(key, error)
                return
            logger.info("%s; the wait goes on", error)
        except ApiError as error:
            if isinstance(error, AuthenticationError) or will_pass(error, 1, attempts=1):
                raise
            self._finish(key, error)
            return
        else:
            member.unreadable = 0
            self._take(job, key)
        self._schedule(member)

    def _schedule(self, member: _Member) -> None:
        member.asked_at = self._core.port.now()
        member.due_at = member.asked_at + self._pause_of(member)

    def _pause_of(self, member: _Member) -> float:
        waited = self._core.port.now() - self._started
        return self._polling.pause(waited, random=self._core.random, course=member.tracked.course)

    def _take(self, job: Job, key: str | None = None) -> None:
        key = key or job.id.lower()
        try:
            if self._pending[key].tracked.has_ended(job, waited=self._core.port.now() - self._started):
                self._finish(key, job)
        except JobFailedError as error:
            self._finish(key, error)

    def _finish(self, key: str, outcome: Job | JobsError) -> None:
        job_id = self._pending.pop(key).tracked.job_id
        if isinstance(outcome, JobsError):
            outcome.job_id = job_id
        self._ready.append(Finished(job_id, outcome))

    async def _pause(self) -> None:
        members = self._pending.values()
        listed = [member for member in members if member.is_listed]
        pause = min((member.due_at for member in members if not member.is_listed), default=math.inf)
        pause -= self._core.port.now()
        if listed:
            sample = listed[:: math.ceil(len(listed) / _SAMPLE)]
            requests = min(self._pages, len(listed)) * len(sample) / len(listed)
            pauses = [self._pause_of(member) for member in sample]
            pause = min(pause, self._polling.together(pauses, random=self._core.random, requests=requests))
        if self._failure is not None:
            at_least = self._core.retry.pause(self._failure, self._failures_in_a_row, random=self._core.random)
            pause = max(pause, at_least)
        await self._core.pause_to_poll(max(pause, 0.0), deadline=min(member.deadline for member in members))

    def _give_up_overdue(self) -> None:
        now, cause = self._core.port.now(), str(self._failure or "")
        for key, member in tuple(self._pending.items()):
            if now >= member.deadline:
                timeout, tracked = member.deadline - self._started, member.tracked
                error = WaitTimeoutError(tracked.seen, job_id=tracked.job_id, timeout=timeout, cause=cause)
                self._finish(key, error)

    def _oldest(self) -> datetime | None:
        """When the oldest job was created, as far as is known; None where nothing is."""
        seen = (member.tracked.seen for member in self._pending.values())
        created = (job.created_date for job in seen if job is not None)
        return min((moment for moment in created if moment is not None), default=None)

    def _set_deadlines(self, timeout: Timeouts) -> None:
        if not isinstance(timeout, Mapping):
            deadline = self._started + seconds_of(timeout)
            for member in self._pending.values():
                member.deadline = deadline
            return
        each = {self._core.account.job_id(name).lower(): seconds_of(seconds) for name, seconds in timeout.items()}
        for key, member in self._pending.items():
            if key not in each:
                raise ConfigurationError(
                    f"timeout={{…}} lacks job {member.tracked.job_id}: give every job its seconds, or None."
                )
            member.deadline = self._started + each[key]

    def _what_remains(self) -> str:
        ids = ", ".join(member.tracked.job_id for member in islice(self._pending.values(), _SHOWN_IDS))
        more = f" and {len(self._pending) - _SHOWN_IDS} more" if len(self._pending) > _SHOWN_IDS else ""
        return f"{len(self._pending)} of {len(self.ids)} jobs go on ({ids}{more})"


class AsCompleted:
    """The outcomes one by one, in order of finishing; see `JobsClient.as_completed`."""

    def __init__(self, group: Group, *, return_exceptions: bool) -> None:
        self._group = group
        self._return_exceptions = return_exceptions
        self._finished: deque[Finished] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job | JobsError:
        while not self._finished:
            self._finished.extend(await anext(self._group))
        outcome = self._finished.popleft().outcome
        if isinstance(outcome, JobsError) and not self._return_exceptions:
            raise outcome
        return outcome


async def wait_all(group: Group, *, return_exceptions: bool) -> dict[str, Job | JobsError]:
    """How each job ended, in the order given; see `JobsClient.wait_all`."""
    outcomes: dict[str, Job | JobsError] = {}
    async for batch in group:
        for finished in batch:
            if isinstance(finished.outcome, JobsError) and not return_exceptions:
                raise finished.outcome
            outcomes[finished.job_id] = finished.outcome
    return {job_id: outcomes[job_id] for job_id in group.ids}


def named_jobs(core: Core, references: Iterable[JobReference]) -> dict[str, tuple[str, Job | None]]:
    """Each job's id as it was first given, by the same in lower case, with a snapshot where there is one."""
    if isinstance(references, str | Job) or not isinstance(references, Iterable):
        raise ConfigurationError(f"a {type(references).__name__} is not several jobs: give a list of them.")
    named: dict[str, tuple[str, Job | None]] = {}
    for reference in references:
        job_id = core.account.job_id(reference)
        first_id, snapshot = named.get(job_id.lower(), (job_id, None))
        named[job_id.lower()] = (first_id, reference if isinstance(reference, Job) else snapshot)
    return named
