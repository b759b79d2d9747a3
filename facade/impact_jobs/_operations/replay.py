"""`replay`: create one new job, never two. If the response is lost, look for the job in the list, without guessing."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._api.endpoints import get, get_with_head, replay_request
from impact_jobs._api.pages import job_pages
from impact_jobs._api.responses import read_scheduled_job, server_message, with_text
from impact_jobs._dates import Window
from impact_jobs._policy.rate_limit_headers import server_time
from impact_jobs._policy.recent_replays import ends_of
from impact_jobs._policy.replay_claims import ReplayAttempt, kind_of
from impact_jobs._transport.base import Head, Response, read_all
from impact_jobs.errors import (
    ApiError,
    JobsError,
    NotReplayableError,
    PermissionDeniedError,
    ReplayUncertainError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

_SUCCESSES = frozenset({200, 201, 202})  # a 204 says nothing about the job
_TIMEOUT = 408
CLOCK_SLACK = timedelta(seconds=2)  # the server's `Date` and the dates of its jobs are whole seconds

# The vendor: "the response `Message` will indicate which case applies". A message about the job's state is not about
# the account's permission.
_ABOUT_STATE = re.compile(r"replay(able|ed)\b|\bstat(e|us)\b|\bQUEUED\b|\bRUNNING\b|in progress|still", re.IGNORECASE)
_ABOUT_PERMISSION = re.compile(r"permission|scope|access|authori[sz]|read.?only|disabled", re.IGNORECASE)


async def replay(context: ClientContext, reference: JobReference) -> Job:
    """Return the new job; see `JobsClient.replay`."""
    job_id = context.account.job_id(reference)
    before = reference if isinstance(reference, Job) and reference.is_terminal else None
    what = f"replay of job {job_id}"
    retries = RetryState(context, what, repeatable=False)
    while True:
        await context.wait_for_quota()
        try:
            job = await _replay_once(context, job_id, what, before)
        except TransportError as error:  # no byte was sent
            await retries.pause_after(error)
        else:
            logger.info("%s: job %s is %s", what, job.id, job.status)
            return job


async def replay_if_replayable(context: ClientContext, reference: JobReference) -> Job | None:
    """Return the new job, or None if the server says that this one cannot be replayed."""
    # A `Job` that was passed in may be out of date, so the server is asked.
    return await replay_current(context, await get(context, reference))


def is_replayable(job: Job) -> bool:
    """Return whether a job can be replayed. If it does not say so, the replay decides."""
    return str(job.raw.get("Replayable")).lower() != "false"


async def replay_current(context: ClientContext, job: Job) -> Job | None:
    """Do the same for a snapshot that has just been requested."""
    if not is_replayable(job):
        return None
    try:
        return await replay(context, job)
    except NotReplayableError:
        return None


async def _replay_once(context: ClientContext, job_id: str, what: str, before: Job | None) -> Job:
    """Send the request once; if its response is lost, look for its job. A TransportError means that it was not sent.

    `before` is a snapshot in which the job has ended, if there is one.
    """
    sent_at = context.transport.now()
    with context.replay_claims.attempt(job_id, now=context.transport.now) as attempt:
        try:
            request = replay_request(context, job_id)
            response = await read_all(await context.open(request), request)
            job = _read_response(context, response, what)
        except (TransportError, ApiError, UnexpectedResponseError) as error:
            if not may_have_been_accepted(error):
                raise
            return await _find_job(context, attempt, before, sent_at=sent_at, failure=error)
        begun = time_of_sending(context, response.head, sent_at)
        context.replay_claims.record(job, begun=begun)
        _record(context, job, attempt, begun=begun, before=job if ends_of(job) else before)
        return job


def _read_response(context: ClientContext, response: Response, what: str) -> Job:
    is_success = response.head.status_code in _SUCCESSES
    try:
        checked = context.redacted(response) if is_success else context.raise_for_status(response, what)
        return read_scheduled_job(checked, what, account=context.account)
    except PermissionDeniedError as error:
        failure = _refusal(error, response, what)
    raise failure


def may_have_been_accepted(error: JobsError) -> bool:
    """Return whether the request may have been carried out, for example by a server behind a failing gateway."""
    if isinstance(error, ApiError):
        return isinstance(error, ServerError) or error.status_code == _TIMEOUT
    return not isinstance(error, TransportError) or error.request_sent


def _refusal(error: PermissionDeniedError, response: Response, what: str) -> JobsError:
    """Return the error for a 403: about the job's state if the message says so, else about the account's permission."""
    message = server_message(response)
    if _ABOUT_PERMISSION.search(message) or not _ABOUT_STATE.search(message):
        return error
    text = f"{what}: HTTP 403: {error.message.rstrip('.')}. Wait until the job has ended, or schedule a new one."
    return with_text(error, NotReplayableError, text)


async def _find_job(
    context: ClientContext, attempt: ReplayAttempt, before: Job | None, *, sent_at: float, failure: JobsError
) -> Job:
    """Return the job that a replay without a response made, if the list leaves no doubt.

    The list is read up to `retry.attempts` times, because it may lag, and because other replays may claim their jobs
    meanwhile. On accounts where a replay keeps the job, the new jobs of the list are only candidates.
    """
    in_place = context.account.kind.replays_in_place
    cause = str(failure)
    attempt.is_lost = True
    source: Job | None = None
    found: tuple[Job, ...] = ()
    for reads in range(context.retry.attempts):
        if reads:
            await context.transport.sleep(context.retry.pause(failure, reads, random=context.random))
        jobs: list[Job] = []
        try:
            source, head = await get_with_head(context, attempt.source)
            attempt.kind = kind_of(source)
            since = time_of_sending(context, head, sent_at) - CLOCK_SLACK
            async for page in job_pages(context, Window.create(since, None, context.account.kind)):
                jobs += page
        except JobsError as error:
            unread = f"{cause}; and the list could not be read: {error}"
            if source is not None and not found:
                found = context.replay_claims.unclaimed(replay_candidates(jobs, source))
            raise ReplayUncertainError(attempt.source, found, cause=unread) from None
        own, found = None, context.replay_claims.unclaimed(replay_candidates(jobs, source))
        if not in_place:
            own, found = context.replay_claims.claim(attempt, found, now=context.transport.now())
        if (in_place or not found) and _is_rerun(source, since, before, in_place=in_place):
            ends = [*(ends_of(before) if before else ()), *(() if source.is_terminal else ends_of(source))]
            if context.replay_claims.claim_rerun(attempt, source, begun=since, ends=ends):
                own = source
        if own is not None:
            _record(context, own, attempt, begun=since, before=before)
            logger.info("the replay of job %s was found in the list: job %s (%s)", attempt.source, own.id, cause)
            return own
    raise ReplayUncertainError(attempt.source, found, cause=cause)


def time_of_sending(context: ClientContext, head: Head, sent_at: float) -> datetime:
    """Return when a request was sent, by the server's clock in the head of a later response."""
    return server_time(head) - timedelta(seconds=context.transport.now() - sent_at)


