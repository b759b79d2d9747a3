"""Under a clock that a test has frozen, as freezegun does, each wait says so instead of never ending."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    AsyncJobsClient,
    ConfigurationError,
    JobFailedError,
    JobsClient,
    Polling,
    RequestTimeoutError,
    Retry,
    WaitTimeoutError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, Driven, MakeClient, clients
from tests.support.raw_server import Asked, Reply, serving

CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")

CALLS: dict[str, Callable[[AnyClient, str, Path], object]] = {
    "wait": lambda jobs, job_id, _: jobs.wait(job_id, 5),
    "wait without a limit": lambda jobs, job_id, _: jobs.wait(job_id, None),
    "wait_all": lambda jobs, job_id, _: jobs.wait_all([job_id], 5),
    "as_completed": lambda jobs, job_id, _: list(jobs.as_completed([job_id], 5)),
    "wait_and_download": lambda jobs, job_id, folder: jobs.wait_and_download(job_id, folder / "a", timeout=5),
    "fetch_all": lambda jobs, job_id, folder: jobs.fetch_all([job_id], folder, timeout=5),
}


@pytest.fixture
def freeze(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give a function that replaces the clocks of the module `time`, also those that asyncio reads."""

    def freeze() -> None:
        thread = threading.current_thread()
        for name in CLOCKS:
            clock = getattr(time, name)
            moment = clock()
            # Like freezegun, this spares threads near their start, and so the helper threads of a client.
            monkeypatch.setattr(
                time,
                name,
                lambda clock=clock, moment=moment: moment if threading.current_thread() is thread else clock(),
            )

    return freeze


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def patient(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[AnyClient]:
    with asyncio.Runner() as runner:
        make: MakeClient = request.param
        with make(sandbox, runner, retry=Retry(base_delay=60.0, max_delay=600.0)) as client:
            yield client


@pytest.mark.parametrize("call", CALLS)
def test_a_wait_reports_a_frozen_clock(
    call: str, patient: AnyClient, sandbox: Sandbox, freeze: Callable[[], None], tmp_path: Path
) -> None:
    job_id = sandbox.add_job(status="RUNNING")
    freeze()
    with pytest.raises(ConfigurationError, match=r"clock stands still.*freezegun.*impact_clock"):
        CALLS[call](patient, job_id, tmp_path)


@pytest.mark.parametrize(("status", "headers"), [(503, {}), (429, {"Retry-After": "300"})])
def test_a_pause_before_a_retry_reports_a_frozen_clock(
    status: int, headers: dict[str, str], *, patient: AnyClient, sandbox: Sandbox, freeze: Callable[[], None]
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", job_id, status=status, headers=headers)
    freeze()
    with pytest.raises(ConfigurationError, match="clock stands still"):
        patient.get(job_id)


def test_a_pause_of_the_rate_limit_reports_a_frozen_clock(
    patient: AnyClient, sandbox: Sandbox, freeze: Callable[[], None]
) -> None:
    job_id = sandbox.add_job()
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "300"}
    sandbox.answer_next("GET", "/Jobs", status=200, body="[]", headers=headers)
    freeze()
    assert list(patient.list()) == []
    with pytest.raises(ConfigurationError, match="clock stands still"):
        patient.get(job_id)


def test_what_needs_no_pause_works_under_a_frozen_clock(
    jobs: AnyClient, sandbox: Sandbox, freeze: Callable[[], None], tmp_path: Path
) -> None:
    job_id, failed = sandbox.add_job(result_bytes=9_000_000), sandbox.add_job(status="FAILED")
    running = sandbox.add_job(status="RUNNING")
    freeze()
    assert jobs.wait(job_id).id == job_id
    assert list(jobs.wait_all([job_id])) == [job_id]
    assert jobs.wait_and_download(job_id, tmp_path / "a", connections=2).bytes_written == 9_000_000
    assert jobs.download(job_id, tmp_path / "b").bytes_written == 9_000_000
    assert len(jobs.fetch_all([job_id], tmp_path / "c").files) == 1
    with pytest.raises(JobFailedError):
        jobs.wait(failed)
    with pytest.raises(WaitTimeoutError):
        jobs.wait(running, 0)


@pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)
def test_a_clock_that_another_thread_moves_is_not_frozen(
    make: MakeClient, sandbox: Sandbox, freeze: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = sandbox.add_job(status="RUNNING")
    over, sleep, moments = threading.Event(), time.sleep, itertools.count(time.monotonic())
    freeze()

    def move() -> None:
        while not over.is_set():
            moment = next(moments)
            monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
            sleep(0.01)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        eager = Polling(minimum=0.2, maximum=0.2)
        with (
            asyncio.Runner() as runner,
            make(sandbox, runner, polling=eager) as jobs,
            pytest.raises(WaitTimeoutError),
        ):
            jobs.wait(job_id, 30)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("place", ["head", "body"])
@pytest.mark.parametrize("make", [JobsClient, AsyncJobsClient])
def test_a_silent_server_still_ends_a_request(place: str, make: type[Any], freeze: Callable[[], None]) -> None:
    def answer(asked: Asked) -> Reply:
        if place == "head":
            asked.over.wait()
        return Reply(headers={"Content-Length": "9"}, body=b"{")

    with serving(answer) as server, asyncio.Runner() as runner:
        client = make("IR1", "token", base_url=server.url, request_timeout=0.1, retry=Retry(attempts=1))
        with client if make is JobsClient else Driven(client, runner) as jobs:
            freeze()
            with pytest.raises(RequestTimeoutError):
                jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
