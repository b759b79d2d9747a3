"""Under trio the asynchronous client refuses to work, and the way out that it names is one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-interop" / "bin" / "python"


def test_under_trio_the_client_names_the_way(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    done = subprocess.run(  # noqa: S603 - our own program
        [PYTHON, "-W", "error", "-m", "tests.interop.call_under_trio", job_id],
        cwd=ROOT,
        env=os.environ | sandbox.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["job"] == job_id
    unusable_error = "AsyncJobsClient runs on asyncio alone: elsewhere, as under trio, use JobsClient in a thread."
    assert said["refusals"] == [unusable_error] * 7
    assert {request.target.rpartition("/")[2] for request in sandbox.requests} == {job_id}, "those of the thread alone"
