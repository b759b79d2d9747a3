"""Strategies for the sessions of the download campaign."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal, TypeAlias

from attrs import evolve, frozen
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.faults.harness import HASTY_SECONDS, Call, ClientKind
from tests.support.fault_proxy import Break, Fault, Lie

SETTINGS: Final = partial(
    settings, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck), print_blob=False
)
MIB: Final = 1024 * 1024
_EDGES: Final = (
    0, 1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, MIB, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1,
    4 * MIB + 65_535, 4 * MIB + 65_537, 4 * MIB + 262_145, 5 * MIB, 8 * MIB + 1, 12 * MIB,
)  # fmt: skip

InterruptionKind: TypeAlias = Literal[
    "none", "callback raises", "Ctrl-C in callback", "cancelled in callback", "cancelled twice in callback",
    "cancelled after turns", "cancelled twice after turns", "cancelled while bytes arrive",
]  # fmt: skip


@frozen
class Interruption:
    """How the test itself ends a call: at so many bytes, or after so many turns of the event loop."""

    kind: InterruptionKind = "none"
    at: int = 0


@frozen
class Try:
    """A call, the faults of its connections, and how it is interrupted."""

    call: Call
    faults: tuple[Fault, ...] = ()
    api_faults: tuple[Fault, ...] = ()
    interruption: Interruption = Interruption()
    replaced_at: int | None = None
    replaced_by: int = 0


@frozen
class Session:
    """Calls in sequence; the last one meets no fault.

    Attributes:
        lies: What the storage states wrongly in every response.
    """

    size: int
    mode: Literal["redirect", "stream"]
    overwrite: bool
    lies: tuple[Lie, ...]
    tries: tuple[Try, ...]
    last: Call

    @property
    def has_tags(self) -> bool:
        """Whether versions of the same size differ in their entity tags."""
        return "no tag" not in {*self.lies, *(fault.lie for step in self.tries for fault in step.faults)}


def sizes() -> st.SearchStrategy[int]:
    small = st.integers(0, 600_000)
    return st.one_of(st.sampled_from(_EDGES), small, st.integers(0, 12 * MIB), st.sampled_from(_EDGES))


def positions(size: int) -> st.SearchStrategy[int]:
    edges = [edge for edge in _EDGES if edge <= size]
    near_the_end = st.integers(max(0, size - 70_000), size)
    return st.one_of(st.integers(0, size), st.sampled_from(edges), near_the_end, st.integers(0, min(size, 70_000)))


_BREAKS: Final[tuple[Break, ...]] = ("cut", "reset", "half-close", "trickle", "delay", "pause", "garbage")
_LIES: Final[tuple[Lie, ...]] = (
    "403", "403", "404", "500", "503", "503", "416", "no ranges", "range of another place", "range without total",
    "range unreadable", "shorter range", "weak tag", "no tag",
)  # fmt: skip


def faults(
    size: int, *, breaks: tuple[Break, ...] = _BREAKS, lies: tuple[Lie, ...] = _LIES
) -> st.SearchStrategy[Fault]:
    in_body = st.builds(Fault, kind=st.sampled_from(breaks), after=positions(size))
    in_head = st.builds(
        Fault, kind=st.sampled_from(breaks), in_body=st.sampled_from([False]), after=st.integers(0, 400)
    )
    lie = st.builds(Fault, lie=st.sampled_from(lies))
    both = st.builds(Fault, kind=st.sampled_from(breaks), after=positions(size), lie=st.sampled_from(lies))
    return st.one_of(in_body, in_body, in_head, lie, both)


KINDS: Final[tuple[ClientKind, ...]] = ("blocking", "asynchronous", "custom httpx clients")


def calls(mode: Literal["redirect", "stream"], *, overwrite: bool) -> st.SearchStrategy[Call]:
    return st.builds(
        Call,
        kind=st.sampled_from((*KINDS[:2], *KINDS)),
        connections=st.sampled_from((None, 1, 2, 4, 8)),
        mode=st.just(mode),
        overwrite=st.just(overwrite),
        resume=st.sampled_from((True, True, True, True, False)),
        digest=st.sampled_from((True, True, False)),
        tries=st.integers(1, 4),
    )


def interruptions(call: Call, size: int) -> st.SearchStrategy[Interruption]:
    at_bytes: tuple[InterruptionKind, ...] = ("callback raises", "Ctrl-C in callback")
    if call.kind == "blocking":
        return st.builds(Interruption, kind=st.sampled_from(at_bytes), at=positions(size))
    at_bytes = (
        "callback raises",
        "cancelled in callback",
        "cancelled twice in callback",
        "cancelled while bytes arrive",
    )
    turns: tuple[InterruptionKind, ...] = ("cancelled after turns", "cancelled twice after turns")
    return st.one_of(
        st.builds(Interruption, kind=st.sampled_from(at_bytes), at=positions(size)),
        st.builds(Interruption, kind=st.sampled_from(turns), at=st.integers(0, 40)),
    )


@st.composite
def tries(draw: st.DrawFn, size: int, mode: Literal["redirect", "stream"], *, overwrite: bool) -> Try:
    call = draw(calls(mode, overwrite=overwrite))
    script = draw(st.lists(faults(size), max_size=6))
    if draw(st.integers(0, 9)) == 0:  # rare, because it takes a fifth of a second
        # A pause continues after the client has timed out; a stall never does.
        silence = draw(st.sampled_from((Fault("stall"), Fault("pause", seconds=2 * HASTY_SECONDS))))
        script.insert(draw(st.integers(0, len(script))), evolve(silence, after=draw(positions(size))))
        call = evolve(call, hasty=True)
    api = draw(st.lists(faults(400, breaks=("cut", "reset", "half-close"), lies=("503",)), max_size=2))
    replaced_at = draw(positions(size)) if draw(st.integers(0, 7)) == 0 else None
    return Try(
        call=call,
        faults=tuple(script),
        api_faults=tuple(api) if draw(st.integers(0, 4)) == 0 else (),
        interruption=draw(interruptions(call, size)) if draw(st.integers(0, 2)) == 0 else Interruption(),
        replaced_at=replaced_at,
        replaced_by=draw(st.just(size) | sizes()) if replaced_at is not None else 0,
    )


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    size = draw(sizes())
    mode: Literal["redirect", "stream"] = draw(st.sampled_from(("redirect", "redirect", "redirect", "stream")))
    overwrite = draw(st.booleans())
    lies: tuple[Lie, ...] = draw(
        st.sampled_from(((), (), (), (), ("weak tag",), ("no tag",), ("no ranges",), ("no ranges", "weak tag")))
    )
    last = draw(calls(mode, overwrite=overwrite))
    return Session(
        size=size,
        mode=mode,
        overwrite=overwrite,
        lies=lies,
        tries=tuple(draw(st.lists(tries(size, mode, overwrite=overwrite), min_size=1, max_size=4))),
        # One try is enough unless the result has changed or the storage serves no ranges.
        last=evolve(last, resume=True, tries=3),
    )
