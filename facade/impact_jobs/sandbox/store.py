"""The jobs of one account: made, found, listed, replayed, and never exported twice."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Hashable

from attrs import evolve

from impact_jobs.sandbox.jobs import Job, is_replayable
from impact_jobs.sandbox.result_file import ResultFile


class JobStore:
    """Jobs in order of creation; every method may be called from any thread.

    Args:
        clock: Gives the epoch seconds.
        seed: Decides job ids and result contents.
        replay_same_id: A replay queues the same job again instead of making a new one.
    """

    def __init__(self, clock: Callable[[], float], *, seed: int, replay_same_id: bool) -> None:
        self._clock = clock
        self._seed = seed
        self._replay_same_id = replay_same_id
        self._jobs: dict[str, Job] = {}
        self._exports: dict[Hashable, str] = {}
        self._drawn = 0
        self._lock = threading.RLock()

    def draw(self) -> tuple[str, int]:
        """Give a job id and a result seed that no other job of this store has."""
        with self._lock:
            self._drawn += 1
            digest = hashlib.sha256(f"job/{self._seed}/{self._drawn}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4)), int.from_bytes(digest[16:24], "big")

    def put(self, job: Job) -> Job:
        """Add a job, or take it for the one that has its id."""
        with self._lock:
            self._jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job | None:
        """Find a job; None when no job has that id."""
        with self._lock:
            return self._jobs.get(job_id.lower())

    def all(self) -> list[Job]:
        """Give the jobs, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def replay(self, job_id: str) -> Job | None:
        """Run a job again over fresh data; None when it is not in a state for that.

        The new run completes, whatever became of the first one.
        """
        with self._lock:
            job, now = self._jobs[job_id.lower()], self._clock()
            if not is_replayable(job, now):
                return None
            new_id, result_seed = self.draw()
            again = evolve(
                job,
                id=job.id if self._replay_same_id else new_id,
                created=now,
                final_status="COMPLETED",
                message="",
                stuck_at=None,
                recovers_after=None,
                result=ResultFile(result_seed, job.result.size),
                fields={},
            )
            return self.put(again)

    def export(self, key: Hashable, make: Callable[[], Job]) -> Job:
        """Give the job of an earlier export that was asked for in the same words, or make one."""
        with self._lock:
            if key not in self._exports:
                self._exports[key] = self.put(make()).id
            return self._jobs[self._exports[key]]
