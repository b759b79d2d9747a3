"""A thousand jobs within a thousand requests per hour: `wait_all` compared with one GET per job, in virtual time."""

from __future__ import annotations

import heapq
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from attrs import evolve, frozen
from impact_jobs._operations.wait_many import JobBatch
from impact_jobs.models import JobStatus

from tests.benchmarks.rows import Row
from tests.benchmarks.waiting import steady
from tests.benchmarks.waiting.lives import SEED, Life, lives
from tests.benchmarks.waiting.schedules import PEERS, Schedule, seeded
from tests.support.account import HOUR, START, JobState, ManyJobs, job_id
from tests.support.interleaved import InterleavedTransport, Timeline
from tests.support.simulated import EPOCH, context

LIMIT = 1000  # requests an hour
PAGE = 100
_BATCHES = 10
_FAR = 1e9


@frozen
class Work:
    """One job of an account.

    Attributes:
        life: Its behaviour, from its start.
        scheduled: When, in seconds.
        queued: Seconds that it spends in the queue.
    """

    life: Life
    scheduled: float = 0.0
    queued: float = 0.0

    @property
    def ends(self) -> float:
        """When it is completed, in seconds."""
        return self.scheduled + self.queued + self.life.seconds

    def state(self, number: int) -> JobState:
        """Return its state as a function of time."""
        created = EPOCH + timedelta(seconds=self.scheduled)

        def entry(at: float) -> dict[str, Any] | None:
            if at < self.scheduled:
                return None
            age = at - self.scheduled - self.queued
            job = self.life.at(max(age, 0.0))
            status = JobStatus.QUEUED if age < 0 else job.status
            fields = {"Id": job_id(number), "Type": "ApiReport", "CreatedDate": created.isoformat()}
            return {**fields, "Status": status, "PercentageComplete": job.percentage_complete}

        return entry


def arrivals(count: int) -> dict[str, list[Work]]:
    """Return the same jobs, arriving in three ways."""
    some, draw = lives(count), random.Random(SEED)  # noqa: S311 - a published sequence
    starts = [draw.uniform(0.0, HOUR) for _ in some]
    return {
        "all at once": [Work(life) for life in some],
        "all at once, begun within an hour": [Work(life, queued=at) for life, at in zip(some, starts, strict=True)],
        "batches over an hour": [
            Work(life, scheduled=number * _BATCHES // count * HOUR / _BATCHES) for number, life in enumerate(some)
        ],
    }


@frozen
class RunResult:
    """The cost and lateness of one run.

    Attributes:
        requests: Requests that the server answered.
        refused: Requests that it answered with 429.
        late: Seconds from each job's end until it was returned.
    """

    requests: int
    refused: int
    late: list[float]

    @property
    def mean(self) -> float:
        """The mean lateness in seconds."""
        return statistics.fmean(self.late)

    @property
    def p95(self) -> float:
        """The 95th percentile of the lateness in seconds."""
        return statistics.quantiles(self.late, n=20, method="inclusive")[-1]


def ours(works: Sequence[Work], *, page_size: int) -> RunResult:
    """Run one `wait_all` for all jobs scheduled at the same time; they share the account's limit."""
    api = ManyJobs({job_id(n): work.state(n) for n, work in enumerate(works)}, page_size=page_size, limit=LIMIT)
    transport = InterleavedTransport(api)
    client = evolve(context(api), transport=transport, random=seeded())
    timeline, late = Timeline(transport), [_FAR] * len(works)

    async def wait(names: list[str]) -> None:
        async for finished in JobBatch(client, names, timeout=None, polling=None, on_update=None):
            number = int(finished.job_id[-12:], 16)
            late[number] = transport.clock - START - works[number].ends

    for scheduled in sorted({work.scheduled for work in works}):
        names = [job_id(n) for n, work in enumerate(works) if work.scheduled == scheduled]
        timeline.start(wait(names), at=START + scheduled)
    timeline.run(until=_FAR)
    return RunResult(sum(api.counts.values()), api.refused, late)


def theirs(works: Sequence[Work], schedule: Schedule) -> RunResult:
    """Poll each job by itself at the client's own moments. A 429 counts as no response, and the client continues.

    This favours them: most of these clients would raise.
    """
    draw, late = seeded(), [_FAR] * len(works)
    moments: list[Iterator[float]] = [schedule(work.life, draw) for work in works]
    asking = [(work.scheduled + next(moments[n]), n) for n, work in enumerate(works)]
    heapq.heapify(asking)
    resets_at, used, answered, refused = HOUR, 0, 0, 0
    while asking:
        at, number = heapq.heappop(asking)
        while at >= resets_at:
            resets_at, used = resets_at + HOUR, 0
        if used >= LIMIT:
            refused += 1
        else:
            used, answered = used + 1, answered + 1
            if at >= works[number].ends:
                late[number] = at - works[number].ends
                continue
        heapq.heappush(asking, (works[number].scheduled + next(moments[number]), number))
    return RunResult(answered, refused, late)


def clients() -> dict[str, Callable[[Sequence[Work]], RunResult]]:
    """Return ours with each form of the list, and the other clients."""
    peers: dict[str, Callable[[Sequence[Work]], RunResult]] = {
        name: lambda works, schedule=schedule: theirs(works, schedule)  # type: ignore[misc]
        for name, schedule in PEERS.items()
    }
    return {
        "ours, a bare array": lambda works: ours(works, page_size=0),
        f"ours, pages of {PAGE}": lambda works: ours(works, page_size=PAGE),
        **peers,
    }


def measured(count: int) -> dict[str, dict[str, RunResult]]:
    """Return the results by arrival and client."""
    return {
        arrival: {name: run_client(works) for name, run_client in clients().items()}
        for arrival, works in arrivals(count).items()
    }


def text(found: dict[str, dict[str, RunResult]]) -> str:
    """Return all figures as text."""
    lines = []
    for arrival, each in found.items():
        lines.append(f"\n{len(next(iter(each.values())).late)} jobs, {arrival}, {LIMIT} requests an hour")
        lines.append(f"{'':<24} {'answered':>9} {'429':>9} {'late s':>9} {'p95':>9}")
        lines += [
            f"{name:<24} {result.requests:>9} {result.refused:>9} {result.mean:>9.1f} {result.p95:>9.1f}"
            for name, result in each.items()
        ]
    return "\n".join(lines)


def run(count: int = LIMIT) -> list[Row]:
    """Simulate that many jobs and print the figures; then measure ten thousand jobs that never end."""
    found = measured(count)
    sys.stdout.write(f"{text(found)}\n\n")
    return [*rows(found), *steady.rows()]


def rows(found: dict[str, dict[str, RunResult]]) -> Iterator[Row]:
    """Compare ours with each other client; require that there is no 429 and that every job is returned."""
    for arrival, each in found.items():
        for name in [name for name in each if name.startswith("ours")]:
            result = each[name]
            what = f"many: {name[6:]}, {arrival}"
            worst = max(result.late)
            yield Row(f"{what}: 429s", result.refused, 0, result.refused, 0, is_floor=False, unit="", peer_name="none")
            yield Row(f"{what}: all returned", worst, _FAR, worst / _FAR, 0.5, is_floor=False, peer_name="never")
            for peer in PEERS:
                pair = result.p95, each[peer].p95
                yield Row(f"{what}: late p95", *pair, pair[0] / pair[1], 1.0, is_floor=False, peer_name=peer)
