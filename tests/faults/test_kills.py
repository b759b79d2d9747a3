"""`kill -9` at any moment: the target is never wrong, the journal is true, and the next call resumes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import DestinationExistsError

from tests.faults.download_strategies import SETTINGS, calls, faults, positions, sizes
from tests.faults.forkserver import SYSTEM_CALLS, ForkServer, KillKind, KillPoint
from tests.faults.harness import Call, Harness, WatchedDownload, bytes_to_request, run_download
from tests.support.fault_proxy import Break, Fault
from tests.support.tally import DOWNLOADS

_BREAKS: Final[tuple[Break, ...]] = ("cut", "reset", "trickle", "delay")


@frozen
class KillSession:
    """Downloads in children that are killed, and a last one in this process."""

    size: int
    overwrite: bool
    children: tuple[tuple[Call, KillPoint, tuple[Fault, ...]], ...]
    replaced_by: int | None
    last: Call


def kill_points(size: int) -> st.SearchStrategy[KillPoint]:
    return st.one_of(
        st.builds(KillPoint, kind=st.just("at bytes"), at=positions(size)),
        st.builds(KillPoint, kind=st.just("by the proxy"), at=positions(size)),
        st.builds(
            KillPoint,
            kind=st.sampled_from(("before a system call", "after a system call")),
            at=st.integers(1, 6),
            function=st.sampled_from(SYSTEM_CALLS),
        ),
    )


@st.composite
def kills(draw: st.DrawFn) -> KillSession:
    size = draw(sizes())
    mode: Literal["redirect", "stream"] = draw(st.sampled_from(("redirect", "redirect", "redirect", "stream")))
    overwrite = draw(st.booleans())
    call = calls(mode, overwrite=overwrite)
    script = st.lists(faults(size, breaks=_BREAKS, lies=("403", "503")), max_size=3).map(tuple)
    return KillSession(
        size=size,
        overwrite=overwrite,
        children=tuple(draw(st.lists(st.tuples(call, kill_points(size), script), min_size=1, max_size=3))),
        replaced_by=draw(st.just(size) | sizes()) if draw(st.integers(0, 7)) == 0 else None,
        last=evolve(draw(call), resume=True, tries=3, digest=True),
    )


def run(harness: Harness, fork_server: ForkServer, session: KillSession, folder: Path) -> None:
    watched = WatchedDownload(harness, folder, session.size, session.overwrite)
    for call, kill_point, script in session.children:
        proxy = harness.storage if call.mode == "redirect" else harness.api
        proxy.play(script, hooks=[(kill_point.at, fork_server.kill)] if kill_point.kind == "by the proxy" else ())
        fork_server.start(call, harness.account, watched.job_id, watched.target, kill_point=kill_point)
        outcome = fork_server.outcome()
        harness.clear_faults()
        harness.check_nothing_leaks()
        if outcome.killed:
            DOWNLOADS.injected[f"killed {kill_point.kind}"] += 1
        DOWNLOADS.outcomes["killed" if outcome.killed else outcome.error.partition(":")[0] or "success"] += 1
        assert outcome.is_ours, outcome.error
        if watched.is_published:
            _finish(harness, watched, session)
            return
        assert outcome.killed or outcome.error
        watched.check_after_failure(killed=True)
    if session.replaced_by is not None:
        watched.replace(session.replaced_by)
    _resume(harness, watched, session)


def _finish(harness: Harness, watched: WatchedDownload, session: KillSession) -> None:
    """Check a target that was published before the kill: it is complete, and the next call removes all other files."""
    (version,) = watched.versions
    if not session.overwrite:
        with pytest.raises(DestinationExistsError):
            _download(harness, watched, session.last)
    done = _download(harness, watched, evolve(session.last, overwrite=True))
    assert done.sha256 == version.sha256
    watched.check_success([version])


def _resume(harness: Harness, watched: WatchedDownload, session: KillSession) -> None:
    before, version = watched.load_journal(), watched.journal_version()
    harness.sandbox.forget_requests()
    done = _download(harness, watched, session.last)
    assert done.sha256 == watched.versions[-1].sha256
    watched.check_success(watched.versions[-1:])
    if before is None or version is not watched.versions[-1] or not watched.has_bytes_of(before):
        return
    if session.last.mode == "redirect":
        assert done.resumed_from == before.coverage.size
        assert watched.requested() == bytes_to_request(before.coverage, version.size), "not exactly the missing bytes"


def _download(harness: Harness, watched: WatchedDownload, call: Call) -> Any:
    done = run_download(call, harness.account, watched.job_id, watched.target, on_progress=lambda _done, _total: None)
    harness.check_nothing_leaks()
    DOWNLOADS.outcomes["success"] += 1
    return done


def test_after_a_kill_at_any_moment_the_next_call_resumes(
    harness: Harness, fork_server: ForkServer, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    @SETTINGS(max_examples=examples(0.14))
    @given(session=kills())
    def campaign(session: KillSession) -> None:
        with harness.session("kills", session, tmp_path) as folder:
            run(harness, fork_server, session, folder)

    campaign()


_AROUND: Final[tuple[KillKind, ...]] = ("before a system call", "after a system call")
_COMMITS: Final = ("link", "replace")  # what they do depends on whether the target may be replaced


@pytest.mark.parametrize("function", SYSTEM_CALLS)
def test_after_a_kill_around_each_system_call_the_next_call_resumes(
    function: str, harness: Harness, fork_server: ForkServer, tmp_path: Path
) -> None:
    ways = product((False, True), _AROUND) if function in _COMMITS else zip((False, True), _AROUND, strict=True)
    for number, (overwrite, kind) in enumerate(ways):
        call = Call("blocking", connections=4, overwrite=overwrite)
        kill_point = KillPoint(kind, 1, function)
        session = KillSession(
            size=1_200_000, overwrite=overwrite, children=((call, kill_point, ()),), replaced_by=None, last=call
        )
        run(harness, fork_server, session, tmp_path / str(number))


def test_a_part_without_a_journal_entry_is_started_over(
    harness: Harness, fork_server: ForkServer, tmp_path: Path
) -> None:
    watched = WatchedDownload(harness, tmp_path / "a", 1_200_000)
    kill_point = KillPoint("before a system call", 1, "fdatasync")
    fork_server.start(Call("blocking"), harness.account, watched.job_id, watched.target, kill_point=kill_point)
    assert fork_server.outcome().killed
    assert sorted(path.name for path in watched.folder.iterdir()) == ["report.csv.part", "report.csv.part.json"]
    assert watched.journal.read_bytes() == b""
    _download(harness, watched, Call("blocking", mode="stream"))  # it has no entity tag, so it writes no journal
    watched.check_success(watched.versions)
