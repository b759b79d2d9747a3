"""The four operations of the Jobs API: their requests, and `get`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from impact_agency_api import AuthenticatedClient as AuthenticatedClient  # noqa: PLC0414 - for the clients' signatures
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode
from impact_agency_api.types import UNSET

from impact_jobs._account import JobReference
from impact_jobs._account_kinds import AGENCY
from impact_jobs._api.context import ClientContext
from impact_jobs._api.responses import read_job
from impact_jobs._dates import Window
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Head, Request
from impact_jobs.models import Job

_MIN_TIMEOUT_SECONDS = 0.5  # long enough for the last poll at the very end of a wait to be answered


async def get(context: ClientContext, reference: JobReference) -> Job:
    """Return the job's current state, with retries."""
    job, _ = await get_with_head(context, context.account.job_id(reference))
    return job


async def get_with_head(context: ClientContext, job_id: str) -> tuple[Job, Head]:
    """Return the job's current state, with retries, and the response's head, which has the server's time."""
    what = f"get job {job_id}"
    response = await context.send(_get_request(context, job_id), what, job_id=job_id)
    return read_job(response, what, job_id=job_id), response.head


async def get_once(context: ClientContext, job_id: str, *, deadline: float = math.inf) -> Job:
    """Return the job's current state without retries, for callers that poll again anyway."""
    what = f"get job {job_id}"
    request = _get_request(context, job_id, deadline=deadline)
    return read_job(await context.exchange(request, what, job_id=job_id), what, job_id=job_id)


def _get_request(context: ClientContext, job_id: str, *, deadline: float = math.inf) -> Request:
    return build_request(context, get_job._get_kwargs(context.account.sid, UUID(job_id)), deadline=deadline)  # noqa: SLF001 - see build_request


def download_request(
    context: ClientContext, job_id: str, *, is_stream: bool, headers: Mapping[str, str], page: int = 1
) -> Request:
    """Build a request for a job's result: for a redirect to it, or with `is_stream` for its bytes.

    `page` is that of a JSON result in pages.
    """
    mode = DownloadJobResultMode.STREAM if is_stream else UNSET
    kwargs = download_job_result._get_kwargs(context.account.sid, UUID(job_id), mode=mode)  # noqa: SLF001 - see build_request
    if page > 1:
        kwargs = {**kwargs, "params": {**kwargs.get("params", {}), "Page": page}}
    return build_request(context, kwargs, headers=headers, is_download=True)


def replay_request(context: ClientContext, job_id: str) -> Request:
    """Build a request to replay a job: a PUT with an empty body."""
    kwargs = replay_job._get_kwargs(context.account.sid, UUID(job_id))  # noqa: SLF001 - see build_request
    return build_request(context, kwargs, headers={"Content-Length": "0"})


def list_request(context: ClientContext, window: Window, *, deadline: float = math.inf) -> Request:
    """Build the request for the first page of a list."""
    after, before = window.after or UNSET, window.before or UNSET  # datetimes for some kinds of account
    kwargs = list_jobs._get_kwargs(context.account.sid, created_after=after, created_before=before)  # noqa: SLF001 - see build_request
    return build_request(context, kwargs, deadline=deadline)


def build_request(
    context: ClientContext,
    kwargs: Mapping[str, Any],
    *,
    headers: Mapping[str, str] = {},
    deadline: float = math.inf,
    is_download: bool = False,
) -> Request:
    """Build a request to the API. `deadline` is on the transport's clock.

    `kwargs` come from a generated operation's `_get_kwargs`, which is private, but the only part of the operation
    without I/O. Tests verify that it exists. Its `url` may be a path. What else may be there, such as cookies, belongs
    to optional parameters, which are not passed. The operations are an agency's, so their path is replaced.
    """
    account = context.account
    url, query = kwargs["url"], urlencode(kwargs.get("params", {}))
    if url.startswith("/"):
        below = url.removeprefix(f"/{AGENCY.collection}/{quote(account.sid, safe='')}")
        url = f"{account.base_url}{account.path}{below}"
    left = max(deadline - context.transport.now(), _MIN_TIMEOUT_SECONDS)
    return Request(
        method=kwargs["method"].upper(),
        url=secret_url(f"{url}{'?' if query else ''}{query}"),
        headers={"IR-Version": account.kind.api_version, **kwargs.get("headers", {}), **headers},
        timeout=min(context.request_timeout, left),
        is_download=is_download,
    )
