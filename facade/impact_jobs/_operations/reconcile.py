"""After a replay whose answer was lost: which new job, if any, it made. Asked of the list, and never guessed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import Pages, get_with_head
from impact_jobs._dates import Window
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs._policy.replay_claims import ReplayAttempt, kind_of
from impact_jobs.errors import JobsError, ReplayUncertainError
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

# The server's Date has whole seconds, and so have the dates of its jobs.
_SLACK = timedelta(seconds=2)


async def reconcile(context: ClientContext, attempt: ReplayAttempt, *, sent_at: float, failure: JobsError) -> Job:
    """The job that a replay made, when the list leaves no doubt.

    It looks as often as the retry policy grants tries, for a list may lag, and other calls may be about to learn which
    of the jobs is theirs.

    Args:
        context: The client's settings.
        attempt: The replay.
        sent_at: When the request was about to leave, on the port's clock.
        failure: What became of the request.

    Raises:
        ReplayUncertainError: None fits, or several do, or the one that does may be another call's.
    """
    cause = str(failure)
    attempt.is_lost = True
    found: tuple[Job, ...] = ()
    for look in range(context.retry.attempts):
        if look:
            await context.transport.sleep(context.retry.pause(failure, look, random=context.random))
        try:
            source, head = await get_with_head(context, attempt.source)
            attempt.kind = kind_of(source)
            since = server_time(head) - timedelta(seconds=context.transport.now() - sent_at) - _SLACK
            jobs = [job async for page in Pages(context, Window.create(since, None)) for job in page]
        except JobsError as error:
            unread = f"{cause}; and the list could not be read: {error}"
            raise ReplayUncertainError(attempt.source, found, cause=unread) from None
        own, found = context.replay_claims.claim(attempt, candidates(jobs, source), now=context.transport.now())
        if not found and _is_queued_again(source, since) and context.replay_claims.claim_again(source):
            own = source
        if own is not None:
            logger.info("the replay of job %s was answered by the list: job %s (%s)", attempt.source, own.id, cause)
            return own
    raise ReplayUncertainError(attempt.source, found, cause=cause)


def _is_queued_again(source: Job, since: datetime) -> bool:
    """Whether it is the replay itself, as on brand-style accounts. Elsewhere one that has not ended runs as before."""
    return not source.is_terminal and (source.created_date is None or source.created_date >= since)


def candidates(jobs: Iterable[Job], source: Job) -> list[Job]:
    """The jobs that could be a replay of `source`, newest first: of its type and program, and of known age."""
    dated = [(job.created_date, job) for job in jobs if job.created_date is not None and job.id != source.id]
    fitting = [(created, job) for created, job in dated if kind_of(job) == kind_of(source)]
    return [job for _, job in sorted(fitting, key=lambda pair: pair[0], reverse=True)]
