"""Nights on which nothing goes wrong: each asks for the right windows in the right order, within both limits."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from attrs import evolve
from impact_jobs.sync import SyncReport

from tests.sync.nights.expected import Window, needed, window_of
from tests.sync.nights.night import AccountNight, files_of, look_at, made_of
from tests.sync.nights.world import Settings, World, world


def simulate(settings: Settings, folder: Path) -> list[AccountNight]:
    """Run the plan on each night, and return what each account was asked for."""
    with world(settings, folder) as made:
        return [row for number in range(settings.nights) for row in _night(made, number)]


def _night(world: World, number: int) -> list[AccountNight]:
    since = world.begin_night(number)
    due = {name: needed(files_of(world, name), made_of(world, name), since.date()) for name in world.settings.names}
    report = run(world)
    return [_row(world, number, name, since=since, due=due[name], report=report) for name in world.settings.names]


def run(world: World) -> SyncReport:
    """Run the plan with new clients, as each night's process has."""
    with ExitStack() as stack:
        clients = {name: stack.enter_context(each.client()) for name, each in world.sandboxes.items()}
        return world.load().run(clients=clients)


def _row(
    world: World, number: int, name: str, *, since: datetime, due: list[Window], report: SyncReport
) -> AccountNight:
    left = [window_of(file.file) for file in report.left if file.file.account == name]
    row = look_at(world, number, name, since=since, spared=left)
    asked = [each.window for each in row.asked]
    problems = [f"{file.file} has failed: {file.error!r}" for file in report.failed if file.file.account == name]
    if asked != due[: len(asked)]:
        problems.append(f"asked for {asked}, not for {due}")
    if {*left} != {*due[len(asked) :]}:
        problems.append(f"left {left}, not {due[len(asked) :]}")
    if left and row.sends < world.settings.exports_a_day:
        problems.append("left files although exports are left")
    return evolve(row, problems=(*row.problems, *problems, *limits_broken(row, world.settings)))


def limits_broken(row: AccountNight, settings: Settings) -> list[str]:
    """Return which limits were exceeded."""
    found = []
    if row.sends > settings.exports_a_day:
        found.append(f"{row.sends} exports in 24 hours")
    if row.requests > settings.requests_an_hour:
        found.append(f"{row.requests} requests in an hour")
    return found
