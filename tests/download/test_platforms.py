"""Platforms that lack functions of Linux: downloads work on macOS, and all but downloads to a file on Windows."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import assert_complete, names_in
from tests.support.platforms import WITHOUT_POSIX, like_macos

MIB = 1024 * 1024


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Remove what macOS lacks, add what it has instead, and return the calls of that."""
    like_macos(monkeypatch)
    calls: list[int] = []
    real = fcntl.fcntl

    def control(descriptor: int, command: int, argument: Any = 0) -> Any:
        if command != fcntl.F_FULLFSYNC:  # type: ignore[attr-defined]
            return real(descriptor, command, argument)
        calls.append(descriptor)
        return 0

    monkeypatch.setattr(fcntl, "fcntl", control)
    return calls


def test_on_macos_a_download_is_saved_resumed_and_synced_to_the_disk_itself(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, synced: list[int]
) -> None:
    job_id = sandbox.add_job(result_bytes=6 * MIB, age=3600)
    for at in (MIB, 0):
        sandbox.cut_next_download(at)
    with pytest.raises(TransportError):
        jobs.with_options(retry=Retry(attempts=2, base_delay=0.0)).download(job_id, tmp_path / "a.csv", connections=1)
    done = jobs.download(job_id, tmp_path / "a.csv", connections=4)
    assert (done.resumed_from, done.sha256) == (MIB, sandbox.result(job_id).sha256)
    assert names_in(tmp_path) == ["a.csv"]
    assert len(synced) >= 3, "the part, its journal, and the complete file"
    folder = tmp_path / "all"
    assert_complete(jobs.fetch_all([job_id, sandbox.add_job()], folder), sandbox, folder)


def test_on_macos_a_file_system_without_a_full_sync_gets_the_usual_one(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    usual: list[int] = []
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", usual.append)
    assert jobs.download(sandbox.add_job(), tmp_path / "a.csv").bytes_written == 300_000
    assert len(usual) == 3, "the folder, the file, and the folder again"
    assert synced == []


WINDOWS = """
import asyncio
from click.testing import CliRunner
from impact_jobs.cli.app import cli
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient, Polling
import impact_jobs.sandbox
job, queued = sys.argv[1:]
with JobsClient.from_env(polling=Polling(minimum=0.05)) as jobs:
    assert {found.id for found in jobs.list()} >= {job}
    assert jobs.wait(queued).status == "COMPLETED"
    with jobs.stream(job) as chunks, jobs.open(job) as file:
        assert b"".join(chunks) == file.read()
    assert jobs.replay(job).id != job
    for call in (
        lambda: jobs.download(job, "a.csv"),
        lambda: jobs.wait_and_download(job, "."),
        lambda: jobs.fetch_all([job], "reports"),
    ):
        try:
            call()
        except ConfigurationError as error:
            print(error)
async def main():
    async with AsyncJobsClient.from_env() as jobs:
        assert (await jobs.get(job)).id == job
        try:
            await jobs.download(job, "a.csv")
        except ConfigurationError as error:
            print(error)
asyncio.run(main())
for command in ("list", "get " + job, "wait " + job, f"download {job} -", "doctor"):
    done = CliRunner().invoke(cli, command.split(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
assert "os.pread and os.pwrite" in done.output
done = CliRunner().invoke(cli, ["download", job, "a.csv"], catch_exceptions=False)
assert done.exit_code == 2, done.output
print(done.output, end="")
"""


def test_on_windows_everything_but_a_download_to_a_file_works_and_that_names_what_is_missing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id, queued = sandbox.add_job(), sandbox.add_job(seconds=0.2)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", "-c", WITHOUT_POSIX + WINDOWS, job_id, queued],
        env=os.environ | sandbox.environ, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("needs os.pread and os.pwrite" in line and "`open` or `stream`" in line for line in lines)
    downloads = [request for request in sandbox.requests if request.path.endswith("/Download")]
    assert len(downloads) == 3, "those of `stream`, `open`, and the command with -"
    assert names_in(tmp_path) == []
