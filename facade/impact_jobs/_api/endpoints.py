"""The four operations of the Jobs API: their requests, `get`, and the pages of `list`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import UUID

from impact_agency_api import AuthenticatedClient as AuthenticatedClient  # noqa: PLC0414 - for the clients' signatures
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode
from impact_agency_api.types import UNSET

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._api.responses import read_job, read_page
from impact_jobs._dates import Window
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Head, Request
from impact_jobs.errors import UnexpectedResponseError
from impact_jobs.models import Job

_MIN_TIMEOUT_SECONDS = 0.5  # long enough for the last poll at the very end of a wait to be answered


async def get(context: ClientContext, reference: JobReference) -> Job:
    """Return the job's current state, with retries."""
    job, _ = await get_with_head(context, context.account.job_id(reference))
    return job


async def get_with_head(context: ClientContext, job_id: str) -> tuple[Job, Head]:
    """Return the job's current state, with retries, and the response's head, which has the server's time."""
    what = f"get job {job_id}"
    response = await context.send(_get_request(context, job_id), what)
    return read_job(response, what, job_id=job_id), response.head


async def get_once(context: ClientContext, job_id: str, *, deadline: float = math.inf) -> Job:
    """Return the job's current state without retries, for callers that poll again anyway."""
    what = f"get job {job_id}"
    response = await context.exchange(_get_request(context, job_id, deadline=deadline), what)
    return read_job(response, what, job_id=job_id)


def _get_request(context: ClientContext, job_id: str, *, deadline: float = math.inf) -> Request:
    return _build_request(context, **get_job._get_kwargs(context.account.sid, UUID(job_id)), deadline=deadline)  # noqa: SLF001 - see _build_request


def download_request(context: ClientContext, job_id: str, *, is_stream: bool, headers: Mapping[str, str]) -> Request:
    """Build a request for a job's result: for a redirect to it, or with `is_stream` for its bytes."""
    mode = DownloadJobResultMode.STREAM if is_stream else UNSET
    kwargs = download_job_result._get_kwargs(context.account.sid, UUID(job_id), mode=mode)  # noqa: SLF001 - see _build_request
    return _build_request(context, **kwargs, headers=headers, is_download=True)


def replay_request(context: ClientContext, job_id: str) -> Request:
    """Build a request to replay a job: a PUT with an empty body."""
    kwargs = replay_job._get_kwargs(context.account.sid, UUID(job_id))  # noqa: SLF001 - see _build_request
    return _build_request(context, **kwargs, headers={"Content-Length": "0"})


def list_request(context: ClientContext, window: Window, *, deadline: float = math.inf) -> Request:
    """Build the request for the first page of a list."""
    after, before = window.after or UNSET, window.before or UNSET
    kwargs = list_jobs._get_kwargs(context.account.sid, created_after=after, created_before=before)  # noqa: SLF001 - see _build_request
    return _build_request(context, **kwargs, deadline=deadline)


def _build_request(
    context: ClientContext,
    *,
    url: str,
    method: str = "GET",
    params: Mapping[str, Any] = {},
    headers: Mapping[str, str] = {},
    deadline: float = math.inf,
    is_download: bool = False,
) -> Request:
    """Build a request to the API, whose `url` may be a path. `deadline` is on the transport's clock.

    The other arguments may come from a generated operation's `_get_kwargs`, which is private, but the only part of the
    operation without I/O. Tests verify that it exists.
    """
    query = urlencode(params)
    base_url = context.account.base_url if url.startswith("/") else ""
    left = max(deadline - context.transport.now(), _MIN_TIMEOUT_SECONDS)
    return Request(
        method=method.upper(),
        url=secret_url(f"{base_url}{url}{'?' if query else ''}{query}"),
        headers=headers,
        timeout=min(context.request_timeout, left),
        is_download=is_download,
    )


class Pages:
    """The pages of a list, each requested when it is needed. No job appears twice.

    With a `deadline` on the transport's clock, each page is requested once, without retries, and in time: for callers
    that list again anyway. `entries` counts the entries of the pages so far, including skipped ones.
    """

    def __init__(
        self,
        context: ClientContext,
        window: Window,
        *,
        deadline: float | None = None,
        parse: Callable[[object], Job | None] | None = None,
    ) -> None:
        self.entries: int = 0
        self._context = context
        self._window = window
        self._deadline = math.inf if deadline is None else deadline
        self._send = context.send if deadline is None else context.exchange
        self._parse = parse
        self._request: Request | None = list_request(context, window, deadline=self._deadline)
        self._requested_urls = {self._request.url.reveal()}
        self._seen_ids: set[str] = set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Job, ...]:
        if self._request is None:
            raise StopAsyncIteration
        page = read_page(await self._send(self._request, "list jobs"), "list jobs", parse=self._parse)
        self.entries += page.entries
        self._request = self._next_request(page.next_uri)
        return tuple(job for job in page.jobs if self._is_new(job))

    def _is_new(self, job: Job) -> bool:
        # A job that is created during the list pushes others onto the next page, where they appear again.
        key = job.id.lower()
        if key in self._seen_ids or not self._window.holds(job.created_date):
            return False
        self._seen_ids.add(key)
        return True

    def _next_request(self, next_uri: str | None) -> Request | None:
        if next_uri is None:
            return None
        base, url = self._context.account.base_url, ""
        try:
            url = urljoin(base + "/", next_uri)
            is_on_host = urlsplit(url)[:2] == urlsplit(base)[:2] and bool(url.encode())
        except ValueError:  # brackets without an address, or half of a surrogate pair
            is_on_host = False
        if not is_on_host:
            raise UnexpectedResponseError(f"list jobs: the next page is not on {base}, so it was not requested.")
        if url in self._requested_urls:
            raise UnexpectedResponseError("list jobs: the next page was already read, so the list has no end.")
        self._requested_urls.add(url)
        return _build_request(self._context, url=url, deadline=self._deadline)


class JobIterator:
    """The jobs of a list, one by one. It is not an async generator, because event loops may close those late."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._jobs: deque[Job] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job:
        while not self._jobs:
            self._jobs.extend(await anext(self._pages))
        return self._jobs.popleft()
