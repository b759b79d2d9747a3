"""`fetch_all` under faults, interrupted and killed: the folder ends up with exactly the right files."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import Job, JobsError

from tests.faults.download_strategies import KINDS, SETTINGS, faults, positions
from tests.faults.forkserver import SYSTEM_CALLS, ForkServer, KillKind, KillPoint
from tests.faults.harness import HASTY_SECONDS, Harness, InjectedError
from tests.faults.sets import SetCall, WatchedSet, run_fetch_all
from tests.support.fault_proxy import Fault
from tests.support.tally import DOWNLOADS

_MAX_KILLS: Final = 20
_MAX_JOBS: Final = 500
_AROUND: Final[tuple[KillKind, ...]] = ("before a system call", "after a system call")

Stop = Literal[
    "none", "killed", "callback raises", "Ctrl-C in callback", "cancelled after turns", "cancelled twice after turns",
    "cancelled while bytes arrive",
]  # fmt: skip


@frozen
class Try:
    """A call, the faults of its connections, and how it is stopped."""

    call: SetCall
    faults: tuple[Fault, ...] = ()
    api_faults: tuple[Fault, ...] = ()
    stop: Stop = "none"
    at: int = 0
    kill_point: KillPoint = field(factory=KillPoint)


@frozen
class SetSession:
    """Calls in sequence, of which the last meets no fault, and the bytes and seconds of each job."""

    jobs: tuple[tuple[int, float], ...]
    tries: tuple[Try, ...]
    last: SetCall


def set_calls(mode: Literal["redirect", "stream"]) -> st.SearchStrategy[SetCall]:
    return st.builds(
        SetCall,
        kind=st.sampled_from((*KINDS[:2], *KINDS)),
        concurrency=st.sampled_from((1, 2, 4, 8)),
        connections=st.sampled_from((1, 1, 2, 8, None)),
        mode=st.just(mode),
        tries=st.integers(1, 4),
    )


def kill_points(size: int) -> st.SearchStrategy[KillPoint]:
    return st.one_of(
        st.builds(KillPoint, kind=st.just("by the proxy"), at=positions(size)),
        st.builds(
            KillPoint,
            kind=st.sampled_from(_AROUND),
            at=st.integers(1, 20),
            function=st.sampled_from(("send", *SYSTEM_CALLS)),
        ),
    )


@st.composite
def tries(draw: st.DrawFn, size: int, mode: Literal["redirect", "stream"], *, killed: bool) -> Try:
    call = draw(set_calls(mode))
    script = draw(st.lists(faults(size), max_size=8))
    if draw(st.integers(0, 9)) == 0:
        silence = draw(st.sampled_from((Fault("stall"), Fault("pause", seconds=2 * HASTY_SECONDS))))
        script.insert(draw(st.integers(0, len(script))), evolve(silence, after=draw(positions(size))))
        call = evolve(call, hasty=True)
    api = draw(st.lists(faults(400, breaks=("cut", "reset", "half-close"), lies=("503",)), max_size=2))
    stops: tuple[Stop, ...] = ("none", "callback raises", "Ctrl-C in callback")
    if call.kind != "blocking":
        stops = (
            "none", "callback raises", "cancelled after turns", "cancelled twice after turns",
            "cancelled while bytes arrive",
        )  # fmt: skip
    stop: Stop = "killed" if killed else draw(st.sampled_from(stops))
    return Try(
        call=call,
        faults=tuple(script),
        api_faults=tuple(api) if draw(st.integers(0, 4)) == 0 else (),
        stop=stop,
        at=draw(positions(size) if "bytes" in stop else st.integers(0, 60)),
        kill_point=draw(kill_points(size)) if killed else KillPoint(),
    )


@st.composite
def sessions(draw: st.DrawFn, *, killed: bool) -> SetSession:
    size = st.one_of(st.integers(0, 2000), st.integers(0, 600_000), st.sampled_from((0, 1_200_000, 4_200_000)))
    seconds = st.sampled_from((0.0, 0.0, 0.0, 0.05, 0.2))
    jobs = tuple(draw(st.lists(st.tuples(size, seconds), min_size=1, max_size=9)))
    total = sum(size for size, _ in jobs)
    mode: Literal["redirect", "stream"] = draw(st.sampled_from(("redirect", "redirect", "redirect", "stream")))
    return SetSession(
        jobs=jobs,
        tries=tuple(draw(st.lists(tries(total, mode, killed=killed), min_size=1, max_size=4))),
        last=evolve(draw(set_calls(mode)), tries=3),
    )


@define
class _Stopper:
    """Stops a call as its `Try` says, and counts the stops."""

    step: Try
    _updates: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _task: asyncio.Task[Any] | None = None
    raised: BaseException | None = field(default=None, init=False)

    def on_update(self, _job: Job) -> None:
        self._updates += 1
        kinds = {"callback raises": InjectedError, "Ctrl-C in callback": KeyboardInterrupt}
        if self._updates > self.step.at % 10 and self.step.stop in kinds:
            self._count()
            error = kinds[self.step.stop]()
            self.raised = self.raised or error
            raise error

    def with_task(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop, self._task = loop, task
        if "turns" in self.step.stop:
            self._after(self.step.at)

    def on_bytes(self) -> None:
        """Handle bytes that pass the proxy; runs in the proxy's thread."""
        if self.step.stop == "cancelled while bytes arrive" and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._cancel)

    def _after(self, turns: int) -> None:
        assert self._loop is not None
        if turns:
            self._loop.call_soon(lambda: self._after(turns - 1))
        else:
            self._cancel()

    def _cancel(self) -> None:
        assert self._loop is not None
        assert self._task is not None
        if self._task.cancel():
            self._count()
        if "twice" in self.step.stop:
            loop, cancel = self._loop, self._task.cancel
            loop.call_soon(lambda: loop.call_soon(cancel))

    def _count(self) -> None:
        DOWNLOADS.injected[self.step.stop] += 1


