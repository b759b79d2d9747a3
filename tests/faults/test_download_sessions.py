"""Random download sessions: after any fault the file is right or absent, and the next call resumes."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define, field
from hypothesis import given
from impact_jobs import DownloadResult, JobsError

from tests.faults.download_strategies import SETTINGS, Interruption, Session, Try, sessions
from tests.faults.harness import (
    HASTY_SECONDS,
    Call,
    Harness,
    InjectedError,
    WatchedDownload,
    bytes_to_request,
    run_download,
)
from tests.support.fault_proxy import Fault
from tests.support.tally import DOWNLOADS

_ENDINGS: Final = (JobsError, InjectedError, KeyboardInterrupt, asyncio.CancelledError)


@define
class _Interrupter:
    """Carries out an `Interruption`, and remembers the progress that was reported."""

    interruption: Interruption
    reported: int = field(default=0, init=False)
    _task: Callable[[], object] | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)

    def on_progress(self, done: int, _total: int | None) -> None:
        assert done >= self.reported, "progress went backwards"
        self.reported = done
        if done < self.interruption.at:
            return
        match self.interruption.kind:
            case "callback raises":
                self._count()
                raise InjectedError
            case "Ctrl-C in callback":
                self._count()
                raise KeyboardInterrupt
            case "cancelled in callback":
                self._cancel(once=True)
            case "cancelled twice in callback":
                self._cancel(once=False)
            case _:
                pass

    def with_task(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop, self._task = loop, task.cancel
        if self.interruption.kind in {"cancelled after turns", "cancelled twice after turns"}:
            self._after(self.interruption.at, lambda: self._cancel(once="twice" not in self.interruption.kind))

    def on_bytes(self) -> None:
        """Handle bytes that pass the proxy; runs in the proxy's thread."""
        loop = self._loop
        if self.interruption.kind == "cancelled while bytes arrive" and loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(lambda: self._cancel(once=True))

    def _cancel(self, *, once: bool) -> None:
        if self._task is None:
            return
        cancel, self._task = self._task, None
        self._count()
        cancel()
        if not once:
            self._after(2, cancel)

    def _after(self, turns: int, function: Callable[[], object]) -> None:
        assert self._loop is not None
        if turns:
            self._loop.call_soon(lambda: self._after(turns - 1, function))
        else:
            function()

    def _count(self) -> None:
        DOWNLOADS.injected[self.interruption.kind] += 1


def run(harness: Harness, session: Session, folder: Path) -> None:
    watched = WatchedDownload(harness, folder, session.size, session.overwrite, session.has_tags)
    for step in session.tries:
        if _try(harness, session, step, watched):
            return
    _last(harness, session, watched)


def _try(harness: Harness, session: Session, step: Try, watched: WatchedDownload) -> bool:
    interrupter = _Interrupter(step.interruption)
    hooks: list[tuple[int, Callable[[], object]]] = [(step.interruption.at, interrupter.on_bytes)]
    if step.replaced_at is not None:
        hooks.append((step.replaced_at, lambda: watched.replace(step.replaced_by)))
    if session.mode == "redirect":
        harness.storage.play(step.faults, lies=session.lies, hooks=hooks)
        harness.api.play(step.api_faults)
    else:
        harness.api.play([*step.api_faults, *step.faults], hooks=hooks)
    harness.sandbox.forget_requests()
    first = len(watched.versions) - 1
    try:
        done = run_download(
            step.call, harness.account, watched.job_id, watched.target,
            on_progress=interrupter.on_progress, with_task=interrupter.with_task,
        )  # fmt: skip
    except _ENDINGS as error:
        DOWNLOADS.outcomes[type(error).__name__] += 1
        if type(error) in {InjectedError, KeyboardInterrupt, asyncio.CancelledError}:
            assert step.interruption.kind != "none"
        if isinstance(error, asyncio.CancelledError) and watched.is_published:
            watched.check_success(watched.versions)  # the interruption came too late
            return True
        watched.check_after_failure()
        is_simple = session.mode == "redirect" and not session.lies and step.replaced_at is None
        if is_simple and all(fault.lie in {"none", "503", "500", "403", "404"} for fault in step.faults):
            journal = watched.load_journal()
            saved = journal.coverage.size if journal else 0
            assert saved >= interrupter.reported, "an orderly failure lost bytes"
        return False
    finally:
        harness.check_nothing_leaks()
    DOWNLOADS.outcomes["success"] += 1
    _check(done, watched, first=first, wants_digest=step.call.digest)
    return True


def _last(harness: Harness, session: Session, watched: WatchedDownload) -> None:
    harness.storage.play(lies=session.lies)
    harness.api.play()
    harness.sandbox.forget_requests()
    interrupter = _Interrupter(Interruption())
    before, version = watched.load_journal(), watched.journal_version()
    done = run_download(
        session.last, harness.account, watched.job_id, watched.target, on_progress=interrupter.on_progress
    )
    harness.check_nothing_leaks()
    DOWNLOADS.outcomes["success"] += 1
    _check(done, watched, first=-1, wants_digest=session.last.digest)
    assert interrupter.reported == done.bytes_written
    if version is watched.versions[-1] and before is not None and session.mode == "redirect" and not session.lies:
        assert done.resumed_from == before.coverage.size
        assert watched.requested() == bytes_to_request(before.coverage, version.size), "not exactly the missing bytes"


def _check(done: DownloadResult, watched: WatchedDownload, *, first: int, wants_digest: bool) -> None:
    watched.check_success(watched.versions[first:])
    data = watched.target.read_bytes()
    assert done.bytes_written == len(data)
    assert done.sha256 == (hashlib.sha256(data).hexdigest() if wants_digest else None)


def test_after_any_fault_the_file_is_right_or_absent(
    harness: Harness, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    @SETTINGS(max_examples=examples(0.66))
    @given(session=sessions())
    def campaign(session: Session) -> None:
        with harness.session("downloads", session, tmp_path) as folder:
            run(harness, session, folder)

    campaign()
    assert threading.active_count() < 10


@pytest.mark.parametrize("after", [90_000, 300_000, 500_001])
def test_a_first_connection_that_pauses_past_its_timeout_still_gives_the_right_file(
    after: int, harness: Harness, tmp_path: Path
) -> None:
    """The first connection is measured; it times out during a read and is read again later."""
    watched = WatchedDownload(harness, tmp_path / "a", 12_000_000)
    harness.storage.play([Fault("pause", after=after, seconds=3 * HASTY_SECONDS)])
    call = Call("blocking", connections=None, hasty=True, tries=9)
    done = run_download(call, harness.account, watched.job_id, watched.target, on_progress=lambda _done, _total: None)
    watched.check_success(watched.versions)
    assert done.sha256 == watched.versions[0].sha256
    harness.check_nothing_leaks()
