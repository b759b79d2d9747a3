"""Whether a response is about the job that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import (
    DownloadError,
    JobsError,
    Polling,
    ReplayUncertainError,
    ResultNotReadyError,
    Retry,
    UnexpectedResponseError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

ONCE = Retry(attempts=1)
HASTY = Polling(minimum=0.01, maximum=0.01)
PATIENT = Retry(attempts=4, base_delay=0)

VERBS: dict[str, Callable[[AnyClient, str, Path], object]] = {
    "get": lambda jobs, job_id, _: jobs.get(job_id),
    "wait": lambda jobs, job_id, _: jobs.wait(job_id, timeout=60),
    "wait_all": lambda jobs, job_id, _: jobs.wait_all([job_id], timeout=60),
    "as_completed": lambda jobs, job_id, _: list(jobs.as_completed([job_id], timeout=60)),
    "wait_and_download": lambda jobs, job_id, folder: jobs.wait_and_download(job_id, folder / "a", timeout=60),
    "replay_if_replayable": lambda jobs, job_id, _: jobs.replay_if_replayable(job_id),
}


def confuse(sandbox: Sandbox, jobs: AnyClient, *, times: int = 1) -> tuple[str, str]:
    """Answer the next requests for one job with another one, and return the ids of both."""
    asked, other = sandbox.add_job(), sandbox.add_job()
    body = json.dumps(dict(jobs.get(other).raw))
    sandbox.forget_requests()
    sandbox.answer_next("GET", f"/Jobs/{asked}", status=200, body=body, times=times)
    return asked, other


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_about_another_job_is_refused(verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    asked, other = confuse(sandbox, jobs)
    with pytest.raises(UnexpectedResponseError, match=f"about job {other} instead of {asked}") as raised:
        VERBS[verb](jobs.with_options(retry=ONCE), asked, tmp_path)
    assert raised.value.status_code == 200
    assert [request.method for request in sandbox.requests] == ["GET"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["wait", "wait_all", "as_completed", "wait_and_download"])
def test_a_wait_polls_again_after_an_answer_about_another_job(
    verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    asked, _ = confuse(sandbox, jobs)
    VERBS[verb](jobs.with_options(retry=PATIENT, polling=HASTY), asked, tmp_path)


def test_fetch_all_reports_an_answer_about_another_job(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    asked, other = confuse(sandbox, jobs)
    report = jobs.with_options(retry=ONCE).fetch_all([asked], tmp_path, timeout=60)
    assert f"about job {other} instead of {asked}" in str(report.errors[asked])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["download", "stream", "open", "fetch_all"])
def test_another_job_in_place_of_a_result_is_refused(
    verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    asked, other = confuse(sandbox, jobs, times=0)
    body = json.dumps(dict(jobs.get(other).raw))
    sandbox.answer_next("GET", re.compile("/Download"), status=200, body=body)
    calls: dict[str, Callable[[], object]] = {
        "download": lambda: jobs.download(asked, tmp_path / "a"),
        "stream": lambda: jobs.stream(asked).__enter__(),
        "open": lambda: jobs.open(asked).read(),
        "fetch_all": lambda: raise_error(jobs.fetch_all([asked], tmp_path).errors[asked]),
    }
    with pytest.raises(UnexpectedResponseError, match=f"about job {other} instead of {asked}"):
        calls[verb]()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["download", "stream", "open", "fetch_all", "wait_and_download"])
def test_the_result_of_another_job_is_not_fetched_as_that_of_this_one(
    verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    asked, other = sandbox.add_job(), sandbox.add_job()
    told = dict(jobs.get(asked).raw) | {"ResultUri": jobs.get(other).result_uri}
    sandbox.answer_next("GET", f"/Jobs/{asked}", status=200, body=json.dumps(told), times=2)
    job = jobs.get(asked)
    assert job.result_uri == told["ResultUri"], "it is shown as it came"
    calls: dict[str, Callable[[], object]] = {
        "download": lambda: jobs.download(job, tmp_path / "a"),
        "stream": lambda: jobs.stream(job).__enter__(),
        "open": lambda: jobs.open(job).read(),
        "fetch_all": lambda: raise_error(jobs.fetch_all([job], tmp_path).errors[asked]),
        "wait_and_download": lambda: jobs.wait_and_download(asked, tmp_path / "a", timeout=60),
    }
    with pytest.raises(DownloadError, match=f"of job {asked}: its ResultUri names the result of job {other}"):
        calls[verb]()
    assert not any(request.path.endswith("/Download") for request in sandbox.requests)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["/Download.json", "/Download?Mode=Stream", "", "/Other"])
def test_any_other_result_uri_is_no_obstacle(suffix: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job = jobs.get(sandbox.add_job())
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{job.id.upper()}{suffix}"
    for each in (uri, None, "https://storage.example/a?***"):
        assert jobs.download(evolve(job, result_uri=each), tmp_path / "a", overwrite=True).bytes_written > 0


def raise_error(error: JobsError) -> None:
    raise error


def test_a_202_about_another_job_says_nothing_about_this_one(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    asked, _ = sandbox.add_job(seconds=3600), sandbox.add_job()
    failed = {"Id": "00000000-0000-4000-8000-000000000000", "Status": "FAILED"}
    sandbox.answer_next("GET", "/Download", status=202, body=json.dumps(failed))
    with pytest.raises(ResultNotReadyError, match=asked) as raised:
        jobs.download(asked, tmp_path / "a")
    assert raised.value.job.id == asked
    sandbox.answer_next("GET", "/Download", status=202, body=json.dumps(failed))
    sandbox.answer_next("GET", asked, status=200, body=json.dumps(failed))
    with pytest.raises(UnexpectedResponseError, match=f"instead of {asked}"):
        jobs.download(asked, tmp_path / "a")


def test_an_id_means_the_same_in_any_case(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    told = dict(jobs.get(job_id).raw) | {"Id": job_id.upper()}
    for name in (job_id, job_id.upper()):
        for spelling in (job_id, job_id.upper()):
            body = json.dumps(told | {"Id": spelling})
            sandbox.answer_next("GET", f"/Jobs/{job_id}", status=200, body=body, times=4)
            assert jobs.get(name).id == spelling, "as the server spells it"
            assert jobs.wait(name).id == spelling
            assert list(jobs.wait_all([name])) == [name]
            path = tmp_path / f"{name} {spelling}"
            assert jobs.wait_and_download(name, path).path.stat().st_size == sandbox.result(job_id).size


def test_a_part_is_resumed_under_an_id_in_capitals(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(result_bytes=3_000_000)
    sandbox.cut_next_download(2_000_000)
    with pytest.raises(JobsError):
        jobs.with_options(retry=ONCE).download(job_id, tmp_path / "a")
    assert jobs.download(job_id.upper(), tmp_path / "a").resumed_from > 0


def test_a_lost_replay_is_not_decided_by_another_job(jobs: AnyClient, sandbox: Sandbox) -> None:
    asked, _ = confuse(sandbox, jobs, times=2)
    sandbox.answer_next("PUT", "/Replay", status=502, perform=True)
    with pytest.raises(ReplayUncertainError, match=f"instead of {asked}"):
        jobs.with_options(retry=PATIENT).replay(asked)
    assert sum(request.method == "PUT" for request in sandbox.requests) == 1


def test_a_job_of_a_brand_or_of_another_kind_of_account_is_refused_before_any_request(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id, sid = sandbox.add_job(), sandbox.account_sid
    verbs: dict[str, Any] = VERBS | {
        "download": lambda jobs, name, folder: jobs.download(name, folder / "a"),
        "stream": lambda jobs, name, _: jobs.stream(name).__enter__(),
        "replay": lambda jobs, name, _: jobs.replay(name),
        "fetch_all": lambda jobs, name, folder: jobs.fetch_all([name], folder),
    }
    for path, part in (
        (f"/Agencies/{sid}/Advertisers/2747168/Jobs/{job_id}", r"use jobs\.for_advertiser\(2747168\)"),
        (f"/Advertisers/{sid}/Jobs/{job_id}", rf"use JobsClient\('{sid}', …, account='brand'\)"),
        (f"/Mediapartners/{sid}/Jobs/{job_id}", rf"use JobsClient\('{sid}', …, account='partner'\)"),
        (f"/elsewhere/Agencies/{sid}/Jobs/{job_id}", "is not below"),
    ):
        for verb in verbs.values():
            for name in (f"{path}/Download", f"{sandbox.base_url}{path}"):
                with pytest.raises(JobsError, match=part):
                    verb(jobs, name, tmp_path)
    assert sandbox.requests == ()
