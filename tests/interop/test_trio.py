"""Under trio the asynchronous client refuses to work, and the alternative that it names works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

from tests.interop.processes import run_module

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]


def test_under_trio_each_method_refuses_and_names_the_alternative(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    out = run_module("tests.interop.call_under_trio", job_id, environ=sandbox.environ)
    answer = json.loads(out)
    assert answer["job"] == job_id
    unusable_error = "AsyncJobsClient runs on asyncio alone: elsewhere, as under trio, use JobsClient in a thread."
    assert answer["refusals"] == [unusable_error] * 7
    assert {request.target.rpartition("/")[2] for request in sandbox.requests} == {job_id}, (
        "the refused calls sent requests"
    )
