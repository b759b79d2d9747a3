"""What was measured, as text, as rows with verdicts, and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import asdict
from impact_jobs._policy.polling import Polling
from impact_jobs.models import Job, JobStatus

from tests.benchmarks.rows import Row
from tests.benchmarks.waiting import oracle
from tests.benchmarks.waiting.lives import KINDS, MEDIAN, SEED, SPREAD, lives
from tests.benchmarks.waiting.measured import (
    DEFAULT,
    WORSE_THAN_THE_ORACLE,
    Measured,
    Pair,
    ask_the_oracle,
    measure,
)
from tests.benchmarks.waiting.schedules import PEERS, ours
from tests.benchmarks.waiting.simulate import Figures, Outcome, figures, live

_ALL_AND_EACH = (None, *KINDS)
_HEAD = f"{'':<34} {'requests':>8} {'late s':>8} {'p95':>8} {'late/length':>12} {'p95':>8}"


def run(count: int) -> list[Row]:
    """Simulate that many jobs and print all figures."""
    measured = measure(lives(count))
    sys.stdout.write(f"{text(measured)}\n{more(count // 10)}\n\n")
    return rows(measured)


def rows(measured: Measured) -> list[Row]:
    """Compare ours with each other client and with the oracle, on all jobs and on the kind with the worst ratio."""
    return [*_beside_peers(measured), *_beside_the_oracle(measured)]


def _beside_peers(measured: Measured) -> Iterator[Row]:
    for peer in PEERS:
        for what, name in (("late", "lateness"), ("late_p95", "lateness p95")):
            found = {kind: measured.beside(peer, kind, what=what) for kind in _ALL_AND_EACH}
            yield _row(f"{name}, no more requests", found[None], 1.0, peer)
            worst = max(KINDS, key=lambda kind: found[kind].ratio)
            yield _row(f"  class {worst}", found[worst], 1.0 if what == "late" else None, peer)


def _beside_the_oracle(measured: Measured) -> Iterator[Row]:
    for name, knobs in ((f"request_cost={DEFAULT:g}", [DEFAULT]), ("worst request_cost", list(measured.curve))):
        for kinds in ([None], list(KINDS)):
            found = {(knob, kind): measured.beside_the_oracle(knob, kind) for knob in knobs for kind in kinds}
            (knob, kind), pair = max(found.items(), key=lambda item: item[1].ratio)
            what = f"cost, {name}" if kind is None else f"  class {kind}, request_cost={knob:.3g}"
            yield _row(what, pair, WORSE_THAN_THE_ORACLE, "the oracle")


def _row(what: str, pair: Pair, target: float | None, peer: str) -> Row:
    return Row(f"waiting: {what}", pair.ours, pair.theirs, pair.ratio, target, is_floor=False, peer_name=peer)


def text(measured: Measured) -> str:
    """Return every schedule's figures, for all jobs and for each kind."""
    lines: list[str] = []
    for kind in _ALL_AND_EACH:
        lines += [f"\n{kind or 'all lives'}", _HEAD]
        lines += [_line(name, figures(outcomes, kind)) for name, outcomes in _schedules(measured)]
        for peer in PEERS:
            pair = measured.beside(peer, kind)
            verdict = "passes below and left of" if pair.ratio < 1.0 else "MISSES"
            lines.append(
                f"  request_cost={pair.knob:.3g} {verdict} {peer}: {pair.ours:.2f} s late, {pair.theirs:.2f} s"
            )
    return "\n".join(lines)


def more(count: int) -> str:
    """Return further figures, each from that many jobs or a few times more."""
    return "\n".join([*_by_id(count * 10), *_steady(count * 5), *_bounds(count), *_misfits(count), *_history(count)])


def _schedules(measured: Measured) -> Iterator[tuple[str, list[Outcome]]]:
    yield from measured.peers.items()
    for knob, outcomes in measured.curve.items():
        if knob in (0.25, DEFAULT, 4.0, 16.0, 64.0):
            yield f"ours, request_cost={knob:g}{' (default)' if knob == DEFAULT else ''}", outcomes
    yield f"the oracle, request_cost={DEFAULT:g}", measured.oracle[DEFAULT]


