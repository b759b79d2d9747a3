"""Who asks when: our policy, and the schedules of four peers as their owners ship them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from impact_jobs._policy.polling import JobProgress, Polling

from tests.benchmarks.waiting.lives import Life

Random = Callable[[], float]
# The moments, in seconds, at which a job is asked for.
Schedule = Callable[[Life, Random], Iterator[float]]


def boto(_: Life, __: Random) -> Iterator[float]:
    """botocore's waiters: ask, sleep 15 s."""
    return itertools.count(0.0, 15.0)


def azure(_: Life, __: Random) -> Iterator[float]:
    """azure-context's LROBasePolling: sleep 30 s, ask. The answer that schedules the work is its first look."""
    return itertools.count(30.0, 30.0)


def google(_: Life, draw: Random) -> Iterator[float]:
    """google-api-core's DEFAULT_POLLING: ask, sleep from 0 to 1 s, and to half as much more each time, up to 20 s."""
    at, delay = 0.0, 1.0
    while True:
        yield at
        at, delay = at + delay * draw(), min(delay * 1.5, 20.0)


def databricks(_: Life, draw: Random) -> Iterator[float]:
    """The Databricks SDK's wait methods: ask, sleep 1 s, 2 s … 10 s, and up to a second more."""
    at = 0.0
    for attempt in itertools.count(1):
        yield at
        at += min(attempt, 10) + draw()


PEERS: dict[str, Schedule] = {"boto": boto, "Azure": azure, "Google": google, "Databricks": databricks}


def ours(polling: Polling, *, by_id: bool = False) -> Schedule:
    """Our policy, as `wait` asks for a job that has just been scheduled.

    Args:
        polling: The policy.
        by_id: `wait` is given the job's id alone, and asks at once for want of the answer that scheduled it.
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
    """These moments for every job, and the last distance between them for ever."""

    def schedule(_: Life, __: Random) -> Iterator[float]:
        return itertools.chain(moments, itertools.count(2 * moments[-1] - moments[-2], moments[-1] - moments[-2]))

    return schedule


def seeded() -> Random:
    """The jitter of a simulation, the same every time."""
    return random.Random(1).random  # noqa: S311 - a published sequence
