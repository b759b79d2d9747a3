"""Count the sessions, faults and outcomes of campaigns, over all processes of a test run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from attrs import asdict, define, field


@define
class Tally:
    """The counts of a campaign, printed at the end of the run."""

    sessions: Counter[str] = field(factory=Counter)
    injected: Counter[str] = field(factory=Counter)
    outcomes: Counter[str] = field(factory=Counter)
    steps: Counter[str] = field(factory=Counter)
    figures: list[str] = field(factory=list)
    violations: int = 0
    worst: float = -math.inf  # the most by which a call overran its deadline, in seconds

    @contextmanager
    def session(self, name: str) -> Iterator[None]:
        self.sessions[name] += 1
        try:
            yield
        except Exception:
            self.violations += 1
            raise

    def as_plain(self) -> dict[str, Any]:
        """Return the counts as plain values, to send them to another process."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in asdict(self).items()}

    def add(self, other: Mapping[str, Any]) -> None:
        """Add the counts of another process."""
        self.sessions.update(other["sessions"])
        self.injected.update(other["injected"])
        self.outcomes.update(other["outcomes"])
        self.steps.update(other["steps"])
        self.figures += other["figures"]
        self.violations += other["violations"]
        self.worst = max(self.worst, other["worst"])

    def lines(self) -> Iterator[str]:
        """Format the counts as lines of text."""
        for title, counts in (
            ("sessions", self.sessions), ("steps", self.steps), ("injected", self.injected),
            ("outcomes of calls", self.outcomes),
        ):  # fmt: skip
            if counts:
                listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
                yield f"{title}: {counts.total()} ({listed})"
        yield from self.figures
        if self.worst > -math.inf:
            yield f"the latest return of a call: {self.worst:+.2f} s after its deadline"
        yield f"violations: {self.violations}"


DOWNLOADS: Final = Tally()
WHOLE: Final = Tally()
FILES: Final = Tally()
CUTS: Final = Tally()
TALLIES: Final = {
    "downloads under faults": DOWNLOADS,
    "whole sessions under faults": WHOLE,
    "faults of single file calls": FILES,
    "power cuts": CUTS,
}
