"""Clients of the sandbox, the examples in its docstrings, and its imports."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import impact_jobs
import pytest
from impact_jobs import sandbox as package
from impact_jobs.sandbox import Sandbox

MODULES = sorted(path.stem for path in Path(package.__file__).parent.glob("*.py"))


def test_the_sandbox_creates_a_client(sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(seconds=0)
    with sandbox.client() as jobs:
        assert jobs.get(job_id).id == job_id
        result = jobs.download(job_id, tmp_path / "report.csv")
    assert result.sha256 == sandbox.result(job_id).sha256
    assert all("authorization" not in each.headers for each in sandbox.requests if each.origin == "storage")


def test_the_sandbox_creates_an_asynchronous_client(sandbox: Sandbox) -> None:
    async def ask() -> str:
        async with sandbox.async_client() as jobs:
            return (await jobs.get(job_id)).id

    job_id = sandbox.add_job(seconds=0)
    assert asyncio.run(ask()) == job_id


def test_options_of_a_client_can_be_set(sandbox: Sandbox) -> None:
    token = {"auth_token": sandbox.read_only_token}
    job_id = sandbox.add_job(seconds=0)
    with sandbox.client(**token, request_timeout=5.0) as jobs, pytest.raises(impact_jobs.PermissionDeniedError):
        jobs.replay(job_id)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_pass(name: str) -> None:
    module = importlib.import_module(f"impact_jobs.sandbox.{name}".removesuffix(".__init__"))
    failed, _ = doctest.testmod(module)
    assert not failed


def test_the_server_does_not_import_the_client() -> None:
    code = "import sys, impact_jobs.sandbox._sandbox; print('\\n'.join(sys.modules))"
    # In a process of its own, because this one has imported the client.
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    ours = {name for name in modules if name.partition(".")[0] in {"impact_jobs", "impact_agency_api", "httpx"}}
    assert {name for name in ours if not name.startswith("impact_jobs.sandbox")} == {"impact_jobs"}
