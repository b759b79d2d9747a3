from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.provider.scheduling import Task, sandbox_of


@pytest.fixture
def clock(impact_clock: ImpactClock) -> ImpactClock:
    """Run the sandbox and all clients in virtual time."""
    return impact_clock


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, clock: ImpactClock) -> Iterator[Sandbox]:
    """Give a sandbox of the kind of account that the test is parametrised with, else of an agency."""
    del clock
    kind = getattr(request, "param", "agency")
    with sandbox_of(zlib.crc32(request.node.nodeid.encode()), account=kind) as started:
        yield started


@pytest.fixture
def task(sandbox: Sandbox) -> Task:
    return Task(sandbox=sandbox)
