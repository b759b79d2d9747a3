"""A clock that tests advance, a sandbox that follows it, and a client of its API."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._account_rules import RULES

# Loading the certificates of the machine takes longer than most tests here, none of which uses TLS.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Clock:
    """Epoch seconds that advance only when a test advances them."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0  # 2026-05-28T15:26:40-05:00

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def connect(
    sandbox: Sandbox, *, token: str | None = None, accept: str = "application/json", advertiser: int | None = None
) -> httpx.Client:
    """Create a client whose paths begin below the sandbox's account, or below a brand of it."""
    below = "" if advertiser is None else f"/Advertisers/{advertiser}"
    return httpx.Client(
        base_url=f"{sandbox.base_url}/{RULES[sandbox.account].collection}/{sandbox.account_sid}{below}",
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
    """Return a function that starts a sandbox with other options, and a client of it."""
    with ExitStack() as stack:

        def start_sandbox(**options: object) -> tuple[Sandbox, httpx.Client]:
            arguments = {"clock": clock, "job_seconds": 10.0, "result_bytes": 5_000} | options
            sandbox = stack.enter_context(Sandbox(**arguments))  # type: ignore[arg-type]
            return sandbox, stack.enter_context(connect(sandbox))

        yield start_sandbox


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
    """A client without credentials, because the storage refuses them."""
    with httpx.Client(verify=NO_TLS, trust_env=False) as client:
        yield client
