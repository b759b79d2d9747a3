"""Sets of jobs fetched into one folder, and the invariants of that folder."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from attrs import define, field, frozen
from impact_jobs import AsyncJobsClient, FetchReport, Job, JobsClient, Polling
from impact_jobs._download.journal import Journal
from impact_jobs.sandbox._result import Result

from tests.faults.harness import Call, ClientKind, Harness, bytes_of

_PARTIAL_SUFFIXES: Final = (".part", ".part.json")
_EAGER: Final = Polling(minimum=0.02, maximum=0.1)


@frozen
class SetCall:
    """The options of one call of `fetch_all` and of its client."""

    kind: ClientKind
    concurrency: int = 4
    connections: int | None = 1
    mode: Literal["redirect", "stream"] = "redirect"
    tries: int = 4
    hasty: bool = False

    @property
    def as_call(self) -> Call:
        return Call(self.kind, tries=self.tries, hasty=self.hasty)

    @property
    def options(self) -> dict[str, Any]:
        return {"concurrency": self.concurrency, "connections": self.connections, "mode": self.mode}


def run_fetch_all(
    call: SetCall,
    account: dict[str, Any],
    ids: Sequence[str],
    folder: Path,
    *,
    on_update: Callable[[Job], object] = lambda _job: None,
    with_task: Callable[[asyncio.AbstractEventLoop, asyncio.Task[Any]], object] = lambda _loop, _task: None,
) -> FetchReport:
    """Fetch all jobs once, with a client of that kind."""
    options = account | call.as_call.client_options | {"polling": _EAGER}
    if call.kind == "blocking":
        with JobsClient(**options) as jobs:
            return jobs.fetch_all(ids, folder, on_update=on_update, **call.options)

    async def go() -> FetchReport:
        async with call.as_call.custom_clients() as own, AsyncJobsClient(**options, **own) as jobs:
            task = asyncio.ensure_future(jobs.fetch_all(ids, folder, on_update=on_update, **call.options))
            with_task(asyncio.get_running_loop(), task)
            return await task

    return asyncio.run(go())


@define
class WatchedSet:
    """A set of jobs and the folder of their files."""

    harness: Harness
    folder: Path
    results: dict[str, Result] = field(factory=dict)
    _verified: set[str] = field(factory=set)

    @classmethod
    def create(cls, harness: Harness, folder: Path, jobs: Sequence[tuple[int, float]]) -> WatchedSet:
        """Add a job for each pair of a result size and a running time in seconds."""
        watched = cls(harness, folder)
        for number, (size, seconds) in enumerate(jobs):
            job_id = harness.sandbox.add_job(result_bytes=size, result_seed=number, seconds=seconds)
            watched.results[job_id] = harness.sandbox.result(job_id)
        return watched

    @property
    def ids(self) -> list[str]:
        return list(self.results)

    def complete(self) -> set[str]:
        """Return the jobs whose files exist, and assert that each file is right."""
        if not self.folder.exists():
            return set()
        found = {path.name.removesuffix(".csv"): path for path in self.folder.iterdir() if path.suffix == ".csv"}
        for job_id in found.keys() - self._verified:
            digest = hashlib.sha256(found[job_id].read_bytes()).hexdigest()
            assert digest == self.results[job_id].sha256, f"the file of {job_id} is wrong"
            self._verified.add(job_id)
        return set(found)

    def check_unfinished(self) -> set[str]:
        """Assert that all files and journals are right and none is unknown; return the jobs with files."""
        complete = self.complete()
        names = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
        unknown = names - {f"{job_id}{suffix}" for job_id in self.ids for suffix in (".csv", *_PARTIAL_SUFFIXES)}
        assert not unknown, unknown
        for job_id in self.ids:
            self._check_journal(job_id)
        return complete

    def check_finished(self, digests: dict[str, str]) -> None:
        """Assert that the folder holds all the files, and nothing else."""
        assert digests == {job_id: result.sha256 for job_id, result in self.results.items()}
        assert self.complete() == self.results.keys()
        assert sorted(path.name for path in self.folder.iterdir()) == sorted(f"{job_id}.csv" for job_id in self.ids)

    def resumable(self) -> dict[str, int]:
        """Return how many bytes of each partial file the next call can reuse."""
        found = {}
        for job_id in self.ids:
            part, journal = self._part(job_id), self._journal(job_id)
            if journal and not self._target(job_id).exists() and part.exists() and journal.coverage.size:
                found[job_id] = journal.coverage.size if journal.coverage.fits(part.stat().st_size) else 0
        return found

    def _target(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.csv"

    def _part(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.part"

    def _journal(self, job_id: str) -> Journal | None:
        return Journal.load(self.folder / f"{job_id}.part.json")

    def _check_journal(self, job_id: str) -> None:
        journal = self._journal(job_id)
        if journal is None or not self._part(job_id).exists():
            return
        expected, found = bytes_of(self.results[job_id]), self._part(job_id).read_bytes()
        for start, stop in journal.coverage.spans:
            assert found[start:stop] == expected[start:stop], f"the journal of {job_id} is wrong about {start}-{stop}"
