"""`fetch_all` under faults, interrupted and killed: it ends the same, and leaves nothing but the files."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import Job, JobsError

from tests.faults.forkserver import SYSTEM_CALLS, Death, DeathKind, Zygote
from tests.faults.harness import HASTY_SECONDS, InjectedError, Stage
from tests.faults.sessions import KINDS, SETTINGS, faults, positions
from tests.faults.sets import SetCall, WatchedSet, carry_out_set
from tests.support.fault_proxy import Fault
from tests.support.tally import DOWNLOADS

_KILLS: Final = 20
_JOBS: Final = 500
_AROUND: Final[tuple[DeathKind, ...]] = ("before a system call", "after a system call")

Stop = Literal[
    "none", "killed", "callback raises", "Ctrl-C in callback", "cancelled after turns", "cancelled twice after turns",
    "cancelled while bytes arrive",
]  # fmt: skip


@frozen
class Try:
    """A call, the faults of its connections, and what stops it."""

    call: SetCall
    faults: tuple[Fault, ...] = ()
    api_faults: tuple[Fault, ...] = ()
    stop: Stop = "none"
    at: int = 0
    death: Death = field(factory=Death)


@frozen
class SetSession:
    """Calls one after the other, the last of which meets no fault. Of each job there are its bytes and seconds."""

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


def deaths(size: int) -> st.SearchStrategy[Death]:
    return st.one_of(
        st.builds(Death, kind=st.just("by the proxy"), at=positions(size)),
        st.builds(
            Death,
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
        death=draw(deaths(size)) if killed else Death(),
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


@pytest.fixture(scope="module")
def zygote(stage: Stage) -> Iterator[Zygote]:
    with Zygote() as zygote:
        stage.take_as_given()
        yield zygote


@define
class _Stopper:
    """Stops a call from our side, and counts that."""

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
        """From the proxy's thread."""
        if self.step.stop == "cancelled while bytes arrive" and self._loop is not None:
            with suppress(RuntimeError):  # it is closed
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


def run(stage: Stage, zygote: Zygote, session: SetSession, folder: Path) -> None:
    watched = WatchedSet.of(stage, folder, session.jobs)
    before: set[str] = set()
    for step in session.tries:
        stopper = _Stopper(step)
        hooks: list[tuple[int, Callable[[], object]]] = []
        if step.death.kind == "by the proxy":
            hooks.append((step.death.at, zygote.kill))
        if "bytes" in step.stop:
            hooks.append((step.at, stopper.on_bytes))
        if step.call.mode == "redirect":
            stage.storage.play(step.faults, hooks=hooks)
            stage.api.play(step.api_faults)
        else:
            stage.api.play([*step.api_faults, *step.faults], hooks=hooks)
        _in_a_child(stage, zygote, step, watched) if step.stop == "killed" else _here(stage, step, watched, stopper)
        stage.calm()
        stage.check_nothing_leaks()
        after = watched.check_in_the_middle()
        assert after >= before, "a file that was there is gone"
        before = after
    _last(stage, session.last, watched)


def _in_a_child(stage: Stage, zygote: Zygote, step: Try, watched: WatchedSet) -> None:
    zygote.start_set(step.call, stage.account, watched.ids, watched.folder, death=step.death)
    outcome = zygote.outcome()
    if outcome.killed:
        DOWNLOADS.injected[f"killed {step.death.kind}"] += 1
    DOWNLOADS.outcomes["killed" if outcome.killed else f"report with {'some' if outcome.errors else 'no'} errors"] += 1
    assert not outcome.error, outcome.error


