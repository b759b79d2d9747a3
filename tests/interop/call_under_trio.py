"""Call both clients under trio, for `test_trio`; in a separate environment, because httpcore loads trio if it can."""

from __future__ import annotations

import json
import sys

import trio
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient


async def main(job_id: str) -> None:
    jobs = AsyncJobsClient.from_env()
    refusals = []
    for call in (
        jobs.get(job_id),
        jobs.wait(job_id),
        jobs.replay(job_id),
        jobs.download(job_id, "never"),
        jobs.wait_all([job_id]),
        jobs.stream(job_id).__aenter__(),
        anext(jobs.list()),
    ):
        try:
            await call
        except ConfigurationError as error:
            refusals.append(str(error))
    await jobs.aclose()
    with JobsClient.from_env() as in_thread:
        job = await trio.to_thread.run_sync(in_thread.wait, job_id)
    sys.stdout.write(json.dumps({"refusals": refusals, "job": job.id}))


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
