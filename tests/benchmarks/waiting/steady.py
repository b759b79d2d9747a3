"""Ten thousand jobs in one `wait_all`, none of which ends: the cost of a tick, and the growth of memory."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from attrs import define, evolve, field
from impact_jobs._operations.wait_many import JobBatch
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import SyncIterator

from tests.benchmarks.rows import Row
from tests.benchmarks.waiting.schedules import seeded
from tests.support.account import START, JobState, ManyJobs, ids, job_id
from tests.support.simulated import Answer, context

JOBS = 10_000
_TICKS = 60
_WARM_UP = 20
_MOMENT = "2026-05-29T04:33:50-05:00"


class _EnoughError(BaseException):
    """Enough ticks have been seen."""


@define
class _Watched:
    """A server that measures its client whenever the list is requested.

    Attributes:
        api: The real server.
        ticks: After how many to stop.
        probe: Called with the processor seconds that the server itself has used.
        seen: When the list was requested, in seconds, and the result of the probe.
        own: Those processor seconds.
    """

    api: ManyJobs
    ticks: int
    probe: Callable[[float], float]
    seen: list[tuple[float, float]] = field(factory=list)
    own: float = 0.0

    def __call__(self, now: float, request: Request) -> Answer:
        began = time.process_time()
        url = request.url.reveal()
        if "/Jobs?" in url and "page=" not in url:
            self.seen.append((now - START, self.probe(self.own)))
        if len(self.seen) > self.ticks:
            raise _EnoughError
        response = self.api(now, request)
        self.own += time.process_time() - began
        return response


def crawling(number: int) -> JobState:
    """Return a job of many hours, with all fields."""
    hours = 2.0 + number % 50 / 5.0
    name = job_id(number)

    def state(at: float) -> dict[str, Any]:
        percentage = int(at / (36.0 * hours))
        return {
            "Id": name,
            "Type": "ApiReport",
            "Status": "RUNNING",
            "ProgramId": "12345",
            "CreatedBy": "IRabcdef",
            "CreatedDate": _MOMENT,
            "StartedDate": _MOMENT,
            "CompletedDate": "",
            "LastProgressUpdateDate": _MOMENT,
            "StatusMessage": "The job is running.",
            "RecordsProcessed": 1000 + percentage * 1000,
            "PercentageComplete": percentage,
            "Replayable": False,
            "ResultUri": f"/Agencies/IRabcdef/Jobs/{name}/Download",
        }

    return state


def ticks(jobs: int, *, count: int, page_size: int, probe: Callable[[float], float]) -> list[tuple[float, float]]:
    """Return when the list was requested, in seconds, and the result of the probe then."""
    api = ManyJobs({job_id(n): crawling(n) for n in range(jobs)}, page_size=page_size)
    server = _Watched(api, count, probe)
    client = evolve(context(server), random=seeded())
    waiting = SyncIterator(JobBatch(client, ids(jobs), timeout=None, polling=None, on_update=None))
    with suppress(_EnoughError):
        next(waiting)
    return server.seen


def share_of_a_core(jobs: int = JOBS, *, page_size: int = 0) -> tuple[float, float]:
    """Return the processor seconds per second of waiting, and the seconds per tick."""
    seen = ticks(jobs, count=_TICKS, page_size=page_size, probe=lambda server: time.process_time() - server)
    (start, spent), (stop, spent_by_then) = seen[_WARM_UP], seen[-1]
    return (spent_by_then - spent) / (stop - start), (stop - start) / (len(seen) - 1 - _WARM_UP)


def growth(jobs: int = JOBS, *, count: int = 40) -> tuple[float, float]:
    """Return the megabytes in use after a third of the ticks, and after all of them."""

    gc.collect()
    tracemalloc.start()
    try:
        seen = ticks(jobs, count=count, page_size=0, probe=lambda _: tracemalloc.get_traced_memory()[0] / 1e6)
    finally:
        tracemalloc.stop()
    return seen[count // 3][1], seen[-1][1]


def rows() -> Iterator[Row]:
    """Compare the processor time with a twentieth of one core, and the memory with an earlier tick."""
    for page_size in (0, 100):
        share, pause = share_of_a_core(page_size=page_size)
        form = f"pages of {page_size}" if page_size else "a bare array"
        what = f"many: {JOBS:,} jobs, {form}, one list in {pause:.1f} s"
        yield Row(what, share, 1.0, share, 0.05, is_floor=False, unit="", peer_name="one core")
    before, after = growth()
    yield Row(
        f"many: {JOBS:,} jobs, memory after many ticks",
        after,
        before,
        after / before,
        1.01,
        is_floor=False,
        unit="MB",
        peer_name="itself, earlier",
    )
