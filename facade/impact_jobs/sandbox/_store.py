"""The jobs of one account, in memory."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Hashable

from attrs import evolve

from impact_jobs.sandbox._jobs import Job, is_replayable
from impact_jobs.sandbox._result import FixedResult, Result
from impact_jobs.sandbox._result_file import ResultFile


class JobStore:
    """Jobs in order of creation. Every method may be called from any thread."""

    def __init__(self, clock: Callable[[], float], *, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._jobs: dict[str, Job] = {}
        self._exports: dict[Hashable, str] = {}
        self._count = 0
        self._lock = threading.RLock()

    def new_id_and_seed(self) -> tuple[str, int]:
        """Return a job id and a result seed that no other job of this store has."""
        with self._lock:
            self._count += 1
            digest = hashlib.sha256(f"job/{self._seed}/{self._count}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4)), int.from_bytes(digest[16:24], "big")

    def put(self, job: Job) -> Job:
        """Add a job, or replace the one that has its id."""
        with self._lock:
            self._jobs[job.id] = job
        return job

    def get(self, job_id: str) -> Job | None:
        """Find a job by its id, in either case; return None if there is none."""
        with self._lock:
            return self._jobs.get(job_id.lower())

    def __getitem__(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job is None:
            raise KeyError(job_id)
        return job

    def all(self) -> list[Job]:
        """Return all jobs, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def replace_result(self, job_id: str, *, size: int | None, seed: int | None, content: bytes | None) -> Result:
        """Replace the result of a job; by default, keep its size and choose a new seed."""
        with self._lock:
            _, new_seed = self.new_id_and_seed()
            job = self[job_id]
            result: Result
            if content is not None:
                result = FixedResult(content, job.result.extension)
            else:
                result = ResultFile(  # pyright: ignore[reportAssignmentType] - it takes converted fields for descriptors
                    new_seed if seed is None else seed, job.result.size if size is None else size
                )
            self.put(evolve(job, result=result))
        return result

    def replay(self, job_id: str, *, in_place: bool) -> Job | None:
        """Run a job again over fresh data, or return None if its state forbids that.

        The new run completes, even if the first one failed.
        """
        with self._lock:
            job, now = self._jobs[job_id.lower()], self._clock()
            if not is_replayable(job, now):
                return None
            new_id, result_seed = self.new_id_and_seed()
            replayed = evolve(
                job,
                id=job.id if in_place else new_id,
                created=now,
                final_status="COMPLETED",
                message="",
                stuck_at=None,
                recovers_after=None,
                fields={},
            )
            replayed = evolve(replayed, result=job.result.replayed(result_seed, as_of=replayed.created_at.date()))
            return self.put(replayed)

    def export(self, key: Hashable, create: Callable[[], Job]) -> tuple[Job, bool]:
        """Return the job of an earlier export with the same key, or create one; and whether it is new."""
        with self._lock:
            is_new = key not in self._exports
            if is_new:
                self._exports[key] = self.put(create()).id
            return self._jobs[self._exports[key]], is_new
