"""When each client polls: our policy, and the defaults of four other clients."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from impact_jobs._policy.polling import JobProgress, Polling

from tests.benchmarks.waiting.lives import Life

Random = Callable[[], float]
# The moments, in seconds, at which a job is polled.
Schedule = Callable[[Life, Random], Iterator[float]]


def boto(_: Life, __: Random) -> Iterator[float]:
    """Botocore's waiters: poll, sleep 15 s."""
    return itertools.count(0.0, 15.0)


def azure(_: Life, __: Random) -> Iterator[float]:
    """Azure-core's LROBasePolling: sleep 30 s, poll. The response that schedules the work is its first snapshot."""
    return itertools.count(30.0, 30.0)


def google(_: Life, draw: Random) -> Iterator[float]:
    """Google-api-core's DEFAULT_POLLING: poll, sleep from 0 to 1 s, half as much more each time, up to 20 s."""
    at, delay = 0.0, 1.0
    while True:
        yield at
        at, delay = at + delay * draw(), min(delay * 1.5, 20.0)


def databricks(_: Life, draw: Random) -> Iterator[float]:
    """The Databricks SDK's wait methods: poll, sleep 1 s, 2 s … 10 s, plus up to a second."""
    at = 0.0
    for attempt in itertools.count(1):
        yield at
        at += min(attempt, 10) + draw()


PEERS: dict[str, Schedule] = {"boto": boto, "Azure": azure, "Google": google, "Databricks": databricks}


def ours(polling: Polling, *, by_id: bool = False) -> Schedule:
    """Return our policy, as `wait` polls a job that was just scheduled.

    Args:
        polling: The policy.
        by_id: `wait` is given only the job's id, and polls at once.
    """

    def schedule(life: Life, draw: Random) -> Iterator[float]:
        progress, at = JobProgress(), 0.0
        if by_id:
            yield at
        progress.update(life.at(at), waited=at)
        progress.type = progress.type if by_id else None
        while True:
            at += polling.pause(at, progress=progress, random=draw)
            yield at
            progress.update(life.at(at), waited=at)

    return schedule


def fixed(moments: Sequence[float]) -> Schedule:
    """Return these moments for every job, continued at their last distance."""

    def schedule(_: Life, __: Random) -> Iterator[float]:
        return itertools.chain(moments, itertools.count(2 * moments[-1] - moments[-2], moments[-1] - moments[-2]))

    return schedule


def seeded() -> Random:
    """Return the jitter of a simulation, the same every time."""
    return random.Random(1).random  # noqa: S311 - a published sequence