def _record(context: ClientContext, job: Job, attempt: ReplayAttempt, *, begun: datetime, before: Job | None) -> None:
    is_same_job = job.id.lower() == attempt.source.lower()
    own_begun = begun if is_same_job else None
    context.recent_replays.record(job.id, now=context.transport.now(), begun=own_begun, before=before)


def _is_rerun(source: Job, since: datetime, before: Job | None, *, in_place: bool) -> bool:
    """Return whether the job itself was queued again after a moment, as on brand-style accounts.

    The server may keep the dates of the earlier run, or remove them.
    """
    is_new = source.created_date is None or source.created_date >= since
    if not in_place:
        return not source.is_terminal and is_new
    started, ends = source.started_date, [*ends_of(source), *(ends_of(before) if before else ())]
    if source.is_terminal:  # it may have ended again already
        return started is not None and started >= since
    is_older_run = started is not None and started < since and all(end < started for end in ends)
    return is_new or (not is_older_run and bool(before or ends))


def replay_candidates(jobs: Iterable[Job], source: Job) -> list[Job]:
    """Return the jobs that may be a replay of `source`, newest first: of its kind, and of known age."""
    others = [job for job in jobs if job.id.lower() != source.id.lower() and kind_of(job) == kind_of(source)]
    dated = [(job.created_date, job) for job in others if job.created_date is not None]
    return [job for _, job in sorted(dated, key=lambda pair: pair[0], reverse=True)]