def _here(stage: Stage, step: Try, watched: WatchedSet, stopper: _Stopper) -> None:
    allowed = (InjectedError, KeyboardInterrupt, asyncio.CancelledError) if step.stop != "none" else ()
    try:
        report = carry_out_set(
            step.call, stage.account, watched.ids, watched.folder,
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
    assert report.files.keys() == watched.whole()
    assert all(found.sha256 == watched.results[job_id].sha256 for job_id, found in report.files.items())


def _last(stage: Stage, call: SetCall, watched: WatchedSet) -> None:
    whole, kept = watched.whole(), watched.kept()
    stage.sandbox.forget_requests()
    report = carry_out_set(call, stage.account, watched.ids, watched.folder)
    stage.check_nothing_leaks()
    assert report.is_complete, report.errors
    watched.check_end({job_id: str(found.sha256) for job_id, found in report.files.items()})
    asked = "".join(request.path for request in stage.sandbox.requests)
    assert not any(job_id in asked for job_id in whole), "asked for what was there"
    if call.mode == "redirect":
        assert {job_id: report.files[job_id].resumed_from for job_id in kept} == kept, "more, or less, than the rest"


@pytest.mark.parametrize(("killed", "share"), [(False, 0.2), (True, 0.14)], ids=["stopped", "killed"])
def test_whatever_happens_it_ends_the_same(
    share: float, stage: Stage, zygote: Zygote, tmp_path: Path, examples: Callable[[float], int], *, killed: bool
) -> None:
    @SETTINGS(max_examples=examples(share))
    @given(session=sessions(killed=killed))
    def campaign(session: SetSession) -> None:
        with stage.session(f"sets {'killed' if killed else 'stopped'}", session, tmp_path) as folder:
            run(stage, zygote, session, folder)

    campaign()


def _moment(rng: random.Random, files: float) -> Death:
    """Roughly so many files later."""
    times = {"send": 2, "link": 1, "fsync": 2, "pwrite": 1, "unlink": 4}  # a file
    function = rng.choice([*times, *times, "by the proxy"])
    if function == "by the proxy":
        return Death("by the proxy", at=round(files * 20_000))
    return Death(rng.choice(_AROUND), at=max(1, round(files * times[function])), function=function)


def test_five_hundred_jobs_killed_twenty_times(stage: Stage, zygote: Zygote, tmp_path: Path) -> None:
    rng = random.Random(20)  # noqa: S311 - no secret
    jobs = [
        (rng.randrange(100_000, 400_000) if number % 20 == 0 else rng.randrange(20_000), rng.choice((0.0, 0.5, 2.0)))
        for number in range(_JOBS)
    ]
    watched = WatchedSet.of(stage, tmp_path / "reports", jobs)
    stage.calm()
    stage.sandbox.forget_requests()
    at_each: list[int] = []
    with DOWNLOADS.session("500 jobs"):
        for number in range(_KILLS):
            left = _JOBS - len(watched.whole())
            death = _moment(rng, rng.uniform(0, 1.6) * left / (_KILLS - number + 1))
            stage.storage.play(hooks=[(death.at, zygote.kill)] if death.kind == "by the proxy" else ())
            call = SetCall(KINDS[number % 2], concurrency=rng.randint(1, 8), connections=rng.choice((1, 1, 4)))
            zygote.start_set(call, stage.account, watched.ids, watched.folder, death=death)
            assert zygote.outcome().killed, f"{death} was too late, after {at_each}"
            DOWNLOADS.injected[f"killed {death.kind}"] += 1
            at_each.append(len(watched.check_in_the_middle()))
        stage.calm()
        zygote.start_set(SetCall("blocking"), stage.account, watched.ids, watched.folder)
        outcome = zygote.outcome()
        assert (outcome.error, outcome.errors) == ("", [])
        watched.check_end(outcome.digests)
    stage.check_nothing_leaks()
    asked = stage.sandbox.requests
    DOWNLOADS.figures.append(
        f"{_JOBS} jobs in one folder: killed {len(at_each)} times, with {', '.join(map(str, at_each))} files there; "
        f"{len(watched.whole())} right files in the end, no other name; "
        f"{sum(request.origin == 'api' for request in asked)} requests to the API, "
        f"{sum(request.origin == 'storage' for request in asked)} to the storage"
    )