def run(harness: Harness, fork_server: ForkServer, session: SetSession, folder: Path) -> None:
    watched = WatchedSet.create(harness, folder, session.jobs)
    before: set[str] = set()
    for step in session.tries:
        stopper = _Stopper(step)
        hooks: list[tuple[int, Callable[[], object]]] = []
        if step.kill_point.kind == "by the proxy":
            hooks.append((step.kill_point.at, fork_server.kill))
        if "bytes" in step.stop:
            hooks.append((step.at, stopper.on_bytes))
        if step.call.mode == "redirect":
            harness.storage.play(step.faults, hooks=hooks)
            harness.api.play(step.api_faults)
        else:
            harness.api.play([*step.api_faults, *step.faults], hooks=hooks)
        _run_in_child(harness, fork_server, step, watched) if step.stop == "killed" else _run_here(
            harness, step, watched, stopper
        )
        harness.clear_faults()
        harness.check_nothing_leaks()
        after = watched.check_unfinished()
        assert after >= before, "a complete file was removed"
        before = after
    _last(harness, session.last, watched)


def _run_in_child(harness: Harness, fork_server: ForkServer, step: Try, watched: WatchedSet) -> None:
    fork_server.start_set(step.call, harness.account, watched.ids, watched.folder, kill_point=step.kill_point)
    outcome = fork_server.outcome()
    if outcome.killed:
        DOWNLOADS.injected[f"killed {step.kill_point.kind}"] += 1
    DOWNLOADS.outcomes["killed" if outcome.killed else f"report with {'some' if outcome.errors else 'no'} errors"] += 1
    assert not outcome.error, outcome.error


def _run_here(harness: Harness, step: Try, watched: WatchedSet, stopper: _Stopper) -> None:
    allowed = (InjectedError, KeyboardInterrupt, asyncio.CancelledError) if step.stop != "none" else ()
    try:
        report = run_fetch_all(
            step.call, harness.account, watched.ids, watched.folder,
            on_update=stopper.on_update, with_task=stopper.with_task,
        )  # fmt: skip
    except allowed as error:
        DOWNLOADS.outcomes[type(error).__name__] += 1
        if stopper.raised and type(error) is not type(stopper.raised):
            raise
        return
    DOWNLOADS.outcomes[f"report with {'no' if report.is_complete else 'some'} errors"] += 1
    assert list(report.outcomes) == watched.ids
    assert all(isinstance(error, JobsError) for error in report.errors.values())
    assert report.files.keys() == watched.complete()
    assert all(found.sha256 == watched.results[job_id].sha256 for job_id, found in report.files.items())


