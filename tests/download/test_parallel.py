"""Several connections at once: the same file as with one, as few requests as possible, and a clean end."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import DownloadError, RequestTimeoutError, ResultExpiredError, Retry, TransportError
from impact_jobs._download import ranges, transfer
from impact_jobs._transport.socket_reader import SocketReader
from impact_jobs._transport.thread_group import Task
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.raw_server import Answer, Asked, RawServer, Reply, serving, storing

MIB = 1024 * 1024
DATA = hashlib.shake_256(b"parallel").digest(3 * MIB + 1)
QUICK = Retry(base_delay=0.0)
ONE_TRY = Retry(attempts=1)


def job_at(sandbox: Sandbox, storage: RawServer, times: int = 20) -> str:
    job_id = sandbox.add_job(age=3600)
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"}, times=times)
    return job_id


def holds(path: Path, data: bytes) -> bool:
    return path.read_bytes() == data  # in a function, because pytest would take minutes to show the difference


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def download_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("impact-jobs_")]


@pytest.mark.parametrize("connections", [1, 3, 64, None])
def test_any_number_of_connections_gives_the_same_file(
    connections: int | None, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for size in (0, 1, 2, 63, 65, 299_993, 2 * MIB + 7):
        job_id = sandbox.add_job(result_bytes=size)
        sandbox.forget_requests()
        seen: list[tuple[int, int | None]] = []
        done = jobs.download(
            job_id,
            tmp_path / f"{size}",
            connections=connections,
            on_progress=lambda so_far, total, seen=seen: seen.append((so_far, total)),
        )
        assert done.bytes_written == size == done.path.stat().st_size
        assert done.sha256 == sandbox.result(job_id).sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
        asked = [request for request in sandbox.requests if request.origin == "storage"]
        piece = -(-size // (connections or 1)) or 1
        assert (done.connections, len(asked)) == (-(-size // piece), max(1, -(-size // piece)))
        assert seen == sorted(set(seen)), "never backwards, and nothing reported twice"
        assert seen[-1] == (size, size)


def test_every_part_is_requested_of_the_version_of_the_first_response(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with serving(storing(DATA, etag='"v7"')) as storage:
        done = jobs.download(job_at(sandbox, storage), tmp_path / "a.csv", connections=4)
        assert holds(done.path, DATA)
        first, *others = sorted(storage.asked, key=lambda asked: asked.headers.get("range", ""))
        assert not {"range", "if-range"} & first.headers.keys()
        assert {asked.headers["if-range"] for asked in others} == {'"v7"'}
        size = -(-len(DATA) // 4)
        assert {asked.headers["range"] for asked in others} == {
            f"bytes={start}-{min(start + size, len(DATA)) - 1}" for start in (size, 2 * size, 3 * size)
        }
        assert sum(request.path.endswith("/Download") for request in sandbox.requests) == 1, "one link is used by all"


def announcing_ranges(data: bytes) -> Answer:
    """A storage that announces ranges, but responds to a request for one with the whole file."""
    return storing(data, serves_ranges=False, headers={"Accept-Ranges": "bytes"})


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (storing(DATA, serves_ranges=False), 1),
        (storing(DATA, etag='W/"v1"'), 1),
        (storing(DATA, etag=""), 1),
        (storing(DATA, etag='"'), 1),
        (storing(DATA, serves_ranges=False, headers={"Accept-Ranges": "none"}), 1),
        (storing(DATA, etag="", headers={"Last-Modified": "yesterday", "Date": "today"}), 1),
        (announcing_ranges(DATA), 9),
    ],
    ids=["no ranges", "weak tag", "no tag", "broken tag", "ranges refused", "no dates", "false announcement"],
)
def test_a_storage_without_safe_ranges_is_read_over_one_connection(
    answer: Answer, most: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with serving(answer) as storage:
        done = jobs.with_options(retry=QUICK).download(job_at(sandbox, storage), tmp_path / "a.csv", connections=8)
        assert len(storage.asked) <= most
    assert holds(done.path, DATA)
    assert left_in(tmp_path) == ["a.csv"]


def test_the_date_of_a_file_a_minute_old_is_used_as_validator(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    modified = "Fri, 29 May 2026 00:00:00 GMT"
    headers = {"Last-Modified": modified, "Date": "Fri, 29 May 2026 00:01:00 GMT"}

    def answer(asked: Asked) -> Reply:
        assert asked.headers.get("if-range", modified) == modified
        return storing(DATA, etag="", headers=headers)(
            Asked(
                connection=asked.connection,
                method=asked.method,
                target=asked.target,
                headers={name: value for name, value in asked.headers.items() if name != "if-range"},
            )
        )

    with serving(answer) as storage:
        done = jobs.download(job_at(sandbox, storage), tmp_path / "a.csv", connections=3)
        assert sorted(asked.headers.get("if-range", "") for asked in storage.asked) == ["", modified, modified]
    assert holds(done.path, DATA)


@pytest.mark.parametrize(
    "wrong", ["bytes 0-99/{size}", "bytes 5-104/{size}", "bytes */{size}", "bytes 9-1/{size}", "pages 1-2/3", ""]
)
def test_a_part_other_than_the_requested_one_is_not_written(
    wrong: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        if "range" not in asked.headers:
            return storing(DATA)(asked)
        stated = {"Content-Range": wrong.format(size=len(DATA))} if wrong else {}
        return Reply(status=206, headers={"ETag": '"v1"', "Content-Length": "100"} | stated, body=b"x" * 100)

    with serving(answer) as storage:
        done = jobs.with_options(retry=QUICK).download(job_at(sandbox, storage), tmp_path / "a.csv", connections=3)
        assert len(storage.asked) <= 4
    assert holds(done.path, DATA)


def test_parts_shorter_or_longer_than_requested_are_assembled_correctly(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        reply = storing(DATA)(asked)
        if "range" not in asked.headers:
            return reply
        start = int(asked.headers["range"].removeprefix("bytes=").partition("-")[0])
        stop = min(start + 400_000, len(DATA))  # shorter than requested at first, longer at the end
        stated = {"Content-Range": f"bytes {start}-{stop - 1}/{len(DATA)}", "Content-Length": str(stop - start)}
        return Reply(status=206, headers={**reply.headers, **stated}, body=DATA[start:stop])

    with serving(answer) as storage:
        done = jobs.with_options(retry=QUICK).download(job_at(sandbox, storage), tmp_path / "a.csv", connections=3)
    assert holds(done.path, DATA)


# How many connections it chooses


def test_several_connections_are_chosen_only_for_large_files_at_slow_storages() -> None:
    large, slow, fast = 1024 * MIB, 5e6, 500e6
    assert ranges.connections_for(large, bytes_per_second=slow) == 8
    assert ranges.connections_for(large, bytes_per_second=fast) == 1
    assert ranges.connections_for(10 * MIB, bytes_per_second=1e3) == 1
    assert ranges.connections_for(large, bytes_per_second=0.0) == 8
    assert ranges.connections_for(10 * MIB, bytes_per_second=0.0) == 1


@pytest.mark.parametrize(("bytes_per_second", "expected"), [(1e6, 8), (1e12, 1)], ids=["slow", "fast"])
def test_several_connections_are_used_if_the_first_is_slow(  # noqa: PLR0917 - fixtures
    bytes_per_second: float,
    expected: int,
    jobs: AnyClient,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a clock that advances with the bytes that have arrived, and thresholds that suit a small file."""
    monkeypatch.setattr(ranges, "_SPLIT_FROM_BYTES", MIB)
    monkeypatch.setattr(ranges, "_SPLIT_FROM_SECONDS", 0.1)
    monkeypatch.setattr(transfer, "_COPY_BYTES", 64 * 1024)
    arrived = [0]
    with serving(storing(DATA)) as storage:
        job_id = job_at(sandbox, storage)
        port = (jobs._inner if hasattr(jobs, "_inner") else jobs)._transport
        monkeypatch.setattr(port, "now", lambda: arrived[0] / bytes_per_second)

        def count(done: int, _: int | None) -> None:
            arrived[0] = done

        done = jobs.download(job_id, tmp_path / "a.csv", on_progress=count)
        assert done.connections == expected == len(storage.asked)
    assert holds(done.path, DATA)


