"""The sandbox behind two fault proxies, and the invariants of a download's target file."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import httpx
import pytest
from attrs import define, field, frozen
from hypothesis import note
from impact_jobs import AsyncJobsClient, JobsClient, Retry
from impact_jobs._download import part_file, ranges, transfer
from impact_jobs._download.journal import Journal
from impact_jobs._download.ranges import Coverage
from impact_jobs._transport.headers import Span
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._result import Result

from tests.support.fault_proxy import FaultProxy
from tests.support.tally import DOWNLOADS

ClientKind: TypeAlias = Literal["blocking", "asynchronous", "custom httpx clients"]
OnProgress: TypeAlias = Callable[[int, int | None], object]

OLD: Final = b"what was there before"
PATIENT_SECONDS: Final = 30.0
HASTY_SECONDS: Final = 0.2


class InjectedError(Exception):
    """Raised by a callback of the test itself."""


def shrink_thresholds(patch: pytest.MonkeyPatch) -> None:
    """Make thresholds of gigabytes apply to megabytes."""
    patch.setattr(part_file, "_CHECKPOINT_BYTES", 512 * 1024)
    patch.setattr(ranges, "_SPLIT_FROM_BYTES", 2 * 1024 * 1024)
    patch.setattr(ranges, "_SPLIT_FROM_SECONDS", 0.0)
    patch.setattr(ranges, "_FAST_BYTES_PER_SECOND", 1e15)
    patch.setattr(transfer, "MEASURED_BYTES", 1024 * 1024)


@functools.lru_cache(maxsize=64)
def bytes_of(result: Result) -> bytes:
    return b"".join(result.read())


@frozen
class Call:
    """The options of one call of `download` and of its client."""

    kind: ClientKind
    connections: int | None = None
    mode: Literal["redirect", "stream"] = "redirect"
    overwrite: bool = False
    resume: bool = True
    digest: bool = True
    tries: int = 4
    hasty: bool = False

    @property
    def client_options(self) -> dict[str, Any]:
        timeout = HASTY_SECONDS if self.hasty else PATIENT_SECONDS
        return {"retry": Retry(attempts=self.tries, base_delay=0.0), "request_timeout": timeout}

    @asynccontextmanager
    async def custom_clients(self) -> AsyncIterator[dict[str, Any]]:
        """Open the httpx clients that the caller passes in, if this kind of client takes them."""
        if self.kind != "custom httpx clients":
            yield {}
            return
        async with httpx.AsyncClient() as api, httpx.AsyncClient() as storage:
            yield {"http_client": api, "storage_client": storage}

    @property
    def options(self) -> dict[str, Any]:
        return {
            "connections": self.connections,
            "mode": self.mode,
            "overwrite": self.overwrite,
            "resume": self.resume,
            "digest": self.digest,
        }


def run_download(
    call: Call,
    account: dict[str, Any],
    job_id: str,
    target: Path,
    *,
    on_progress: OnProgress,
    with_task: Callable[[asyncio.AbstractEventLoop, asyncio.Task[Any]], object] = lambda _loop, _task: None,
) -> Any:
    """Download once, with a client of that kind."""
    if call.kind == "blocking":
        with JobsClient(**account, **call.client_options) as jobs:
            return jobs.download(job_id, target, on_progress=on_progress, **call.options)

    async def go() -> Any:
        async with call.custom_clients() as own, AsyncJobsClient(**account, **call.client_options, **own) as jobs:
            task = asyncio.ensure_future(jobs.download(job_id, target, on_progress=on_progress, **call.options))
            with_task(asyncio.get_running_loop(), task)
            return await task

    return asyncio.run(go())


class Harness:
    """A sandbox with a fault proxy before its API and another before its storage."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._sessions = 0
        self.sandbox = self._stack.enter_context(Sandbox(job_seconds=0, hourly_budget=10**8))
        self.storage = self._stack.enter_context(FaultProxy(self.sandbox.storage_url))
        self.api = self._stack.enter_context(FaultProxy(self.sandbox.base_url))
        self.sandbox._state.storage_url = self.storage.url  # signed links then lead through the proxy
        self.account: dict[str, Any] = {
            "account_sid": self.sandbox.account_sid,
            "auth_token": self.sandbox.auth_token,
            "base_url": self.api.url,
        }
        self.reset_leaks()

    def reset_leaks(self) -> None:
        """Count what is open and running now as no leak."""
        self._leaks = Leaks()

    def close(self) -> None:
        self._stack.close()

    def clear_faults(self) -> None:
        """Let both proxies forward everything unchanged."""
        self.storage.play()
        self.api.play()

    @contextmanager
    def session(self, name: str, drawn: object, folder: Path) -> Iterator[Path]:
        """Wrap one session of a campaign: give it a folder of its own, and count its faults."""
        self._sessions += 1
        note(f"number {self._sessions}: {drawn!r}")
        with DOWNLOADS.session(name):
            try:
                yield folder / str(self._sessions)
            finally:
                self.clear_faults()
                for proxy in (self.storage, self.api):
                    DOWNLOADS.injected += proxy.tally
                    proxy.tally.clear()

    def check_nothing_leaks(self) -> None:
        """Assert that all connections, threads and descriptors of clients are closed in time."""

        def drop() -> None:
            self.storage.drop()
            self.api.drop()

        self._leaks.check(drop=drop)


