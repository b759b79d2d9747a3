"""`kill -9` at any moment: nothing wrong under the name, no lie in the journal, and the next call goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import DestinationExistsError

from tests.faults.forkserver import SYSTEM_CALLS, Death, DeathKind, Zygote
from tests.faults.harness import Call, Stage, Watched, carry_out, rest
from tests.faults.sessions import SETTINGS, calls, faults, positions, sizes
from tests.support.fault_proxy import Break, Fault
from tests.support.tally import DOWNLOADS

_BREAKS: Final[tuple[Break, ...]] = ("cut", "reset", "trickle", "delay")


@frozen
class Kills:
    """Downloads in children, each to be killed, and one here that is not."""

    size: int
    overwrite: bool
    children: tuple[tuple[Call, Death, tuple[Fault, ...]], ...]
    replaced_by: int | None
    last: Call


def deaths(size: int) -> st.SearchStrategy[Death]:
    return st.one_of(
        st.builds(Death, kind=st.just("at bytes"), at=positions(size)),
        st.builds(Death, kind=st.just("by the proxy"), at=positions(size)),
        st.builds(
            Death,
            kind=st.sampled_from(("before a system call", "after a system call")),
            at=st.integers(1, 6),
            function=st.sampled_from(SYSTEM_CALLS),
        ),
    )


@st.composite
def kills(draw: st.DrawFn) -> Kills:
    size = draw(sizes())
    mode: Literal["redirect", "stream"] = draw(st.sampled_from(("redirect", "redirect", "redirect", "stream")))
    overwrite = draw(st.booleans())
    call = calls(mode, overwrite=overwrite)
    script = st.lists(faults(size, breaks=_BREAKS, lies=("403", "503")), max_size=3).map(tuple)
    return Kills(
        size=size,
        overwrite=overwrite,
        children=tuple(draw(st.lists(st.tuples(call, deaths(size), script), min_size=1, max_size=3))),
        replaced_by=draw(st.just(size) | sizes()) if draw(st.integers(0, 7)) == 0 else None,
        last=evolve(draw(call), resume=True, tries=3, digest=True),
    )


@pytest.fixture(scope="module")
def zygote(stage: Stage) -> Iterator[Zygote]:
    with Zygote() as zygote:
        stage.take_as_given()
        yield zygote


def run(stage: Stage, zygote: Zygote, session: Kills, folder: Path) -> None:
    watched = Watched(stage, folder, session.size, session.overwrite)
    for call, death, script in session.children:
        proxy = stage.storage if call.mode == "redirect" else stage.api
        proxy.play(script, hooks=[(death.at, zygote.kill)] if death.kind == "by the proxy" else ())
        zygote.start(call, stage.account, watched.job_id, watched.target, death=death)
        outcome = zygote.outcome()
        stage.calm()
        stage.check_nothing_leaks()
        if outcome.killed:
            DOWNLOADS.injected[f"killed {death.kind}"] += 1
        DOWNLOADS.outcomes["killed" if outcome.killed else outcome.error.partition(":")[0] or "success"] += 1
        assert outcome.is_ours, outcome.error
        if watched.is_there:
            _finish(stage, watched, session)
            return
        assert outcome.killed or outcome.error
        watched.check_after_failure(killed=True)
    if session.replaced_by is not None:
        watched.replace(session.replaced_by)
    _go_on(stage, watched, session)


def _finish(stage: Stage, watched: Watched, session: Kills) -> None:
    """It was given its name before, or without, being killed: it is whole, and traces of it end with the next call."""
    (version,) = watched.versions
    if not session.overwrite:
        with pytest.raises(DestinationExistsError):
            _download(stage, watched, session.last)
    done = _download(stage, watched, evolve(session.last, overwrite=True))
    assert done.sha256 == version.sha256
    watched.check_success([version])


def _go_on(stage: Stage, watched: Watched, session: Kills) -> None:
    before, version = watched.noted(), watched.noted_version()
    stage.sandbox.forget_requests()
    done = _download(stage, watched, session.last)
    assert done.sha256 == watched.versions[-1].sha256
    watched.check_success(watched.versions[-1:])
    if before is None or version is not watched.versions[-1] or not watched.kept(before):
        return
    if session.last.mode == "redirect":
        assert done.resumed_from == before.coverage.size
        assert watched.requested() == rest(before.coverage, version.size), "more, or less, than the rest"


def _download(stage: Stage, watched: Watched, call: Call) -> Any:
    done = carry_out(call, stage.account, watched.job_id, watched.target, on_progress=lambda _done, _total: None)
    stage.check_nothing_leaks()
    DOWNLOADS.outcomes["success"] += 1
    return done


def test_whenever_it_is_killed_the_next_call_goes_on(
    stage: Stage, zygote: Zygote, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    @SETTINGS(max_examples=examples(0.14))
    @given(session=kills())
    def campaign(session: Kills) -> None:
        with stage.session("kills", session, tmp_path) as folder:
            run(stage, zygote, session, folder)

    campaign()


_AROUND: Final[tuple[DeathKind, ...]] = ("before a system call", "after a system call")


@pytest.mark.parametrize("function", SYSTEM_CALLS)
def test_it_may_be_killed_around_each_system_call(function: str, stage: Stage, zygote: Zygote, tmp_path: Path) -> None:
    for number, (overwrite, kind) in enumerate(product((False, True), _AROUND)):
        call = Call("blocking", connections=4, overwrite=overwrite)
        death = Death(kind, 1, function)
        session = Kills(size=1_200_000, overwrite=overwrite, children=((call, death, ()),), replaced_by=None, last=call)
        run(stage, zygote, session, tmp_path / str(number))


def test_a_journal_that_was_being_written_does_not_stay(stage: Stage, zygote: Zygote, tmp_path: Path) -> None:
    watched = Watched(stage, tmp_path / "a", 1_200_000)
    zygote.start(
        Call("blocking"),
        stage.account,
        watched.job_id,
        watched.target,
        death=Death("before a system call", 1, "replace"),
    )
    assert zygote.outcome().killed
    assert sorted(path.name for path in watched.folder.iterdir()) == ["report.csv.part", "report.csv.part.json.new"]
    _download(stage, watched, Call("blocking", mode="stream"))  # which knows no versions, and writes no journal
    watched.check_success(watched.versions)
