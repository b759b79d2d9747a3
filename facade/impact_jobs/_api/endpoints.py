"""The four operations of the Jobs API: their requests, `get`, and the pages of `list`."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

from impact_agency_api import AuthenticatedClient as AuthenticatedClient  # noqa: PLC0414 - for the clients' signatures
from impact_agency_api.api.jobs import download_job_result, get_job, list_jobs, replay_job
from impact_agency_api.models import DownloadJobResultMode
from impact_agency_api.types import UNSET

from impact_jobs._account import Account, JobReference
from impact_jobs._account_kinds import AGENCY, BRAND, PARTNER
from impact_jobs._api.context import ClientContext, logger
from impact_jobs._api.responses import read_job, read_page, value_of
from impact_jobs._dates import Window
from impact_jobs._redaction import Secret, secret_url, shorten
from impact_jobs._transport.base import Head, Request
from impact_jobs.errors import JobsError, UnexpectedResponseError
from impact_jobs.models import Job

_LISTS = (["Jobs"], ["Jobs.json"])
_COLLECTIONS = tuple(f"{kind.collection}/" for kind in (AGENCY, BRAND, PARTNER))
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


class Pages:
    """The pages of a list, each requested when it is needed. No job appears twice.

    A link to a page that was read before, or that brings nothing new, ends the list. What is wrong with a link is
    raised once the jobs before it are handed on.

    With a `deadline` on the transport's clock, each page is requested once, without retries, and in time: for callers
    that list again anyway. `entries` counts the entries of the pages so far, including skipped ones; `head` is that of
    the last page's response.
    """

    head: Head

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
        self._url = list_request(context, window).url  # of the page that was read last
        self._link: object = None  # to the next page
        self._total: int | None = None
        self._is_stuck = False  # whether the last page brought nothing new
        self._read_urls: set[str] = set()
        self._seen_keys: set[str] = set()
        self._seen_ids: set[str] = set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Job, ...]:
        url = value_of(self._next_url())
        if url is None:
            raise StopAsyncIteration
        request = build_request(self._context, {"method": "get", "url": url.reveal()}, deadline=self._deadline)
        response = await self._send(request, "list jobs")
        page = read_page(response, "list jobs", parse=self._parse)
        self.head = response.head
        self.entries += len(page.keys)
        self._url, self._link, self._total = url, page.next_uri, page.total
        self._read_urls.add(url.reveal())
        self._is_stuck = self._seen_keys.issuperset(page.keys)
        self._seen_keys.update(page.keys)
        return tuple(job for job in page.jobs if self._is_new(job))

    def _is_new(self, job: Job) -> bool:
        # A job that is created during the list pushes others onto the next page, where they appear again.
        key = job.id.lower()
        if key in self._seen_ids or not self._window.holds(job.created_date):
            return False
        self._seen_ids.add(key)
        return True

    def _next_url(self) -> Secret | JobsError | None:
        """Return the URL of the next page, or what is wrong with it; None at the end of the list."""
        if not self._read_urls:
            return self._url
        if not self._link:
            return None
        url = list_url(self._context.account, self._link, self._url.reveal())
        if url is None:
            account = self._context.account
            shown = shorten(account.redact(str(self._link)))
            return UnexpectedResponseError(
                f"list jobs: the next page, {shown!r}, is not the list of {account.path} below {account.base_url}, "
                "so it was not requested. Check base_url and any gateway between."
            )
        if not self._is_stuck and url not in self._read_urls:
            return secret_url(url)
        seen = len(self._seen_keys)
        if self._total is not None and seen < self._total:
            return UnexpectedResponseError(
                f"list jobs: the next page brings nothing new, but only {seen} of {self._total} jobs have arrived. "
                "List fewer days at once."
            )
        self._link = None
        if self._total is None:
            logger.warning("list jobs: the next page brings nothing new, so the list ends with %d jobs", seen)
        return None


def list_url(account: Account, link: object, asked: str, *, lists: Sequence[list[str]] = _LISTS) -> str | None:
    """Return the URL of the next page, if it is the account's list. The link may lack the path of the account."""
    if not isinstance(link, str):
        return None
    path = f"/{link.strip()}" if link.strip().startswith(_COLLECTIONS) else link.strip()
    with suppress(ValueError):  # brackets without an address, a port that is none, or half of a surrogate pair
        url = account.resolve(path, asked)
        below, own = account.path_below(url) or [], account.path.split("/")[1:]
        if below[: len(own)] == own:
            below = below[len(own) :]
        elif account.advertiser is not None and below[:1] == [BRAND.collection]:  # as the brand's own account has it
            below = below[2:]
        if below and below in lists and url.encode():
            query = urlsplit(url).query
            return f"{account.base_url}{account.path}/{'/'.join(below)}{'?' if query else ''}{query}"
    return None


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
