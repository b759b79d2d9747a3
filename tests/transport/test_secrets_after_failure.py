"""No hook, file or process gets token or signature."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox

from tests.support.driving import MakeClient, clients


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_hooks_of_an_api_client_do_not_see_requests_to_the_storage(
    make: MakeClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    urls: list[str] = []

    async def record(request: httpx.Request) -> None:
        urls.append(str(request.url))

    blocking = httpx.Client(event_hooks={"request": [lambda request: urls.append(str(request.url))]}, trust_env=False)
    hooked: Any = (
        blocking if make is clients[0] else httpx.AsyncClient(event_hooks={"request": [record]}, trust_env=False)
    )
    job_id = sandbox.add_job()
    with asyncio.Runner() as runner, make(sandbox, runner, http_client=hooked) as jobs:
        assert jobs.download(job_id, tmp_path / "a.csv").bytes_written
        if hooked is not blocking:
            runner.run(hooked.aclose())
    blocking.close()
    assert urls
    assert all(url.startswith(sandbox.base_url) and "?" not in url for url in urls)


AUDITED = """
import json, os, sys
written, started = [], []
def audit(event, args):
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        written.append(str(args[0]))
    elif event in {"subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system"}:
        started.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(audit)
import asyncio
from pathlib import Path
from impact_jobs import AsyncJobsClient, JobsClient, JobsError, Retry
job = sys.argv[1]
with JobsClient.from_env(retry=Retry(attempts=1)) as jobs:
    try:
        jobs.download(job, "cut.csv", connections=1)
    except JobsError as error:
        print("cut", file=sys.stderr)
    jobs.wait_and_download(job, "a.csv")
    jobs.fetch_all([job, jobs.replay(job)], "all")
async def main():
    async with AsyncJobsClient.from_env() as jobs:
        await jobs.download(job, "b.csv")
asyncio.run(main())
seen = [Path("/proc/self/cmdline").read_text()]
print(json.dumps({"written": sorted(set(written)), "started": started, "cmdline": seen}))
"""


def test_no_process_is_started_and_no_file_holds_a_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    sandbox.cut_next_download(after_bytes=100_000)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", AUDITED, job_id],
        cwd=tmp_path,
        env={**os.environ, **sandbox.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["started"] == []
    assert said["written"], "the downloads"
    assert [path for path in said["written"] if not (tmp_path / path).resolve().is_relative_to(tmp_path)] == []
    assert (tmp_path / "cut.csv.part.json").exists(), "the journal of what was cut"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts = [f"{path}".encode() + path.read_bytes() for path in files]
    texts += ["".join(said["cmdline"]).encode(), done.stderr.encode()]
    signed = [request.query for request in sandbox.requests if request.origin == "storage"]
    basic = base64.b64encode(f"{sandbox.account_sid}:{sandbox.auth_token}".encode()).decode()
    assert len(signed) >= 4
    for secret in (*signed, sandbox.auth_token, basic):
        assert secret
        assert not any(secret.encode() in text for text in texts)
