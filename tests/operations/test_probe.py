"""`probe`: one exchange, and what it shows to `impact-jobs doctor`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from impact_jobs import AuthenticationError, ConfigurationError, TransportError, UnexpectedResponseError
from impact_jobs.async_client import closed_with_its_loop
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import epoch_seconds, probe, use_clock


def test_a_probe_reports_status_clock_and_rate_limit_in_one_request(sandbox: Sandbox) -> None:
    sandbox.add_job()
    with sandbox.client() as jobs:
        found = probe(jobs)
    assert (found.status_code, found.error, found.certificate) == (200, None, None)
    assert (found.requests_limit, found.requests_remaining, found.reset_seconds) == (1000, 999, 3600)
    assert found.server_time is not None
    assert found.received_at is not None
    assert 0 < found.seconds < 10
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": 401}, AuthenticationError),
        ({"status": 200, "body": "<html>"}, UnexpectedResponseError),
        ({"status": None}, TransportError),
    ],
)
def test_a_probe_returns_the_error_without_a_retry(
    sandbox: Sandbox, answer: dict[str, int], kind: type[Exception]
) -> None:
    sandbox.answer_next("GET", "/Jobs", **answer)  # type: ignore[arg-type]
    with sandbox.client() as jobs:
        found = probe(jobs)
    assert type(found.error) is kind
    assert found.status_code == answer["status"]
    assert len(sandbox.requests) == 1


def test_a_probe_without_a_client_sends_no_credentials(sandbox: Sandbox) -> None:
    found = probe(None, base_url=sandbox.base_url)
    assert found.status_code is not None
    assert found.error is None
    assert [request.headers.get("authorization") for request in sandbox.requests] == [None]


def test_a_probe_of_an_unusable_url_returns_a_configuration_error() -> None:
    assert isinstance(probe(None, base_url="http://api.invalid").error, ConfigurationError)


def test_every_client_of_the_process_follows_the_clock_in_use() -> None:
    clock = ImpactClock()
    with use_clock(clock):
        clock.advance(3600)
        assert epoch_seconds() == clock.time()
    assert abs(epoch_seconds() - datetime.now(UTC).timestamp()) < 60


def test_an_asynchronous_client_is_closed_with_the_loop_that_used_it(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    client = sandbox.async_client()
    with closed_with_its_loop(client):
        asyncio.run(client.get(job_id))
        assert client._transport.api.is_closed
