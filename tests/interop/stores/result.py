"""A job whose result is in an object store, and the folder to download it to."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from impact_jobs.sandbox import Sandbox


@frozen(kw_only=True)
class Result:
    """A completed job of the sandbox whose result is in a store.

    Attributes:
        folder: An empty folder.
    """

    sandbox: Sandbox
    job_id: str
    folder: Path

    @property
    def path(self) -> Path:
        """The target of the download."""
        return self.folder / "a.csv"

    @property
    def link_requests(self) -> int:
        """How often the client has requested a link from the API."""
        return sum(request.path.endswith("/Download") for request in self.sandbox.requests)

    def redirect_to(self, *links: str) -> None:
        """Make the API redirect to these links, one after the other."""
        for link in links:
            self.sandbox.answer_next("GET", "/Download", status=302, headers={"Location": link})

    def files(self) -> list[str]:
        """Return the names of the files in the folder."""
        return sorted(found.name for found in self.folder.iterdir())
