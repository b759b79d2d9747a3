from __future__ import annotations

from collections.abc import Iterator

import pytest
from impact_jobs.sandbox import Sandbox

from tests.faults.file_scenarios import Account, shrink_file_thresholds
from tests.faults.forkserver import ForkServer
from tests.faults.harness import Harness, shrink_thresholds


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    """Give a sandbox behind fault proxies, with thresholds so low that small results reach them."""
    with pytest.MonkeyPatch.context() as patch:
        shrink_thresholds(patch)
        harness = Harness()
        yield harness
        harness.close()


@pytest.fixture(scope="module")
def fork_server(harness: Harness) -> Iterator[ForkServer]:
    """Give a process that forks a child for each download."""
    with ForkServer() as fork_server:
        harness.reset_leaks()
        yield fork_server


@pytest.fixture(scope="module")
def file_account() -> Iterator[Account]:
    """Give an account for faults of files, with thresholds so low that small results reach them."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(job_seconds=0, hourly_budget=None) as sandbox:
        shrink_file_thresholds(patch)
        yield Account(sandbox)


@pytest.fixture(scope="module")
def file_fork_server() -> Iterator[ForkServer]:
    """Give a process that forks a child for each call that is killed."""
    with ForkServer() as fork_server:
        yield fork_server
