"""One job's result: where the API says that it is, and where it is to go."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from impact_jobs.sandbox import Sandbox


@frozen(kw_only=True)
class Result:
    """A completed job of the sandbox, whose result lies at a store instead.

    Attributes:
        folder: An empty folder.
    """

    sandbox: Sandbox
    job_id: str
    folder: Path

    @property
    def path(self) -> Path:
        """Where it is to go."""
        return self.folder / "a.csv"

    @property
    def times_asked(self) -> int:
        """How often the API was asked for a link."""
        return sum(request.path.endswith("/Download") for request in self.sandbox.requests)

    def lies_at(self, *links: str) -> None:
        """Have the API redirect to one link after the other."""
        for link in links:
            self.sandbox.answer_next("GET", "/Download", status=302, headers={"Location": link})

    def left(self) -> list[str]:
        """The names in the folder."""
        return sorted(found.name for found in self.folder.iterdir())
