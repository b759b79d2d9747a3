"""The published set of job lives: how long each takes, and what its progress shows meanwhile."""

from __future__ import annotations

import math
import random

from attrs import frozen
from impact_jobs.models import Job, JobStatus

SEED = 2026
MEDIAN = 5.0  # seconds
SPREAD = 2.0  # of the natural logarithm: one in two thousand takes more than an hour

# How many of a hundred lives show what.
KINDS = {
    "steady": 35,  # from 0 to 100 at one speed
    "queued": 10,  # the same, after a time in the queue
    "stalls": 15,  # stands still for a while, anywhere
    "jumps": 15,  # 0 until it is done
    "silent": 10,  # no percentage at all
    "sticks": 10,  # soon at 99, and there it stays
    "restarts": 5,  # falls back to 0 midway
}


@frozen
class Life:
    """One job, from the moment at which it is scheduled.

    Attributes:
        kind: Which of `KINDS`.
        seconds: How long it takes.
        first: Where what is odd about it begins, as a share of its length.
        second: Where it ends.
        type: The job's type.
    """

    kind: str
    seconds: float
    first: float = 0.0
    second: float = 0.0
    type: str = "Export"

    def at(self, seconds: float) -> Job:
        """What the server tells of it then."""
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
    """That many lives, always the same ones for a seed; `median` in seconds, `spread` of the natural logarithm."""
    draw = random.Random(seed)  # noqa: S311 - a published sequence
    kinds = draw.choices(list(KINDS), weights=list(KINDS.values()), k=count)
    found = []
    for kind in kinds:
        first, second = sorted((draw.uniform(0.01, 0.99), draw.uniform(0.01, 0.99)))
        found.append(Life(kind, median * math.exp(spread * draw.gauss(0.0, 1.0)), first, second))
    return found
