"""Several connections at once: the same file as with one, no more requests than it takes, and an end when it ends."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import DownloadError, ResultExpiredError, Retry, TransportError
from impact_jobs._download import ranges as plan
from impact_jobs._download import transfer
from impact_jobs._transport.socket_reader import SocketReader
from impact_jobs._transport.thread_group import _Task
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.raw_server import Answer, Asked, RawServer, Reply, serving, storing

MIB = 1024 * 1024
DATA = hashlib.shake_256(b"parallel").digest(3 * MIB + 1)
QUICK = Retry(base_delay=0.0)
ONE_TRY = Retry(attempts=1)


def job_at(sandbox: Sandbox, storage: RawServer, times: int = 20) -> str:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"}, times=times)
    return job_id


def holds(path: Path, data: bytes) -> bool:
    return path.read_bytes() == data  # in a function, for pytest would take minutes to show the difference


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def our_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("impact-jobs_")]


@pytest.mark.parametrize("connections", [1, 2, 3, 8, 64, None])
def test_any_number_of_connections_gives_the_same_file(
    connections: int | None, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for size in (0, 1, 2, 7, 63, 64, 65, 299_993, 5 * MIB + 7):
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
        assert seen == sorted(set(seen)), "never backwards, nothing told twice"
        assert seen[-1] == (size, size)


def test_the_parts_asked_for_are_of_the_version_that_came_first(
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
        assert sum(request.path.endswith("/Download") for request in sandbox.requests) == 1, "one link serves all"


def promising(data: bytes) -> Answer:
    """A storage that promises parts, and answers whoever asks for one with the whole."""
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
        (promising(DATA), 9),
    ],
    ids=["no parts", "weak tag", "no tag", "broken tag", "parts refused", "no dates", "a promise not kept"],
)
def test_a_storage_that_gives_no_parts_of_one_version_is_read_in_one_go(
    answer: Answer, most: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    with serving(answer) as storage:
        done = jobs.with_options(retry=QUICK).download(job_at(sandbox, storage), tmp_path / "a.csv", connections=8)
        assert len(storage.asked) <= most
    assert holds(done.path, DATA)
    assert left_in(tmp_path) == ["a.csv"]


def test_a_date_of_a_file_a_minute_old_is_as_good_as_a_tag(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
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
def test_a_part_that_is_not_the_one_asked_for_is_not_written(
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


def test_parts_that_come_short_or_long_are_put_together_right(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Reply:
        reply = storing(DATA)(asked)
        if "range" not in asked.headers:
            return reply
        start = int(asked.headers["range"].removeprefix("bytes=").partition("-")[0])
        stop = min(start + 400_000, len(DATA))  # shorter than asked for at first, longer at last
        stated = {"Content-Range": f"bytes {start}-{stop - 1}/{len(DATA)}", "Content-Length": str(stop - start)}
        return Reply(status=206, headers={**reply.headers, **stated}, body=DATA[start:stop])

    with serving(answer) as storage:
        done = jobs.with_options(retry=QUICK).download(job_at(sandbox, storage), tmp_path / "a.csv", connections=3)
    assert holds(done.path, DATA)


# How many it takes of itself


def test_the_plan_picks_several_for_the_large_and_slow_alone() -> None:
    large, slow, fast = 1024 * MIB, 5e6, 500e6
    assert plan.connections_for(large, bytes_per_second=slow) == 8
    assert plan.connections_for(large, bytes_per_second=fast) == 1
    assert plan.connections_for(10 * MIB, bytes_per_second=1e3) == 1
    assert plan.connections_for(large, bytes_per_second=0.0) == 8
    assert not plan.is_worth_measuring(10 * MIB)


@pytest.mark.parametrize(("bytes_per_second", "expected"), [(1e6, 8), (1e12, 1)], ids=["slow", "fast"])
def test_it_takes_several_where_the_first_proves_slow(  # noqa: PLR0917 - fixtures
    bytes_per_second: float,
    expected: int,
    jobs: AnyClient,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a clock that goes by what has arrived, and thresholds that suit a small file."""
    monkeypatch.setattr(plan, "_WORTH_SPLITTING_BYTES", MIB)
    monkeypatch.setattr(plan, "_WORTH_SPLITTING_SECONDS", 0.1)
    monkeypatch.setattr(transfer, "_POUR_BYTES", 64 * 1024)
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


@pytest.mark.parametrize("through_the_door", [True, False])
def test_no_byte_is_lost_where_the_measuring_ends(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, through_the_door: bool
) -> None:
    data = (DATA * 23)[: 66 * MIB + 5]  # of which 32 MiB are measured, where no piece of the parser's ends
    if not through_the_door:
        monkeypatch.setattr(SocketReader, "from_response", classmethod(lambda *_, **__: None))
    with serving(storing(data)) as storage:
        done = jobs.download(job_at(sandbox, storage), tmp_path / "a.csv")
    assert holds(done.path, data)


