"""The published set of simulated jobs: how long each takes, and which progress it shows."""

from __future__ import annotations

import math
import random

from attrs import frozen
from impact_jobs.models import Job, JobStatus

SEED = 2026
MEDIAN = 5.0  # seconds
SPREAD = 2.0  # of the natural logarithm: one in two thousand takes more than an hour

# Out of a hundred jobs, how many behave in which way.
KINDS = {
    "steady": 35,  # goes from 0 to 100 at one speed
    "queued": 10,  # the same, after some time in the queue
    "stalls": 15,  # stands still for a while at any point
    "jumps": 15,  # stays at 0 until it is completed
    "silent": 10,  # shows no percentage
    "sticks": 10,  # reaches 99 early and stays there
    "restarts": 5,  # falls back to 0 at some point
}


@frozen
class Life:
    """One job, from the moment it is scheduled.

    Attributes:
        kind: Which of `KINDS`.
        seconds: How long it takes.
        first: Where its special behaviour begins, as a share of its duration.
        second: Where it ends.
        type: The job's type.
    """

    kind: str
    seconds: float
    first: float = 0.0
    second: float = 0.0
    type: str = "Export"

    def at(self, seconds: float) -> Job:
        """Return the snapshot that the server would return so many seconds after the start."""
        if seconds >= self.seconds:
            return Job(id="life", type=self.type, status=JobStatus.COMPLETED, percentage_complete=100)
        is_queued = self.kind == "queued" and seconds < self.first * self.seconds
        status = JobStatus.QUEUED if is_queued else JobStatus.RUNNING
        return Job(
            id="life", type=self.type, status=status, percentage_complete=self._percentage(seconds / self.seconds)
        )

    def _percentage(self, share: float) -> int | None:
        stall = self.second - self.first
        progress = {
            "steady": share,
            "queued": (share - self.first) / (1.0 - self.first),
            "stalls": (min(share, self.first) + max(share - self.second, 0.0)) / (1.0 - stall),
            "sticks": share / (self.first / 2.0),
            "restarts": share if share < self.second else (share - self.second) / (1.0 - self.second),
        }.get(self.kind, 0.0)
        return None if self.kind == "silent" else int(100 * min(max(progress, 0.0), 0.99))


def lives(count: int, *, seed: int = SEED, median: float = MEDIAN, spread: float = SPREAD) -> list[Life]:
    """Return that many jobs, the same for each seed; `median` in seconds, `spread` of the natural logarithm."""
    draw = random.Random(seed)  # noqa: S311 - a published sequence
    kinds = draw.choices(list(KINDS), weights=list(KINDS.values()), k=count)
    found = []
    for kind in kinds:
        first, second = sorted((draw.uniform(0.01, 0.99), draw.uniform(0.01, 0.99)))
        found.append(Life(kind, median * math.exp(spread * draw.gauss(0.0, 1.0)), first, second))
    return found
