"""Windows of an export that are joined to one file: its content, its work folder, and interrupted calls."""

from __future__ import annotations

import asyncio
import fcntl
import json
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from impact_jobs import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    DownloadResult,
    ExportIncompleteError,
    ExportWindow,
    Job,
)
from impact_jobs._download.export_journal import ExportJournal
from impact_jobs._operations.windows import run
from impact_jobs.sandbox import Sandbox

from tests.operations import windows
from tests.operations.exports import REPORT
from tests.operations.windows import MONTHS, QUARTER, YEAR, left_over, windows_exported
from tests.support.driving import AnyClient, Driven

sandbox = windows.sandbox
in_a_folder = windows.in_a_folder


def lines(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_year_by_month_joined_is_the_year_in_one(jobs: AnyClient, sandbox: Sandbox) -> None:
    one = jobs.export_and_download(REPORT, "one.csv", **YEAR)
    joined = jobs.export_and_download(REPORT, "joined.csv", **YEAR, split="month", join=True)
    assert Path("joined.csv").read_bytes() == Path("one.csv").read_bytes()
    assert (joined.sha256, joined.bytes_written) == (one.sha256, one.bytes_written)
    assert joined.rows == one.job.records_processed > 300
    assert (one.fresh, joined.fresh) == (True, True)
    assert set(windows_exported(sandbox).values()) == {1}
    assert len(sandbox.exports) == 13
    assert not left_over()


@pytest.mark.parametrize("digest", [True, False])
def test_a_kill_before_a_joined_file_has_its_name_is_noticed(
    jobs: AnyClient, monkeypatch: pytest.MonkeyPatch, *, digest: bool
) -> None:
    options: dict[str, Any] = {**QUARTER, "join": True, "digest": digest}
    expected = jobs.export_and_download(REPORT, "expected.csv", **options).path.read_bytes()
    Path("quarter.csv").write_bytes(b"x" * len(expected))  # an older file of the same size
    with monkeypatch.context() as patched:
        patched.setattr(run, "commit_file", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            jobs.export_and_download(REPORT, "quarter.csv", **options, overwrite=True)
    jobs.export_and_download(REPORT, "quarter.csv", **options, overwrite=True)
    assert Path("quarter.csv").read_bytes() == expected
    assert not left_over()


@pytest.mark.parametrize("shape", ["records", "array"])
def test_a_year_of_json_joined_has_the_rows_of_the_year_in_one(shape: Any) -> None:
    with Sandbox(job_seconds=0, rows_per_day=1, json_shape=shape) as sandbox, sandbox.client() as jobs:
        one = jobs.export_and_download(REPORT, "one.json", **YEAR, result_format="JSON")
        joined = jobs.export_and_download(
            REPORT, "joined.jsonl", **YEAR, result_format="JSON", split="month", join=True
        )
    found = json.loads(one.path.read_text())
    assert lines("joined.jsonl") == (found if shape == "array" else found["Records"])
    assert joined.rows == len(lines("joined.jsonl")) > 100


def test_json_in_pages_is_complete_in_json_lines() -> None:
    with (
        Sandbox(job_seconds=0, rows_per_day=1, json_shape="pages", json_page_rows=12) as sandbox,
        sandbox.client() as jobs,
    ):
        days: dict[str, Any] = {"start_date": "2025-01-01", "end_date": "2025-03-31", "result_format": "JSON"}
        one = jobs.export_and_download(REPORT, "one.jsonl", **days)
        joined = jobs.export_and_download(REPORT, "joined.jsonl", **days, split="month", join=True)
        report = jobs.export_and_download(REPORT, "{start:%Y-%m}.ndjson", **days, split="month")
        first_page = jobs.export_and_download(REPORT, "one.json", **days)
    assert Path("joined.jsonl").read_bytes() == Path("one.jsonl").read_bytes()
    assert b"".join(file.path.read_bytes() for file in report.files.values()) == Path("one.jsonl").read_bytes()
    assert one.rows == joined.rows == len(lines("one.jsonl")) == sum(file.rows or 0 for file in report.files.values())
    assert one.rows > 2 * 12
    assert first_page.pages_total == -(-one.rows // 12)
    assert not left_over()


def test_an_empty_window_adds_no_rows(jobs: AnyClient, sandbox: Sandbox) -> None:
    header = sandbox_header(jobs)
    for content in (b"", header, header.rstrip()):
        sandbox.prepare_export(content=content)
    joined = jobs.export_and_download(REPORT, "empty.csv", **QUARTER, join=True)
    assert joined.rows == 0
    assert Path("empty.csv").read_bytes() == header
    for _ in MONTHS:
        sandbox.prepare_export(content=b"[]")
    joined = jobs.export_and_download(REPORT, "empty.jsonl", **QUARTER, join=True, result_format="JSON")
    assert (joined.rows, joined.bytes_written) == (0, 0)


def sandbox_header(jobs: AnyClient) -> bytes:
    jobs.export_and_download(REPORT, "one.csv", start_date="2025-06-01", end_date="2025-06-01")
    return Path("one.csv").read_bytes().splitlines(keepends=True)[0]


def test_windows_with_other_columns_are_not_joined(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export()
    sandbox.prepare_export(content=b"a,b\n1,2\n")
    with pytest.raises(DownloadError, match=r"2025-02-01.* has other columns than .*2025-01-01"):
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert not Path("joined.csv").exists()


def test_of_two_calls_with_the_same_target_one_works(jobs: AnyClient, sandbox: Sandbox) -> None:
    sandbox.prepare_export(stuck_at=40)
    with pytest.raises(ExportIncompleteError):
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True, timeout=0)
    with Path("joined.csv.windows/journal.jsonl").open() as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        sandbox.forget_requests()
        with pytest.raises(DestinationExistsError, match=r"'.*joined\.csv' is being downloaded by another process"):
            jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert not sandbox.requests


def test_an_interrupted_call_says_how_to_go_on(jobs: AnyClient, sandbox: Sandbox) -> None:
    interruption = asyncio.CancelledError if isinstance(jobs, Driven) else KeyboardInterrupt

    def interrupt(_: Job) -> None:
        raise interruption

    with pytest.raises(interruption) as caught:
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True, on_update=interrupt)
    assert (
        f"0 of 3 windows of report {REPORT} are there, and jobs continue on the server "
        f"({', '.join(export.job_id for export in sandbox.exports)}): make the same call again to go on"
    ) in caught.value.__notes__
    assert jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True).rows
    assert len(sandbox.exports) == 3


def test_the_progress_of_all_windows_is_added_up(jobs: AnyClient) -> None:
    seen: list[tuple[int, int | None]] = []
    joined = jobs.export_and_download(
        REPORT, "joined.csv", **QUARTER, join=True, on_progress=lambda done, total: seen.append((done, total))
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] >= joined.bytes_written
    assert {total for _, total in seen} == {None}


@pytest.mark.parametrize("is_link", [False, True])
def test_a_work_folder_of_others_is_refused(jobs: AnyClient, sandbox: Sandbox, *, is_link: bool) -> None:
    Path("mine").mkdir()
    thesis = Path("mine/thesis.txt")
    thesis.write_text("10 years")
    if is_link:
        Path("joined.csv.windows").symlink_to("mine")
    else:
        Path("joined.csv.windows").mkdir()
        thesis = thesis.rename("joined.csv.windows/thesis.txt")
    with pytest.raises(ConfigurationError, match=r"joined\.csv\.windows' is needed .* move it"):
        jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert thesis.read_text() == "10 years"
    assert not sandbox.requests


@pytest.mark.parametrize("parquet", [False, True])
def test_files_of_others_in_the_work_folder_are_kept(sandbox: Sandbox, *, parquet: bool) -> None:
    with sandbox.client() as jobs:
        export = partial(jobs.to_parquet if parquet else jobs.export_and_download, REPORT, "joined", **QUARTER)
        with pytest.raises(KeyboardInterrupt):
            export(join=True, on_update=Mock(side_effect=KeyboardInterrupt))
        Path("note.txt").write_text("mine")
        Path("joined.windows/assembled").symlink_to("../note.txt")
        Path("joined.windows/note.txt").write_text("mine")
        assert export(join=True).rows
        assert Path("note.txt").read_text() == Path("joined.windows/note.txt").read_text() == "mine"
        assert left_over() == ["joined.windows", "joined.windows/journal.jsonl", "joined.windows/note.txt"]
        Path("joined").unlink()
        assert export(join=True).rows


def test_a_kill_after_a_joined_file_has_its_name_is_noticed(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ExportJournal, "remove", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    before = Path("joined.csv").read_bytes()
    sandbox.forget_requests()
    again = jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True)
    assert again.bytes_written == len(before)
    assert not sandbox.requests
    assert not left_over()


def test_damage_of_the_same_size_does_not_get_into_a_joined_file(sandbox: Sandbox) -> None:
    with sandbox.client() as jobs:
        expected = jobs.export_and_download(REPORT, "joined.csv", **QUARTER, join=True, overwrite=True).sha256

        def interrupt(_: ExportWindow, news: object) -> None:
            if isinstance(news, DownloadResult):
                raise KeyboardInterrupt

        options: dict[str, Any] = {**QUARTER, "join": True, "overwrite": True}
        with pytest.raises(KeyboardInterrupt):
            jobs.export_and_download(REPORT, "joined.csv", **options, on_window=interrupt)
        complete, *_ = sorted(Path("joined.csv.windows").glob("2025-*.csv"))  # of the job that was seen first
        complete.write_bytes(complete.read_bytes()[:-5] + b"XXXX\n")
        assert jobs.export_and_download(REPORT, "joined.csv", **options).sha256 == expected
