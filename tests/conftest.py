from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from impact_jobs._policy.replay_claims import _by_account
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, clients
from tests.support.tally import TALLIES

# The same examples in every run and on every machine; the seed is printed all the same.
hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("deterministic")
# Else it also draws constants of whatever modules of ours are loaded, and so other examples with other tests beside.
providers._get_local_constants = Constants


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", type=int, default=60, help="how many sessions under faults, see tests/faults")
    parser.addoption("--sessions-seed", type=int, default=0, help="the seed of whole sessions under faults")


def pytest_report_header(config: pytest.Config) -> str:
    return (
        "hypothesis: derandomized, so the seed is the name of each test; sandboxes: seed 0; "
        f"sessions under faults: --examples {config.getoption('--examples')}, "
        f"whole ones with seed {config.getoption('--sessions-seed')}"
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of a worker of pytest-xdist; whoever drives the workers tells what all have counted.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tallies"] = {title: tally.as_plain() for title, tally in TALLIES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for title, counted in getattr(node, "workeroutput", {}).get("tallies", {}).items():
        TALLIES[title].add(counted)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for title, tally in TALLIES.items():
        if tally.sessions:
            terminalreporter.section(title)
            for line in tally.lines():
                terminalreporter.write_line(line)


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> Callable[[float], int]:
    """Give a function that gives a share of the examples asked for."""
    wanted: int = request.config.getoption("--examples")
    return lambda share: max(1, round(wanted * share))


@pytest.fixture(autouse=True)
def _forget_replays() -> Iterator[None]:
    """Let no test know the replays of another: a sandbox's port, and so its account, may come again."""
    yield
    _by_account._kept.clear()


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
