"""Our curve over `request_cost`, compared with the other clients' points and the oracle's curve."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from impact_jobs._policy.polling import Polling

from tests.benchmarks.waiting import oracle
from tests.benchmarks.waiting.lives import MEDIAN, SPREAD, Life
from tests.benchmarks.waiting.schedules import PEERS, fixed, ours
from tests.benchmarks.waiting.simulate import Outcome, figures, live

KNOB = tuple(2.0 ** (half / 2) for half in range(-8, 17))  # request_cost, in seconds: 1/16 to 256
DEFAULT = Polling().request_cost
WORSE_THAN_THE_ORACLE = 1.25


@frozen
class Pair:
    """Our figure and another one, in seconds, and the `request_cost` of ours."""

    ours: float
    theirs: float
    knob: float

    @property
    def ratio(self) -> float:
        """Ours over theirs; below 1, ours is better."""
        return self.ours / self.theirs


@frozen
class Measured:
    """The outcomes of each schedule on the same jobs.

    Attributes:
        peers: Other clients, by name.
        curve: Our policy, by `request_cost`.
        oracle: The best schedule that ignores the responses, by `request_cost`.
    """

    peers: dict[str, list[Outcome]]
    curve: dict[float, list[Outcome]]
    oracle: dict[float, list[Outcome]]

    def beside(self, peer: str, kind: str | None = None, *, what: str = "late") -> Pair:
        """Return our lowest lateness with at most as many requests as the other client, and its lateness.

        Args:
            peer: The other client's name.
            kind: The kind of job; None for all.
            what: Which attribute of `Figures` to compare.
        """
        theirs = figures(self.peers[peer], kind)
        points = [(figures(outcomes, kind), knob) for knob, outcomes in self.curve.items()]
        best = min(
            ((getattr(point, what), knob) for point, knob in points if point.requests <= theirs.requests),
            default=(float("inf"), 0.0),
        )
        return Pair(best[0], getattr(theirs, what), best[1])

    def beside_the_oracle(self, knob: float, kind: str | None = None) -> Pair:
        """Return our cost and the oracle's, in seconds of lateness."""
        return Pair(figures(self.curve[knob], kind).cost(knob), figures(self.oracle[knob], kind).cost(knob), knob)


def measure(
    lives: Sequence[Life], *, knob: Sequence[float] = KNOB, median: float = MEDIAN, spread: float = SPREAD
) -> Measured:
    """Run all schedules on these jobs; the oracle is given the distribution of their durations."""
    return Measured(
        {name: live(lives, schedule) for name, schedule in PEERS.items()},
        {cost: live(lives, ours(Polling(request_cost=cost))) for cost in knob},
        {cost: ask_the_oracle(lives, Polling(request_cost=cost), median=median, spread=spread) for cost in knob},
    )


def ask_the_oracle(lives: Sequence[Life], polling: Polling, *, median: float, spread: float) -> list[Outcome]:
    """Run the best schedule for the distribution of durations, within the bounds and at the cost of `polling`."""
    moments = oracle.moments(
        oracle.log_normal(median, spread),
        request_cost=polling.request_cost,
        minimum=polling.minimum,
        maximum=polling.maximum,
    )
    return live(lives, fixed(moments))
