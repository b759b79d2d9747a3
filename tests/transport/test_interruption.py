"""An interrupted `fetch_all` ends at once and names what remains; the next call continues."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from impact_jobs import FetchReport, Job, Polling
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.raw_server import Asked, RawServer, Reply, serving, storing

DATA = hashlib.shake_256(b"interruption").digest(900_000)  # less than is allocated at once
_FIRST_BYTES = 50_000  # which the storage sends at once
EAGER = Polling(minimum=0.05, maximum=0.2)
DOWNLOADS = re.compile("/Download$")


def press_ctrl_c() -> None:
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGINT)


def our_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("impact-jobs_")]


def assert_all_has_ended(jobs: AnyClient) -> None:
    if hasattr(jobs, "_inner"):
        assert not asyncio.all_tasks(jobs._runner.get_loop())
    else:
        assert not our_threads()


def notes_of(error: BaseException) -> str:
    """Return the notes that a traceback would show; on asyncio, Ctrl-C first cancels a task."""
    notes: list[str] = []
    link: BaseException | None = error
    while link is not None:
        notes += getattr(link, "__notes__", [])
        link = link.__context__
    return "\n".join(notes)


@define
class Dripping:
    """A storage that sends the end of each body slowly, and presses Ctrl-C once all downloads are under way.

    Attributes:
        connections: How many connections to wait for.
        folder: Where to wait for partial files.
        files: How many partial files to wait for.
    """

    connections: int
    folder: Path
    files: int
    is_fast: bool = False
    _lock: threading.Lock = field(factory=threading.Lock)
    _open: int = 0
    _has_pressed: bool = False

    def __call__(self, asked: Asked) -> Reply:
        whole = storing(DATA)(asked)
        if self.is_fast:
            return whole
        assert isinstance(whole.body, bytes)
        return Reply(status=whole.status, headers=whole.headers, body=self._body(whole.body, asked.over))

    def _body(self, data: bytes, over: threading.Event) -> Iterator[bytes]:
        yield data[:_FIRST_BYTES]
        with self._lock:
            self._open += 1
        for at in range(_FIRST_BYTES, len(data)):
            with self._lock:
                if not self._has_pressed and self._open == self.connections and self._are_under_way():
                    self._has_pressed = True
                    press_ctrl_c()
            if over.wait(0.02):
                return
            yield data[at : at + 1]

    def _are_under_way(self) -> bool:
        # More than the first write, because the signal may fall between a write and the record of it.
        return sum(path.stat().st_size > _FIRST_BYTES for path in self.folder.glob("*.part")) == self.files


def redirect_to(storage: RawServer, sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", DOWNLOADS, status=302, headers={"Location": f"{storage.url}/a"}, times=100)


@pytest.mark.parametrize(("concurrency", "connections"), [(1, 1), (1, 8), (2, 1), (2, 8), (4, 4)])
def test_ctrl_c_during_downloads_ends_them_and_the_next_call_resumes(
    concurrency: int, connections: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = [sandbox.add_job() for _ in range(5)]
    dripping = Dripping(concurrency * connections, tmp_path, concurrency)
    with serving(dripping) as storage:
        redirect_to(storage, sandbox)
        with pytest.raises(KeyboardInterrupt) as raised:
            jobs.fetch_all(ids, tmp_path, concurrency=concurrency, connections=connections)
        assert_all_has_ended(jobs)
        assert "0 of 5 files are in" in notes_of(raised.value)
        assert all(job_id in notes_of(raised.value) for job_id in ids)
        assert {path.suffix for path in tmp_path.iterdir()} == {".part", ".json"}
        dripping.is_fast = True
        report = jobs.fetch_all(ids, tmp_path)
    assert report.is_complete
    assert sum(found.resumed_from > 0 for found in report.files.values()) == concurrency
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{job_id}.csv" for job_id in ids)
    for found in report.files.values():
        assert found.sha256 == hashlib.sha256(DATA).hexdigest() == hashlib.sha256(found.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("concurrency", [1, 4])
def test_ctrl_c_while_jobs_run_names_what_remains(
    concurrency: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = [sandbox.add_job(status="RUNNING") for _ in range(30)]
    done = sandbox.add_job()
    seen: list[Job] = []
    presses = iter([press_ctrl_c])

    def interrupt(job: Job) -> None:
        seen.append(job)
        # On a busy machine, a file may take longer than many updates.
        if len(seen) >= 100 and (tmp_path / f"{done}.csv").exists():
            for press in presses:
                threading.Thread(target=press).start()

    with pytest.raises(KeyboardInterrupt) as raised:
        jobs.fetch_all(
            [done, *ids], tmp_path, concurrency=concurrency, polling=EAGER, timeout=None, on_update=interrupt
        )
    assert_all_has_ended(jobs)
    assert [path.name for path in tmp_path.iterdir()] == [f"{done}.csv"]
    notes = notes_of(raised.value)
    assert f"1 of 31 files are in {str(tmp_path)!r}; those of {ids[0]}, " in notes
    assert "and 10 more remain: call fetch_all again to go on" in notes


def test_ctrl_c_while_a_storage_is_silent_takes_effect_at_the_timeout(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = [sandbox.add_job() for _ in range(3)]
    presses = iter([press_ctrl_c])

    def silent(asked: Asked) -> Reply:
        next(presses, lambda: None)()  # only once, because a second Ctrl-C would not wait for the timeout
        asked.over.wait(60)
        return Reply(ends=True)

    with serving(silent) as storage:
        sandbox.answer_next("GET", f"{ids[0]}/Download", status=302, headers={"Location": storage.url}, times=9)
        with serving(storing(DATA)) as fast:
            redirect_to(fast, sandbox)
            with pytest.raises(KeyboardInterrupt):
                jobs.with_options(request_timeout=0.3).fetch_all(ids, tmp_path, concurrency=2)
        assert_all_has_ended(jobs)
        for path in tmp_path.iterdir():
            assert path.name.startswith(tuple(ids[1:])), "the silent storage sent nothing"


class InjectedError(Exception):
    """Raised by the `on_update` of a test."""


@pytest.mark.parametrize(
    ("concurrency", "kind"),
    [(1, InjectedError), (4, InjectedError), (64, InjectedError), (1, KeyboardInterrupt), (4, SystemExit)],
)
def test_an_error_of_on_update_reaches_the_caller(
    concurrency: int, kind: type[BaseException], sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = [sandbox.add_job(seconds=0.05 * (number % 3)) for number in range(8)]
    errors = []

    def fail(job: Job) -> None:
        if job.percentage_complete == 100 and job.id == ids[2]:
            errors.append(kind("on purpose"))
            raise errors[-1]

    with sandbox.client(polling=EAGER) as jobs:
        with pytest.raises(kind) as raised:
            jobs.fetch_all(ids, tmp_path, concurrency=concurrency, on_update=fail)
        assert raised.value in errors
        assert "of 8 files are in" in notes_of(raised.value)
        assert_all_has_ended(jobs)
        assert jobs.fetch_all(ids, tmp_path).is_complete


def test_an_error_of_on_update_reaches_the_caller_on_asyncio(sandbox: Sandbox, tmp_path: Path) -> None:
    ids = [sandbox.add_job() for _ in range(8)]

    def fail(job: Job) -> None:
        raise InjectedError(job.id)

    async def go() -> None:
        async with sandbox.async_client() as jobs:
            with pytest.raises(InjectedError) as raised:
                await jobs.fetch_all(ids, tmp_path, on_update=fail)
            assert "0 of 8 files are in" in notes_of(raised.value)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert (await jobs.fetch_all(ids, tmp_path)).is_complete

    asyncio.run(go())


@pytest.mark.parametrize(("concurrency", "connections"), [(1, 1), (3, 1), (2, 8)])
def test_a_task_may_be_cancelled_at_any_turn_of_the_loop(
    concurrency: int, connections: int, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [sandbox.add_job(result_bytes=300_000, seconds=0.1 * (number == 0)) for number in range(6)]
    sums = {job_id: sandbox.result(job_id).sha256 for job_id in ids}

    async def cancel_and_continue(jobs: AnyClient, turns: int, *, times: int, folder: Path) -> FetchReport:
        task = asyncio.create_task(jobs.fetch_all(ids, folder, concurrency=concurrency, connections=connections))
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        assert task.cancelled() or task.result().is_complete
        assert asyncio.all_tasks() == {asyncio.current_task()}
        report: FetchReport = await jobs.fetch_all(ids, folder)
        return report

    async def go() -> None:
        async with sandbox.async_client(polling=EAGER) as jobs:
            for turns, times in zip((0, 1, 2, 3, 5, 8, 20, 60, 150, 400, 1000), itertools.cycle((1, 3)), strict=False):
                folder = tmp_path / str(turns)
                report = await cancel_and_continue(jobs, turns, times=times, folder=folder)
                assert {job_id: found.sha256 for job_id, found in report.files.items()} == sums
                assert sorted(path.name for path in folder.iterdir()) == sorted(f"{job_id}.csv" for job_id in ids)

    asyncio.run(go())
    assert "never retrieved" not in caplog.text


def test_the_traceback_of_a_script_names_what_remains(sandbox: Sandbox, tmp_path: Path) -> None:
    """A user presses Ctrl-C while a script runs."""
    ids = [sandbox.add_job(status="RUNNING") for _ in range(2)]
    script = (
        "import os, signal\nfrom impact_jobs import JobsClient\n"
        f"with JobsClient.from_env() as jobs:\n    jobs.fetch_all({ids!r}, {str(tmp_path)!r}, "
        "on_update=lambda _: os.kill(os.getpid(), signal.SIGINT))\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], env=os.environ | sandbox.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGINT
    assert f"0 of 2 files are in {str(tmp_path)!r}; those of {ids[0]}, {ids[1]} remain" in done.stderr


def test_if_a_thread_cannot_be_started_the_others_end(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started = threading.Thread.start, []

    def start(thread: Any) -> None:
        if thread.name.startswith("impact-jobs_"):
            started.append(thread)
            if len(started) == 3:
                raise RuntimeError("can't start new thread")
        real(thread)

    ids = [sandbox.add_job(status="RUNNING") for _ in range(8)]
    monkeypatch.setattr(threading.Thread, "start", start)
    with sandbox.client() as jobs, pytest.raises(RuntimeError, match="can't start"):
        jobs.fetch_all(ids, tmp_path, concurrency=8)
    assert not our_threads()
