"""Run schedules on simulated jobs: the requests each job costs, and how late its end is noticed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from attrs import frozen

from tests.benchmarks.waiting.lives import Life
from tests.benchmarks.waiting.schedules import Schedule, seeded


@frozen
class Outcome:
    """The cost of one job.

    Attributes:
        life: The job.
        requests: How often it was polled.
        late: Seconds from its end to the poll that noticed it.
    """

    life: Life
    requests: int
    late: float


@frozen
class Figures:
    """The average cost of a job. Times are in seconds, shares are of each job's own duration."""

    requests: float
    late: float
    late_p95: float
    share: float
    share_p95: float

    def cost(self, request_cost: float) -> float:
        """Return the total cost in seconds of lateness, if one request is worth that many."""
        return request_cost * self.requests + self.late


def live(lives: Sequence[Life], schedule: Schedule) -> list[Outcome]:
    """Run the schedule on each job."""
    draw, outcomes = seeded(), []
    for life in lives:
        for requests, at in enumerate(schedule(life, draw), start=1):
            if at >= life.seconds:
                outcomes.append(Outcome(life, requests, at - life.seconds))
                break
    return outcomes


def figures(outcomes: Sequence[Outcome], kind: str | None = None) -> Figures:
    """Return the figures of all jobs, or of one kind."""
    chosen = [outcome for outcome in outcomes if kind in (None, outcome.life.kind)]
    late = [outcome.late for outcome in chosen]
    shares = [outcome.late / outcome.life.seconds for outcome in chosen]
    return Figures(
        statistics.fmean(outcome.requests for outcome in chosen),
        statistics.fmean(late),
        _p95(late),
        statistics.fmean(shares),
        _p95(shares),
    )


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
