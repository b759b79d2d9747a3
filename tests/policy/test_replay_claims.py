"""Whose a new job is, in every order of events."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs._policy.replay_claims import ReplayAttempt, ReplayClaims
from impact_jobs.errors import ReplayUncertainError, TransportError
from impact_jobs.models import Job

A, B = "source-a", "source-b"
OTHER_KIND = ("ApiReport", "78")


def job(name: str, program: str = "77") -> Job:
    return Job(id=name, status="QUEUED", type="ApiReport", program_id=program, raw={})


KIND = ("ApiReport", "77")


@define
class Process:
    """Calls that begin and end when the test says so."""

    claims: ReplayClaims = field(factory=ReplayClaims)
    clock: float = 0.0
    ways_out: dict[int, ExitStack] = field(factory=dict)

    def begin(self, source: str, *, lost: bool = True, kind: Any = KIND) -> ReplayAttempt:
        way_out = ExitStack()
        attempt = way_out.enter_context(self.claims.attempt(source, now=lambda: self.clock))
        attempt.is_lost, attempt.kind = lost, kind
        self.ways_out[attempt.number] = way_out
        return attempt

    def end(self, attempt: ReplayAttempt, error: BaseException | None = None) -> None:
        kind = None if error is None else type(error)
        self.ways_out.pop(attempt.number).__exit__(kind, error, None)

    def claim(self, attempt: ReplayAttempt, *names: str) -> str | None:
        found, _ = self.claims.claim(attempt, [job(name) for name in names], now=self.clock)
        return None if found is None else found.id


def test_a_job_that_a_call_was_told_is_no_candidate() -> None:
    process = Process()
    process.claims.record(job("told"))
    attempt = process.begin(A)
    assert process.claim(attempt, "told") is None
    assert process.claim(attempt, "new", "told") == "new"


def test_of_two_that_are_lost_only_one_takes_the_only_job() -> None:
    process = Process()
    first, second = process.begin(A), process.begin(A)
    assert process.claim(first, "new") == "new"
    assert process.claim(second, "new") is None


def test_two_that_replay_the_same_job_take_one_each() -> None:
    process = Process()
    first, second = process.begin(A), process.begin(A)
    assert {process.claim(first, "new", "newer"), process.claim(second, "new", "newer")} == {"new", "newer"}
    assert process.claim(second, "new", "newer", "newest") == "newest"


def test_more_jobs_than_calls_are_somebody_else_s_too() -> None:
    process = Process()
    attempt = process.begin(A)
    assert process.claim(attempt, "new", "newer") is None


def test_while_another_may_still_be_answered_nothing_is_taken() -> None:
    process = Process()
    lost, waiting = process.begin(A), process.begin(A, lost=False, kind=None)
    assert process.claim(lost, "new") is None
    process.claims.record(job("new"))
    process.end(waiting)
    assert process.claim(lost, "new") is None
    assert process.claim(lost, "newer", "new") == "newer"


def test_who_was_refused_made_no_job() -> None:
    process = Process()
    lost, refused = process.begin(A), process.begin(B, lost=False, kind=None)
    assert process.claim(lost, "new") is None
    process.end(refused, TransportError("it never left", request_sent=False))
    assert process.claim(lost, "new") == "new"


def test_a_call_that_began_after_a_job_was_seen_did_not_make_it() -> None:
    process = Process()
    lost, rival = process.begin(A), process.begin(B)
    assert process.claim(lost, "new") is None
    process.begin(B, lost=False, kind=None)
    process.end(rival, TransportError("it never left", request_sent=False))
    assert process.claim(lost, "new") == "new"


@pytest.mark.parametrize(("kind", "taken"), [(KIND, None), (None, None), (OTHER_KIND, "new")])
def test_a_lost_replay_of_another_job_is_a_rival_unless_it_is_of_another_kind(kind: Any, taken: str | None) -> None:
    process = Process()
    lost, _ = process.begin(A), process.begin(B, kind=kind)
    assert process.claim(lost, "new") == taken


@pytest.mark.parametrize("error", [ReplayUncertainError(B), KeyboardInterrupt()], ids=repr)
def test_one_that_ended_without_knowing_is_a_rival_for_a_while(error: BaseException) -> None:
    process = Process()
    astray = process.begin(B)
    process.end(astray, error)
    lost = process.begin(A)
    assert process.claim(lost, "new") is None
    process.clock = 300.0
    assert process.claim(lost, "new") == "new"


def test_one_of_the_same_job_that_ended_without_knowing_holds_nobody_up() -> None:
    process = Process()
    process.end(process.begin(A), ReplayUncertainError(A))
    process.end(process.begin(A, lost=False), KeyboardInterrupt())
    attempt = process.begin(A)
    assert process.claim(attempt, "new", "newer") is None, "nor does it lend its claim"
    assert process.claim(attempt, "new") == "new"


def test_it_does_not_grow_without_end() -> None:
    process = Process()
    for number in range(5000):
        process.claims.record(job(str(number)))
        process.end(process.begin(B), ReplayUncertainError(B))
    assert process.claim(process.begin(A), "new") is None
    assert len(process.claims._claimed) <= 4096
    assert len(process.claims._unresolved) <= 256


FATES = ("told", "lost", "never arrived", "refused")


@given(
    st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from(FATES)), min_size=1, max_size=6),
    st.data(),
)
def test_in_whatever_order_no_job_is_taken_twice_nor_by_a_replay_of_another_job(
    planned: list[tuple[str, str]], data: st.DataObject
) -> None:
    process = Process()
    shown: dict[str, str] = {}  # what the list shows, with its true source
    owned: list[str] = []
    steps = [[name, source, fate, 0, None] for name, (source, fate) in enumerate(planned)]
    while steps:
        step: Any = data.draw(st.sampled_from(steps))
        name, source, fate, stage, attempt = step
        step[3] += 1
        if stage == 0:
            step[4] = process.begin(source, lost=False, kind=None)
        elif stage == 1 and fate in {"told", "lost"}:
            shown[f"job {name}"] = source  # carried out
        elif fate == "told":
            process.claims.record(job(f"job {name}"))
            owned.append(f"job {name}")
            process.end(attempt)
            steps.remove(step)
        elif fate == "refused":
            process.end(attempt, TransportError("it never left", request_sent=False))
            steps.remove(step)
        elif stage < 5:  # lost, as far as it can tell: it looks
            attempt.is_lost, attempt.kind = True, KIND
            if found := process.claim(attempt, *reversed(shown)):
                assert shown[found] == source
                owned.append(found)
                process.end(attempt)
                steps.remove(step)
        elif attempt is not None:
            process.end(attempt, ReplayUncertainError(source))
            steps.remove(step)
    assert len(set(owned)) == len(owned)