def _line(name: str, found: Figures) -> str:
    return (
        f"{name:<34} {found.requests:>8.2f} {found.late:>8.2f} {found.late_p95:>8.2f} "
        f"{found.share:>12.2f} {found.share_p95:>8.2f}"
    )


def _by_id(count: int) -> Iterator[str]:
    yield f"\nall jobs, if `wait` has only an id and polls at once, so that it needs at least two requests\n{_HEAD}"
    for knob in (DEFAULT, 16.0):
        found = figures(live(lives(count), ours(Polling(request_cost=knob), by_id=True)))
        yield _line(f"ours by id, request_cost={knob:g}", found)


def _steady(count: int) -> Iterator[str]:
    some = [life for life in lives(count) if life.kind == "steady"]
    cost = figures(live(some, ours(Polling()))).cost(DEFAULT)
    bound = oracle.cost_if_known_at_first_poll(
        oracle.log_normal(MEDIAN, SPREAD), request_cost=DEFAULT, minimum=Polling().minimum
    )
    yield f"\nsteady jobs: ours costs {cost:.2f}; knowing the duration from the first poll on, {bound:.2f}"


def _bounds(count: int) -> Iterator[str]:
    long = lives(count, median=3600.0, spread=0.5)
    yield f"\njobs of an hour (spread 0.5), by `maximum`\n{_HEAD}"
    for maximum in (30.0, Polling().maximum, 3600.0):
        yield _line(f"ours, maximum={maximum:g}", figures(live(long, ours(Polling(maximum=maximum)))))


def _misfits(count: int) -> Iterator[str]:
    yield "\njobs that differ from the policy's prior: our cost over that of an oracle that knows their distribution"
    for median in (MEDIAN / 10, MEDIAN, MEDIAN * 10, MEDIAN * 100):
        some = lives(count, median=median)
        cost = figures(live(some, ours(Polling()))).cost(DEFAULT)
        best = figures(ask_the_oracle(some, Polling(), median=median, spread=SPREAD)).cost(DEFAULT)
        yield f"  median {median:g} s: {cost / best:.2f}"


def _history(count: int) -> Iterator[str]:
    median, spread = 120.0, 0.3
    some = [life for life in lives(count * 4, median=median, spread=spread) if life.kind in ("jumps", "silent")]
    past = lives(50, seed=SEED + 1, median=median, spread=spread)
    learned = Polling(history=[finished(life.seconds) for life in past])
    yield f"\njobs of one type that show no progress and take {median:g} s (spread {spread:g})\n{_HEAD}"
    yield _line("ours, without history", figures(live(some, ours(Polling()))))
    yield _line("ours, 50 of them in the history", figures(live(some, ours(learned))))
    yield _line("the oracle", figures(ask_the_oracle(some, Polling(), median=median, spread=spread)))


def finished(seconds: float) -> Job:
    """Return a completed job of the simulated type that took that long."""
    begun = datetime(2026, 5, 29, tzinfo=UTC)
    return Job(
        id="past",
        type="Export",
        status=JobStatus.COMPLETED,
        created_date=begun,
        completed_date=begun + timedelta(seconds=round(seconds)),  # as the server rounds
    )


def as_json(measured: Measured, count: int) -> dict[str, Any]:
    """Return all figures as JSON values."""
    named = {
        **measured.peers,
        **{f"ours, request_cost={knob:g}": outcomes for knob, outcomes in measured.curve.items()},
        **{f"oracle, request_cost={knob:g}": outcomes for knob, outcomes in measured.oracle.items()},
    }
    return {
        "lives": {"seed": SEED, "count": count, "median": MEDIAN, "spread": SPREAD, "kinds": KINDS},
        "figures": {
            name: {kind or "all": asdict(figures(outcomes, kind)) for kind in _ALL_AND_EACH}
            for name, outcomes in named.items()
        },
    }
