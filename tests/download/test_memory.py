"""A large download takes no more memory than a small one, as the kernel measures it in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

BLOCKING = """
import sys
from impact_jobs import JobsClient
with JobsClient.from_env() as jobs:
    print(jobs.download(sys.argv[1], sys.argv[2]).sha256)
"""
ASYNCHRONOUS = """
import asyncio, sys
from impact_jobs import AsyncJobsClient
async def main():
    async with AsyncJobsClient.from_env() as jobs:
        print((await jobs.download(sys.argv[1], sys.argv[2])).sha256)
asyncio.run(main())
"""
# VmHWM rather than ru_maxrss, which a child inherits from the process that started it.
PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


@pytest.mark.parametrize("program", [BLOCKING, ASYNCHRONOUS], ids=["blocking", "asynchronous"])
def test_96_mebibytes_take_less_than_60_megabytes_of_memory(program: str, tmp_path: Path) -> None:
    with Sandbox(job_seconds=0, result_bytes=96 << 20) as sandbox:
        job_id = sandbox.add_job()
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", program + PEAK, job_id, str(tmp_path / "big.csv")],
            env=os.environ | sandbox.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        sha256, peak_kib = done.stdout.split()
        assert sha256 == sandbox.result(job_id).sha256
    sys.stdout.write(f"peak resident memory: {int(peak_kib) * 1024 / 1e6:.1f} MB\n")  # shown by -rP
    assert int(peak_kib) * 1024 < 60e6
