"""The accounts, the plan and the nights of a simulation."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from attrs import frozen
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import Plan
from impact_jobs.toolkit import use_clock

from tests.sync.nights.shared_clock import SharedClock

DAY: Final = 86_400.0
HOUR: Final = 3_600.0
FIRST_NIGHT: Final = datetime(2026, 5, 29, 6, 30, tzinfo=UTC)
_NAMES: Final = ("north", "south", "west", "east", "center")
# A brand's replay runs the same job again, and an agency's creates another one.
_KINDS: Final[tuple[Literal["agency", "brand"], ...]] = ("agency", "brand")
_REPORTS: Final = (
    'id = "agency_action_listing"\nname = "actions"',
    'id = "sandbox_performance_by_day"\nname = "performance"\nsplit = "week"\nrefresh = "14d"',
    'id = "sandbox_partner_listing"\nname = "partners"\nformat = "json"',
    'id = "4123"\nname = "invoices"\nformat = "parquet"',
)


@frozen(kw_only=True)
class Settings:
    """The size of a simulation.

    Attributes:
        accounts, reports: How many.
        months: How many months before the first night the plan begins.
        nights: How many times the plan runs, a day apart.
        seed: Decides the data of the accounts.
        exports_a_day, requests_an_hour: The limits of each account.
        rows_per_day: Of each report.
        job_seconds: How long each job takes.
        jitter_minutes: By how much a night begins early or late at most.
    """

    accounts: int = 3
    reports: int = 4
    months: int = 24
    nights: int = 10
    seed: int = 1
    exports_a_day: int = 100
    requests_an_hour: int = 1000
    rows_per_day: int = 2
    job_seconds: float = 20.0
    jitter_minutes: float = 20.0

    @property
    def names(self) -> tuple[str, ...]:
        """The accounts of the plan."""
        return _NAMES[: self.accounts]

    @property
    def first_day(self) -> date:
        """The first day of the plan."""
        months = FIRST_NIGHT.year * 12 + FIRST_NIGHT.month - self.months
        return date(months // 12, months % 12 + 1, 1)

    @property
    def report_names(self) -> dict[str, str]:
        """The plan's names of the reports, by their ids."""
        return {each.split('"')[1]: each.split('"')[3] for each in _REPORTS}

    def plan(self) -> str:
        """Return the text of the plan."""
        names = ", ".join(f'"{name}"' for name in self.names)
        defaults = (
            'into = "data/{account}/{report}/{start:%Y-%m-%d}.csv"\n'
            f'split = "month"\nrefresh = "30d"\nfrom = "{self.first_day}"\naccounts = [{names}]\n'
        )
        return f"[defaults]\n{defaults}" + "".join(f"[[report]]\n{each}\n" for each in _REPORTS[: self.reports])


@frozen(kw_only=True)
class World:
    """The sandboxes of a simulation, and the folder of its plan."""

    settings: Settings
    folder: Path
    clock: SharedClock
    sandboxes: dict[str, Sandbox]

    @property
    def path(self) -> Path:
        """The plan's file."""
        return self.folder / "reports.toml"

    @property
    def moment(self) -> datetime:
        """The current moment, in UTC."""
        return datetime.fromtimestamp(self.clock.monotonic(), UTC)

    def load(self) -> Plan:
        """Read the plan."""
        return Plan.load(self.path)

    def begin_night(self, number: int) -> datetime:
        """Let the time pass until a night, and return the moment. A scheduler starts it some minutes early or late."""
        drawn = random.Random(f"{self.settings.seed}/{number}")  # noqa: S311 - a seeded test
        late = timedelta(minutes=drawn.uniform(-self.settings.jitter_minutes, self.settings.jitter_minutes))
        self.clock.move_to((FIRST_NIGHT + timedelta(days=number) + late).timestamp())
        return self.moment

    def credentials(self) -> dict[str, dict[str, Any]]:
        """Return what a client of each account needs."""
        return {
            name: {
                "account_sid": each.account_sid,
                "auth_token": each.auth_token,
                "base_url": each.base_url,
                "account": each.account,
            }
            for name, each in self.sandboxes.items()
        }


@contextmanager
def world(settings: Settings, folder: Path) -> Iterator[World]:
    """Start the sandboxes and write the plan."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        clock = SharedClock.create(folder / "clock", FIRST_NIGHT.timestamp())
        stack.callback(clock.close)
        stack.enter_context(use_clock(clock))
        sandboxes = {
            name: stack.enter_context(_sandbox(settings, clock, number)) for number, name in enumerate(settings.names)
        }
        made = World(settings=settings, folder=folder, clock=clock, sandboxes=sandboxes)
        made.path.write_text(settings.plan())
        yield made


def _sandbox(settings: Settings, clock: SharedClock, number: int) -> Sandbox:
    return Sandbox(
        account=_KINDS[number % len(_KINDS)],
        seed=100 * settings.seed + number,
        job_seconds=settings.job_seconds,
        rows_per_day=settings.rows_per_day,
        daily_exports=settings.exports_a_day,
        hourly_budget=settings.requests_an_hour,
        clock=clock.tick,
    )
