from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from tests.faults.stage import TALLY, WHOLE, Stage, Tally, shrink_thresholds


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Give a sandbox behind fault proxies, and thresholds that small results reach."""
    with pytest.MonkeyPatch.context() as patch:
        shrink_thresholds(patch)
        stage = Stage()
        yield stage
        stage.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for title, tally in (("downloads under faults", TALLY), ("whole sessions under faults", WHOLE)):
        if tally.sessions:
            terminalreporter.section(title)
            _tell(tally, terminalreporter)


def _tell(tally: Tally, terminalreporter: pytest.TerminalReporter) -> None:
    for title, counts in (
        ("sessions", tally.sessions), ("steps", tally.steps), ("injected", tally.injected),
        ("outcomes of calls", tally.outcomes),
    ):  # fmt: skip
        if counts:
            told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            terminalreporter.write_line(f"{title}: {counts.total()} ({told})")
    for line in tally.figures:
        terminalreporter.write_line(line)
    if tally.worst > -math.inf:
        terminalreporter.write_line(f"the latest end of a call: {tally.worst:+.2f} s from its deadline")
    terminalreporter.write_line(f"violations: {tally.violations}")