class Leaks:
    """Detects descriptors and threads that were not there when it was created."""

    def __init__(self) -> None:
        self._descriptors, self._threads = len(open_files()), len(running())

    def check(self, *, drop: Callable[[], object]) -> None:
        """Wait until all others are gone; `drop` cuts the connections that are left."""
        for thread in threading.enumerate():
            if thread.name.startswith("impact-jobs") and thread.name != "impact-jobs sandbox":
                thread.join(PATIENT_SECONDS)
        # After a close with a full window, the other end may not notice for a minute.
        drop()
        deadline = time.monotonic() + PATIENT_SECONDS
        # The sandbox closes its sockets in another thread.
        while self._has_more() and time.monotonic() < deadline:
            gc.collect()
            threading.Event().wait(0.005)
        assert not self._has_more(), f"left open: {open_files()}, running: {running()}"

    def _has_more(self) -> bool:
        return len(open_files()) > self._descriptors or len(running()) > self._threads


def running() -> list[str]:
    """Return the names of all threads, except those that event loops keep for reuse."""
    return [thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]


def open_files() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:  # the descriptor of this listing
            continue
    return found


@define
class WatchedDownload:
    """A job and its target file, with every version of the result and checks of the files on disk."""

    harness: Harness
    folder: Path
    size: int
    overwrite: bool = False
    has_tags: bool = True
    job_id: str = field(default="", init=False)
    versions: list[Result] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        # It is an hour old, so that its date is a strong validator.
        self.job_id = self.harness.sandbox.add_job(result_bytes=self.size, result_seed=1, age=3600)
        self.versions.append(self.harness.sandbox.result(self.job_id))
        self.folder.mkdir()
        if self.overwrite:
            self.target.write_bytes(OLD)

    @property
    def target(self) -> Path:
        return self.folder / "report.csv"

    @property
    def part(self) -> Path:
        return self.folder / "report.csv.part"

    @property
    def journal(self) -> Path:
        return self.folder / "report.csv.part.json"

    def replace(self, size: int) -> None:
        """Replace the result; use a new size if versions differ by nothing else."""
        if not self.has_tags and size in {version.size for version in self.versions}:
            size = max(version.size for version in self.versions) + 1
        seed = len(self.versions) + 1
        self.versions.append(self.harness.sandbox.replace_result(self.job_id, result_bytes=size, result_seed=seed))
        DOWNLOADS.injected["result replaced"] += 1

    @property
    def is_published(self) -> bool:
        """Whether the target holds a result."""
        return self.target.exists() and not (self.overwrite and self.target.read_bytes() == OLD)

    def load_journal(self) -> Journal | None:
        return Journal.load(self.journal)

    def journal_version(self) -> Result | None:
        """Return the version of the result that the journal describes."""
        journal = self.load_journal()
        if journal is None:
            return None
        stated = journal.representation
        tagged = [version for version in self.versions if version.etag == stated.validator]
        (found,) = tagged or [version for version in self.versions if version.size == stated.length]
        return found

    def has_bytes_of(self, journal: Journal) -> bool:
        """Whether the part file is long enough for the journal's coverage."""
        return self.part.exists() and journal.coverage.fits(self.part.stat().st_size)

    def check_after_failure(self, *, killed: bool = False) -> None:
        """Assert that the target is untouched, the journal is true, and no other file is left."""
        left = {path.name for path in self.folder.iterdir()}
        if self.overwrite:
            assert self.target.read_bytes() == OLD, "the old file was changed"
        else:
            assert not self.target.exists(), "the target exists after a failure"
        known = {self.target.name, self.part.name, self.journal.name}
        assert left <= known, left
        if not killed:
            assert (self.part.name in left) == (self.journal.name in left), left
        self.check_journal()

    def check_journal(self) -> None:
        journal, version = self.load_journal(), self.journal_version()
        if journal is None or version is None:
            text = self.journal.read_text() if self.journal.exists() else ""
            assert not text, f"an unreadable journal: {text!r}"  # an empty one only shows whose the part is
            return
        if not self.part.exists():
            return
        with self.part.open("rb") as part:
            for start, stop in journal.coverage.spans:
                part.seek(start)
                assert part.read(stop - start) == bytes_of(version)[start:stop], (
                    f"the journal is wrong about {start}-{stop}"
                )

    def check_success(self, versions: list[Result]) -> None:
        """Assert that the folder holds one of those versions, complete, and nothing else."""
        assert sorted(path.name for path in self.folder.iterdir()) == [self.target.name]
        found = self.target.read_bytes()
        sizes = [version.size for version in versions]
        assert any(found == bytes_of(version) for version in versions), f"{len(found)} wrong bytes; expected {sizes}"

    def requested(self) -> Coverage:
        """Return the bytes of the result that were requested from the storage."""
        coverage = Coverage()
        for request in self.harness.sandbox.requests:
            if request.origin == "storage":
                first, _, last = request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
                coverage = coverage.plus(int(first), int(last) + 1 if last else self.versions[-1].size)
        return coverage


def bytes_to_request(coverage: Coverage, length: int) -> Coverage:
    """Return the missing bytes or, if none are missing, the last byte, which reveals the version."""
    found = Coverage()
    for start, stop in coverage.gaps(length) or [Span(max(length - 1, 0), length)]:
        found = found.plus(start, stop)
    return found


def as_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
