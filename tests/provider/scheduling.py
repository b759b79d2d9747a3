"""What the tests of the scheduling share: a task's tries, each as if in a process of its own, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field
from impact_jobs import JobsClient, Retry
from impact_jobs._policy.daily_exports import DAILY_EXPORTS
from impact_jobs._policy.rate_limiter import RATE_LIMITERS
from impact_jobs._policy.recent_replays import RECENT_REPLAYS
from impact_jobs._policy.replay_claims import REPLAY_CLAIMS
from impact_jobs.airflow._scheduling import JOB_KEY, ExportRequest, JobScheduler
from impact_jobs.airflow._task_state import Memory, MemoryState
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import epoch_seconds

REQUEST = ExportRequest(report_id="agency_action_listing", start="2026-05-01", end="2026-05-31")


class Killed(BaseException):
    """The process was killed."""


@define
class Killer:
    """Kills at one of the points that a try passes, counted from 1; at none if `at` is 0."""

    at: int = 0
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed


@define
class FragileState:
    """A task's state that passes a point before and after each change."""

    killer: Killer = field(factory=Killer)
    inner: MemoryState = field(factory=MemoryState)

    def get(self, key: str) -> Any:
        return self.inner.get(key)

    def set(self, key: str, value: Any) -> None:
        self.killer.point()
        self.inner.set(key, value)
        self.killer.point()

    def delete(self, key: str) -> None:
        self.killer.point()
        self.inner.delete(key)
        self.killer.point()


@define(kw_only=True)
class Task:
    """A task instance over its tries."""

    sandbox: Sandbox
    state: FragileState = field(factory=FragileState)
    options: dict[str, Any] = field(factory=dict)

    @contextmanager
    def scheduler(self, *, kill_at: int = 0, **options: Any) -> Iterator[JobScheduler]:
        """Start a try in what stands for a new process."""
        forget_process()
        killer = self.state.killer = Killer(kill_at)
        with self.sandbox.client(retry=Retry(base_delay=0)) as client:
            _kill_around(client, killer)
            yield JobScheduler(client=client, memory=Memory(self.state, JOB_KEY), **{**self.options, **options})

    def export(self, request: ExportRequest = REQUEST, *, kill_at: int = 0, **options: Any) -> str:
        with self.scheduler(kill_at=kill_at, **options) as scheduler:
            return scheduler.export(request).id

    def replay(self, source: str, *, kill_at: int = 0, **options: Any) -> str:
        with self.scheduler(kill_at=kill_at, **options) as scheduler:
            return scheduler.replay(source).id


def forget_process() -> None:
    """Forget what clients of this process remember about accounts, as a new process does not know it."""
    for each in (DAILY_EXPORTS, RATE_LIMITERS, RECENT_REPLAYS, REPLAY_CLAIMS):
        each._by_process.clear()
        each._kept.clear()


def _kill_around(client: JobsClient, killer: Killer) -> None:
    for name in ("export_report", "replay"):
        call = getattr(client, name)

        def fragile(*args: Any, _call: Any = call, **options: Any) -> Any:
            killer.point()
            result = _call(*args, **options)
            killer.point()
            return result

        setattr(client, name, fragile)


def sandbox_of(seed: int, **options: Any) -> Sandbox:
    return Sandbox(seed=seed, **{"job_seconds": 0, "rows_per_day": 1, "clock": epoch_seconds, **options})
