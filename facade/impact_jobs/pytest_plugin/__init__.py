"""Fixtures for teams that test what they build on `impact_jobs`.

They come with ``pip install "impact-jobs[pytest]"``, and pytest finds them by itself. None needs a network, and nothing
happens in a test that asks for none of them. docs/testing.md shows them at work.

- ``impact_sandbox``: a fresh `Sandbox`, whose jobs end at once; ``@pytest.mark.impact_sandbox(...)`` takes its options.
- ``impact_jobs_client``: a `JobsClient` of that sandbox.
- ``async_impact_jobs_client``: an `AsyncJobsClient` of it, for one event loop of whatever kind.
- ``impact_scenario``: a function that sets up a `Scenario` by its name, and gives the id of its job.
- ``impact_environ``: the environment leads to the sandbox, for `JobsClient.from_env` and the command `impact-jobs`.
- ``impact_clock``: virtual time, an `ImpactClock`, for the clients of this process and the sandbox.
- ``impact_offline``: the test fails when it would reach beyond this machine.

Faults beyond the scenarios are the sandbox's own: `Sandbox.answer_next`, `Sandbox.cut_next_download`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import pytest

from impact_jobs._transport import clock
from impact_jobs.pytest_plugin._clock import ImpactClock
from impact_jobs.pytest_plugin._offline import offline
from impact_jobs.pytest_plugin._scenarios import Scenario, arrange

if TYPE_CHECKING:
    from impact_jobs import AsyncJobsClient, JobsClient
    from impact_jobs.sandbox import Sandbox

__all__ = ["Arrange", "ImpactClock", "Sandbox", "Scenario", "arrange"]

Arrange: TypeAlias = Callable[[Scenario], str]
"""The type of the fixture ``impact_scenario``: from a scenario's name to the id of its job."""

_MARKER: Final = "impact_sandbox"
_DEFAULTS: Final[Mapping[str, Any]] = {"job_seconds": 0.0, "result_bytes": 100_000}
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK: Final = "127.0.0.1"


if not TYPE_CHECKING:  # else a misspelt name would be an object to type checkers, not an error

    def __getattr__(name: str) -> object:
        """Import the sandbox when it is first used: pytest imports this module in every run of every team."""
        if name != "Sandbox":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from impact_jobs.sandbox import Sandbox  # noqa: PLC0415 - see above

        return Sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(job_seconds=0, result_bytes=100_000, ...): options of impact_jobs.sandbox.Sandbox for the fixture "
        f"{_MARKER}; those of a test win over those of its class or module.",
    )


@pytest.fixture
def impact_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A fresh sandbox on free ports of this machine; its jobs end at once unless the marker says otherwise.

    Example:
        >>> @pytest.mark.impact_sandbox(hourly_budget=10)
        ... def test_few_requests_are_enough(impact_sandbox, impact_jobs_client): ...
    """
    with _past_proxies(), _sandbox_of(request.node) as sandbox:
        yield sandbox


@pytest.fixture
def impact_jobs_client(impact_sandbox: Sandbox) -> Iterator[JobsClient]:
    """A blocking client of the test's sandbox; for options of its own, ``impact_sandbox.client(retry=...)``."""
    with impact_sandbox.client() as client:
        yield client


@pytest.fixture
def async_impact_jobs_client(impact_sandbox: Sandbox) -> Iterator[AsyncJobsClient]:
    """An asynchronous client of the test's sandbox; it belongs to the event loop that it is first used in.

    The fixture itself needs no loop, so it goes with ``asyncio.run`` as well as with pytest-asyncio or anyio's plugin.
    The client is closed when its loop ends, and need not be entered.
    """
    from impact_jobs.pytest_plugin._closing import async_client_of  # noqa: PLC0415 - asyncio takes a while to load

    with async_client_of(impact_sandbox) as client:
        yield client


@pytest.fixture
def impact_scenario(impact_sandbox: Sandbox) -> Arrange:
    """Give a function that sets up a scenario in the test's sandbox.

    Example:
        >>> job_id = impact_scenario("failed")
    """
    return partial(arrange, impact_sandbox)


@pytest.fixture
def impact_environ(impact_sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Have the environment, and that of processes started from now on, lead to the test's sandbox.

    Gives the three variables: IMPACT_ACCOUNT_SID, IMPACT_AUTH_TOKEN and IMPACT_BASE_URL.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("IMPACT_JOBS_PROFILE", raising=False)  # of whoever runs the tests, and perhaps a real account
        for name, value in impact_sandbox.environ.items():
            patch.setenv(name, value)
        yield impact_sandbox.environ


@pytest.fixture
def impact_clock() -> Iterator[ImpactClock]:
    """Have clients of this process, wherever they are made, and the test's sandbox go by virtual time."""
    virtual = ImpactClock()
    with clock.use(virtual):
        yield virtual


@pytest.fixture
def impact_offline() -> Iterator[None]:
    """Fail the test when it would look up, or connect to, anything but this machine."""
    with offline():
        yield


def _sandbox_of(node: pytest.Item) -> Sandbox:
    """The sandbox that the markers of a test ask for; by a clock that follows `impact_clock`, whichever comes first."""
    try:
        from impact_jobs.sandbox import Sandbox  # noqa: PLC0415 - where a missing extra is caught
    except ImportError as error:
        pytest.fail(f"{_MARKER}: {error}", pytrace=False)
    options = dict(_DEFAULTS)
    known = inspect.signature(Sandbox).parameters.keys() - {"clock"}
    for marker in reversed(list(node.iter_markers(_MARKER))):
        unknown = [*map(repr, marker.args), *(name for name in marker.kwargs if name not in known)]
        if unknown:
            _refuse(f"{', '.join(unknown)} is no option; there are: {', '.join(sorted(known))}.")
        options |= marker.kwargs
    try:
        return Sandbox(**options, clock=clock.epoch)
    except (TypeError, ValueError) as error:
        _refuse(str(error.args[0] if error.args else error))


def _refuse(problem: str) -> NoReturn:
    pytest.fail(f"@pytest.mark.{_MARKER}: {problem}", pytrace=False)


@contextmanager
def _past_proxies() -> Iterator[None]:
    """Keep a proxy of the environment, as a machine for tests often has, out of what never leaves the machine."""
    with pytest.MonkeyPatch.context() as patch:
        if any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
            exempt = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
            for name in ("no_proxy", "NO_PROXY"):
                patch.setenv(name, ",".join(filter(None, (exempt, _LOOPBACK))))
        yield