# When it goes wrong


def dripping(*, spoiled: Callable[[Asked], Reply | None] = lambda _: None) -> Answer:
    """A storage whose connections all but stop after some bytes, except for what is `spoiled`."""

    def answer(asked: Asked) -> Reply:
        reply = spoiled(asked)
        if reply is not None:
            return reply
        whole = storing(DATA)(asked)
        assert isinstance(whole.body, bytes)
        return Reply(status=whole.status, headers=whole.headers, body=body(whole.body, asked.over))

    def body(data: bytes, over: threading.Event) -> Iterator[bytes]:
        yield data[:100_000]
        for at in range(100_000, len(data)):  # a drip, for progress is told of when bytes arrive
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
def test_a_part_that_fails_ends_the_others_and_is_what_is_told(  # noqa: PLR0917 - fixtures
    status: int,
    error: type[Exception],
    message: str,
    jobs: AnyClient,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    others, all_are_at_it = threading.Semaphore(0), threading.Event()

    def spoiled(asked: Asked) -> Reply | None:
        if "range" in asked.headers and asked.headers["range"].endswith(f"-{len(DATA) - 1}"):
            for _ in range(0 if all_are_at_it.is_set() else 3):
                others.acquire()
            all_are_at_it.set()
            headers = storing(DATA)(asked).headers if status == 206 else {"Content-Length": "0"}
            return Reply(status=status, headers=headers, ends=True)
        others.release()
        return None

    with serving(dripping(spoiled=spoiled)) as storage:
        job_id = job_at(sandbox, storage, times=3 if status == 404 else 1)
        with pytest.raises(error, match=message):
            jobs.with_options(retry=ONE_TRY).download(job_id, tmp_path / "a.csv", connections=4)
    assert_it_goes_on(jobs, sandbox, tmp_path)


def assert_it_goes_on(jobs: AnyClient, sandbox: Sandbox, folder: Path) -> None:
    """What is left can be gone on with, and is all that is left."""
    assert left_in(folder) == ["a.csv.part", "a.csv.part.json"]
    with serving(storing(DATA)) as storage:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"})
        (job_id,) = sandbox.job_ids
        done = jobs.download(job_id, folder / "a.csv")
    assert done.resumed_from > 0
    assert holds(done.path, DATA)
    assert left_in(folder) == ["a.csv"]


def test_ctrl_c_ends_all_connections_and_leaves_a_part_to_go_on_with(sandbox: Sandbox, tmp_path: Path) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done >= 3 * 100_000:  # so several of them are at it
            raise KeyboardInterrupt

    with sandbox.client() as jobs:
        with serving(dripping()) as storage:
            job_id = job_at(sandbox, storage, times=1)
            with pytest.raises(KeyboardInterrupt):
                jobs.download(job_id, tmp_path / "a.csv", connections=4, on_progress=interrupt)
            assert not our_threads(), "they have ended, while the storage still drips"
        assert_it_goes_on(jobs, sandbox, tmp_path)


def test_ctrl_c_while_waiting_for_threads_ends_them_too(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal reaches the main thread, which only waits."""
    at_it, wait = threading.Event(), _Task.wait

    def interrupted(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(_Task, "wait", wait)
        assert at_it.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(_Task, "wait", interrupted)
    with sandbox.client() as jobs:
        with serving(dripping()) as storage:
            job_id = job_at(sandbox, storage, times=1)
            with pytest.raises(KeyboardInterrupt):
                jobs.download(
                    job_id, tmp_path / "a.csv", connections=4, on_progress=lambda done, _: at_it.set() if done else None
                )
            assert not our_threads()
        assert_it_goes_on(jobs, sandbox, tmp_path)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("connections", [1, 4])
def test_a_cancelled_task_ends_all_connections_and_leaves_a_part_to_go_on_with(
    connections: int, times: int, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel(url: str) -> str:
        at_it = asyncio.Event()

        def tell(done: int, _: int | None) -> None:
            if done:
                at_it.set()

        async with sandbox.async_client() as jobs:
            job_id = sandbox.add_job()
            sandbox.answer_next("GET", "/Download", status=302, headers={"Location": url})
            task = asyncio.create_task(
                jobs.download(job_id, tmp_path / "a.csv", connections=connections, on_progress=tell)
            )
            await at_it.wait()
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
        return job_id

    with serving(dripping()) as storage:
        asyncio.run(cancel(f"{storage.url}/a"))
        for thread in our_threads():
            thread.join(60)
        assert not our_threads(), "they have ended, while the storage still drips"
    assert caplog.text == "", "nothing that asyncio complains of"
    with sandbox.client() as jobs:
        assert_it_goes_on(jobs, sandbox, tmp_path)
