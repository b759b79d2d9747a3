"""The shapes that a list of jobs has been seen in: a bare array, an object, a page of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from attrs import frozen


@frozen(kw_only=True)
class Page:
    """Which page of a list is wanted.

    Args:
        number: Its number, from 1.
        size: How many jobs a page holds.
        path: The list's full path from the host.
        query: The other query parameters, which every page's URI repeats.
    """

    number: int
    size: int
    path: str
    query: Mapping[str, str]

    def uri(self, number: int) -> str:
        """Give the full path, from the host, of another page."""
        return f"{self.path}?{urlencode({**self.query, 'Page': number, 'PageSize': self.size})}"


def page_of(jobs: Sequence[object], page: Page) -> dict[str, object]:
    """Wrap one page of a list in the sibling APIs' envelope: numbers as strings, and "" for no next page."""
    pages = max(1, -(-len(jobs) // page.size))
    start = (page.number - 1) * page.size
    return {
        "@page": str(page.number),
        "@numpages": str(pages),
        "@pagesize": str(page.size),
        "@total": str(len(jobs)),
        "@nextpageuri": page.uri(page.number + 1) if page.number < pages else "",
        "Jobs": list(jobs[start : start + page.size]),
    }
