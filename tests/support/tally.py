"""What the fault tests count, in all processes of a test run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from attrs import asdict, define, field


@define
class Tally:
    """The counts of one kind of fault test, for the summary at the end."""

    sessions: Counter[str] = field(factory=Counter)
    injected: Counter[str] = field(factory=Counter)
    outcomes: Counter[str] = field(factory=Counter)
    steps: Counter[str] = field(factory=Counter)
    figures: list[str] = field(factory=list)
    violations: int = 0
    worst: float = -math.inf  # the most seconds by which a call has exceeded its deadline

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
        """Yield the lines of the summary."""
        for title, counts in (
            ("sessions", self.sessions), ("steps", self.steps), ("injected", self.injected),
            ("outcomes of calls", self.outcomes),
        ):  # fmt: skip
            if counts:
                each = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
                yield f"{title}: {counts.total()} ({each})"
        yield from self.figures
        if self.worst > -math.inf:
            yield f"the latest return of a call: {self.worst:+.2f} s after its deadline"
        yield f"violations: {self.violations}"


DOWNLOADS: Final = Tally()
WHOLE: Final = Tally()
TALLIES: Final = {"downloads under faults": DOWNLOADS, "whole sessions under faults": WHOLE}
