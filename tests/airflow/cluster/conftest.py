from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.airflow.cluster.outcome import PLANS, Outcome, run_plan
from tests.airflow.cluster.table import rows

_OUTCOME = pytest.StashKey[Outcome]()


@pytest.fixture(scope="session")
def outcome(request: pytest.FixtureRequest) -> Outcome:
    """Run the example DAGs once for all tests."""
    # pytest leaves SIGTERM to the operating system, and the processes of the cluster would go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = run_plan(PLANS[request.config.getoption("--run")])
    request.config.stash[_OUTCOME] = found
    return found


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash.get(_OUTCOME, None)
    if found is not None:
        terminalreporter.section("the example DAGs on a real Airflow")
        for title, value in rows(found):
            terminalreporter.write_line(f"{title:<66} {value}")
