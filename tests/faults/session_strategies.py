"""Strategies for whole sessions: sandboxes and jobs, clients, faults, and how calls are ended."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from attrs import frozen
from hypothesis import strategies as st

from tests.faults.actors import NEVER, Settings, Stop
from tests.faults.download_strategies import KINDS
from tests.faults.faults import Fault, all_faults

Mode: TypeAlias = Literal["redirect", "stream"]
State: TypeAlias = Literal["done", "done, not replayable", "done, runs again for a while", "soon", "failed", "stuck"]
_STATES: Final[tuple[State, ...]] = (
    "done", "done", "done", "done, not replayable", "done, runs again for a while", "soon", "soon", "failed", "stuck",
)  # fmt: skip


@frozen
class JobPlan:
    """A job that exists from the start of the session."""

    state: State
    size: int


@frozen
class SandboxOptions:
    """The options of the sandbox."""

    list_shape: Literal["array", "jobs", "pages"]
    page_size: int
    stringly: bool
    checksums: bool


def faults() -> st.SearchStrategy[list[Fault]]:
    pairs = [pair for pair in all_faults() for _ in range(1 if pair[0] == "stall" else 12)]

    @st.composite
    def one(draw: st.DrawFn) -> Fault:
        kind, place = draw(st.sampled_from(pairs))
        slow = {"delay": 0.3, "trickle": 2.4}.get(kind, 0.01)
        seconds = slow if draw(st.integers(0, 19)) == 19 else 0.01
        return Fault(kind, place, at=draw(st.integers(0, 99)) / 100, seconds=seconds)

    return st.lists(one(), min_size=1, max_size=5)


def stops() -> st.SearchStrategy[Stop]:
    some = st.builds(Stop, kind=st.sampled_from(("callback raises", "interrupted")), at=st.integers(0, 40))
    return st.one_of(st.just(NEVER), st.just(NEVER), st.just(NEVER), some)


CLIENT_SETTINGS: Final = st.builds(
    Settings,
    kind=st.sampled_from(KINDS),
    tls=st.booleans(),
    attempts=st.integers(1, 3),
    request_timeout=st.sampled_from((0.15, 0.15, 0.3)),
)
JOB_PLANS: Final = st.builds(
    JobPlan, state=st.sampled_from(_STATES), size=st.sampled_from((0, 1, 70_000)) | st.integers(0, 200_000)
)
SANDBOX_OPTIONS: Final = st.builds(
    SandboxOptions,
    list_shape=st.sampled_from(("array", "jobs", "pages")),
    page_size=st.sampled_from((2, 100)),
    stringly=st.booleans(),
    checksums=st.sampled_from((True, True, False)),
)
INDICES: Final = st.integers(0, 11)
SEVERAL_INDICES: Final = st.lists(INDICES, min_size=1, max_size=4)
MODES: Final[st.SearchStrategy[Mode]] = st.sampled_from(("redirect", "redirect", "stream"))
TIMEOUTS: Final = st.sampled_from((0.0, 0.02, 0.06))
CONNECTIONS: Final = st.sampled_from((None, 1, 3))
