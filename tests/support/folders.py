"""Assertions about a folder that `fetch_all` has filled."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from impact_jobs import FetchReport
from impact_jobs.sandbox import Sandbox


def assert_complete(report: FetchReport, sandbox: Sandbox, folder: Path, *, named: str = "{}.csv") -> None:
    """Assert that every job has the correct file and that the folder holds nothing else."""
    assert report.is_complete, report.errors
    assert report.directory == folder
    for job_id, found in report.files.items():
        result = sandbox.result(job_id.lower())
        assert (found.path, found.bytes_written) == (folder / named.format(job_id.lower()), result.size)
        assert found.sha256 == result.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert names_in(folder) == sorted(named.format(job_id.lower()) for job_id in report.outcomes)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def asked_of(sandbox: Sandbox, origin: str) -> list[Any]:
    return [request for request in sandbox.requests if request.origin == origin]
