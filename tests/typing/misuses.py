"""What a type checker must refuse, one wrong use per line. Type checkers read this file; it never runs.

`make types` needs a mark on each wrong line. `tests/package/test_types.py` removes the marks, and expects an error from
every checker on each of these lines and on no other.
"""

# ruff: noqa: ARG005, B018, F401, FBT003 - the uses are wrong on purpose, and no value is used

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, assert_type

import httpx
from impact_jobs import AsyncJobsClient, Job, JobsClient, JobStatus, NoSuchName, Polling, Retry  # type: ignore[attr-defined]
from impact_jobs.sandbox import NoSuchThing, Sandbox  # type: ignore[attr-defined]


def making() -> None:
    JobsClient()  # type: ignore[call-arg]
    JobsClient("sid", "token", "https://api.impact.com")  # type: ignore[call-arg, arg-type]
    JobsClient("sid", "token", timeout=30)  # type: ignore[call-arg]
    JobsClient("sid", "token", account="advertiser")  # type: ignore[arg-type]
    JobsClient("sid", "token", http_client=httpx.AsyncClient())  # type: ignore[arg-type]
    AsyncJobsClient("sid", "token", http_client=httpx.Client())  # type: ignore[arg-type]


def methods(jobs: JobsClient, job: Job, numbers: Iterable[int]) -> None:
    jobs.get(7)  # type: ignore[arg-type]
    jobs.list(7)  # type: ignore[arg-type]
    jobs.for_advertiser(1.5)  # type: ignore[arg-type]
    jobs.wait(job, timedelta(minutes=5))  # type: ignore[arg-type]
    jobs.wait(job, 60, Polling())  # type: ignore[call-arg]
    jobs.wait(job, on_update=lambda: None)  # type: ignore[arg-type, misc]
    jobs.wait_all(job)  # type: ignore[call-overload]
    jobs.wait_all(numbers)  # type: ignore[arg-type]
    jobs.as_completed([job], return_exceptions=None)  # type: ignore[call-overload]
    jobs.download(job)  # type: ignore[call-arg]
    jobs.download(job, b"report.csv")  # type: ignore[arg-type]
    jobs.download(job, "report.csv", True)  # type: ignore[call-arg]
    jobs.download(job, "report.csv", mode="fast")  # type: ignore[arg-type]
    jobs.download(job, "report.csv", on_progress=lambda done: None)  # type: ignore[arg-type, misc]
    jobs.fetch_all([job])  # type: ignore[call-arg]
    jobs.replay(job, 2)  # type: ignore[call-arg]
    jobs.aclose()  # type: ignore[attr-defined]


def results(jobs: JobsClient, job: Job, wish: Literal[True]) -> None:
    jobs.replay_if_replayable(job).id  # type: ignore[union-attr]
    jobs.wait_all([job], return_exceptions=wish)["id"].status  # type: ignore[union-attr]
    job.percentage_complete + 1  # type: ignore[operator]
    job.nothing_of_the_kind  # type: ignore[attr-defined]
    assert_type(job.status, JobStatus)  # type: ignore[assert-type]


def values(job: Job, polling: Polling, retry: Retry) -> None:
    job.status = JobStatus.COMPLETED  # type: ignore[misc]
    polling.minimum = 2.0  # type: ignore[misc]
    retry.attempts = 1  # type: ignore[misc]
    Retry(4)  # type: ignore[call-arg]
    Retry(attempts="4")  # type: ignore[arg-type]
    Polling(minimum=timedelta(seconds=1))  # type: ignore[arg-type]
    Polling(error_grace=60)  # type: ignore[arg-type]
    Polling(history=["3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"])  # type: ignore[list-item]
    Job(id="1")  # type: ignore[call-arg]


async def awaiting(jobs: AsyncJobsClient, job: Job) -> None:
    jobs.get(job).status  # type: ignore[attr-defined]
    await jobs.list()  # type: ignore[misc]
    for _ in jobs.list():  # type: ignore[attr-defined]
        pass
    with jobs:  # type: ignore[attr-defined]
        pass
    with jobs.stream(job):  # type: ignore[attr-defined]
        pass
    jobs.close()  # type: ignore[attr-defined]


def a_sandbox(sandbox: Sandbox) -> None:
    Sandbox(1)  # type: ignore[call-arg, arg-type]
    Sandbox(list_shape="tree")  # type: ignore[arg-type]
    sandbox.add_job("FAILED")  # type: ignore[call-arg]
    sandbox.answer_next("GET", "/Jobs")  # type: ignore[call-arg]
