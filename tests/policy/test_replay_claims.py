"""Which replay a new job belongs to, in every order of events."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
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
    """The replays of one process; the test decides when they begin and end."""

    claims: ReplayClaims = field(factory=ReplayClaims)
    clock: float = 0.0
    exits: dict[int, ExitStack] = field(factory=dict)

    def begin(self, source: str, *, lost: bool = True, kind: Any = KIND) -> ReplayAttempt:
        stack = ExitStack()
        attempt = stack.enter_context(self.claims.attempt(source, now=lambda: self.clock))
        attempt.is_lost, attempt.kind = lost, kind
        self.exits[attempt.number] = stack
        return attempt

    def end(self, attempt: ReplayAttempt, error: BaseException | None = None) -> None:
        kind = None if error is None else type(error)
        self.exits.pop(attempt.number).__exit__(kind, error, None)

    def claim(self, attempt: ReplayAttempt, *names: str) -> str | None:
        found, _ = self.claims.claim(attempt, [job(name) for name in names], now=self.clock)
        return None if found is None else found.id


def test_a_recorded_job_is_not_a_candidate() -> None:
    process = Process()
    process.claims.record(job("answered"))
    attempt = process.begin(A)
    assert process.claim(attempt, "answered") is None
    assert process.claim(attempt, "new", "answered") == "new"


def test_two_lost_replays_never_claim_the_same_job() -> None:
    process = Process()
    first, second = process.begin(A), process.begin(A)
    assert process.claim(first, "new") == "new"
    assert process.claim(second, "new") is None


def test_two_replays_of_one_job_claim_one_new_job_each() -> None:
    process = Process()
    first, second = process.begin(A), process.begin(A)
    assert {process.claim(first, "new", "newer"), process.claim(second, "new", "newer")} == {"new", "newer"}
    assert process.claim(second, "new", "newer", "newest") == "newest"


# A replay in place


NOON = datetime(2026, 5, 29, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run_of(source: str, *, created: datetime = NOON - MINUTE) -> Job:
    return Job(id=source, status="RUNNING", created_date=created)


def test_a_run_is_claimed_once() -> None:
    process = Process()
    first, second = process.begin(A), process.begin(A)
    assert process.claims.claim_rerun(first, run_of(A), begun=NOON)
    assert not process.claims.claim_rerun(second, run_of(A.upper()), begun=NOON)


def test_a_run_is_claimed_once_also_if_a_response_named_it() -> None:
    process = Process()
    process.claims.record(run_of(A), begun=NOON)
    assert not process.claims.claim_rerun(process.begin(A), run_of(A), begun=NOON, ends=[NOON - MINUTE])


def test_no_run_is_claimed_while_another_replay_of_the_job_may_still_be_answered() -> None:
    process = Process()
    lost, other = process.begin(A), process.begin(A, lost=False)
    assert not process.claims.claim_rerun(lost, run_of(A), begun=NOON)
    process.end(other)
    assert process.claims.claim_rerun(lost, run_of(A), begun=NOON)
    assert process.claims.claim_rerun(process.begin(B), run_of(B), begun=NOON), "of another job"


@pytest.mark.parametrize(
    ("created", "ends", "is_new"),
    [
        (NOON - MINUTE, [], False),
        (NOON - MINUTE, [NOON - MINUTE, NOON], False),  # the end of a run before the claimed one
        (NOON - MINUTE, [NOON - MINUTE, NOON + MINUTE], True),  # of the claimed one
        (NOON + MINUTE, [], True),  # the server has set a new date of creation
    ],
)
def test_a_later_run_is_claimed_if_the_claimed_one_has_certainly_ended(
    created: datetime, ends: list[datetime], *, is_new: bool
) -> None:
    process = Process()
    assert process.claims.claim_rerun(process.begin(A), run_of(A), begun=NOON)
    later = process.begin(A)
    assert process.claims.claim_rerun(later, run_of(A, created=created), begun=NOON + MINUTE, ends=ends) == is_new


# A new job


def test_with_more_new_jobs_than_replays_none_is_claimed() -> None:
    process = Process()
    attempt = process.begin(A)
    assert process.claim(attempt, "new", "newer") is None


def test_nothing_is_claimed_while_another_replay_may_still_be_answered() -> None:
    process = Process()
    lost, waiting = process.begin(A), process.begin(A, lost=False, kind=None)
    assert process.claim(lost, "new") is None
    process.claims.record(job("new"))
    process.end(waiting)
    assert process.claim(lost, "new") is None
    assert process.claim(lost, "newer", "new") == "newer"


def test_a_replay_that_was_never_sent_is_not_a_rival() -> None:
    process = Process()
    lost, refused = process.begin(A), process.begin(B, lost=False, kind=None)
    assert process.claim(lost, "new") is None
    process.end(refused, TransportError("it never left", request_sent=False))
    assert process.claim(lost, "new") == "new"


def test_a_replay_that_began_after_the_job_was_seen_is_not_a_rival() -> None:
    process = Process()
    lost, rival = process.begin(A), process.begin(B, lost=False)
    assert process.claim(lost, "new") is None
    process.begin(B, lost=False, kind=None)
    process.end(rival, TransportError("it never left", request_sent=False))
    assert process.claim(lost, "new") == "new"


@pytest.mark.parametrize(("kind", "taken"), [(KIND, None), (None, None), (OTHER_KIND, "new")])
def test_a_lost_replay_of_another_job_is_a_rival_unless_its_kind_differs(kind: Any, taken: str | None) -> None:
    process = Process()
    lost, _ = process.begin(A), process.begin(B, kind=kind)
    assert process.claim(lost, "new") == taken


@pytest.mark.parametrize("error", [ReplayUncertainError(B), KeyboardInterrupt()], ids=repr)
def test_an_unresolved_replay_stays_a_rival_for_five_minutes(error: BaseException) -> None:
    process = Process()
    unresolved = process.begin(B)
    process.end(unresolved, error)
    lost = process.begin(A)
    assert process.claim(lost, "new") is None
    process.clock = 300.0
    assert process.claim(lost, "new") == "new"


def test_an_unresolved_replay_of_the_same_job_is_not_a_rival() -> None:
    process = Process()
    process.end(process.begin(A), ReplayUncertainError(A))
    process.end(process.begin(A, lost=False), KeyboardInterrupt())
    attempt = process.begin(A)
    assert process.claim(attempt, "new", "newer") is None, "it does not add a job that may be claimed"
    assert process.claim(attempt, "new") == "new"


def test_claims_take_bounded_memory() -> None:
    process = Process()
    for number in range(5000):
        process.claims.record(job(str(number)))
        process.end(process.begin(B), ReplayUncertainError(B))
    assert process.claim(process.begin(A), "new") is None
    assert len(process.claims._claimed) <= 4096
    assert len(process.claims._unresolved) <= 256


FATES = ("answered", "lost", "never arrived", "refused")


@given(
    st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from(FATES)), min_size=1, max_size=6),
    st.data(),
)
def test_in_any_order_of_events_no_job_is_claimed_twice_or_by_a_replay_of_another_job(
    plan: list[tuple[str, str]], data: st.DataObject
) -> None:
    process = Process()
    listed: dict[str, str] = {}  # the jobs in the list, with their true sources
    claimed: list[str] = []
    steps = [[name, source, fate, 0, None] for name, (source, fate) in enumerate(plan)]
    while steps:
        step: Any = data.draw(st.sampled_from(steps))
        name, source, fate, stage, attempt = step
        step[3] += 1
        if stage == 0:
            step[4] = process.begin(source, lost=False, kind=None)
        elif stage == 1 and fate in {"answered", "lost"}:
            listed[f"job {name}"] = source  # the server created the job
        elif fate == "answered":
            process.claims.record(job(f"job {name}"))
            claimed.append(f"job {name}")
            process.end(attempt)
            steps.remove(step)
        elif fate == "refused":
            process.end(attempt, TransportError("it never left", request_sent=False))
            steps.remove(step)
        elif stage < 5:  # its response is lost, so it reads the list
            attempt.is_lost, attempt.kind = True, KIND
            if found := process.claim(attempt, *reversed(listed)):
                assert listed[found] == source
                claimed.append(found)
                process.end(attempt)
                steps.remove(step)
        elif attempt is not None:
            process.end(attempt, ReplayUncertainError(source))
            steps.remove(step)
    assert len(set(claimed)) == len(claimed)
