"""A task that is killed at any point of its scheduling finds its job again, and schedules no second one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import use_clock

from tests.provider.scheduling import Killed, Task, sandbox_of


def fresh(task: Task, sandbox: Sandbox, clock: ImpactClock) -> Callable[..., str]:
    del sandbox, clock
    return task.export


def failed(task: Task, sandbox: Sandbox, clock: ImpactClock) -> Callable[..., str]:
    sandbox.prepare_export(status="FAILED", seconds=5)
    task.export()
    clock.advance(1200)
    return task.export


def old(task: Task, sandbox: Sandbox, clock: ImpactClock) -> Callable[..., str]:
    del sandbox
    task.options["max_age"] = timedelta(0)
    task.export()
    clock.advance(1200)
    task.options["clears"] = 3
    return task.export


def old_and_final(task: Task, sandbox: Sandbox, clock: ImpactClock) -> Callable[..., str]:
    sandbox.prepare_export(replayable=False)
    return old(task, sandbox, clock)


def replay(task: Task, sandbox: Sandbox, clock: ImpactClock) -> Callable[..., str]:
    del clock
    source = sandbox.add_job(age=3600)
    return lambda **options: task.replay(source, **options)


def run(prepare: Any, seed: int, kill_at: int, account: Any) -> tuple[str, int, bool]:
    """Run a task that is killed once; return its job, how many jobs there are, and whether it was killed."""
    clock = ImpactClock()
    with use_clock(clock), sandbox_of(seed, account=account) as sandbox:
        task = Task(sandbox=sandbox)
        schedule = prepare(task, sandbox, clock)
        clock.advance(1)
        try:
            return schedule(kill_at=kill_at), len(sandbox.job_ids), False
        except Killed:
            clock.advance(1)
            return schedule(), len(sandbox.job_ids), True


@pytest.mark.parametrize("account", ["agency", "brand"])
@pytest.mark.parametrize("prepare", [fresh, failed, old, old_and_final, replay])
def test_a_task_that_is_killed_at_any_point_has_the_same_job(prepare: Any, account: Any) -> None:
    job, jobs, _ = run(prepare, 7, 0, account)
    for kill_at in range(1, 100):
        found, count, was_killed = run(prepare, 7, kill_at, account)
        assert (found, count) == (job, jobs), f"killed at point {kill_at}"
        if not was_killed:
            break
    assert kill_at >= (6 if prepare is not old_and_final else 1), "the points of two writes and a request"
