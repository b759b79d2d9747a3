"""Whether the result of an export is new enough, and a replay of one that is not."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get_with_head
from impact_jobs._operations.replay import CLOCK_SLACK, replay_current
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs.errors import JobNotFoundError, PermissionDeniedError, ReplayUncertainError
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

AgeRule: TypeAlias = Callable[[Job, datetime], bool]
"""A function that returns whether the result of a completed job is new enough at a moment, by the server's clock."""


def no_older_than(max_age: timedelta) -> AgeRule:
    """Return the rule that a result is at most that old."""

    def is_young(job: Job, now: datetime) -> bool:
        made = job.completed_date or job.created_date
        return made is not None and now - made <= max_age

    return is_young


def is_new(job: Job, sent: datetime | None) -> bool:
    """Return whether an export that was sent then has created the job; otherwise the server returned an older one."""
    return sent is not None and job.created_date is not None and job.created_date >= sent - CLOCK_SLACK


async def refreshed(context: ClientContext, job: Job, max_age: timedelta | None) -> tuple[Job, bool]:
    """Return the job to wait for after an export, and whether its result is fresh: new, or no older than `max_age`.

    If the export returned an existing job whose result is too old, or that has failed, it is replayed if possible.
    If it cannot be replayed, or if the replay's response is lost, the older result is used.
    """
    current, head = await get_with_head(context, job.id)
    if is_new(current, context.report_memory.export_sent(job.id)):
        return current, True
    rule, replay = None if max_age is None else no_older_than(max_age), partial(replay_current, context)
    return await replayed_if_old(context, current, rule, now=server_time(head), replay=replay)


async def replayed_if_old(
    context: ClientContext,
    job: Job,
    rule: AgeRule | None,
    *,
    now: datetime,
    replay: Callable[[Job], Awaitable[Job | None]],
) -> tuple[Job, bool]:
    """Do the same for a snapshot of an existing job that was requested at `now`, by the server's clock.

    `replay` returns the new job, or None if this one cannot be replayed.
    """
    started = job.started_date or job.created_date
    is_retried = job.status == JobStatus.ERROR and started and (now - started).total_seconds() < context.error_grace()
    if not job.is_terminal or is_retried:
        return job, True  # its result is still to come
    if job.status == JobStatus.COMPLETED:
        if rule is None:
            return job, False
        if rule(job, now):
            return job, True
    try:
        replayed = await replay(job)
    except (PermissionDeniedError, JobNotFoundError, ReplayUncertainError) as error:
        if isinstance(error, ReplayUncertainError) and job.status != JobStatus.COMPLETED:
            raise
        logger.warning("job %s is that of an earlier export, and could not be replayed: %s", job.id, error)
        replayed = None
    return (job, False) if replayed is None else (replayed, True)
