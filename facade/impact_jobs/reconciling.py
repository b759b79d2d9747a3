"""After a replay whose answer was lost: which new job, if any, it made. Asked of the list, and never guessed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from impact_jobs.core import Core
from impact_jobs.dates import Window
from impact_jobs.errors import JobsError, ReplayUncertainError
from impact_jobs.limits import server_time
from impact_jobs.listing import Pages, get_with_head
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

# The server's Date has whole seconds, and so have the dates of its jobs.
_SLACK = timedelta(seconds=2)


async def reconcile(core: Core, job_id: str, *, sent_at: float, failure: JobsError) -> Job:
    """The job that a replay made, when the list leaves no doubt.

    It looks as often as the retry policy grants tries, for a list may lag.

    Args:
        core: The client's settings.
        job_id: The job that was replayed.
        sent_at: When the request was about to leave, on the port's clock.
        failure: What became of the request.

    Raises:
        ReplayUncertainError: None fits, or several do.
    """
    cause = str(failure)
    for look in range(core.retry.attempts):
        if look:
            await core.port.sleep(core.retry.pause(failure, look, random=core.random))
        try:
            source, head = await get_with_head(core, job_id)
            since = server_time(head) - timedelta(seconds=core.port.now() - sent_at) - _SLACK
            jobs = [job async for page in Pages(core, Window.of(since, None)) for job in page]
        except JobsError as error:
            raise ReplayUncertainError(job_id, cause=f"{cause}; and the list could not be read: {error}") from None
        found = candidates(jobs, source)
        # Brand-style accounts queue the same job again; elsewhere a replayed job stays ended.
        if not found and not source.is_terminal:
            found = [source]
        if len(found) == 1:
            logger.info("the replay of job %s was answered by the list: job %s (%s)", job_id, found[0].id, cause)
            return found[0]
        if found:
            raise ReplayUncertainError(job_id, found, cause=cause)
    raise ReplayUncertainError(job_id, cause=cause)


def candidates(jobs: Iterable[Job], source: Job) -> list[Job]:
    """The jobs that could be a replay of `source`, newest first: of its type and program, and of known age."""
    dated = [(job.created_date, job) for job in jobs if job.created_date is not None and job.id != source.id]
    fitting = [
        (created, job) for created, job in dated if job.type == source.type and job.program_id == source.program_id
    ]
    return [job for _, job in sorted(fitting, key=lambda pair: pair[0], reverse=True)]
