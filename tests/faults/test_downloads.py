"""A campaign of random sessions: whatever breaks, the file is right or absent, and the next call goes on."""

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

from tests.faults.harness import HASTY_SECONDS, Call, InjectedError, Stage, Watched, carry_out, rest
from tests.faults.sessions import SETTINGS, Interruption, Session, Try, sessions
from tests.support.fault_proxy import Fault
from tests.support.tally import DOWNLOADS

_ENDINGS: Final = (JobsError, InjectedError, KeyboardInterrupt, asyncio.CancelledError)


@define
class _Interrupter:
    """Carries out an `Interruption`, and remembers what progress was told."""

    interruption: Interruption
    shown: int = field(default=0, init=False)
    _task: Callable[[], object] | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)

    def on_progress(self, done: int, _total: int | None) -> None:
        assert done >= self.shown, "progress went backwards"
        self.shown = done
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
        """From the proxy's thread."""
        loop = self._loop
        if self.interruption.kind == "cancelled while bytes arrive" and loop is not None:
            with suppress(RuntimeError):  # it is closed
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


def run(stage: Stage, session: Session, folder: Path) -> None:
    watched = Watched(stage, folder, session.size, session.overwrite, session.has_tags)
    for step in session.tries:
        if _try(stage, session, step, watched):
            return
    _last(stage, session, watched)


def _try(stage: Stage, session: Session, step: Try, watched: Watched) -> bool:
    interrupter = _Interrupter(step.interruption)
    hooks: list[tuple[int, Callable[[], object]]] = [(step.interruption.at, interrupter.on_bytes)]
    if step.replaced_at is not None:
        hooks.append((step.replaced_at, lambda: watched.replace(step.replaced_by)))
    if session.mode == "redirect":
        stage.storage.play(step.faults, lies=session.lies, hooks=hooks)
        stage.api.play(step.api_faults)
    else:
        stage.api.play([*step.api_faults, *step.faults], hooks=hooks)
    stage.sandbox.forget_requests()
    first = len(watched.versions) - 1
    try:
        done = carry_out(
            step.call, stage.account, watched.job_id, watched.target,
            on_progress=interrupter.on_progress, with_task=interrupter.with_task,
        )  # fmt: skip
    except _ENDINGS as error:
        DOWNLOADS.outcomes[type(error).__name__] += 1
        if type(error) in {InjectedError, KeyboardInterrupt, asyncio.CancelledError}:
            assert step.interruption.kind != "none"
        if isinstance(error, asyncio.CancelledError) and watched.is_there:
            watched.check_success(watched.versions)  # too late to be stopped
            return True
        watched.check_after_failure()
        is_simple = session.mode == "redirect" and not session.lies and step.replaced_at is None
        if is_simple and all(fault.lie in {"none", "503", "500", "403", "404"} for fault in step.faults):
            journal = watched.noted()
            kept = journal.coverage.size if journal else 0
            assert kept >= interrupter.shown, "an orderly failure lost bytes"
        return False
    finally:
        stage.check_nothing_leaks()
    DOWNLOADS.outcomes["success"] += 1
    _check(done, watched, first=first, wants_digest=step.call.digest)
    return True


def _last(stage: Stage, session: Session, watched: Watched) -> None:
    stage.storage.play(lies=session.lies)
    stage.api.play()
    stage.sandbox.forget_requests()
    interrupter = _Interrupter(Interruption())
    before, version = watched.noted(), watched.noted_version()
    done = carry_out(session.last, stage.account, watched.job_id, watched.target, on_progress=interrupter.on_progress)
    stage.check_nothing_leaks()
    DOWNLOADS.outcomes["success"] += 1
    _check(done, watched, first=-1, wants_digest=session.last.digest)
    assert interrupter.shown == done.bytes_written
    if version is watched.versions[-1] and before is not None and session.mode == "redirect" and not session.lies:
        assert done.resumed_from == before.coverage.size
        assert watched.requested() == rest(before.coverage, version.size), "more, or less, than the rest"


def _check(done: DownloadResult, watched: Watched, *, first: int, wants_digest: bool) -> None:
    watched.check_success(watched.versions[first:])
    data = watched.target.read_bytes()
    assert done.bytes_written == len(data)
    assert done.sha256 == (hashlib.sha256(data).hexdigest() if wants_digest else None)


def test_whatever_breaks_the_file_is_right_or_absent(
    stage: Stage, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    @SETTINGS(max_examples=examples(0.66))
    @given(session=sessions())
    def campaign(session: Session) -> None:
        with stage.session("downloads", session, tmp_path) as folder:
            run(stage, session, folder)

    campaign()
    assert threading.active_count() < 10


@pytest.mark.parametrize("after", [90_000, 300_000, 500_001])
def test_what_stalls_while_it_is_measured_and_then_goes_on_is_put_where_it_belongs(
    after: int, stage: Stage, tmp_path: Path
) -> None:
    """The first connection is measured, times out in the middle of a read, and is read from again."""
    watched = Watched(stage, tmp_path / "a", 12_000_000)
    stage.storage.play([Fault("pause", after=after, seconds=3 * HASTY_SECONDS)])
    call = Call("blocking", connections=None, hasty=True, tries=9)
    done = carry_out(call, stage.account, watched.job_id, watched.target, on_progress=lambda _done, _total: None)
    watched.check_success(watched.versions)
    assert done.sha256 == watched.versions[0].sha256
    stage.check_nothing_leaks()
