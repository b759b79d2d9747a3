"""`stream` and `open` under the same faults: they give the right bytes or raise, and never end early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import AsyncJobsClient, DownloadError, JobsClient, JobsError
from impact_jobs.sandbox import ResultFile

from tests.faults.download_strategies import SETTINGS, calls, faults, positions, sizes
from tests.faults.harness import Call, Harness, WatchedDownload, bytes_of
from tests.support.fault_proxy import Fault, Lie
from tests.support.tally import DOWNLOADS

MIB: Final = 1024 * 1024


@frozen
class Reading:
    """How a result is read into memory.

    Attributes:
        piece: How many bytes each read of the `open` file requests.
        cancelled_at: The byte at which one read is cancelled, before reading continues.
    """

    size: int
    call: Call
    is_file: bool
    piece: int
    lies: tuple[Lie, ...]
    faults: tuple[Fault, ...]
    cancelled_at: int | None
    replaced_at: int | None
    replaced_by: int = 0


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    size = draw(sizes())
    mode: Literal["redirect", "stream"] = draw(st.sampled_from(("redirect", "redirect", "stream")))
    call = evolve(draw(calls(mode, overwrite=False)), tries=draw(st.integers(1, 6)))
    if draw(st.integers(0, 9)) == 0:
        call = evolve(call, hasty=True)
    script = draw(st.lists(faults(size), max_size=6))
    if call.hasty:
        script.insert(0, Fault(kind="stall", after=draw(positions(size))))
    return Reading(
        size=size,
        call=call,
        is_file=draw(st.booleans()) and call.kind != "custom httpx clients",
        piece=draw(st.sampled_from((1000, 65_536, 3 * MIB, -1))),
        lies=draw(st.sampled_from(((), (), (), ("weak tag",), ("no tag",), ("no ranges",)))),
        faults=tuple(script),
        cancelled_at=draw(positions(size)) if draw(st.integers(0, 2)) == 0 else None,
        replaced_at=draw(positions(size)) if draw(st.integers(0, 5)) == 0 else None,
        replaced_by=draw(st.sampled_from((size, size // 2, size + 1))),
    )


class Reader:
    """Collects the bytes up to an error, and asserts that the next read raises as well."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.error: JobsError | None = None

    def read_file(self, file: Any, piece: int) -> None:
        with file:
            try:
                while data := file.read(piece):
                    self.data += data
            except JobsError as error:
                self.error = error
                with pytest.raises(JobsError):
                    file.read(1)

    def read_chunks(self, chunks: Any) -> None:
        try:
            for chunk in chunks:
                self.data += chunk
        except JobsError as error:
            self.error = error
            with pytest.raises(JobsError):
                next(iter(chunks))

    async def read_async(self, chunks: Any, cancelled_at: int | None) -> None:
        try:
            while True:
                reading = asyncio.ensure_future(anext(chunks, b""))
                if cancelled_at is not None and len(self.data) >= cancelled_at:
                    cancelled_at = None
                    for _ in range(len(self.data) % 7):
                        await asyncio.sleep(0)
                    DOWNLOADS.injected["a read cancelled"] += reading.cancel()
                    await asyncio.wait([reading])
                    if reading.cancelled():
                        continue
                chunk = await reading
                if not chunk:
                    return
                self.data += chunk
        except JobsError as error:
            self.error = error
            with pytest.raises(JobsError):
                await anext(chunks)


def read(harness: Harness, reading: Reading, job_id: str) -> Reader:
    reader, call = Reader(), reading.call
    try:
        if call.kind == "blocking":
            with JobsClient(**harness.account, **call.client_options) as jobs:
                if reading.is_file:
                    reader.read_file(jobs.open(job_id, mode=call.mode), reading.piece)
                else:
                    with jobs.stream(job_id, mode=call.mode) as chunks:
                        reader.read_chunks(chunks)
        else:
            asyncio.run(_read(harness, reading, job_id, reader))
    except JobsError as error:
        reader.error = error
    return reader


