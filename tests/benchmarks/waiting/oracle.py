"""The best schedule that ignores the responses: it knows the distribution of durations, but not this job's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

_HORIZON = 100_000.0  # seconds; one job in a million takes longer
_FINEST = 0.05
_GROWTH = 1.02


def log_normal(median: float, spread: float) -> Callable[[float], float]:
    """Return a function: the share of jobs that take longer than so many seconds."""
    return lambda at: 0.5 * math.erfc(math.log(at / median) / (spread * math.sqrt(2.0))) if at > 0 else 1.0


def moments(survival: Callable[[float], float], *, request_cost: float, minimum: float, maximum: float) -> list[float]:
    """Return when to poll, in seconds, at the lowest expected cost: dynamic programming, backwards from the horizon.

    Cost and bounds are those of `Polling`. Without dividing by the share of jobs that get that far, continuing from
    `grid[i]` costs `min over j of: open[i] * request_cost + late(i, j) + continuing from grid[j]`.
    """
    grid = _grid(maximum)
    still_open = [survival(at) for at in grid]
    integral = [0.0]
    for i in range(1, len(grid)):
        integral.append(integral[-1] + (grid[i] - grid[i - 1]) * (still_open[i] + still_open[i - 1]) / 2.0)
    cost, following = [0.0] * len(grid), [0] * len(grid)
    for i in range(len(grid) - 2, -1, -1):
        cost[i] = math.inf
        for j in range(i + 1, len(grid)):
            pause = grid[j] - grid[i]
            if pause > maximum * 1.000001:
                break
            late = pause * still_open[i] - (integral[j] - integral[i])
            total = request_cost * still_open[i] + late + cost[j]
            if pause >= minimum and total < cost[i]:
                cost[i], following[i] = total, j
        if math.isinf(cost[i]):  # no further poll fits before the horizon
            cost[i] = 0.0
    polls, i = [], following[0]
    while i:
        polls.append(grid[i])
        i = following[i]
    return polls


def cost_if_known_at_first_poll(survival: Callable[[float], float], *, request_cost: float, minimum: float) -> float:
    """Return the cost of knowing a job's duration from the first poll on, which no client that must poll can beat."""
    late, best = 0.0, math.inf
    grid = _grid(_HORIZON)
    for before, at in itertools.pairwise(grid):
        late += (at - before) * (1.0 - (survival(before) + survival(at)) / 2.0)
        if at >= minimum:
            best = min(best, request_cost * (1.0 + survival(at)) + late)
    return best


def _grid(maximum: float) -> list[float]:
    grid = [0.0]
    while grid[-1] < _HORIZON:
        grid.append(grid[-1] + min(max(_FINEST, grid[-1] * (_GROWTH - 1.0)), maximum / 10.0))
    return grid
