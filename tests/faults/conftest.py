from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stage import TALLY, Stage, shrink_thresholds


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Give a sandbox behind fault proxies, and thresholds that small results reach."""
    with pytest.MonkeyPatch.context() as patch:
        shrink_thresholds(patch)
        stage = Stage()
        yield stage
        stage.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TALLY.sessions:
        return
    terminalreporter.section("downloads under faults")
    for title, counts in (
        ("sessions", TALLY.sessions), ("injected", TALLY.injected), ("outcomes of calls", TALLY.outcomes),
    ):  # fmt: skip
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        terminalreporter.write_line(f"{title}: {counts.total()} ({told})")
    for line in TALLY.figures:
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"violations: {TALLY.violations}")
