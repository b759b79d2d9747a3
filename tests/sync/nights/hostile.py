"""Nights on which runs are killed or at once, the clock is wrong, and a window fails: the same files in the end."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field
from impact_jobs.sandbox import Sandbox

from tests.sync.nights.expected import Window, window_of
from tests.sync.nights.night import AccountNight, files_of, look_at
from tests.sync.nights.quiet import limits_broken
from tests.sync.nights.runner import Outcome, Run, Runner
from tests.sync.nights.world import DAY, Settings, World, world

_FAILING_NIGHTS: Final = range(2, 5)  # from 2026-05-31
_FAILING: Final = "/actions/2026-05-01."
_MOST_STEPS: Final = 900
_SET_BACK: Final = (0.3 * DAY, 2 * DAY, 45 * DAY)


@define
class Hostilities:
    """What has happened.

    Attributes:
        killed: Runs that have killed themselves.
        ended: Runs that were to be killed and ended before.
        at_once: Second runs, by how they ended.
        set_back: Runs whose clock was behind.
        failures: Errors of the window that fails, by the night.
    """

    killed: int = 0
    ended: int = 0
    at_once: Counter[str] = field(factory=Counter)
    set_back: int = 0
    failures: Counter[int] = field(factory=Counter)


@define(kw_only=True)
class HostileNights:
    """Nights with some kills each."""

    world: World
    runner: Runner
    kills: int
    seen: Hostilities = field(factory=Hostilities)
    _random: random.Random = field(init=False)
    _failing: set[Window] = field(factory=set, init=False)
    _failed: set[Window] = field(factory=set, init=False)  # so far

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.world.settings.seed)  # noqa: S311 - a seeded test

    def all(self) -> list[AccountNight]:
        """Run the plan on each night until a run ends, and return what each account was asked for."""
        return [row for number in range(self.world.settings.nights) for row in self._night(number)]

    def _night(self, number: int) -> list[AccountNight]:
        since = self.world.begin_night(number)
        self._fail_window(number)
        nights = self.world.settings.nights
        for _ in range(self.kills * (number + 1) // nights - self.kills * number // nights):
            self._kill_one()
        if number % 3 == 1:
            self._set_back(number)
        outcomes = self._run(Run(), Run()) if number % 2 else self._run(Run())
        if len(outcomes) > 1:
            self.seen.at_once.update(map(_kind, outcomes))
            outcomes = self._run(Run())
        (outcome,) = outcomes
        return [self._row(number, name, since=since, outcome=outcome) for name in self.world.settings.names]

    def _run(self, *runs: Run) -> list[Outcome]:
        world = self.world
        return self.runner.run(world.path, world.credentials(), world.clock.path, *runs)

    def _kill_one(self) -> None:
        """Kill a run before a step; the early ones, where little is asked for, are as likely as the later ones."""
        step = round(_MOST_STEPS ** self._random.random())
        (outcome,) = self._run(Run(kill_at=step))
        assert not outcome.error, outcome
        self.seen.killed += outcome.killed
        self.seen.ended += not outcome.killed

    def _set_back(self, number: int) -> None:
        (outcome,) = self._run(Run(behind=_SET_BACK[number // 3 % len(_SET_BACK)]))
        assert not outcome.error, outcome
        self.seen.set_back += 1

    def _fail_window(self, number: int) -> None:
        """Let a month of each account fail on some nights; it ends later on each of them, or has failed before."""
        self._failing = set()
        if number in _FAILING_NIGHTS:
            files = files_of(self.world, self.world.settings.names[0])
            self._failing = {window_of(file) for file in files if _FAILING in str(file.path)}
            self._failed |= self._failing
        for sandbox in self.world.sandboxes.values():
            _let_fail(sandbox, {(report_id, start) for report_id, start, _ in self._failing})

    def _row(self, number: int, name: str, *, since: datetime, outcome: Outcome) -> AccountNight:
        windows = {str(file.path): window_of(file) for file in files_of(self.world, name)}
        failing = {windows[path] for path in outcome.failed if path in windows}
        left = {windows[path] for path in outcome.left if path in windows}
        self.seen.failures[number + 1] += len(failing)
        row = look_at(self.world, number, name, since=since, spared=failing | left, repeated=self._failed)
        problems = limits_broken(row, self.world.settings)
        if outcome.error or not failing <= self._failing:
            problems.append(f"failed {outcome.failed}, raised {outcome.error}")
        if left and row.sends < self.world.settings.exports_a_day:
            problems.append(f"left {len(left)} files although exports are left")
        return evolve(row, problems=(*row.problems, *problems))


def _kind(outcome: Outcome) -> str:
    errors = {error.partition(":")[0] for error in outcome.failed.values()}
    return outcome.error or ", ".join(sorted(errors)) or "made all files"


def _let_fail(sandbox: Sandbox, failing: set[tuple[str, date]]) -> None:
    """Let the jobs of these windows fail, those of replays too."""
    store: Any = sandbox._state.store
    put = type(store).put

    def put_failing(job: Any) -> Any:
        fails = (job.result.data.report_id, job.result.data.start.date()) in failing
        return put(store, evolve(job, final_status="FAILED", message="Out of memory") if fails else job)

    store.put = put_failing


def simulate(settings: Settings, folder: Path, *, kills: int) -> tuple[list[AccountNight], Hostilities]:
    """Run the plan on each night, with so many kills in all."""
    # Jobs end at once, because the waits of one account would let the time of the others pass.
    with world(evolve(settings, job_seconds=0), folder) as made, Runner() as runner:
        nights = HostileNights(world=made, runner=runner, kills=kills)
        return nights.all(), nights.seen
