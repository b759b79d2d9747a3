"""Find the job of a request that a process was about to send, or had sent, when it ended."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get
from impact_jobs._api.pages import job_pages
from impact_jobs._dates import Window
from impact_jobs._operations.export import OTHERS_WITHIN, whole_second
from impact_jobs._operations.replay import CLOCK_SLACK, replay_candidates
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs._policy.recent_replays import ends_of
from impact_jobs._transport.clock import utc
from impact_jobs.errors import ConfigurationError, ReplayUncertainError
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

SENT_WITHIN = timedelta(seconds=10)
"""From the record of a request to its job: a later one may be another's."""

_SETTLED = timedelta(minutes=1)  # until a new job is shown everywhere
_FIRST_PAUSE = 1.0  # seconds; doubled each time
_DAY = timedelta(days=1)


async def jobs_since(
    context: ClientContext, moment: datetime, until: datetime | None = None
) -> tuple[list[Job], timedelta]:
    """Return the jobs created from the day before `moment` to the one after `until`, or to now.

    Return also how far the server's clock is ahead of this machine's.
    """
    last_day = None if until is None else until.date() + _DAY
    pages = job_pages(context, Window.create(moment.date() - _DAY, last_day, context.account.kind))
    jobs = [job async for page in pages for job in page]
    return jobs, server_time(pages.head) - pages.head.received_at


async def find_lost_replay(
    context: ClientContext,
    reference: JobReference,
    sent_at: datetime,
    *,
    claimed: Collection[str] = (),
    is_server_time: bool = False,
) -> Job | None:
    """Return the job that a replay made, or None if it made none; see `impact_jobs.toolkit.find_lost_replay`.

    `claimed` are the ids of jobs that cannot be it, because other exports and replays made them. `sent_at` is by this
    machine's clock, unless it `is_server_time`.
    """
    if not isinstance(sent_at, datetime) or sent_at.tzinfo is None:
        raise ConfigurationError("sent_at is not a datetime with a time zone: give datetime.now(UTC) as it was then.")
    job_id, sent_at = context.account.job_id(reference), sent_at.astimezone(UTC)
    before = reference if isinstance(reference, Job) and reference.is_terminal else None
    started = context.transport.now()
    pause, taken = _FIRST_PAUSE, {job_id.lower() for job_id in claimed}
    while True:
        source = await get(context, job_id)
        jobs, ahead = await jobs_since(context, sent_at, sent_at + OTHERS_WITHIN)
        moment = sent_at if is_server_time else sent_at + ahead
        sent = whole_second(moment)
        near = [job for job in jobs if job.created_date is not None and abs(job.created_date - sent) <= OTHERS_WITHIN]
        others = [job for job in replay_candidates(near, source) if job.id.lower() not in taken]
        found = context.replay_claims.unclaimed(others)
        own = _own_job(context, source, before, found, sent)
        if own is not None:
            logger.info("the replay of job %s was found: job %s", job_id, own.id)
            _remember(context, own, source, begun=sent, before=before)
            return own
        # A job that seems to be a few seconds older may be the one, if another machine has recorded `sent_at`.
        doubtful = [job for job in found if job.created_date is not None and job.created_date >= sent - SENT_WITHIN]
        if doubtful:
            raise ReplayUncertainError(job_id, doubtful, cause="its response was not recorded")
        unsettled = moment + _SETTLED - (utc() + ahead)
        left = min(unsettled.total_seconds(), started + _SETTLED.total_seconds() - context.transport.now())
        if left <= 0:
            logger.info("no job shows a replay of job %s, so it was not accepted", job_id)
            return None
        await context.transport.sleep(min(pause, left))  # because the list may lag
        pause *= 2


def _own_job(
    context: ClientContext, source: Job, before: Job | None, found: Sequence[Job], sent: datetime
) -> Job | None:
    """Return the job of the replay if there is no doubt; `found` are the jobs of its kind from around that time."""
    in_place = context.account.kind.replays_in_place
    if found and not in_place:
        created = found[0].created_date
        is_own = created is not None and sent - CLOCK_SLACK <= created <= sent + SENT_WITHIN
        return found[0] if is_own and len(found) == 1 else None
    if not source.is_terminal:  # a job is replayed once it has ended, so it has been queued again
        return source
    if not in_place:
        return None
    if before is not None:
        is_same_run = source.started_date == before.started_date and ends_of(source) == ends_of(before)
        return None if is_same_run else source
    return source if source.started_date is not None and source.started_date >= sent else None


def _remember(context: ClientContext, own: Job, source: Job, *, begun: datetime, before: Job | None) -> None:
    """Record the replay as if its response had arrived now."""
    own_begun = begun if own is source else None
    context.replay_claims.record(own, begun=own_begun)
    context.recent_replays.record(own.id, now=context.transport.now(), begun=own_begun, before=before)
