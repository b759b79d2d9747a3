"""A clock that stands still until told otherwise, a sandbox that goes by it, and a client of its API."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from impact_jobs.sandbox import Sandbox

# Loading a machine's certificates takes longer than most tests here, and nothing here speaks TLS.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Clock:
    """Epoch seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0  # 2026-05-28T15:26:40-05:00

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def connect(sandbox: Sandbox, *, token: str | None = None, accept: str = "application/json") -> httpx.Client:
    """Open a client below the sandbox's account."""
    return httpx.Client(
        base_url=f"{sandbox.base_url}/Agencies/{sandbox.account_sid}",
        auth=(sandbox.account_sid, token or sandbox.auth_token),
        headers={"Accept": accept},
        verify=NO_TLS,
        trust_env=False,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[..., tuple[Sandbox, httpx.Client]]]:
    """Start a sandbox with options of the test's own, and a client of it."""
    with ExitStack() as stack:

        def starting(**options: object) -> tuple[Sandbox, httpx.Client]:
            arguments = {"clock": clock, "job_seconds": 10.0, "result_bytes": 5_000} | options
            sandbox = stack.enter_context(Sandbox(**arguments))  # type: ignore[arg-type]
            return sandbox, stack.enter_context(connect(sandbox))

        yield starting


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock, job_seconds=10.0, result_bytes=5_000) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with connect(sandbox) as client:
        yield client


@pytest.fixture
def storage() -> Iterator[httpx.Client]:
    """A client without credentials, as the storage wants it."""
    with httpx.Client(verify=NO_TLS, trust_env=False) as client:
        yield client