@pytest.mark.parametrize("reads_socket", [True, False])
def test_no_byte_is_lost_where_measuring_ends(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, reads_socket: bool
) -> None:
    monkeypatch.setattr(ranges, "_SPLIT_FROM_BYTES", 2 * MIB)
    monkeypatch.setattr(transfer, "MEASURED_BYTES", MIB + 1)  # where no read ends
    if not reads_socket:
        monkeypatch.setattr(SocketReader, "from_response", classmethod(lambda *_, **__: None))
    with serving(storing(DATA)) as storage:
        done = jobs.download(job_at(sandbox, storage), tmp_path / "a.csv")
    assert holds(done.path, DATA)


# Failures


def dripping(*, spoiled: Callable[[Asked], Reply | None] = lambda _: None) -> Answer:
    """A storage whose connections slow to a trickle after some bytes, except where `spoiled` returns a reply."""

    def answer(asked: Asked) -> Reply:
        reply = spoiled(asked)
        if reply is not None:
            return reply
        whole = storing(DATA)(asked)
        assert isinstance(whole.body, bytes)
        return Reply(status=whole.status, headers=whole.headers, body=body(whole.body, asked.over))

    def body(data: bytes, over: threading.Event) -> Iterator[bytes]:
        yield data[:100_000]
        for at in range(100_000, len(data)):  # a trickle, because progress is reported when bytes arrive
            if over.wait(0.05):
                return
            yield data[at : at + 1]

    return answer


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, ResultExpiredError, "refused a fresh link, too, with HTTP 404"),
        (418, DownloadError, "answered HTTP 418"),
        (206, TransportError, "peer closed connection"),
    ],
    ids=["gone", "refused", "cut"],
)
def test_a_failing_part_ends_the_others_and_its_error_is_raised(  # noqa: PLR0917 - fixtures
    status: int,
    error: type[Exception],
    message: str,
    jobs: AnyClient,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    others, all_have_started = threading.Semaphore(0), threading.Event()

    def spoiled(asked: Asked) -> Reply | None:
        if "range" in asked.headers and asked.headers["range"].endswith(f"-{len(DATA) - 1}"):
            for _ in range(0 if all_have_started.is_set() else 3):
                others.acquire()
            all_have_started.set()
            headers = storing(DATA)(asked).headers if status == 206 else {"Content-Length": "0"}
            return Reply(status=status, headers=headers, ends=True)
        others.release()
        return None

    with serving(dripping(spoiled=spoiled)) as storage:
        job_id = job_at(sandbox, storage, times=3 if status == 404 else 1)
        with pytest.raises(error, match=message):
            jobs.with_options(retry=ONE_TRY).download(job_id, tmp_path / "a.csv", connections=4)
    assert_resumes(jobs, sandbox, tmp_path)


@pytest.mark.parametrize(("connections", "sent"), [(2, 0), (8, 1000)])
def test_connections_that_stall_leave_their_parts_to_the_others(
    connections: int, sent: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """All but one stall, after some bytes or none. Meanwhile, or later, that one fetches everything."""
    stalled = threading.Semaphore(0)
    asked_before: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        asked_before.append(asked)
        whole, number = storing(DATA)(asked), len(asked_before)
        assert isinstance(whole.body, bytes)
        return Reply(status=whole.status, headers=whole.headers, body=body(whole.body, asked.over, number))

    def body(data: bytes, over: threading.Event, number: int) -> Iterator[bytes]:
        if 1 < number <= connections:
            yield data[:sent]
            stalled.release()
            over.wait()
            return
        if number == 1:
            yield data[:1000]
            for _ in range(connections - 1):
                stalled.acquire()
        yield data[1000:] if number == 1 else data

    with serving(answer) as storage:
        job_id = job_at(sandbox, storage, times=1)
        patient = jobs.with_options(retry=ONE_TRY, request_timeout=0.5)
        done = patient.download(job_id, tmp_path / "a.csv", connections=connections)
    assert done.connections == connections
    assert holds(done.path, DATA)
    assert left_in(tmp_path) == ["a.csv"]


def test_the_last_connection_that_stalls_has_all_its_attempts(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def body(data: bytes, over: threading.Event) -> Iterator[bytes]:
        yield data[:1000]
        over.wait()

    def answer(asked: Asked) -> Reply:
        whole = storing(DATA)(asked)
        assert isinstance(whole.body, bytes)
        is_new = len(storage.asked) <= 4
        return Reply(status=whole.status, headers=whole.headers, body=body(whole.body if is_new else b"", asked.over))

    with serving(answer) as storage:
        job_id = job_at(sandbox, storage, times=1)
        patient = jobs.with_options(retry=Retry(attempts=2, base_delay=0.0), request_timeout=0.3)
        with pytest.raises(RequestTimeoutError), caplog.at_level("INFO", "impact_jobs"):
            patient.download(job_id, tmp_path / "a.csv", connections=4)
    assert caplog.text.count("; try 2 of 2 in") == 1
    assert caplog.text.count("; one connection fewer") == 4, "the last one as well, because it was not alone"
    assert_resumes(jobs, sandbox, tmp_path)


def assert_resumes(jobs: AnyClient, sandbox: Sandbox, folder: Path) -> None:
    """Assert that the part and its journal are all that is left, and that the next call resumes them."""
    assert left_in(folder) == ["a.csv.part", "a.csv.part.json"]
    with serving(storing(DATA)) as storage:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"})
        (job_id,) = sandbox.job_ids
        done = jobs.download(job_id, folder / "a.csv")
    assert done.resumed_from > 0
    assert holds(done.path, DATA)
    assert left_in(folder) == ["a.csv"]


def test_ctrl_c_ends_all_connections_and_leaves_a_part_to_resume(sandbox: Sandbox, tmp_path: Path) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done >= 3 * 100_000:  # so that several have started
            raise KeyboardInterrupt

    with sandbox.client() as jobs:
        with serving(dripping()) as storage:
            job_id = job_at(sandbox, storage, times=1)
            with pytest.raises(KeyboardInterrupt):
                jobs.download(job_id, tmp_path / "a.csv", connections=4, on_progress=interrupt)
            assert not download_threads(), "they have ended, while the storage is still sending"
        assert_resumes(jobs, sandbox, tmp_path)


def test_ctrl_c_in_the_waiting_main_thread_ends_all_connections(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python does it: the main thread, which only waits, receives the signal."""
    has_started, wait = threading.Event(), Task.wait

    def interrupted(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(Task, "wait", wait)
        assert has_started.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "wait", interrupted)
    with sandbox.client() as jobs:
        with serving(dripping()) as storage:
            job_id = job_at(sandbox, storage, times=1)
            with pytest.raises(KeyboardInterrupt):
                jobs.download(
                    job_id,
                    tmp_path / "a.csv",
                    connections=4,
                    on_progress=lambda done, _: has_started.set() if done else None,
                )
            assert not download_threads()
        assert_resumes(jobs, sandbox, tmp_path)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("connections", [1, 4])
def test_a_cancelled_task_ends_all_connections_and_leaves_a_part_to_resume(
    connections: int, times: int, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel(url: str) -> str:
        has_started = asyncio.Event()

        def note(done: int, _: int | None) -> None:
            if done:
                has_started.set()

        async with sandbox.async_client() as jobs:
            job_id = sandbox.add_job()
            sandbox.answer_next("GET", "/Download", status=302, headers={"Location": url})
            task = asyncio.create_task(
                jobs.download(job_id, tmp_path / "a.csv", connections=connections, on_progress=note)
            )
            await has_started.wait()
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
        return job_id

    with serving(dripping()) as storage:
        asyncio.run(cancel(f"{storage.url}/a"))
        for thread in download_threads():
            thread.join(60)
        assert not download_threads(), "they have ended, while the storage is still sending"
    assert caplog.text == "", "asyncio logs no complaint"
    with sandbox.client() as jobs:
        assert_resumes(jobs, sandbox, tmp_path)
