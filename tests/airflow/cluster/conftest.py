from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.airflow.cluster.outcome import PLANS, Outcome, run_plan
from tests.airflow.cluster.table import rows

_OUTCOME = pytest.StashKey[Outcome]()


@pytest.fixture(scope="session")
def outcome(request: pytest.FixtureRequest) -> Iterator[Outcome]:
    """Run the example DAGs once for all tests; keep the logs if one of them fails."""
    # pytest leaves SIGTERM to the operating system, and the processes of the cluster would go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = run_plan(PLANS[request.config.getoption("--run")])
    request.config.stash[_OUTCOME] = found
    yield found
    if not request.session.testsfailed:
        shutil.rmtree(found.folder)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash.get(_OUTCOME, None)
    if found is not None:
        terminalreporter.section("the example DAGs on a real Airflow")
        for title, value in rows(found):
            terminalreporter.write_line(f"{title:<66} {value}")
        if found.folder.exists():
            terminalreporter.write_line(f"The logs are in {found.folder}.")
