"""Fixtures for testing code that uses `impact_jobs`.

Install them with ``pip install ".[pytest]"`` in a clone; pytest finds them by itself. They need no network, and they do
nothing in tests that do not request them. docs/testing.md shows how to use them.

- ``impact_sandbox``: a fresh `Sandbox` whose jobs complete at once; ``@pytest.mark.impact_sandbox(...)`` sets options.
- ``impact_jobs_client``: a `JobsClient` of that sandbox.
- ``async_impact_jobs_client``: an `AsyncJobsClient` of that sandbox, for use in one event loop.
- ``impact_scenario``: a function that sets up a `Scenario` and returns the id of its job.
- ``impact_environ``: environment variables that point `JobsClient.from_env` and ``impact-jobs`` at the sandbox.
- ``impact_clock``: virtual time, an `ImpactClock`, for the sandbox and the clients of this process.
- ``impact_offline``: fails the test if it tries to reach another machine.

For other faults, use `Sandbox.answer_next` and `Sandbox.cut_next_download`.
"""

from __future__ import annotations

import inspect
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import pytest

from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.pytest_plugin._offline import offline
from impact_jobs.pytest_plugin._scenarios import Scenario, arrange

if TYPE_CHECKING:
    from impact_jobs import AsyncJobsClient, JobsClient
    from impact_jobs.sandbox import Sandbox

__all__ = ["Arrange", "ImpactClock", "Sandbox", "Scenario", "arrange"]

Arrange: TypeAlias = Callable[[Scenario], str]
"""The type of the fixture ``impact_scenario``: takes the name of a scenario, returns the id of its job."""

_MARKER: Final = "impact_sandbox"
_DEFAULTS: Final[Mapping[str, Any]] = {"job_seconds": 0.0, "result_bytes": 100_000}
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK: Final = "127.0.0.1"


if not TYPE_CHECKING:  # because type checkers would accept any misspelt name

    def __getattr__(name: str) -> object:
        """Import `Sandbox` when it is first used, because pytest imports this module in every run."""
        if name != "Sandbox":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from impact_jobs.sandbox import Sandbox  # noqa: PLC0415 - see the docstring

        return Sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(job_seconds=0, result_bytes=100_000, ...): options of impact_jobs.sandbox.Sandbox for the fixture "
        f"{_MARKER}; the options of a test win over those of its class or module.",
    )


@pytest.fixture
def impact_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Start a fresh sandbox on free ports of this machine; its jobs complete at once, unless the marker changes that.

    Its seed follows from the test's name, so that each test has an account of its own, and the same one in each run.

    Example:
        >>> @pytest.mark.impact_sandbox(hourly_budget=10)
        ... def test_it_needs_few_requests(impact_sandbox, impact_jobs_client): ...
    """
    with _without_proxies(), _create_sandbox(request.node) as sandbox:
        yield sandbox


@pytest.fixture
def impact_jobs_client(impact_sandbox: Sandbox) -> Iterator[JobsClient]:
    """Create a client of the test's sandbox; for other options, use ``impact_sandbox.client(retry=...)``."""
    with impact_sandbox.client() as client:
        yield client


@pytest.fixture
def async_impact_jobs_client(impact_sandbox: Sandbox) -> Iterator[AsyncJobsClient]:
    """Create an asynchronous client of the test's sandbox; it belongs to the event loop that first uses it.

    The fixture itself needs no loop, so it works with ``asyncio.run``, pytest-asyncio and the plugin of anyio alike.
    The client closes when its loop ends, so ``async with`` is not needed.
    """
    from impact_jobs.async_client import closed_with_its_loop  # noqa: PLC0415 - slow to import

    client = impact_sandbox.async_client()
    with closed_with_its_loop(client):
        yield client


@pytest.fixture
def impact_scenario(impact_sandbox: Sandbox) -> Arrange:
    """Return a function that sets up a scenario in the test's sandbox.

    Example:
        >>> job_id = impact_scenario("failed")
    """
    return partial(arrange, impact_sandbox)


@pytest.fixture
def impact_environ(impact_sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Point the environment of this process, and of processes that it starts, at the test's sandbox.

    The fixture's value has the variables: IMPACT_ACCOUNT_SID, IMPACT_AUTH_TOKEN and IMPACT_BASE_URL, and
    IMPACT_ACCOUNT_KIND if the sandbox's account is not an agency.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IMPACT_JOBS_PROFILE", "IMPACT_ACCOUNT_KIND"):  # they may name a real account of the developer
            patch.delenv(name, raising=False)
        for name, value in impact_sandbox.environ.items():
            patch.setenv(name, value)
        yield impact_sandbox.environ


@pytest.fixture
def impact_clock() -> Iterator[ImpactClock]:
    """Run the test's sandbox, and all clients of this process, in virtual time."""
    from impact_jobs.toolkit import use_clock  # noqa: PLC0415 - slow to import

    clock = ImpactClock()
    with use_clock(clock):
        yield clock


@pytest.fixture
def impact_offline() -> Iterator[None]:
    """Fail the test if it resolves the name of, or connects to, another machine."""
    with offline():
        yield


def _create_sandbox(node: pytest.Item) -> Sandbox:
    """Create the sandbox for a test and its markers."""
    from impact_jobs.toolkit import epoch_seconds  # noqa: PLC0415 - slow to import

    try:
        from impact_jobs.sandbox import Sandbox  # noqa: PLC0415 - raises ImportError if the extra is missing
    except ImportError as error:
        pytest.fail(f"{_MARKER}: {error}", pytrace=False)
    # Of the test's own seed, because clients remember an account for a while, and ports are used again.
    options = {**_DEFAULTS, "seed": zlib.crc32(node.nodeid.encode())}
    allowed = inspect.signature(Sandbox).parameters.keys() - {"clock"}
    for marker in reversed(list(node.iter_markers(_MARKER))):
        unknown = [*map(repr, marker.args), *(name for name in marker.kwargs if name not in allowed)]
        if unknown:
            _fail(f"unknown option {', '.join(unknown)}; the options are: {', '.join(sorted(allowed))}.")
        options |= marker.kwargs
    try:
        return Sandbox(**options, clock=epoch_seconds)  # which follows `impact_clock`, even if a test requests it later
    except (TypeError, ValueError) as error:
        _fail(str(error.args[0] if error.args else error))


def _fail(problem: str) -> NoReturn:
    pytest.fail(f"@pytest.mark.{_MARKER}: {problem}", pytrace=False)


@contextmanager
def _without_proxies() -> Iterator[None]:
    """Exempt this machine from a proxy that the environment names, as it often does on build machines."""
    with pytest.MonkeyPatch.context() as patch:
        if any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
            exempted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
            for name in ("no_proxy", "NO_PROXY"):
                patch.setenv(name, ",".join(filter(None, (exempted, _LOOPBACK))))
        yield
