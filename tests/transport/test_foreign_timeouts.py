"""A time limit of the caller passes through each call unchanged, and is not taken for a timeout of the network."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from impact_agency_api.api.jobs import get_job
from impact_jobs import (
    AsyncJobsClient,
    ConfigurationError,
    DownloadError,
    Job,
    JobsClient,
    RequestTimeoutError,
    Retry,
    TransportError,
)
from impact_jobs._download import filesystem
from impact_jobs._transport.foreign_timeout import foreign_timeout
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, by_generated_code
from tests.support.raw_server import Answer, Asked, RawServer, Reply, serving

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
SIGNATURE = "canary-signature"
LIMIT_SECONDS = 0.05
EAGER = Retry(attempts=3, base_delay=0.0)


class OutOfTimeError(TimeoutError):
    pass


def drained(opened: Any) -> int:
    with opened as chunks:
        return sum(len(chunk) for chunk in chunks)


API_CALLS: dict[str, Callable[[AnyClient, Path], object]] = {
    "get": lambda jobs, _: jobs.get(JOB_ID),
    "list": lambda jobs, _: list(jobs.list()),
    "wait": lambda jobs, _: jobs.wait(JOB_ID),
    "wait_all": lambda jobs, _: jobs.wait_all([JOB_ID]),
    "as_completed": lambda jobs, _: list(jobs.as_completed([JOB_ID])),
    "replay": lambda jobs, _: jobs.replay(JOB_ID),
    "generated": lambda jobs, _: by_generated_code(jobs, get_job, JOB_ID),
    "wait_and_download": lambda jobs, folder: jobs.wait_and_download(JOB_ID, folder / "a"),
    "fetch_all": lambda jobs, folder: jobs.fetch_all([JOB_ID], folder),
    "fetch_all, one at a time": lambda jobs, folder: jobs.fetch_all([JOB_ID], folder, concurrency=1),
    "download": lambda jobs, folder: jobs.download(JOB_ID, folder / "a"),
}
RESULT_CALLS: dict[str, Callable[[AnyClient, Path], object]] = {
    "download": lambda jobs, folder: jobs.download(JOB_ID, folder / "a"),
    "download in parallel": lambda jobs, folder: jobs.download(JOB_ID, folder / "a", connections=2),
    "stream": lambda jobs, _: drained(jobs.stream(JOB_ID)),
    "open": lambda jobs, _: drained(jobs.open(JOB_ID)),
}


@pytest.fixture(autouse=True)
def _restored_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


@contextmanager
def alarm(*, seconds: float = 0.0) -> Iterator[None]:
    """Raise OutOfTimeError in the main thread upon SIGALRM, which arrives after so many seconds if they are given."""

    def give_up(_number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # once is enough
        raise OutOfTimeError("of the caller")

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # a server may still send one


def stall(asked: Asked) -> None:
    """Send SIGALRM once the client probably waits, and nothing more."""
    asked.over.wait(0.02)
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGALRM)
    asked.over.wait()


def interrupting(asked: Asked) -> Reply:
    stall(asked)
    return Reply()


def silent(asked: Asked) -> Reply:
    asked.over.wait()
    return Reply()


def storing_up_to(sent: int, size: int, then: Callable[[Asked], object] = stall) -> Answer:
    def answer(asked: Asked) -> Reply:
        def body() -> Iterator[bytes]:
            yield bytes(sent)
            then(asked)

        headers = {"Content-Type": "text/csv", "Content-Length": str(size), "ETag": '"1"', "Accept-Ranges": "bytes"}
        return Reply(headers=headers, body=body())

    return answer


def redirecting_to(storage: RawServer) -> Answer:
    headers = {"Location": f"{storage.url}/a?sig={SIGNATURE}", "Content-Length": "0"}
    return lambda _: Reply(status=302, headers=headers)


def assert_is_the_callers(error: BaseException) -> None:
    assert (type(error), str(error)) == (OutOfTimeError, "of the caller")
    assert error.__cause__ is None
    formatted = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert "give_up" in [frame.name for frame in formatted.stack]
    # The test's own frames know the link.
    assert SIGNATURE not in "".join(str(frame.locals) for frame in formatted.stack if "/tests/" not in frame.filename)


@pytest.mark.parametrize("call", API_CALLS)
def test_a_timeout_of_a_signal_handler_passes_through_without_retries(call: str, tmp_path: Path) -> None:
    with serving(interrupting) as server, JobsClient("IR1", "token", base_url=server.url, retry=EAGER) as jobs:
        with alarm(), pytest.raises(OutOfTimeError) as raised:
            API_CALLS[call](jobs, tmp_path)
        assert len(server.asked) == 1
    assert_is_the_callers(raised.value)


@pytest.mark.parametrize(
    ("call", "sent", "size"),
    [
        ("download", 0, 100),
        ("download", 200_000, 300_000),
        *((call, *sizes) for call in RESULT_CALLS for sizes in ((50, 100), (1_000_000, 9_000_000))),
    ],
)
def test_it_passes_through_while_a_result_is_read(call: str, sent: int, size: int, tmp_path: Path) -> None:
    with (
        serving(storing_up_to(sent, size)) as storage,
        serving(redirecting_to(storage)) as api,
        JobsClient("IR1", "token", base_url=api.url, retry=EAGER) as jobs,
    ):
        with alarm(), pytest.raises(OutOfTimeError) as raised:
            RESULT_CALLS[call](jobs, tmp_path)
        # This storage serves no ranges, so a parallel download may have started over.
        assert call == "download in parallel" or len(api.asked) == 1
    assert_is_the_callers(raised.value)


@pytest.mark.parametrize("call", ["get", "wait", "wait_all", "replay"])
def test_it_passes_through_during_a_pause(call: str, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.answer_next("GET", "/Jobs", status=503, times=9)
    sandbox.answer_next("GET", JOB_ID, status=503, times=9)
    sandbox.answer_next("PUT", "/Replay", status=503, times=9)
    with (
        sandbox.client(retry=Retry(base_delay=60.0)) as jobs,
        alarm(seconds=LIMIT_SECONDS),
        pytest.raises(OutOfTimeError) as raised,
    ):
        API_CALLS[call](jobs, tmp_path)
    assert_is_the_callers(raised.value)


@pytest.mark.parametrize("call", ["get", "wait", "download"])
def test_an_asynchronous_client_is_interrupted_as_well(call: str, tmp_path: Path) -> None:
    async def main(url: str) -> None:
        async with AsyncJobsClient("IR1", "token", base_url=url, retry=EAGER) as jobs:
            await API_CALLS[call](jobs, tmp_path)  # type: ignore[misc]

    with serving(interrupting) as server, alarm(), pytest.raises(OutOfTimeError, match="of the caller"):
        asyncio.run(main(server.url))


@pytest.mark.parametrize("call", ["get", "wait", "wait_all", "replay", "download", "fetch_all"])
def test_a_timeout_of_asyncio_around_a_call_stays_the_callers(call: str, tmp_path: Path) -> None:
    async def main(url: str) -> None:
        async with AsyncJobsClient("IR1", "token", base_url=url, retry=EAGER) as jobs:
            with pytest.raises(TimeoutError) as raised:
                await limited(API_CALLS[call](jobs, tmp_path))  # type: ignore[arg-type]
            assert type(raised.value) is TimeoutError

    async def limited(coroutine: Coroutine[Any, Any, object]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await coroutine

    with serving(silent) as server:
        asyncio.run(main(server.url))
        assert len(server.asked) <= 1


@pytest.mark.parametrize("event", ["request", "response"])
@pytest.mark.parametrize("call", ["get", "list", "wait_all", "replay", "generated", "download"])
def test_a_timeout_of_a_hook_passes_through_without_retries(
    call: str, event: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    def give_up(_: object) -> NoReturn:
        raise OutOfTimeError("of the caller")

    async def give_up_in_loop(_: object) -> NoReturn:
        raise OutOfTimeError("of the caller")

    account = sandbox.account_sid, sandbox.auth_token
    with (
        httpx.Client(event_hooks={event: [give_up]}, verify=httpx.create_ssl_context()) as own,
        JobsClient(*account, base_url=sandbox.base_url, http_client=own, retry=EAGER) as jobs,
        pytest.raises(OutOfTimeError) as raised,
    ):
        API_CALLS[call](jobs, tmp_path)
    assert_is_the_callers(raised.value)
    sent = len(sandbox.requests)
    assert sent == (event == "response")

    async def main() -> None:
        tls = httpx.create_ssl_context()
        async with httpx.AsyncClient(event_hooks={event: [give_up_in_loop]}, verify=tls) as own:
            jobs = AsyncJobsClient(*account, base_url=sandbox.base_url, http_client=own, retry=EAGER)
            coroutine: Any = API_CALLS[call](jobs, tmp_path) if call != "list" else anext(jobs.list())
            await coroutine

    with pytest.raises(OutOfTimeError):
        asyncio.run(main())
    assert len(sandbox.requests) == 2 * sent


@pytest.mark.parametrize("connections", [1, 2])
def test_a_timeout_of_a_callback_passes_through(
    connections: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    def give_up(*_: object) -> NoReturn:
        raise OutOfTimeError("of the caller")

    job_id = sandbox.add_job(result_bytes=9_000_000)
    calls: tuple[Callable[[], object], ...] = (
        lambda: jobs.wait(job_id, on_update=give_up),
        lambda: jobs.wait_all([job_id], on_update=give_up),
        lambda: jobs.download(job_id, tmp_path / "a", on_progress=give_up, connections=connections),
        lambda: jobs.fetch_all([job_id], tmp_path / "b", on_update=give_up),
        lambda: jobs.wait_and_download(job_id, tmp_path / "c", on_progress=give_up, connections=connections),
    )
    for call in calls:
        sandbox.forget_requests()
        with pytest.raises(OutOfTimeError, match="of the caller"):
            call()
        assert len(sandbox.requests) <= 2 + connections


def test_it_passes_through_while_a_client_is_created(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up() -> NoReturn:
        raise OutOfTimeError("of the caller")

    for client in (JobsClient, AsyncJobsClient):
        monkeypatch.setattr(httpx, "create_ssl_context", give_up)
        with pytest.raises(OutOfTimeError):
            client("IR1", "token")
        monkeypatch.undo()
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
        with pytest.raises(ConfigurationError):
            client("IR1", "token")


def test_a_timeout_of_the_network_is_still_ours(tmp_path: Path) -> None:
    once: dict[str, Any] = {"retry": Retry(attempts=1), "request_timeout": LIMIT_SECONDS}
    with (
        serving(storing_up_to(1_000_000, 9_000_000, then=lambda asked: asked.over.wait())) as storage,
        serving(redirecting_to(storage)) as api,
        JobsClient("IR1", "token", base_url=api.url, **once) as jobs,
        pytest.raises(RequestTimeoutError),
    ):
        jobs.download(JOB_ID, tmp_path / "a")


def test_only_a_timeout_with_code_of_the_caller_is_foreign() -> None:
    def raised_by(raising: Callable[[], object]) -> BaseException:
        with pytest.raises(OSError) as caught:  # noqa: PT011 - any
            raising()
        return caught.value

    def give_up() -> NoReturn:
        raise TimeoutError("timed out")

    def reset() -> NoReturn:
        raise ConnectionResetError

    assert foreign_timeout(raised_by(give_up)) is not None
    assert foreign_timeout(raised_by(reset)) is None
    assert foreign_timeout(TimeoutError("timed out")) is None


def test_a_timeout_that_the_caller_handles_meanwhile_is_not_taken_for_the_cause() -> None:
    def cut(_: Asked) -> Reply:
        return Reply(headers={"Content-Length": "9"}, body=b"short", ends=True)

    with serving(cut) as server, JobsClient("IR1", "token", base_url=server.url, retry=Retry(attempts=1)) as jobs:
        try:
            with alarm():
                signal.raise_signal(signal.SIGALRM)
        except OutOfTimeError:
            with pytest.raises(TransportError):
                jobs.get(JOB_ID)


def test_it_passes_through_while_a_file_is_written(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_descriptor: int, _data: bytes, _offset: int) -> NoReturn:
        raise OutOfTimeError("of the caller")

    job_id = sandbox.add_job(seconds=0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", write)
        with pytest.raises(OutOfTimeError):
            jobs.download(job_id, tmp_path / "a.csv")
    assert jobs.download(job_id, tmp_path / "a.csv").bytes_written == sandbox.result(job_id).size


FILE_CALLS: dict[str, Callable[[AnyClient, Job, Path], object]] = {
    "download": lambda jobs, job, folder: jobs.download(job, folder / "a.csv"),
    "overwrite": lambda jobs, job, folder: jobs.download(job, folder / "old.csv", overwrite=True),
    "into a folder": lambda jobs, job, folder: jobs.download(job, folder),
    "fetch_all": lambda jobs, job, folder: jobs.fetch_all([job], folder / "reports"),
}
FILE_FUNCTIONS = {
    "access": FILE_CALLS,
    "fchmod": {"overwrite"},
    "fstat": FILE_CALLS,
    "fstatvfs": FILE_CALLS,
    "fsync": FILE_CALLS,
    "link": {"download", "into a folder", "fetch_all"},
    "listdir": {"fetch_all"},
    "mkdir": {"fetch_all"},
    "open": FILE_CALLS,
    "posix_fallocate": FILE_CALLS,
    "replace": {"overwrite"},
    "stat": FILE_CALLS,
    "unlink": FILE_CALLS,
    "utime": FILE_CALLS,
}


def is_interrupted(function: str, number: int, folder: Path, call: Callable[[], object]) -> bool:
    """Raise OutOfTimeError after the n-th call of a function of `os` for that folder; return False if there is none."""
    real, count = getattr(os, function), 0

    def called(first: Any, *args: Any, **options: Any) -> Any:
        nonlocal count
        path = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else os.fsdecode(first)  # noqa: PTH115
        found = real(first, *args, **options)
        # No handler of a signal runs in a thread in the background.
        if path.startswith(str(folder)) and not threading.current_thread().name.startswith("impact-jobs-"):
            count += 1
            if count == number:
                raise OutOfTimeError("of the caller")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, function, called)
        try:
            call()
        except OutOfTimeError:
            assert count >= number
            return True
    assert count < number, f"{function} #{number}"
    return False


@pytest.mark.parametrize("function", FILE_FUNCTIONS)
def test_it_passes_through_after_any_call_of_the_system_for_a_file(
    function: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "_PREALLOCATE_FROM_BYTES", 1)
    job = jobs.get(sandbox.add_job(seconds=0, age=3600))
    for name, call in FILE_CALLS.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "old.csv").touch(mode=0o640)
        for number in range(1, 99):
            if not is_interrupted(function, number, folder, partial(call, jobs, job, folder)):
                break
            for path in set(folder.rglob("*.csv")) - {folder / "old.csv"}:
                path.unlink()
        assert (number > 1) == (name in FILE_FUNCTIONS[function]), name
        assert not list(folder.rglob("*.part*")), name


def test_a_timeout_of_a_file_system_is_an_error_of_the_download(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_descriptor: int, _data: bytes, _offset: int) -> NoReturn:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    monkeypatch.setattr(os, "pwrite", write)
    with pytest.raises(DownloadError, match="timed out"):
        jobs.download(sandbox.add_job(seconds=0), tmp_path / "a.csv")
