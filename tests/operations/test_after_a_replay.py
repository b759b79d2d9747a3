"""Right after a replay the server may refuse the new job, or still show the run before it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    ApiError,
    AuthenticationError,
    Job,
    JobNotFoundError,
    JobsError,
    PermissionDeniedError,
    Polling,
    Retry,
    WaitTimeoutError,
)
from impact_jobs._transport import clock
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.virtual_clock import NOON, VirtualClock

HOUR = 3600.0
SIZE = 20_000
QUICK = Retry(attempts=3, base_delay=0.0)


@pytest.fixture
def virtual() -> Iterator[VirtualClock]:
    virtual = VirtualClock()
    with clock.use(virtual):
        yield virtual


@pytest.fixture(params=[False])
def sandbox(request: pytest.FixtureRequest, virtual: VirtualClock) -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0, result_bytes=SIZE, replay_same_id=request.param, clock=virtual.time) as started:
        yield started


in_place = pytest.mark.parametrize("sandbox", [True], indirect=True, ids=["the same id"])


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def jobs(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[AnyClient]:
    make: MakeClient = request.param
    with asyncio.Runner() as runner, make(sandbox, runner, retry=QUICK) as client:
        yield client


def replayed(jobs: AnyClient, sandbox: Sandbox, **options: Any) -> Job:
    job: Job = jobs.replay(sandbox.add_job(age=HOUR, **options))
    return job


def status_of(job: Job) -> str:
    return str(job.status)


VERBS: dict[str, Callable[[AnyClient, str, Path], Any]] = {
    "get": lambda jobs, job_id, _: jobs.get(job_id),
    "wait": lambda jobs, job_id, _: jobs.wait(job_id),
    "wait_all": lambda jobs, job_id, _: jobs.wait_all([job_id])[job_id],
    "as_completed": lambda jobs, job_id, _: next(iter(jobs.as_completed([job_id]))),
    "download": lambda jobs, job_id, folder: jobs.download(job_id, folder / "a"),
    "wait_and_download": lambda jobs, job_id, folder: jobs.wait_and_download(job_id, folder / "a"),
    "stream": lambda jobs, job_id, _: read(jobs, job_id),
    "fetch_all": lambda jobs, job_id, folder: only(jobs.fetch_all([job_id], folder).outcomes),
}


def read(jobs: AnyClient, job_id: str) -> int:
    with jobs.stream(job_id) as chunks:
        return sum(map(len, chunks))


def only(outcomes: dict[str, Any]) -> Any:
    (outcome,) = outcomes.values()
    if isinstance(outcome, JobsError):
        raise outcome
    return outcome


KINDS = {401: AuthenticationError, 403: PermissionDeniedError, 404: JobNotFoundError}


@pytest.mark.parametrize("verb", VERBS)
def test_a_refusal_of_the_new_job_passes(verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for number, status in enumerate(KINDS):
        job_id, folder = replayed(jobs, sandbox).id, tmp_path / f"{number}"
        folder.mkdir()
        sandbox.answer_next("GET", re.compile(job_id), status=status, times=2)
        VERBS[verb](jobs, job_id.upper() if verb in {"get", "wait", "download"} else job_id, folder)


@pytest.mark.parametrize("verb", VERBS)
def test_a_refusal_that_stays_is_final(verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for status, error in KINDS.items():
        job_id = replayed(jobs, sandbox).id
        sandbox.forget_requests()
        sandbox.answer_next("GET", re.compile(job_id), status=status, times=QUICK.attempts)
        with pytest.raises(error) as raised:
            VERBS[verb](jobs, job_id, tmp_path)
        assert raised.value.is_too_early
        assert len(sandbox.requests) == QUICK.attempts


@pytest.mark.parametrize("verb", VERBS)
def test_any_other_job_is_refused_at_once(
    verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, virtual: VirtualClock
) -> None:
    old = replayed(jobs, sandbox).id
    virtual.now += 60.0
    replayed(jobs, sandbox)
    for job_id in (old, sandbox.add_job()):
        sandbox.forget_requests()
        sandbox.answer_next("GET", re.compile(job_id), status=404)
        with pytest.raises(JobNotFoundError) as raised:
            VERBS[verb](jobs, job_id, tmp_path)
        assert not raised.value.is_too_early
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize("status", KINDS)
def test_a_refusal_of_the_list_passes_too(status: int, jobs: AnyClient, sandbox: Sandbox) -> None:
    new = [replayed(jobs, sandbox, seconds=30) for _ in range(4)]
    sandbox.answer_next("GET", "/Jobs", status=status)
    assert set(map(status_of, jobs.wait_all(new).values())) == {"COMPLETED"}
    old = [jobs.get(sandbox.add_job(seconds=30)) for _ in range(4)]
    sandbox.answer_next("GET", "/Jobs", status=status)
    with pytest.raises(ApiError):
        jobs.wait_all(old)


def test_a_job_whose_replay_was_found_in_the_list_counts_as_replayed(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.answer_next("PUT", "/Replay", status=503, perform=True)
    job = jobs.replay(sandbox.add_job(age=HOUR, seconds=30))
    sandbox.answer_next("GET", job.id, status=404)
    assert jobs.wait(job.id).status == "COMPLETED"


# The run before


def show_earlier_run(sandbox: Sandbox, job_id: str, *, times: int, status: str = "COMPLETED", **dates: str) -> None:
    dates = dates or {"CompletedDate": "2026-05-29T11:59:59Z", "FailedDate": "2026-05-28T08:00:00Z"}
    shown = json.dumps({"Id": job_id, "Status": status, "PercentageComplete": 100, **dates})
    sandbox.answer_next("GET", job_id, status=200, body=shown, times=times)
    sandbox.answer_next("GET", "/Jobs", status=200, body=f"[{shown}]", times=times)


WAITS = ("wait", "wait_all", "as_completed", "wait_and_download", "fetch_all")


@in_place
@pytest.mark.parametrize("verb", WAITS)
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_no_wait_ends_on_the_run_before_the_replay(  # noqa: PLR0917 - fixtures
    verb: str, status: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, virtual: VirtualClock
) -> None:
    job = replayed(jobs, sandbox, seconds=20)
    show_earlier_run(sandbox, job.id, times=3, status=status)
    seen: list[Job] = []
    VERBS[verb](jobs.with_options(polling=Polling(maximum=5)), job.id, tmp_path)
    assert virtual.now >= NOON + 20
    show_earlier_run(sandbox, job.id, times=1, status=status)
    assert jobs.wait(job, on_update=seen.append).status == "COMPLETED"
    assert [snapshot.status for snapshot in seen] == ["COMPLETED"]


@in_place
@pytest.mark.parametrize("answered", ["", "2026-05-29T11:59:59Z"])
def test_not_even_a_snapshot_that_the_replay_returned(answered: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    """The server may answer the replay with the job as it was before."""
    job_id = sandbox.add_job(age=HOUR, seconds=20)
    body = json.dumps({"Id": job_id, "Status": "COMPLETED", "CompletedDate": answered})
    sandbox.answer_next("PUT", "/Replay", status=200, body=body, perform=True)
    job = jobs.replay(job_id)
    assert jobs.wait(job).completed_date > jobs.get(job_id).created_date
    assert jobs.wait_all([job])[job_id].raw["ResultUri"]


@in_place
@pytest.mark.parametrize("verb", ["wait", "wait_all", "as_completed"])
def test_an_end_that_stays_is_believed_after_a_minute(
    verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, virtual: VirtualClock
) -> None:
    """The clocks of the server may differ, or it may state no date."""
    job = replayed(jobs, sandbox, seconds=HOUR)
    show_earlier_run(sandbox, job.id, times=999, CompletedDate="")
    VERBS[verb](jobs, job.id, tmp_path)
    assert NOON + 60 <= virtual.now < NOON + 120


@in_place
@pytest.mark.parametrize("verb", ["wait", "wait_all"])
def test_a_wait_without_time_ends_all_the_same(verb: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    job = replayed(jobs, sandbox, seconds=HOUR)
    show_earlier_run(sandbox, job.id, times=999)
    before = Job(id=job.id, status="COMPLETED")
    for named in (job.id, before):
        sandbox.forget_requests()
        with pytest.raises(WaitTimeoutError, match=job.id):
            getattr(jobs, verb)(named if verb == "wait" else [named], timeout=0)
        assert len(sandbox.requests) == 1


@in_place
def test_a_run_that_ends_within_the_second_of_the_replay_is_noticed_at_once(
    jobs: AnyClient, sandbox: Sandbox, virtual: VirtualClock
) -> None:
    virtual.now += 0.9
    job = replayed(jobs, sandbox)
    assert jobs.wait(job.id).id == job.id
    assert virtual.sleeps == []
