"""Pages of the list of jobs, in the envelope of the vendor's sibling APIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from attrs import frozen


@frozen(kw_only=True)
class Page:
    """A page that a request asks for, counted from 1; the URI of every page repeats the other parameters, `query`."""

    number: int
    size: int
    path: str
    query: Mapping[str, str]

    def uri(self, number: int) -> str:
        """Return the path and query of another page."""
        return f"{self.path}?{urlencode({**self.query, 'Page': number, 'PageSize': self.size})}"


def paginate(items: Sequence[object], page: Page, *, name: str = "Jobs") -> dict[str, object]:
    """Wrap one page of a list in the envelope; its numbers are strings, and the last page's next URI is ""."""
    pages = max(1, -(-len(items) // page.size))
    start = (page.number - 1) * page.size
    return {
        "@page": str(page.number),
        "@numpages": str(pages),
        "@pagesize": str(page.size),
        "@total": str(len(items)),
        "@nextpageuri": page.uri(page.number + 1) if page.number < pages else "",
        name: list(items[start : start + page.size]),
    }
