"""Sets of jobs that are fetched into one folder, and what must be true of that folder whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from attrs import define, field, frozen
from impact_jobs import AsyncJobsClient, FetchReport, Job, JobsClient, Polling
from impact_jobs._download.journal import Journal
from impact_jobs.sandbox import ResultFile

from tests.faults.harness import Call, Kind, Stage, bytes_of

_HALVES: Final = (".part", ".part.json", ".part.json.new")
_EAGER: Final = Polling(minimum=0.02, maximum=0.1)


@frozen
class SetCall:
    """One call of `fetch_all`, but for the jobs, the folder and the callback."""

    kind: Kind
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


def carry_out_set(
    call: SetCall,
    account: dict[str, Any],
    ids: Sequence[str],
    folder: Path,
    *,
    on_update: Callable[[Job], object] = lambda _job: None,
    with_task: Callable[[asyncio.AbstractEventLoop, asyncio.Task[Any]], object] = lambda _loop, _task: None,
) -> FetchReport:
    """Fetch all once, by a client of that kind."""
    options = account | call.as_call.client_options | {"polling": _EAGER}
    if call.kind == "blocking":
        with JobsClient(**options) as jobs:
            return jobs.fetch_all(ids, folder, on_update=on_update, **call.options)

    async def go() -> FetchReport:
        async with call.as_call.own_clients() as own, AsyncJobsClient(**options, **own) as jobs:
            task = asyncio.ensure_future(jobs.fetch_all(ids, folder, on_update=on_update, **call.options))
            with_task(asyncio.get_running_loop(), task)
            return await task

    return asyncio.run(go())


@define
class WatchedSet:
    """Jobs and the folder that their files are to be in."""

    stage: Stage
    folder: Path
    results: dict[str, ResultFile] = field(factory=dict)
    _known_right: set[str] = field(factory=set)

    @classmethod
    def of(cls, stage: Stage, folder: Path, jobs: Sequence[tuple[int, float]]) -> WatchedSet:
        """Jobs with results of so many bytes, that take so many seconds."""
        watched = cls(stage, folder)
        for number, (size, seconds) in enumerate(jobs):
            job_id = stage.sandbox.add_job(result_bytes=size, result_seed=number, seconds=seconds)
            watched.results[job_id] = stage.sandbox.result(job_id)
        return watched

    @property
    def ids(self) -> list[str]:
        return list(self.results)

    def whole(self) -> set[str]:
        """The jobs whose files are there; each of them must be right."""
        if not self.folder.exists():
            return set()
        found = {path.name.removesuffix(".csv"): path for path in self.folder.iterdir() if path.suffix == ".csv"}
        for job_id in found.keys() - self._known_right:
            digest = hashlib.sha256(found[job_id].read_bytes()).hexdigest()
            assert digest == self.results[job_id].sha256, f"the file of {job_id} is wrong"
            self._known_right.add(job_id)
        return set(found)

    def check_in_the_middle(self) -> set[str]:
        """No wrong file, no lie in a journal, nothing that is neither; gives the jobs whose files are there."""
        whole = self.whole()
        names = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
        unknown = names - {f"{job_id}.csv{half}" for job_id in self.ids for half in ("", *_HALVES)}
        assert not unknown, unknown
        for job_id in self.ids:
            self._check_journal(job_id)
        return whole

    def check_end(self, digests: dict[str, str]) -> None:
        """All the files, and nothing else."""
        assert digests == {job_id: result.sha256 for job_id, result in self.results.items()}
        assert self.whole() == self.results.keys()
        assert sorted(path.name for path in self.folder.iterdir()) == sorted(f"{job_id}.csv" for job_id in self.ids)

    def kept(self) -> dict[str, int]:
        """How much of which half file can be relied on."""
        found = {}
        for job_id in self.ids:
            part, journal = self._half(job_id), self._journal(job_id)
            if journal and not self._target(job_id).exists() and part.exists() and journal.coverage.size:
                found[job_id] = journal.coverage.size if journal.coverage.fits(part.stat().st_size) else 0
        return found

    def _target(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.csv"

    def _half(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.csv.part"

    def _journal(self, job_id: str) -> Journal | None:
        return Journal.load(self.folder / f"{job_id}.csv.part.json")

    def _check_journal(self, job_id: str) -> None:
        journal = self._journal(job_id)
        if journal is None or not self._half(job_id).exists():
            return
        data, there = bytes_of(self.results[job_id]), self._half(job_id).read_bytes()
        for start, stop in journal.coverage.spans:
            assert there[start:stop] == data[start:stop], f"the journal of {job_id} lies about {start}-{stop}"
