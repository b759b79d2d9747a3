"""The figures of a run, for people."""

from __future__ import annotations

from collections.abc import Iterator

from tests.airflow.cluster.metadata import Stretch, most_at_once
from tests.airflow.cluster.outcome import Outcome

_OWN_ENDS = frozenset({"deferred", "success"})


def own_stretches(outcome: Outcome) -> list[Stretch]:
    """Return the times in which tasks held a slot until they gave it back themselves."""
    return [each for each in outcome.stretches if each.next_state in _OWN_ENDS]


def held_while_running(outcome: Outcome, stretch: Stretch) -> float:
    """Return for how many seconds a task held its slot while its job ran."""
    created, ended = outcome.spans[stretch.map_index]
    return max(0.0, min(stretch.end.timestamp(), ended) - max(stretch.start.timestamp(), created))


def rows(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Give each figure with its title."""
    plan, own = outcome.plan, own_stretches(outcome)
    cut = [each for each in outcome.stretches if each.next_state not in _OWN_ENDS]
    lengths = sorted((each.end - each.start).total_seconds() for each in own)
    jobs = sum(outcome.jobs)
    naive_seconds = sum((each.end - each.start).total_seconds() for each in outcome.naive_stretches)
    yield "exports: accounts x windows, seconds of a job", f"{plan.accounts} x {plan.windows}, {plan.job_seconds:.0f} s"
    for moment, second in outcome.killed:
        yield f"killed: {moment}", f"after {second:.0f} s"
    yield "objects in the store that are right", f"{len(outcome.found.items() & outcome.expected.items())}"
    yield "jobs at the servers", f"{jobs}"
    yield "results in XCom, and asset events", f"{outcome.results}, {len(outcome.events)}"
    yield "tasks by number of tries", ", ".join(f"{n} with {tries}" for tries, n in sorted(outcome.tries.items()))
    yield "slots held at once, at most", f"{most_at_once(outcome.stretches)}"
    longest = max(held_while_running(outcome, each) for each in own)
    yield "longest time a slot was held while its job ran", f"{longest:.1f} s"
    yield "time a slot was held: median, longest", f"{lengths[len(lengths) // 2]:.1f} s, {lengths[-1]:.1f} s"
    held = ", ".join(f"{(each.end - each.start).total_seconds():.0f} s" for each in cut) or "none"
    yield "slots that a killed worker held until Airflow noticed", held
    yield "slot seconds for each job", f"{sum(lengths) / jobs:.1f} s"
    yield "slot seconds for each job, naive DAG", f"{naive_seconds / plan.naive_jobs:.1f} s"
    yield "API requests for each job", f"{sum(outcome.requests) / jobs:.2f}"
    yield "API requests for each job, naive DAG", f"{outcome.naive_requests / plan.naive_jobs:.2f}"
    yield "API requests of each account, of 1000 an hour", ", ".join(map(str, outcome.requests))
    yield "requests by kind", ", ".join(f"{number} {kind}" for kind, number in sorted(outcome.kinds.items()))
    planned = outcome.planned
    yield (
        "the DAG from a plan: files that are right, jobs",
        f"{len(planned.found.items() & planned.expected.items())}, {planned.jobs[-1]}",
    )
    yield "requests of its second run, and of `impact-jobs sync` after it", ", ".join(map(str, planned.requests))
    for part, seconds in outcome.seconds.items():
        yield f"time: {part}", f"{seconds:.0f} s"
    yield "time: in all", f"{sum(outcome.seconds.values()):.0f} s"