async def _read(harness: Harness, reading: Reading, job_id: str, reader: Reader) -> None:
    call = reading.call
    async with call.custom_clients() as own, AsyncJobsClient(**harness.account, **call.client_options, **own) as jobs:
        if reading.is_file:
            await asyncio.to_thread(lambda: reader.read_file(jobs.open(job_id, mode=call.mode), reading.piece))
        else:
            async with jobs.stream(job_id, mode=call.mode) as chunks:
                await reader.read_async(chunks, reading.cancelled_at)


def run(harness: Harness, reading: Reading, folder: Path) -> None:
    has_tags = "no tag" not in {*reading.lies, *(fault.lie for fault in reading.faults)}
    watched = WatchedDownload(harness, folder, reading.size, has_tags=has_tags)
    hooks: list[tuple[int, Callable[[], object]]] = []
    if reading.replaced_at is not None:
        hooks.append((reading.replaced_at, lambda: watched.replace(reading.replaced_by)))
    proxy = harness.storage if reading.call.mode == "redirect" else harness.api
    proxy.play(reading.faults, lies=reading.lies if reading.call.mode == "redirect" else (), hooks=hooks)
    reader = read(harness, reading, watched.job_id)
    harness.check_nothing_leaks()
    if reader.error is None:
        DOWNLOADS.outcomes["success"] += 1
        assert any(reader.data == bytes_of(version) for version in watched.versions), "wrong bytes without an error"
    else:
        DOWNLOADS.outcomes[type(reader.error).__name__] += 1
        assert any(bytes_of(version).startswith(reader.data) for version in watched.versions), "wrong bytes"
    assert list(watched.folder.iterdir()) == []


def test_after_any_fault_the_bytes_are_right_or_an_error_is_raised(
    harness: Harness, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    @SETTINGS(max_examples=examples(0.2))
    @given(reading=readings())
    def campaign(reading: Reading) -> None:
        with harness.session("streams", reading, tmp_path) as folder:
            run(harness, reading, folder)

    campaign()


@pytest.mark.parametrize("kind", ["blocking", "asynchronous"])
def test_a_replaced_result_is_never_mixed_with_the_first(kind: Any, harness: Harness, tmp_path: Path) -> None:
    watched = WatchedDownload(harness, tmp_path / "a", 300_000)
    harness.storage.play([Fault("cut", after=100_000)], hooks=[(1, lambda: watched.replace(300_001))])
    call = Call(kind)
    reading = Reading(300_000, call, is_file=True, piece=1000, lies=(), faults=(), cancelled_at=None, replaced_at=None)
    reader = read(harness, reading, watched.job_id)
    assert isinstance(reader.error, DownloadError)
    (first, _) = watched.versions
    assert bytes_of(first).startswith(reader.data)
    harness.check_nothing_leaks()


def test_a_stream_with_cancelled_reads_is_still_complete(harness: Harness, tmp_path: Path) -> None:
    watched = WatchedDownload(harness, tmp_path / "a", 2_000_000)

    async def read_with_cancellations() -> bytes:
        data = b""
        async with (
            AsyncJobsClient(**harness.account, **Call("asynchronous").client_options) as jobs,
            jobs.stream(watched.job_id) as chunks,
        ):
            for turns in (0, 1, 2, 3, 5, 8, 13):
                reading = asyncio.ensure_future(anext(chunks))
                for _ in range(turns):
                    await asyncio.sleep(0)
                reading.cancel()
                await asyncio.wait([reading])
                data += b"" if reading.cancelled() else reading.result()
            async for chunk in chunks:
                data += chunk
        return data

    (version,) = watched.versions
    assert asyncio.run(read_with_cancellations()) == bytes_of(version)
    harness.check_nothing_leaks()


def test_a_shorter_range_than_requested_is_followed_by_another_request(harness: Harness, tmp_path: Path) -> None:
    watched = WatchedDownload(harness, tmp_path / "a", 1_000_000)
    harness.storage.play([Fault("cut", after=1000), Fault(lie="shorter range"), Fault(lie="shorter range")])
    with (
        JobsClient(**harness.account, **Call("blocking").client_options) as jobs,
        jobs.stream(watched.job_id) as chunks,
    ):
        assert b"".join(chunks) == bytes_of(ResultFile(1, 1_000_000))
    harness.check_nothing_leaks()
