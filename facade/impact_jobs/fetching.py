"""From a job to the open body of its result: 202, 302 or 200, and what the storage says."""

from __future__ import annotations

import logging
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from impact_agency_api.api.jobs import download_job_result
from impact_agency_api.models import DownloadJobResultMode
from impact_agency_api.types import UNSET

from impact_jobs.answers import error_of, read_job
from impact_jobs.core import Core
from impact_jobs.errors import (
    ConfigurationError,
    DownloadError,
    JobFailedError,
    JobsError,
    ResultExpiredError,
    ResultNotReadyError,
    UnexpectedResponseError,
)
from impact_jobs.listing import look
from impact_jobs.locations import storage_url
from impact_jobs.models import JobStatus
from impact_jobs.port import Head, Request, Response, Stream, read_whole
from impact_jobs.redaction import secret_url

logger = logging.getLogger("impact_jobs")

Mode = Literal["redirect", "stream"]

_OK = 200
_ACCEPTED = 202
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIRST_SERVER_ERROR = 500
# How the storages say that a link has expired or its object is gone: S3 403, GCS 400, Azure 403, any 404 or 410.
_REFUSALS = frozenset({400, 401, 403, 404, 410})
_LINKS_PER_TRY = 2
_MOST_HOPS = 5
_NOT_ENCODED = {"Accept-Encoding": "identity"}


def check_mode(mode: str) -> None:
    """Raises ConfigurationError unless `mode` is one of `Mode`."""
    if mode not in {"redirect", "stream"}:
        raise ConfigurationError(f"mode={mode!r}: give 'redirect' or 'stream'.")


async def open_result(core: Core, job_id: str, mode: Mode, what: str) -> Stream:
    """The open body of the job's result, asked for once; the caller closes it.

    Raises:
        ResultNotReadyError: The job has not ended.
        JobFailedError: It has, without a result.
        ResultExpiredError: The storage refused a link, and a fresh one too.
        DownloadError: A redirect leads where no result may be fetched from.
        JobsError: What else can go wrong in an exchange.
    """
    status = 0
    for _ in range(_LINKS_PER_TRY):
        stream = await _ask_api(core, job_id, mode, what)
        if stream.head.status_code == _OK:
            return stream
        await stream.aclose()
        stream = await _follow(core, stream.head, what)
        status = stream.head.status_code
        if status == _OK:
            return stream
        await stream.aclose()
        logger.info("%s: the storage refused the link with HTTP %d", what, status)
    raise ResultExpiredError(
        f"{what}: the storage refused a fresh link, too, with HTTP {status}. "
        "The result may be gone (they are kept for 90 days): replay the job."
    )


async def _ask_api(core: Core, job_id: str, mode: Mode, what: str) -> Stream:
    """The API's answer when it is the result (200) or the way to it (a redirect)."""
    kwargs = download_job_result._get_kwargs(  # noqa: SLF001 - see Core.request
        core.account.sid, UUID(job_id), mode=DownloadJobResultMode.STREAM if mode == "stream" else UNSET
    )
    # JSON for the 202, anything for the result.
    request = core.request(kwargs, headers={"Accept": "application/json, */*;q=0.1", **_NOT_ENCODED})
    stream = await core.port.stream(request)
    if stream.head.status_code == _OK or stream.head.status_code in _REDIRECTS:
        return stream
    response = await read_whole(stream, request, now=core.port.now)
    if stream.head.status_code != _ACCEPTED:
        core.checked(response, what)
    raise await _why_not_ready(core, job_id, response, what)


async def _why_not_ready(core: Core, job_id: str, response: Response, what: str) -> JobsError:
    """What a 202 means: jobs that failed or were cancelled may be answered with it for ever."""
    try:
        job = read_job(response, what)
    except UnexpectedResponseError:  # XML, perhaps; the job itself is always to be had as JSON
        job = await look(core, job_id)
    if job.is_terminal and job.status != JobStatus.COMPLETED:
        return JobFailedError.of(job)
    return ResultNotReadyError(job)


async def _follow(core: Core, redirect: Head, what: str) -> Stream:
    """The storage's answer, when it is the result or a refusal; nothing of the account goes along on any hop."""
    api_host = urlsplit(core.account.base_url).hostname
    url = secret_url(core.account.base_url)
    for _ in range(_MOST_HOPS):
        url = storage_url(redirect.location, base=url, api_host=api_host, what=what)
        headers = {"Accept": "*/*", "User-Agent": "impact-jobs", **_NOT_ENCODED}
        request = Request(method="GET", url=url, headers=headers, timeout=core.request_timeout, to_storage=True)
        stream = await core.port.stream(request)
        status = stream.head.status_code
        if status == _OK or status in _REFUSALS:
            return stream
        await stream.aclose()
        if status not in _REDIRECTS:
            raise _storage_failure(stream.head, what)
        redirect = stream.head
    raise DownloadError(f"{what}: more than {_MOST_HOPS} redirects. Try again later.")


def _storage_failure(head: Head, what: str) -> JobsError:
    # Without the body, in which storages repeat signatures.
    if head.status_code >= _FIRST_SERVER_ERROR:
        return error_of(Response(head=head, body=b""), f"{what} from the storage")
    return DownloadError(f"{what}: the storage answered HTTP {head.status_code}. Try again later.")
