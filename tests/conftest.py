from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import signal
import ssl
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from impact_jobs import Retry
from impact_jobs._policy.daily_exports import DAILY_EXPORTS
from impact_jobs._policy.replay_claims import REPLAY_CLAIMS
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, clients
from tests.support.tally import TALLIES

TESTS = Path(__file__).parent

MEMORY = Path("/dev/shm")  # noqa: S108 - pytest creates a folder of this user alone in it

# Only `make test-airflow` runs these, in an environment that has Airflow.
AIRFLOW = "airflow"
# `make quick` leaves these out; see README.md.
SLOW_FOLDERS = frozenset({"benchmarks", "faults", "interop"})
SLOW_MODULES = frozenset({
    # They start processes.
    "cli/test_pipes.py",
    "cli/test_terminals.py",
    "docs/test_readme.py",
    "download/test_memory.py",
    "download/test_platforms.py",
    "download/test_processes.py",
    "package/test_types.py",
    "package/test_wheel.py",
    "plugin/test_async.py",
    "plugin/test_plugin.py",
    "plugin/test_sample.py",
    "plugin/test_scenarios.py",
    "scripts/test_check_api.py",
    "spec/test_generate.py",
    "spec/test_generate_all.py",
    "spec/test_updating.py",
    # They wait for deadlines, interruptions or rate limits in real time.
    "operations/test_fetch_all.py",
    "operations/test_fetch_all_folder.py",
    "operations/test_replay_concurrent.py",
    "policy/test_hourly_limit.py",
    "sandbox/test_running.py",
    "transport/test_custom_clients.py",
    "transport/test_exchange_deadlines.py",
    "transport/test_foreign_timeouts.py",
    "transport/test_interruption.py",
    "transport/test_secrets_after_failure.py",
    "transport/test_secrets_in_transit.py",
    # They transfer or parse much, or compare many cases.
    "download/test_checksum_verification.py",
    "dlt/test_source.py",
    "download/test_content.py",
    "download/test_new_results.py",
    "download/test_parallel.py",
    "operations/test_after_a_replay.py",
    "operations/test_download_bad_input.py",
    "operations/test_export_limits.py",
    "operations/test_export_windows.py",
    "operations/test_joined_windows.py",
    "operations/test_many_tasks.py",
    "operations/test_many_threads.py",
    "operations/test_renewed_windows.py",
    "operations/test_wait_many_simulated.py",
    "operations/test_wait_many_stress.py",
    "operations/test_wait_simulated.py",
    "sandbox/test_contract.py",
    "transport/test_decompression_limits.py",
    "transport/test_fast_path.py",
})  # fmt: skip

# Every run draws the same examples, because they follow from the name of the test. A failure prints how to repeat it.
# 40 rather than 100, because they are the same in every run: more of them would find something once at most.
hypothesis.settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True, max_examples=40)
hypothesis.settings.load_profile("deterministic")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out slow modules, as `make quick` does")
    parser.addoption("--examples", type=int, default=10, help="the size of the campaigns in tests/faults (10)")
    parser.addoption("--sessions-seed", type=int, default=0, help="the seed of the whole sessions in tests/faults (0)")


def pytest_configure() -> None:
    # A shell starts background commands with SIGINT ignored, and the tests of Ctrl-C would wait for it forever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # In memory, the two calls of fsync of each download take microseconds; on a disk they take ten milliseconds.
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    # httpcore tries to import it several times per asynchronous request, and Python would look for it each time.
    if importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip slow modules without importing them, because imports and collection take a third of the time."""
    name = collection_path.relative_to(TESTS).as_posix()
    slow = name in SLOW_FOLDERS or name in SLOW_MODULES
    return True if name == AIRFLOW or (slow and config.getoption("--quick")) else None


def pytest_collection_finish() -> None:
    # What was collected stays until the end, so no collection of garbage has to look at it.
    gc.collect()
    gc.freeze()


def pytest_report_header(config: pytest.Config) -> str:
    return (
        "seeds: hypothesis and the sandbox fixture use each test's name; "
        f"fault campaigns: --examples {config.getoption('--examples')} "
        f"--sessions-seed {config.getoption('--sessions-seed')}"
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A worker of pytest-xdist sends its counts to the process that prints the summary.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tallies"] = {title: tally.as_plain() for title, tally in TALLIES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for title, counts in getattr(node, "workeroutput", {}).get("tallies", {}).items():
        TALLIES[title].add(counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for title, tally in TALLIES.items():
        if tally.sessions:
            terminalreporter.section(title)
            for line in tally.lines():
                terminalreporter.write_line(line)


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> Callable[[float], int]:
    """Give a function that returns a multiple of `--examples`, and at least 1."""
    size: int = request.config.getoption("--examples")
    return lambda share: max(1, round(size * share))


@pytest.fixture(scope="session", autouse=True)
def _shared_tls_contexts() -> Iterator[None]:
    """Load the trusted certificates once for all clients, because that takes 20 ms of CPU time each."""
    create = httpx.create_ssl_context
    contexts: dict[object, ssl.SSLContext] = {}

    def shared(**options: Any) -> ssl.SSLContext:
        key = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), *sorted(options.items()))
        if key not in contexts:
            contexts[key] = create(**options)
        return contexts[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", shared)
        yield


@pytest.fixture(autouse=True)
def _forgotten_accounts() -> Iterator[None]:
    """Forget a test's exports and replays, because a later one may get its sandbox's port and account."""
    yield
    for memory in (DAILY_EXPORTS, REPLAY_CLAIMS):
        memory._kept.clear()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Give a fresh sandbox whose jobs end at once.

    Its seed, and therefore its account, is the test's own: clients remember the replays of an account, even after they
    are closed, and the operating system may give a second sandbox the port of the first.
    """
    seed = zlib.crc32(request.node.nodeid.encode())
    with Sandbox(seed=seed, job_seconds=0, result_bytes=300_000) as started:
        yield started


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def jobs(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[AnyClient]:
    """Give a client of the sandbox; each test runs with the blocking and with the asynchronous client.

    Its retries do not pause.
    """
    with asyncio.Runner() as runner, request.param(sandbox, runner, retry=Retry(base_delay=0.0)) as client:
        yield client
