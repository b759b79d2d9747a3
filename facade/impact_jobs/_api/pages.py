"""The pages of a list of the API: how one leads to the next, and where the list ends."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Self, TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from impact_jobs._account import Account
from impact_jobs._account_kinds import AGENCY, BRAND, PARTNER
from impact_jobs._api.context import ClientContext, logger
from impact_jobs._api.endpoints import build_request, list_request
from impact_jobs._api.responses import Page, read_page, value_of
from impact_jobs._dates import Window
from impact_jobs._redaction import Secret, secret_url, shorten
from impact_jobs._transport.base import Head, Request, Response
from impact_jobs.errors import ApiError, JobsError, UnexpectedResponseError
from impact_jobs.models import Job

T = TypeVar("T")

_COLLECTIONS = tuple(f"{kind.collection}/" for kind in (AGENCY, BRAND, PARTNER))


class Pages(Generic[T]):
    """The pages of a list, each requested when it is needed. No item appears twice.

    A link to a page that was read before, or whose entries are all known, ends the list. What is wrong with a link is
    raised once the items before it are handed on.

    `resource` is the list's name in its path, `key` returns what identifies an item, and `explain` returns the error to
    raise for a refusal. With a `deadline` on the transport's clock, each page is requested once, without retries, and
    in time: for callers that list again anyway. `entries` counts the entries of the pages so far, including skipped
    ones; `head` is that of the last page's response.
    """

    head: Head

    def __init__(
        self,
        context: ClientContext,
        first: Request,
        *,
        resource: str,
        read: Callable[[Response, str], Page[T]],
        key: Callable[[T], str],
        deadline: float | None = None,
        explain: Callable[[ApiError], ApiError] = lambda error: error,
    ) -> None:
        self.entries: int = 0
        self._context = context
        self._resource = resource
        self._noun = resource.lower()
        self._what = f"list {self._noun}"
        self._read = read
        self._key = key
        self._explain = explain
        self._deadline = math.inf if deadline is None else deadline
        self._send = context.send if deadline is None else context.exchange
        self._url = first.url  # of the page that was read last
        self._link: object = None  # to the next page
        self._total: int | None = None
        self._is_stuck = False  # whether the last page brought nothing new
        self._read_urls: set[str] = set()
        self._seen_keys: set[str] = set()
        self._seen_items: set[str] = set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[T, ...]:
        url = value_of(self._next_url())
        if url is None:
            raise StopAsyncIteration
        page = await self._request(url)
        self.entries += len(page.keys)
        self._url, self._link, self._total = url, page.next_uri, page.total
        self._read_urls.add(url.reveal())
        self._is_stuck = self._seen_keys.issuperset(page.keys)
        self._seen_keys.update(page.keys)
        return tuple(item for item in page.items if self._is_new(item))

    async def _request(self, url: Secret) -> Page[T]:
        request = build_request(self._context, {"method": "get", "url": url.reveal()}, deadline=self._deadline)
        try:
            response = await self._send(request, self._what)
            page = self._read(response, self._what)
        except ApiError as error:
            failure = self._explain(error)
        else:
            self.head = response.head
            return page
        raise failure

    def _is_new(self, item: T) -> bool:
        # A job that is created during the list pushes others onto the next page, where they appear again.
        key = self._key(item)
        if key in self._seen_items:
            return False
        self._seen_items.add(key)
        return True

    def _next_url(self) -> Secret | JobsError | None:
        """Return the URL of the next page, or what is wrong with it; None at the end of the list."""
        if not self._read_urls:
            return self._url
        if not self._link:
            return None
        url = _list_url(self._context.account, self._link, self._url.reveal(), self._resource)
        if url is None:
            account = self._context.account
            shown = shorten(account.redact(str(self._link)))
            return UnexpectedResponseError(
                f"{self._what}: the next page, {shown!r}, is not the list of {account.path} below {account.base_url}, "
                "so it was not requested. Check base_url and any gateway between."
            )
        if not self._is_stuck and url not in self._read_urls:
            return secret_url(url)
        seen = len(self._seen_keys)
        if self._total is not None and seen < self._total:
            return UnexpectedResponseError(
                f"{self._what}: the next page brings nothing new, but only {seen} of {self._total} {self._noun} have "
                "arrived. List again; if the list has dates, fewer days at once."
            )
        self._link = None
        if self._total is None:
            logger.warning(
                "%s: the next page brings nothing new, so the list ends with %d %s", self._what, seen, self._noun
            )
        return None


def job_pages(
    context: ClientContext,
    window: Window,
    *,
    deadline: float | None = None,
    parse: Callable[[object], Job | None] | None = None,
) -> Pages[Job]:
    """Return the pages of the list of jobs that were created in a window."""

    def read(response: Response, what: str) -> Page[Job]:
        page = read_page(response, what, parse=parse)
        return evolve(page, items=tuple(job for job in page.items if window.holds(job.created_date)))

    first = list_request(context, window)
    return Pages(context, first, resource="Jobs", read=read, key=lambda job: job.id.lower(), deadline=deadline)


def _list_url(account: Account, link: object, asked: str, name: str) -> str | None:
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
        if below in ([name], [f"{name}.json"]) and url.encode():
            query = urlsplit(url).query
            return f"{account.base_url}{account.path}/{'/'.join(below)}{'?' if query else ''}{query}"
    return None


class ItemIterator(Generic[T]):
    """The items of a list, one by one. It is not an async generator, because event loops may close those late."""

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages
        self._items: deque[T] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            self._items.extend(await anext(self._pages))
        return self._items.popleft()
