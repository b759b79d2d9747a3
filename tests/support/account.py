"""A simulated account with many jobs: single jobs, the list in pages or whole, and the hourly limit."""

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

JobState = Callable[[float], Any]
"""What the server returns for a job, so many seconds after the start; None if the job does not exist."""


def job_id(number: int) -> str:
    return f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}"


def ids(count: int) -> list[str]:
    return [job_id(number) for number in range(count)]


def job_ending(
    number: int, *, after: float, then: str = "COMPLETED", before: str = "RUNNING", **fields: Any
) -> JobState:
    """Return a job that ends so many seconds after the start."""
    return lambda at: {"Id": job_id(number), "Status": then if at >= after else before, **fields}


@define
class ManyJobs:
    """A script for the simulated transport.

    Attributes:
        states: The jobs, by id.
        page_size: Entries per page of the list; 0 for all of them in a bare array.
        hides: Returns the ids that the list does not show at that time.
        listed: Returns a response in place of the list, or None, at that time.
        limit: Requests per hour; None for no limit and no headers.
        counts: How many lists (pages) and gets were requested.
        refused: How many requests were answered with 429.
        windows: The `CreatedAfter` of each list.
    """

    states: Mapping[str, JobState]
    page_size: int = 0
    hides: Callable[[float], Iterable[str]] = lambda _: ()
    listed: Callable[[float], Answer | None] = lambda _: None
    limit: int | None = None
    counts: Counter[str] = field(factory=Counter)
    refused: int = 0
    windows: list[str] = field(factory=list)
    _used: int = 0
    _resets_at: float = START + HOUR
    _texts: dict[str, tuple[Any, str]] = field(factory=dict)

    def __call__(self, now: float, request: Request) -> Answer:
        headers = self._spend(now)
        if "retry-after" in headers:
            return answer(429, {"Message": "Too many requests"}, headers=headers)
        parts = urlsplit(request.url.reveal())
        last = parts.path.rpartition("/")[2]
        if last == "Jobs":
            self.counts["list"] += 1
            response = self.listed(now - START)
            return self._list(now - START, parse_qs(parts.query), headers) if response is None else response
        self.counts["get"] += 1
        state = self.states[last.lower()](now - START) if last.lower() in self.states else None
        if state is None:
            return answer(404, {"Status": "ERROR", "Message": "Not found"}, headers=headers)
        return state if isinstance(state, Response | JobsError) else answer(200, state, headers=headers)

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
        shown = [key for key in self.states if key not in hidden]
        page, size = int(query.get("page", ["1"])[0]), self.page_size or max(len(shown), 1)
        texts = (self._text(key, at) for key in shown[(page - 1) * size : page * size])
        body = f"[{','.join(text for text in texts if text)}]"
        if self.page_size:
            others = "".join(f"{name}={text[0]}&" for name, text in query.items() if name != "page")
            more = f"/Agencies/IRtest/Jobs?{others}page={page + 1}" if page * size < len(shown) else ""
            body = f'{{"@page":"{page}","@total":"{len(shown)}","@nextpageuri":"{more}","Jobs":{body}}}'
        return answer(200, body.encode(), headers=headers)

    def _text(self, key: str, at: float) -> str:
        """Return the job as JSON, cached because most jobs do not change from one list to the next."""
        state = self.states[key](at)
        cached, text = self._texts.get(key, (None, ""))
        if cached != state:
            is_job = state is not None and not isinstance(state, Response | JobsError)
            self._texts[key] = state, (text := json.dumps(state) if is_job else "")
        return text
