"""The server's side of an account with many jobs: each of them, the list in pages or whole, and the hourly budget."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define, field
from impact_jobs._transport.base import Request, Response
from impact_jobs.errors import JobsError

from tests.support.simulated import Answer, answer

START = 1000.0  # where the simulated clock begins
HOUR = 3600.0

Told = Callable[[float], Any]
"""What the server tells of a job, so many seconds after the start; None where there is no such job."""


def job_id(number: int) -> str:
    return f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}"


def ids(count: int) -> list[str]:
    return [job_id(number) for number in range(count)]


def ending(number: int, *, after: float, then: str = "COMPLETED", before: str = "RUNNING", **fields: Any) -> Told:
    """A job that ends so many seconds after the start."""
    return lambda at: {"Id": job_id(number), "Status": then if at >= after else before, **fields}


@define
class ManyJobs:
    """A script for the simulated port.

    Attributes:
        told: By id.
        page_size: Entries on a page of the list; 0 for all in a bare array.
        hides: Ids that the list does not show at that time.
        listed: What the list answers in place of itself, if anything, at that time.
        limit: Requests an hour; None for no limit and no headers.
        counts: How many lists (pages) and gets there were.
        refused: How many were answered with 429.
        windows: The `CreatedAfter` of each list.
    """

    told: Mapping[str, Told]
    page_size: int = 0
    hides: Callable[[float], Iterable[str]] = lambda _: ()
    listed: Callable[[float], Answer | None] = lambda _: None
    limit: int | None = None
    counts: Counter[str] = field(factory=Counter)
    refused: int = 0
    windows: list[str] = field(factory=list)
    asked: list[str] = field(factory=list)
    _used: int = 0
    _resets_at: float = START + HOUR
    _texts: dict[str, tuple[Any, str]] = field(factory=dict)

    def __call__(self, now: float, request: Request) -> Answer:
        headers = self._spend(now)
        if headers is not None and "retry-after" in headers:
            return answer(429, {"Message": "Too many requests"}, headers=headers)
        parts = urlsplit(request.url.reveal())
        last = parts.path.rpartition("/")[2]
        if last == "Jobs":
            self.counts["list"] += 1
            found = self.listed(now - START)
            return self._list(now - START, parse_qs(parts.query), headers) if found is None else found
        self.counts["get"] += 1
        self.asked.append(last)
        told = self.told[last.lower()](now - START) if last.lower() in self.told else None
        if told is None:
            return answer(404, {"Status": "ERROR", "Message": "Not found"}, headers=headers)
        return told if isinstance(told, Response | JobsError) else answer(200, told, headers=headers)

    def _spend(self, now: float) -> Mapping[str, str]:
        if self.limit is None:
            return {}
        while now >= self._resets_at:
            self._resets_at, self._used = self._resets_at + HOUR, 0
        reset = f"{math.ceil(self._resets_at - now)}"
        if self._used >= self.limit:
            self.refused += 1
            return {"x-ratelimit-limit": f"{self.limit}", "x-ratelimit-remaining": "0", "retry-after": reset}
        self._used += 1
        left = f"{self.limit - self._used}"
        return {"x-ratelimit-limit": f"{self.limit}", "x-ratelimit-remaining": left, "x-ratelimit-reset": reset}

    def _list(self, at: float, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> Response:
        self.windows += query.get("CreatedAfter", [""])
        hidden = set(self.hides(at))
        shown = [key for key in self.told if key not in hidden]
        page, size = int(query.get("page", ["1"])[0]), self.page_size or max(len(shown), 1)
        texts = (self._text(key, at) for key in shown[(page - 1) * size : page * size])
        body = f"[{','.join(text for text in texts if text)}]"
        if self.page_size:
            others = "".join(f"{name}={text[0]}&" for name, text in query.items() if name != "page")
            more = f"/Agencies/IRtest/Jobs?{others}page={page + 1}" if page * size < len(shown) else ""
            body = f'{{"@page":"{page}","@total":"{len(shown)}","@nextpageuri":"{more}","Jobs":{body}}}'
        return answer(200, body.encode(), headers=headers)

    def _text(self, key: str, at: float) -> str:
        """As JSON; kept, for most do not change from one list to the next."""
        told = self.told[key](at)
        kept, text = self._texts.get(key, (None, ""))
        if kept != told:
            is_shown = told is not None and not isinstance(told, Response | JobsError)
            self._texts[key] = told, (text := json.dumps(told) if is_shown else "")
        return text
