"""How many attempts a call makes, and how long it pauses: over real sockets, with a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from impact_jobs import ApiError, DownloadResult, JobsError, RateLimitError, Retry, ServerError, TransportError
from impact_jobs._transport.asynchronous import AsyncTransport
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Answer, Asked, Reply, serving, storing

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
DATA = bytes(300_000)
UNAVAILABLE = Reply(status=503, headers={"Content-Length": "0"})
makes = pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)


@define
class Clock:
    """A clock that only sleeping advances."""

    now: float = 1000.0
    pauses: list[float] = field(factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for transport in (BlockingTransport, AsyncTransport):
        monkeypatch.setattr(transport, "sleep", lambda _, seconds: clock.sleep(seconds))
        monkeypatch.setattr(transport, "now", lambda _: clock.now)
    return clock


def after(count: int, first: Answer, then: Answer) -> Answer:
    asked_before: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        asked_before.append(asked)
        return (first if len(asked_before) <= count else then)(asked)

    return answer


# Headers, and the shortest and longest pause in seconds that may follow.
RETRY_AFTER = {
    "seconds": ({"Retry-After": "7"}, 7, 7),
    "a fraction": ({"Retry-After": "7.5"}, 7.5, 7.5),
    "at once": ({"Retry-After": "0"}, 0, 0),
    "a date": ({"Retry-After": "Fri, 29 May 2026 12:00:20 GMT", "Date": "Fri, 29 May 2026 12:00:00 GMT"}, 20, 20),
    "a date that is over": (
        {"Retry-After": "Fri, 29 May 2026 11:00:00 GMT", "Date": "Fri, 29 May 2026 12:00:00 GMT"},
        *(0, 0),
    ),
    "a date in a week": (
        {"Retry-After": "Fri, 05 Jun 2026 12:00:00 GMT", "Date": "Fri, 29 May 2026 12:00:00 GMT"},
        *(60, 60),
    ),
    "a week": ({"Retry-After": "604800"}, 60, 60),
    "less than nothing": ({"Retry-After": "-5"}, 0, 0),
    "nonsense": ({"Retry-After": "soon"}, 0.25, 0.5),
    "no number": ({"Retry-After": "nan"}, 0.25, 0.5),
    "without end": ({"Retry-After": "inf"}, 0.25, 0.5),
    "nothing": ({}, 0.25, 0.5),
}


@makes
@pytest.mark.parametrize("status", [408, 429, 503])
def test_the_pause_follows_retry_after_up_to_the_maximum(
    status: int, make: MakeClient, sandbox: Sandbox, clock: Clock
) -> None:
    body = f'{{"Id": "{JOB_ID}", "Status": "COMPLETED"}}'.encode()
    replies: list[Reply] = []
    with serving(lambda _: replies.pop(0)) as api, asyncio.Runner() as runner:
        with make(sandbox, runner, base_url=api.url) as jobs:
            for case, (headers, least, most) in RETRY_AFTER.items():
                failure = Reply(status=status, headers=headers | {"Content-Length": "0"})
                replies += [failure, Reply(headers={"Content-Length": str(len(body))}, body=body)]
                clock.pauses.clear()
                assert jobs.get(JOB_ID).id == JOB_ID
                assert least <= sum(clock.pauses) <= most, case
        assert len(api.asked) == 2 * len(RETRY_AFTER)


@makes
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_call_makes_as_many_attempts_as_configured_with_pauses_in_between(
    attempts: int, make: MakeClient, sandbox: Sandbox, clock: Clock
) -> None:
    job_id = sandbox.add_job()
    with asyncio.Runner() as runner, make(sandbox, runner, retry=Retry(attempts=attempts)) as jobs:
        for status in (None, 408, 425, 429, 500, 502, 503, 504, 520):
            sandbox.answer_next("GET", job_id, status=status, times=attempts)
            requests_before = len(sandbox.requests)
            clock.pauses.clear()
            with pytest.raises(JobsError):
                jobs.get(job_id)
            assert len(sandbox.requests) - requests_before == attempts, status
            assert len(clock.pauses) == attempts - 1, status


# The stages of a download


def cut(_: Asked) -> Reply:
    headers = {"Content-Length": str(len(DATA)), "ETag": '"v1"', "Accept-Ranges": "bytes"}
    return Reply(headers=headers, ends=True)


def unavailable(_: Asked) -> Reply:
    return UNAVAILABLE


STORAGES: dict[str, Callable[[], Answer]] = {
    "503": lambda: unavailable,
    "cut before its first byte": lambda: cut,
    "cut, then 503": lambda: after(2, cut, unavailable),
    "503, then cut": lambda: after(1, unavailable, cut),
}
USES: dict[str, Callable[[AnyClient, str, Path], Any]] = {
    "download": lambda jobs, job_id, folder: jobs.download(job_id, folder / "a.csv", connections=1),
    "several connections": lambda jobs, job_id, folder: jobs.download(job_id, folder / "a.csv", connections=4),
    "stream": lambda jobs, job_id, _: read(jobs, job_id),
    "fetch_all": lambda jobs, job_id, folder: jobs.fetch_all([job_id], folder).outcomes[job_id],
}


def read(jobs: AnyClient, job_id: str) -> int:
    with jobs.stream(job_id) as chunks:
        return sum(map(len, chunks))


def outcome_of(use: str, jobs: AnyClient, job_id: str, folder: Path) -> object:
    try:
        return USES[use](jobs, job_id, folder)
    except JobsError as error:
        return error


@makes
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("failures_before", [0, 2])
def test_all_stages_of_a_call_share_its_attempts(  # noqa: PLR0917 - fixtures
    use: str, storage: str, failures_before: int, make: MakeClient, sandbox: Sandbox, tmp_path: Path, clock: Clock
) -> None:
    job_id = sandbox.add_job()
    with serving(STORAGES[storage]()) as found, asyncio.Runner() as runner:
        sandbox.answer_next("GET", "/Download", status=502, times=failures_before)
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{found.url}/a"}, times=99)
        with make(sandbox, runner, retry=Retry(attempts=4)) as jobs:
            outcome = outcome_of(use, jobs, job_id, tmp_path)
        asked = [request for request in sandbox.requests if request.path.endswith("/Download")]
        assert isinstance(outcome, ServerError | TransportError)
        assert len(asked) == failures_before + 1, "the link is still valid"
        if use == "several connections":  # each further connection has its own attempts
            assert len(found.asked) <= 4 * 4 - failures_before
        else:  # failures of the API and of the storage count together
            assert len(found.asked) == 4 - failures_before
            assert len(clock.pauses) == 3


# Refusals of the storage that pass

ONE_DATE = {"Retry-After": "Fri, 29 May 2026 12:00:07 GMT", "Date": "Fri, 29 May 2026 12:00:00 GMT"}


def refusing(status: int, headers: dict[str, str]) -> Answer:
    return lambda _: Reply(status=status, headers=headers | {"Content-Length": "0"})


def is_result(outcome: object) -> bool:
    size = outcome.bytes_written if isinstance(outcome, DownloadResult) else outcome
    return size == len(DATA)


@makes
@pytest.mark.parametrize("use", USES)
def test_a_refusal_of_the_storage_that_passes_is_waited_for_as_long_as_it_says(
    use: str, make: MakeClient, sandbox: Sandbox, tmp_path: Path, clock: Clock
) -> None:
    with asyncio.Runner() as runner, make(sandbox, runner, retry=Retry(attempts=2)) as jobs:
        for status in (408, 425, 429, 500, 502, 503, 504):
            headers = ONE_DATE if status == 503 else {"Retry-After": "7"}
            folder = tmp_path / f"{status}"
            folder.mkdir()
            job_id = sandbox.add_job()
            with serving(after(1, refusing(status, headers), storing(DATA))) as found:
                sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{found.url}/a"})
                clock.pauses.clear()
                assert is_result(outcome_of(use, jobs, job_id, folder)), status
                assert clock.pauses == [7.0], status


@makes
def test_a_stream_that_resumes_waits_for_a_busy_storage(make: MakeClient, sandbox: Sandbox, clock: Clock) -> None:
    def cut_in_the_middle(asked: Asked) -> Reply:
        whole = storing(DATA)(asked)
        assert isinstance(whole.body, bytes)
        return Reply(status=whole.status, headers=whole.headers, body=whole.body[:100_000], ends=True)

    busy = refusing(429, {"Retry-After": "7"})
    job_id = sandbox.add_job()
    with serving(after(1, cut_in_the_middle, after(1, busy, storing(DATA)))) as found, asyncio.Runner() as runner:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{found.url}/a"})
        with make(sandbox, runner) as jobs:
            assert read(jobs, job_id) == len(DATA)
    assert clock.pauses[-1] == 7.0


@makes
@pytest.mark.parametrize(("status", "error"), [(425, ApiError), (429, RateLimitError), (500, ServerError)])
@pytest.mark.parametrize("use", USES)
def test_a_storage_that_stays_busy_is_named_and_leaves_the_account_s_requests_alone(  # noqa: PLR0917 - fixtures
    use: str,
    status: int,
    error: type[ApiError],
    make: MakeClient,
    sandbox: Sandbox,
    tmp_path: Path,
    clock: Clock,
) -> None:
    with serving(refusing(status, {"Retry-After": "60"})) as found, asyncio.Runner() as runner:
        job_id = sandbox.add_job()
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{found.url}/a"})
        with make(sandbox, runner, retry=Retry(attempts=2, max_delay=1.0)) as jobs:
            outcome = outcome_of(use, jobs, job_id, tmp_path)
            clock.pauses.clear()
            assert jobs.get(job_id).id == job_id
        assert len(found.asked) == 2
    assert type(outcome) is error
    assert (outcome.is_from_storage, outcome.retry_after, outcome.status_code) == (True, 60.0, status)
    assert f"the storage answered HTTP {status}. Try again in 60 s." in str(outcome)
    assert clock.pauses == []


@makes
def test_progress_resets_the_attempts(make: MakeClient, sandbox: Sandbox, tmp_path: Path, clock: Clock) -> None:
    """The storage closes the connection after every 30,000 bytes, nine times in all."""

    def breaking(asked: Asked) -> Reply:
        reply = storing(DATA)(asked)
        assert isinstance(reply.body, bytes)
        return Reply(status=reply.status, headers=reply.headers, body=reply.body[:30_000], ends=True)

    job_id = sandbox.add_job()
    with serving(breaking) as found, asyncio.Runner() as runner, make(sandbox, runner) as jobs:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{found.url}/a"})
        assert jobs.download(job_id, tmp_path / "a.csv", connections=1).bytes_written == len(DATA)
        assert len(found.asked) == 10
    assert len(clock.pauses) == 9
