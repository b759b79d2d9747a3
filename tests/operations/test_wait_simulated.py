"""The polling policy on a small seeded set of jobs, beside other clients' schedules and the oracle."""

from __future__ import annotations

import random

import pytest
from attrs import evolve
from impact_jobs import Job, Polling
from impact_jobs._api.context import ClientContext
from impact_jobs._api.parsing import parse_job
from impact_jobs._operations.wait import wait
from impact_jobs._transport.base import Request
from impact_jobs._transport.run_sync import run_sync

from tests.benchmarks.waiting.lives import KINDS, Life, lives
from tests.benchmarks.waiting.measured import KNOB, WORSE_THAN_THE_ORACLE, Measured, ask_the_oracle, measure
from tests.benchmarks.waiting.report import finished, more, rows, text
from tests.benchmarks.waiting.schedules import PEERS, ours
from tests.benchmarks.waiting.simulate import figures, live
from tests.support.simulated import JOB_ID, Answer, answer, context, job_json, transport_of


@pytest.fixture(scope="module")
def measured() -> Measured:
    return measure(lives(1500))


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_the_curve_passes_below_and_left_of_each_other_client(measured: Measured, peer: str, kind: str | None) -> None:
    assert measured.beside(peer, kind).ratio < 1.0


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_the_cost_is_within_a_quarter_of_the_oracles(measured: Measured, kind: str | None) -> None:
    assert max(measured.beside_the_oracle(knob, kind).ratio for knob in KNOB) <= WORSE_THAN_THE_ORACLE


def test_the_default_beats_three_other_clients_in_requests_and_lateness(measured: Measured) -> None:
    default = figures(measured.curve[Polling().request_cost])
    for peer in ("boto", "Google", "Databricks"):
        theirs = figures(measured.peers[peer])
        assert default.requests < theirs.requests
        assert default.late < 1.1 * theirs.late


def test_the_knob_trades_requests_against_lateness(measured: Measured) -> None:
    points = [figures(measured.curve[knob]) for knob in KNOB[::4]]
    assert points == sorted(points, key=lambda point: -point.requests)
    assert points == sorted(points, key=lambda point: point.late)


def test_every_row_of_the_report_is_met(measured: Measured) -> None:
    assert {row.verdict for row in rows(measured)} <= {"met", "-"}


def run_wait(life: Life, polling: Polling, *, by_id: bool) -> ClientContext:
    """Run the real `wait` with a virtual clock."""

    def state(at: float) -> dict[str, object]:
        job = life.at(at)
        return job_json(job.status, Type=job.type, PercentageComplete=job.percentage_complete)

    def script(now: float, _: Request) -> Answer:
        return answer(200, state(now - 1000.0))

    simulated = evolve(context(script, polling=polling), random=random.Random(7).random)  # noqa: S311 - a test's jitter
    reference: Job | str = JOB_ID if by_id else parse_job(state(0.0))
    run_sync(wait(simulated, reference, timeout=None, polling=None, on_update=None))
    return simulated


@pytest.mark.parametrize("by_id", [False, True])
def test_the_simulation_polls_at_the_same_moments_as_wait(by_id: bool) -> None:  # noqa: FBT001 - a test parameter
    polling = Polling()
    for life in lives(150):
        transport = transport_of(run_wait(life, polling, by_id=by_id))
        schedule = ours(polling, by_id=by_id)(life, random.Random(7).random)  # noqa: S311 - the same
        moments = [at for at, _ in zip(schedule, transport.asked, strict=False)]
        assert moments == pytest.approx([at - 1000.0 for at, _ in transport.asked])
        assert moments[-1] >= life.seconds > ([-1.0, *moments])[-2]


def test_the_lives_match_the_published_distribution() -> None:
    some = lives(2000)
    assert some == lives(2000)
    assert sorted(life.seconds for life in some)[1000] == pytest.approx(5.0, rel=0.15)
    assert max(life.seconds for life in some) > 3600
    assert {life.kind for life in some} == set(KINDS)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("knob", [1.0, 16.0])
def test_the_oracle_beats_every_fixed_schedule(measured: Measured, peer: str, knob: float) -> None:
    assert figures(measured.oracle[knob]).cost(knob) < figures(measured.peers[peer]).cost(knob)


def test_history_brings_the_cost_near_an_oracle_that_knows_the_type() -> None:
    some = [life for life in lives(1500, median=120.0, spread=0.3) if life.kind in ("jumps", "silent")]
    past = [finished(life.seconds) for life in lives(50, seed=1, median=120.0, spread=0.3)]
    ignorant, learned = (figures(live(some, ours(polling))) for polling in (Polling(), Polling(history=past)))
    best = figures(ask_the_oracle(some, Polling(), median=120.0, spread=0.3))
    assert learned.cost(1.0) < 0.7 * ignorant.cost(1.0)
    assert learned.cost(1.0) <= WORSE_THAN_THE_ORACLE * best.cost(1.0)


def test_the_report_is_written(measured: Measured) -> None:
    assert "passes below and left of Google" in text(measured)
    assert "MISSES" not in text(measured)
    assert "median 50 s" in more(20)
