"""When an account has requests or exports again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

import pytest
from impact_jobs import JobsClient, RateLimitError, Retry
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.toolkit import quota_resets_at

from tests.operations.exports import MAY, REPORT

HOUR = timedelta(hours=1)


def refused(sandbox: Sandbox, jobs: JobsClient, headers: Mapping[str, str], message: str) -> RateLimitError:
    body = f'{{"Status": "ERROR", "Message": "{message}"}}'
    sandbox.answer_next("GET", f"/ReportExport/{REPORT}", status=429, headers=headers, body=body, times=4)
    with pytest.raises(RateLimitError) as caught:
        jobs.export_report(REPORT, **MAY)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "700"}, "Too many requests", 700.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800"}, "Too many requests", 1800.0),
        ({"Retry-After": "40000"}, "Too many requests", 40_000.0),
        ({"Retry-After": "40000"}, "Daily limit of exports reached", 40_000.0),
        ({}, "Daily limit of exports reached", 3600.0),
        ({}, "Too many requests", 3600.0),
    ],
)
def test_the_server_says_when(impact_clock: ImpactClock, headers: dict[str, str], message: str, seconds: float) -> None:
    with Sandbox(job_seconds=0, clock=impact_clock.time) as sandbox, sandbox.client(retry=Retry(max_delay=5)) as jobs:
        error = refused(sandbox, jobs, headers, message)
        moment = quota_resets_at(jobs, error)
    assert moment.tzinfo is UTC
    assert timedelta(0) <= moment - (impact_clock.now() + timedelta(seconds=seconds)) <= timedelta(seconds=2)


def test_after_that_moment_the_same_call_succeeds(impact_clock: ImpactClock) -> None:
    options: dict[str, Any] = {"job_seconds": 0, "clock": impact_clock.time, "hourly_budget": 20}
    with Sandbox(**options) as sandbox, sandbox.client(retry=Retry(max_delay=5)) as jobs:
        job_id = sandbox.add_job()
        for _ in range(20):
            jobs.get(job_id)
        with pytest.raises(RateLimitError) as caught:
            jobs.get(job_id)
        moment = quota_resets_at(jobs, caught.value)
        assert timedelta(0) < moment - impact_clock.now() <= HOUR + timedelta(seconds=2)
        impact_clock.advance((moment - impact_clock.now()).total_seconds())
        assert jobs.get(job_id).id == job_id


def test_the_daily_limit_ends_when_the_oldest_export_is_a_day_old(impact_clock: ImpactClock) -> None:
    with Sandbox(job_seconds=0, clock=impact_clock.time) as sandbox, sandbox.client(retry=Retry(max_delay=5)) as jobs:
        for day in range(1, 101):
            jobs.export_report(REPORT, start_date=f"2025-{1 + day // 29:02}-{1 + day % 28:02}", end_date="2025-12-31")
        impact_clock.advance(3600)
        error = refused(sandbox, jobs, {}, "Daily limit of exports reached")
        moment = quota_resets_at(jobs, error)
    assert timedelta(hours=22.9) < moment - impact_clock.now() <= timedelta(hours=23.1)