def _last(harness: Harness, call: SetCall, watched: WatchedSet) -> None:
    complete, resumable = watched.complete(), watched.resumable()
    harness.sandbox.forget_requests()
    report = run_fetch_all(call, harness.account, watched.ids, watched.folder)
    harness.check_nothing_leaks()
    assert report.is_complete, report.errors
    watched.check_finished({job_id: str(found.sha256) for job_id, found in report.files.items()})
    paths = "".join(request.path for request in harness.sandbox.requests)
    assert not any(job_id in paths for job_id in complete), "a complete file was requested again"
    if call.mode == "redirect":
        resumed = {job_id: report.files[job_id].resumed_from for job_id in resumable}
        assert resumed == resumable, "not exactly the missing bytes"


@pytest.mark.parametrize(("killed", "share"), [(False, 0.2), (True, 0.14)], ids=["stopped", "killed"])
def test_the_next_call_completes_a_folder_after_any_fault(
    share: float,
    harness: Harness,
    fork_server: ForkServer,
    tmp_path: Path,
    examples: Callable[[float], int],
    *,
    killed: bool,
) -> None:
    @SETTINGS(max_examples=examples(share))
    @given(session=sessions(killed=killed))
    def campaign(session: SetSession) -> None:
        with harness.session(f"sets {'killed' if killed else 'stopped'}", session, tmp_path) as folder:
            run(harness, fork_server, session, folder)

    campaign()


def _kill_point_after(rng: random.Random, files: float) -> KillPoint:
    """Choose a moment after roughly so many files."""
    calls_per_file = {"send": 2, "link": 1, "fdatasync": 1, "fsync": 1, "pwrite": 1, "unlink": 4}
    function = rng.choice([*calls_per_file, *calls_per_file, "by the proxy"])
    if function == "by the proxy":
        return KillPoint("by the proxy", at=round(files * 20_000))
    return KillPoint(rng.choice(_AROUND), at=max(1, round(files * calls_per_file[function])), function=function)


def test_a_large_set_completes_after_many_kills(
    harness: Harness, fork_server: ForkServer, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    """Up to 500 jobs and 20 kills, in `make test-faults`."""
    job_count, kill_count = min(_MAX_JOBS, examples(3.0)), min(_MAX_KILLS, examples(0.25))
    rng = random.Random(20)  # noqa: S311 - no secret
    jobs = [
        (rng.randrange(100_000, 400_000) if number % 20 == 0 else rng.randrange(20_000), rng.choice((0.0, 0.5, 2.0)))
        for number in range(job_count)
    ]
    watched = WatchedSet.create(harness, tmp_path / "reports", jobs)
    harness.clear_faults()
    harness.sandbox.forget_requests()
    files_at_kills: list[int] = []
    with DOWNLOADS.session("large set"):
        for number in range(kill_count):
            left = job_count - len(watched.complete())
            kill_point = _kill_point_after(rng, rng.uniform(0, 1.6) * left / (kill_count - number + 1))
            harness.storage.play(hooks=[(kill_point.at, fork_server.kill)] if kill_point.kind == "by the proxy" else ())
            call = SetCall(KINDS[number % 2], concurrency=rng.randint(1, 8), connections=rng.choice((1, 1, 4)))
            fork_server.start_set(call, harness.account, watched.ids, watched.folder, kill_point=kill_point)
            assert fork_server.outcome().killed, f"{kill_point} came too late, after {files_at_kills}"
            DOWNLOADS.injected[f"killed {kill_point.kind}"] += 1
            files_at_kills.append(len(watched.check_unfinished()))
        harness.clear_faults()
        fork_server.start_set(SetCall("blocking"), harness.account, watched.ids, watched.folder)
        outcome = fork_server.outcome()
        assert (outcome.error, outcome.errors) == ("", [])
        watched.check_finished(outcome.digests)
    harness.check_nothing_leaks()
    requests = harness.sandbox.requests
    DOWNLOADS.figures.append(
        f"{job_count} jobs in one folder: killed {kill_count} times, with {', '.join(map(str, files_at_kills))} files; "
        f"{len(watched.complete())} right files in the end, and no other; "
        f"{sum(request.origin == 'api' for request in requests)} requests to the API, "
        f"{sum(request.origin == 'storage' for request in requests)} to the storage"
    )
