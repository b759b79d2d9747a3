"""`jobs.open`: a result as a file object. Dataframe libraries read it in `tests/interop`."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable
from typing import Any

import pytest
from impact_jobs import AsyncJobsClient, ConfigurationError, ResultNotReadyError, Retry, TransportError
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

SIZE = 2_000_000  # several chunks, several buffers, and rows that straddle them


def rows_of(file: Iterable[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(file))


def expected(sandbox: Sandbox, job_id: str) -> list[dict[str, str]]:
    return rows_of(io.StringIO(b"".join(sandbox.result(job_id).read()).decode()))


@pytest.mark.parametrize("mode", ["redirect", "stream"])
def test_the_csv_module_can_read_the_file(mode: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=SIZE)
    with jobs.open(job_id, mode=mode) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        rows = rows_of(text)
    assert rows == expected(sandbox, job_id)
    assert len(rows) == sandbox.result(job_id).rows
    assert file.closed


def test_the_file_is_readable_and_binary_but_not_seekable(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job()
    whole = b"".join(sandbox.result(job_id).read())
    with jobs.open(job_id) as file:
        assert (file.readable(), file.seekable(), file.writable(), file.isatty()) == (True, False, False, False)
        header = file.readline()
        assert header == whole[: len(header)]
        assert file.peek(1)[:1] == whole[len(header) : len(header) + 1]
        assert file.read(10) == whole[len(header) : len(header) + 10]
        buffer = bytearray(100_000)
        assert file.readinto(buffer) == len(buffer)
        assert file.read() == whole[len(header) + 10 + len(buffer) :]
        assert file.read() == file.read(1) == file.readline() == b""
    assert file.closed
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()


@pytest.mark.parametrize("size", [0, 1])
def test_an_empty_result_is_an_empty_file(size: int, jobs: AnyClient, sandbox: Sandbox) -> None:
    with jobs.open(sandbox.add_job(result_bytes=size)) as file:
        assert file.read() == b"A"[:size]


def test_a_file_closed_early_releases_its_connection(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=50_000_000)
    with jobs.open(job_id) as file:
        assert file.read(9)
    assert jobs.get(job_id).id == job_id


def test_a_broken_connection_is_resumed_while_reading(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=SIZE)
    for after in (0, 300_000, 700_000):
        sandbox.cut_next_download(after)
    with jobs.with_options(retry=Retry(base_delay=0.0)).open(job_id) as file:
        assert file.read() == b"".join(sandbox.result(job_id).read())


def test_a_connection_that_stays_broken_raises_while_reading(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=SIZE)
    for count in (100_000, 0, 0, 0):
        sandbox.cut_next_download(count)
    with jobs.with_options(retry=Retry(base_delay=0.0)).open(job_id) as file, pytest.raises(TransportError):
        file.read()
    assert file.closed


def test_open_raises_the_errors_of_stream(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.raises(ResultNotReadyError):
        jobs.open(sandbox.add_job(seconds=3600))
    with pytest.raises(ConfigurationError):
        jobs.open("no job")


def test_a_file_of_the_asynchronous_client_can_be_read_in_threads(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=SIZE)

    async def read(jobs: AsyncJobsClient) -> list[dict[str, str]]:
        def in_thread() -> list[dict[str, str]]:
            with jobs.open(job_id) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
                return rows_of(text)

        return await asyncio.to_thread(in_thread)

    async def read_twice() -> list[Any]:
        async with sandbox.async_client() as jobs:
            return list(await asyncio.gather(read(jobs), read(jobs)))

    assert asyncio.run(read_twice()) == [expected(sandbox, job_id)] * 2
