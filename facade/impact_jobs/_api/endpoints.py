"""The four operations of the Jobs API: their requests, `get`, and the pages of `list`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Generic, Self, TypeVar
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from impact_agency_api import AuthenticatedClient
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode
from impact_agency_api.types import UNSET

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._api.parsing import parse_job
from impact_jobs._api.responses import read_job, read_page
from impact_jobs._dates import Window
from impact_jobs._transport.base import Head, Request
from impact_jobs.errors import UnexpectedResponseError
from impact_jobs.models import Job

__all__ = [
    "AuthenticatedClient",
    "Flat",
    "Pages",
    "download_request",
    "get",
    "get_once",
    "get_with_head",
    "list_request",
    "replay_request",
]

T = TypeVar("T")


async def get(context: ClientContext, reference: JobReference) -> Job:
    """The job's state now, with retries."""
    job, _ = await get_with_head(context, context.account.job_id(reference))
    return job


async def get_with_head(context: ClientContext, job_id: str) -> tuple[Job, Head]:
    """The job's state now, with retries, and the head of the answer, which tells the server's time."""
    what = f"get job {job_id}"
    response = await context.send(_get_request(context, job_id), what)
    return read_job(response, what), response.head


async def get_once(context: ClientContext, job_id: str, *, deadline: float = math.inf) -> Job:
    """The job's state now, asked for once: for callers that ask again anyway."""
    what = f"get job {job_id}"
    return read_job(await context.exchange(_get_request(context, job_id, deadline=deadline), what), what)


def _get_request(context: ClientContext, job_id: str, *, deadline: float = math.inf) -> Request:
    return context.request(**get_job._get_kwargs(context.account.sid, UUID(job_id)), deadline=deadline)  # noqa: SLF001 - see ClientContext.request


def download_request(context: ClientContext, job_id: str, *, is_stream: bool, headers: Mapping[str, str]) -> Request:
    """A request for the result of a job, or with `is_stream` for its bytes in place of a redirect."""
    mode = DownloadJobResultMode.STREAM if is_stream else UNSET
    kwargs = download_job_result._get_kwargs(context.account.sid, UUID(job_id), mode=mode)  # noqa: SLF001 - see ClientContext.request
    return context.request(**kwargs, headers=headers, is_download=True)


def replay_request(context: ClientContext, job_id: str) -> Request:
    """A request to replay a job: a PUT with an empty body."""
    kwargs = replay_job._get_kwargs(context.account.sid, UUID(job_id))  # noqa: SLF001 - see ClientContext.request
    return context.request(**kwargs, headers={"Content-Length": "0"})


def list_request(context: ClientContext, window: Window, *, deadline: float = math.inf) -> Request:
    """Build the request for the first page of a list."""
    after, before = window.after or UNSET, window.before or UNSET
    kwargs = list_jobs._get_kwargs(context.account.sid, created_after=after, created_before=before)  # noqa: SLF001 - see ClientContext.request
    return context.request(**kwargs, deadline=deadline)


class Pages:
    """The pages of a list, each fetched when it is wanted; no job twice.

    Args:
        context: The client's settings.
        window: Which jobs.
        deadline: On the port's clock. Where it is given, each page is asked for once, and in time: for callers that
            ask again anyway.
        parse: As for `read_page`.

    Attributes:
        entries: How many there were so far.
    """

    def __init__(
        self,
        context: ClientContext,
        window: Window,
        *,
        deadline: float | None = None,
        parse: Callable[[object], Job | None] = parse_job,
    ) -> None:
        self.entries: int = 0
        self._context = context
        self._window = window
        self._deadline = math.inf if deadline is None else deadline
        self._send = context.send if deadline is None else context.exchange
        self._parse = parse
        self._request: Request | None = list_request(context, window, deadline=self._deadline)
        self._asked = {self._request.url.reveal()}
        self._seen: set[str] = set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Job, ...]:
        if self._request is None:
            raise StopAsyncIteration
        page = read_page(await self._send(self._request, "list jobs"), "list jobs", parse=self._parse)
        self.entries += page.entries
        self._request = self._next_request(page.next_uri)
        return tuple(job for job in page.jobs if self._is_wanted(job))

    def _is_wanted(self, job: Job) -> bool:
        # Jobs that are created while we read push others onto the next page, where they come again.
        key = job.id.lower()
        if key in self._seen or not self._window.holds(job.created_date):
            return False
        self._seen.add(key)
        return True

    def _next_request(self, next_uri: str | None) -> Request | None:
        if next_uri is None:
            return None
        # A full path from the host: joined to the host, never sent as a page number.
        base = self._context.account.base_url
        url = ""
        try:
            url = urljoin(base + "/", next_uri)
            is_there = urlsplit(url)[:2] == urlsplit(base)[:2] and bool(url.encode())
        except ValueError:  # brackets that are no address, or half of a surrogate pair
            is_there = False
        if not is_there:
            raise UnexpectedResponseError(f"list jobs: the next page is not on {base}; it was not asked for.")
        if url in self._asked:
            raise UnexpectedResponseError("list jobs: the next page is one that was read already; the list is a loop.")
        self._asked.add(url)
        return self._context.request(url=url, deadline=self._deadline)


class Flat(Generic[T]):
    """The items of an asynchronous iterator's batches, one by one.

    A class and not an async generator: a running loop finalises those at some later time.
    """

    def __init__(self, batches: AsyncIterator[Iterable[T]]) -> None:
        self._batches = batches
        self._ready: deque[T] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            self._ready.extend(await anext(self._batches))
        return self._ready.popleft()
