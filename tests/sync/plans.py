"""Plans of the tests, and the day on which they are read."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from impact_jobs._transport import clock
from impact_jobs.sync import Plan, PlanError

from tests.support.virtual_clock import VirtualClock

TODAY = date(2026, 5, 29)

ISSUE = """\
[defaults]
into = "data/{account}/{report}/{start:%Y-%m}.csv"
split = "month"
refresh = "30d"                      # windows that ended less than 30 days ago are refreshed
[[report]]
id = "agency_action_listing"
accounts = ["north", "south"]        # profiles, or "env"
from = "2025-01-01"
to = "yesterday"                       # the default
filters = { "Campaign" = "1234" }
format = "parquet"                    # csv (the default), json, parquet
"""


def parse(text: str, *, today: date = TODAY) -> Plan:
    """Parse a plan on a day."""
    moment = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    with clock.use(VirtualClock(now=moment.timestamp())):
        return Plan.parse(text, folder="/plan")


def problems(text: str, *, today: date = TODAY) -> list[tuple[int, str]]:
    """Return the mistakes of a plan."""
    with pytest.raises(PlanError) as caught:
        parse(text, today=today)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def report(**values: str) -> str:
    """Return a `[[report]]` with TOML values for some keys; "" leaves a key out. `from_` is `from`."""
    keys = {"id": '"actions"', "from_": '"2026-01-01"', "into": '"{report}/{start}"', **values}
    return "[[report]]\n" + "".join(f"{key.rstrip('_')} = {value}\n" for key, value in keys.items() if value)
