"""All pages of a JSON result as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from impact_jobs import (
    DestinationExistsError,
    DownloadError,
    DownloadResult,
    IntegrityError,
    Job,
    JobsClient,
    Retry,
    ServerError,
)
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.result_pages import download_all_pages
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import asked_of, names_in
from tests.support.raw_server import serving, storing


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=16, job_seconds=0, json_shape="pages", json_page_rows=300) as started:
        yield started


def export(jobs: AnyClient, sandbox: Sandbox, result_format: str = "JSON") -> Job:
    query = {"START_DATE": "2026-05-01", "END_DATE": "2026-05-20", "ResultFormat": result_format}
    url = f"{sandbox.base_url}/Agencies/{sandbox.account_sid}/ReportExport/agency_action_listing"
    answer = httpx.get(
        url, params=query, auth=(sandbox.account_sid, sandbox.auth_token), headers={"Accept": "application/json"}
    )
    job: Job = jobs.wait(answer.json()["QueuedUri"])
    return job


def all_pages(jobs: AnyClient, job: Job, path: Path, **options: Any) -> DownloadResult:
    inner = jobs if isinstance(jobs, JobsClient) else jobs._inner
    run: Callable[[Any], DownloadResult] = run_sync if inner is jobs else jobs._runner.run
    return run(download_all_pages(inner._context, job, path, DownloadOptions(**options)))


def test_all_pages_become_json_lines(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job, progress = export(jobs, sandbox), []
    sandbox.forget_requests()
    result = all_pages(jobs, job, tmp_path / "a.jsonl", on_progress=lambda done, total: progress.append((done, total)))
    records = [json.loads(line) for line in result.path.read_text().splitlines()]
    assert len({record["Action_Id"] for record in records}) == result.rows == job.records_processed
    assert result.bytes_written == result.path.stat().st_size
    assert result.pages_total is None
    assert names_in(tmp_path) == ["a.jsonl"]
    pages = -(-len(records) // 300)
    assert [request.query for request in asked_of(sandbox, "api")] == [
        "", *(f"Page={number}" for number in range(2, pages + 1))
    ]  # fmt: skip
    assert progress == sorted(progress, key=lambda each: each[0])
    assert {total for _, total in progress} == {None}


def test_an_interrupted_call_fetches_the_missing_pages_only(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job = export(jobs, sandbox)
    whole = all_pages(jobs, job, tmp_path / "whole.jsonl")
    sandbox.forget_requests()
    hurried = jobs.with_options(retry=Retry(attempts=1))
    sandbox.answer_next("GET", f"{job.id}-3.json", status=503)
    with pytest.raises(ServerError, match="503"):
        all_pages(hurried, job, tmp_path / "a.jsonl")
    assert names_in(tmp_path) == ["a.jsonl.page-1", "a.jsonl.page-2", "whole.jsonl"]
    (tmp_path / "a.jsonl.page-1.part.json").touch()  # as a kill leaves it
    sandbox.forget_requests()
    again = all_pages(jobs, job, tmp_path / "a.jsonl")
    assert again.sha256 == whole.sha256
    assert again.resumed_from > 0
    assert not any(request.query in {"", "Page=2"} for request in asked_of(sandbox, "api"))
    assert names_in(tmp_path) == ["a.jsonl", "whole.jsonl"]


def test_pages_of_another_run_are_not_used(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job = export(jobs, sandbox)
    (tmp_path / "a.jsonl.page-1").write_text("old")
    assert all_pages(jobs, job, tmp_path / "a.jsonl").rows == job.records_processed
    assert job.completed_date is not None
    (tmp_path / "b.jsonl.page-1").write_text("old")
    assert all_pages(jobs, evolve(job, completed_date=None), tmp_path / "b.jsonl").rows == job.records_processed


def test_an_existing_file_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job, path = export(jobs, sandbox), tmp_path / "a.jsonl"
    path.write_text("mine")
    sandbox.forget_requests()
    with pytest.raises(DestinationExistsError):
        all_pages(jobs, job, path)
    assert sandbox.requests == ()
    assert all_pages(jobs, job, path, overwrite=True).rows == job.records_processed


def page(number: object, pages: object, total: int) -> bytes:
    return json.dumps({"@page": number, "@numpages": pages, "@total": total, "Records": [{"n": "1"}]}).encode()


@pytest.mark.parametrize(
    ("pages", "error", "message"),
    [
        ([page("1", "2", 2), page("1", "2", 2)], DownloadError, "page 2 .* was requested, and page 1 arrived"),
        ([page("1", "2", 3), page("2", "2", 3)], IntegrityError, "states 3 records in all, and 2 are there"),
        (
            [page("1", "2", 2), page("2", "3", 2), page("3", "3", 2)],
            DownloadError,
            "3, but page 2 was expected",
        ),
        ([b'[{"n": 1}'], DownloadError, "cut short"),
    ],
)
def test_pages_that_do_not_fit_are_refused(  # noqa: PLR0917 - fixtures
    pages: list[bytes], error: type[Exception], message: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job = jobs.get(sandbox.add_job())
    served = {f"/{number}": content for number, content in enumerate(pages)}
    with serving(lambda asked: storing(served[asked.target])(asked)) as storage:
        for path in served:
            sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}{path}"})
        with pytest.raises(error, match=message):
            all_pages(jobs, job, tmp_path / "a.jsonl")
    left = {name for name in names_in(tmp_path) if "page" not in name}
    assert left == set()


def test_a_result_without_pages_costs_one_download(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job = jobs.get(sandbox.add_job())
    with serving(storing(b'[\n  {"n": 1.50}\n]')) as storage:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"})
        sandbox.forget_requests()
        result = all_pages(jobs, job, tmp_path / "a.jsonl")
    assert (result.path.read_text(), result.rows) == ('{"n": 1.50}\n', 1)
    assert len(asked_of(sandbox, "api")) == 1
