"""Under trio the asynchronous client refuses to work, and the alternative that it names works."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

from tests.interop.processes import tool

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]


def test_under_trio_each_method_refuses_and_names_the_alternative(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    done = subprocess.run(  # noqa: S603 - our own program
        [tool("pypi", "python"), "-W", "error", "-m", "tests.interop.call_under_trio", job_id],
        cwd=ROOT,
        env=os.environ | sandbox.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["job"] == job_id
    unusable_error = "AsyncJobsClient runs on asyncio alone: elsewhere, as under trio, use JobsClient in a thread."
    assert answer["refusals"] == [unusable_error] * 7
    assert {request.target.rpartition("/")[2] for request in sandbox.requests} == {job_id}, (
        "the refused calls sent requests"
    )
