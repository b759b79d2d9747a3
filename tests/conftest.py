from __future__ import annotations

import asyncio
from collections.abc import Iterator

import hypothesis
import pytest
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, clients

# The same examples in every run and on every machine; the seed is printed all the same.
hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("deterministic")


def pytest_report_header() -> str:
    return "hypothesis: derandomized, so the seed is the name of each test; sandboxes: seed 0"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Give a fresh sandbox whose jobs end at once."""
    with Sandbox(job_seconds=0, result_bytes=300_000) as started:
        yield started


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def jobs(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[AnyClient]:
    """Give a client of the sandbox; each test runs with the blocking and with the asynchronous one."""
    with asyncio.Runner() as runner, request.param(sandbox, runner) as client:
        yield client
