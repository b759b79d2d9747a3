"""`replay`: one new job, never two."""

from __future__ import annotations

import logging
import re

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._api.endpoints import get, replay_request
from impact_jobs._api.responses import read_job
from impact_jobs._operations.reconcile import reconcile
from impact_jobs._transport.base import Response
from impact_jobs.errors import (
    JobsError,
    NotReplayableError,
    PermissionDeniedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

# The page: "the response `Message` will indicate which case applies". What speaks of state is not about permission.
_SPEAKS_OF_STATE = re.compile(
    r"replay(able|ed)\b|\bstat(e|us)\b|\bQUEUED\b|\bRUNNING\b|in progress|still", re.IGNORECASE
)
_SPEAKS_OF_PERMISSION = re.compile(r"permission|scope|access|authori[sz]|read.?only|disabled", re.IGNORECASE)


async def replay(context: ClientContext, reference: JobReference) -> Job:
    """The new job; see `JobsClient.replay`."""
    job_id = context.account.job_id(reference)
    what = f"replay of job {job_id}"
    tries = RetryState(context, what, repeatable=False)
    while True:
        await context.wait_for_quota()
        try:
            job = await _once(context, job_id, what)
        except TransportError as error:  # it never left
            await tries.pause_after(error)
        else:
            logger.info("%s: job %s is %s", what, job.id, job.status)
            return job


async def _once(context: ClientContext, job_id: str, what: str) -> Job:
    """Send it once; when its answer is lost, look for its job.

    Raises:
        TransportError: No byte of it has left.
    """
    sent_at = context.transport.now()
    with context.replay_claims.calling(job_id, now=context.transport.now) as call:
        try:
            job = read_job(await _put(context, job_id, what), what)
        except (TransportError, ServerError, UnexpectedResponseError) as error:
            if isinstance(error, TransportError) and not error.request_sent:
                raise
            # Whatever else has no readable answer may have been carried out: by a server behind a gateway, say.
            return await reconcile(context, call, sent_at=sent_at, failure=error)
        context.replay_claims.tell(job)
        return job


async def replay_if_replayable(context: ClientContext, reference: JobReference) -> Job | None:
    """The new job, or None when the server says that this one cannot be replayed."""
    if _is_refused(await get(context, reference)):  # not by a `Job` that was given, which may have aged
        return None
    try:
        return await replay(context, reference)
    except NotReplayableError:
        return None


def _is_refused(job: Job) -> bool:
    """Whether the server says so; one that says nothing, or nonsense, is asked by the replay itself."""
    return str(job.raw.get("Replayable")).lower() == "false"


async def _put(context: ClientContext, job_id: str, what: str) -> Response:
    try:
        return await context.exchange(replay_request(context, job_id), what)
    except PermissionDeniedError as error:
        raise _which_refusal(error, what) from None


def _which_refusal(error: PermissionDeniedError, what: str) -> JobsError:
    """A 403 on replay means the job's state or the account's rights; what says neither is taken for the latter."""
    if _SPEAKS_OF_PERMISSION.search(error.message) or not _SPEAKS_OF_STATE.search(error.message):
        return error
    return NotReplayableError(
        f"{what}: HTTP 403: {error.message.rstrip('.')}. Wait until the job has ended, or schedule a new one.",
        status_code=error.status_code,
        message=error.message,
        errors=error.errors,
        request_id=error.request_id,
        body=error.body,
    )
