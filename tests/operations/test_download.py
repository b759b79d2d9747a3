"""Downloads over real sockets, with both clients."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    JobCancelledError,
    JobFailedError,
    Polling,
    ResultExpiredError,
    ResultNotReadyError,
    Retry,
    ServerError,
    TransportError,
    WaitTimeoutError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

QUICK = Retry(base_delay=0.0)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("mode", ["redirect", "stream"])
def test_the_file_holds_the_result_and_the_return_value_describes_it(
    mode: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    expected = sandbox.result(job_id)
    job = jobs.get(job_id)
    done = jobs.download(job, tmp_path / "a.csv", mode=mode)
    assert done.path == tmp_path / "a.csv"
    assert done.sha256 == expected.sha256 == digest_of(done.path)
    assert done.bytes_written == expected.size == done.path.stat().st_size
    assert (done.job_id, done.job) == (job_id, job)
    assert done.filename
    assert done.content_type
    assert left_in(tmp_path) == ["a.csv"]


def test_the_storage_receives_no_credential_cookie_or_header_of_the_api(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", "/Jobs", status=200, body="[]", headers={"Set-Cookie": "session=1; Path=/"})
    list(jobs.list())
    jobs.download(job_id, tmp_path / "a.csv")
    (at_storage,) = (request for request in sandbox.requests if request.origin == "storage")
    assert at_storage.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}
    assert at_storage.headers["accept-encoding"] == "identity"


def test_results_of_every_size_are_complete(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for size in (0, 1, 65_536, 262_143, 262_144, 262_145, 1_000_001):
        job_id = sandbox.add_job(result_bytes=size)
        for mode in ("redirect", "stream"):
            done = jobs.download(job_id, tmp_path / f"{size}-{mode}", mode=mode)
            assert (done.bytes_written, done.sha256) == (size, sandbox.result(job_id).sha256)


def test_a_file_in_a_folder_is_named_by_the_storage(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    done = jobs.download(job_id, tmp_path)
    assert done.path == tmp_path / done.filename
    with pytest.raises(DestinationExistsError):
        jobs.download(job_id, tmp_path)
    assert jobs.download(job_id, tmp_path, overwrite=True).path == done.path


def test_an_existing_file_is_kept_and_costs_no_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("mine")
    for verb in (jobs.download, jobs.wait_and_download):
        with pytest.raises(DestinationExistsError, match="overwrite=True"):
            verb(sandbox.add_job(), target)
    assert target.read_text() == "mine"
    assert sandbox.requests == ()


@pytest.mark.parametrize("bad", ["missing/a.csv", "link.csv", "", "a\0b", 7])
def test_a_bad_path_is_refused_before_any_request(bad: Any, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/hosts")
    path = tmp_path / bad if isinstance(bad, str) and bad else bad
    for verb in (jobs.download, jobs.wait_and_download):
        with pytest.raises(ConfigurationError):
            verb(sandbox.add_job(), path, overwrite=True)
    assert sandbox.requests == ()


def test_a_bad_mode_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for verb in (jobs.download, jobs.wait_and_download):
        with pytest.raises(ConfigurationError, match="mode"):
            verb(sandbox.add_job(), tmp_path / "a", mode="Stream")
    assert sandbox.requests == ()


def test_the_body_of_a_202_is_not_saved_as_the_result(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(seconds=3600)
    with pytest.raises(ResultNotReadyError, match=job_id) as raised:
        jobs.download(job_id, tmp_path / "a.csv")
    assert raised.value.job.id == job_id
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "error"), [("FAILED", JobFailedError), ("ERROR", JobFailedError), ("CANCELLED", JobCancelledError)]
)
def test_a_202_for_a_failed_job_raises_the_error_of_its_status(
    status: str, error: type[Exception], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job(status=status, message="broken pipe in the mill")
    for verb in (jobs.download, jobs.wait_and_download):
        with pytest.raises(error, match="broken pipe"):
            verb(job_id, tmp_path / "a.csv")


def test_a_202_in_xml_is_resolved_by_requesting_the_job(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(status="FAILED")
    xml = "<ImpactRadiusResponse><Job><Status>FAILED</Status></Job></ImpactRadiusResponse>"
    sandbox.answer_next("GET", "/Download", status=202, body=xml, content_type="application/xml")
    with pytest.raises(JobFailedError):
        jobs.download(job_id, tmp_path / "a.csv")


def test_wait_and_download_waits_for_a_late_result(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    running = f'{{"Id": "{job_id}", "Status": "RUNNING"}}'
    sandbox.answer_next("GET", "/Download", status=202, body=running)
    quick = jobs.with_options(polling=Polling(minimum=0.001, maximum=0.001))
    assert quick.wait_and_download(job_id, tmp_path / "a.csv").bytes_written == 300_000
    sandbox.answer_next("GET", "/Download", status=202, body=running, times=2)
    with pytest.raises(WaitTimeoutError):
        quick.wait_and_download(job_id, tmp_path / "b.csv", timeout=0)


def test_an_expired_link_is_renewed_once(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(age=3600)
    refusal: dict[str, Any] = {"status": 403, "body": "<Error><Code>AccessDenied</Code></Error>"}
    sandbox.answer_next("GET", ".csv", **refusal)
    assert jobs.download(job_id, tmp_path / "a.csv").sha256 == sandbox.result(job_id).sha256
    sandbox.answer_next("GET", ".csv", **refusal, times=2)
    with pytest.raises(ResultExpiredError, match="replay"):
        jobs.download(job_id, tmp_path / "b.csv")


def test_a_broken_connection_is_resumed_within_the_call(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    progress: list[int] = []
    for after in (0, 1, 299_999):
        sandbox.cut_next_download(after)
    done = jobs.with_options(retry=QUICK).download(
        job_id, tmp_path / "a.csv", on_progress=lambda done, _: progress.append(done)
    )
    assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(done.path)
    assert progress == sorted(set(progress))
    assert progress[-1] == 300_000


def test_a_failed_download_leaves_a_part_that_the_next_call_resumes(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    for after in (1000, 0, 0, 0, 0):
        sandbox.cut_next_download(after)
    with pytest.raises(TransportError):
        jobs.with_options(retry=QUICK).download(job_id, tmp_path / "a.csv")
    assert left_in(tmp_path) == ["a.csv.part", "a.csv.part.json"]
    done = jobs.download(job_id, tmp_path / "a.csv")
    assert done.resumed_from == 1000
    assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(done.path)
    assert sandbox.requests[-1].headers["range"] == "bytes=1000-299999"
    assert left_in(tmp_path) == ["a.csv"]


def test_a_storage_error_is_retried_and_then_raised(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", ".csv", status=503, times=3)
    quick = jobs.with_options(retry=QUICK)
    assert quick.download(job_id, tmp_path / "a.csv").bytes_written == 300_000
    sandbox.answer_next("GET", ".csv", status=503, times=4)
    with pytest.raises(ServerError, match="storage"):
        quick.download(job_id, tmp_path / "b.csv")


REDIRECTS = {
    "no location": {},
    "to http elsewhere": {"Location": "http://storage.example/a?sig=canary"},
    "with credentials": {"Location": "https://user:canary@storage.example/a"},
    "to a file": {"Location": "file:///etc/passwd"},
    "nowhere": {"Location": "https://"},
    "broken": {"Location": "https://[::1"},
    "bad port": {"Location": "https://storage.example:99999/a?canary"},
}


@pytest.mark.parametrize("headers", REDIRECTS.values(), ids=REDIRECTS)
def test_an_unsafe_redirect_is_not_followed(
    headers: dict[str, str], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.answer_next("GET", "/Download", status=302, headers=headers)
    # httpx itself treats a Location that is not a URL as a protocol error.
    with pytest.raises((DownloadError, TransportError), match=r"redirect|location") as raised:
        jobs.with_options(retry=Retry(attempts=1)).download(sandbox.add_job(), tmp_path / "a.csv")
    assert "canary" not in str(raised.value)
    assert [request.origin for request in sandbox.requests] == ["api"]


def test_a_redirect_of_the_storage_is_followed_and_a_loop_ends(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    sandbox.answer_next("GET", ".csv", status=307, headers={"Location": sandbox.result_url(job_id)})
    assert jobs.download(job_id, tmp_path / "a.csv").bytes_written == 300_000
    sandbox.answer_next("GET", ".csv", status=307, headers={"Location": sandbox.result_url(job_id)}, times=9)
    with pytest.raises(DownloadError, match="redirects"):
        jobs.download(job_id, tmp_path / "b.csv")


def test_on_progress_ends_at_the_total(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(result_bytes=1_000_000)
    seen: list[tuple[int, int | None]] = []
    jobs.download(job_id, tmp_path / "a.csv", on_progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 1_000_000)
    assert seen[-1] == (1_000_000, 1_000_000)
    assert seen == sorted(seen)


def test_a_download_ended_by_its_callback_can_be_resumed(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    def stop(done: int, _: int | None) -> None:
        if done:
            raise RuntimeError("enough")

    job_id = sandbox.add_job()
    with pytest.raises(RuntimeError, match="enough"):
        jobs.download(job_id, tmp_path / "a.csv", on_progress=stop)
    assert left_in(tmp_path) == ["a.csv.part", "a.csv.part.json"]
    done = jobs.download(job_id, tmp_path / "a.csv")
    assert done.resumed_from > 0
    assert done.sha256 == sandbox.result(job_id).sha256


def test_of_two_downloads_to_one_target_the_second_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    started, go_on = threading.Event(), threading.Event()

    def hold(done: int, _: int | None) -> None:
        if done:
            started.set()
            go_on.wait(30)

    with sandbox.client() as jobs:
        results: list[Any] = []
        first = threading.Thread(
            target=lambda: results.append(jobs.download(job_id, tmp_path / "a.csv", on_progress=hold))
        )
        first.start()
        assert started.wait(30)
        with pytest.raises(DestinationExistsError, match="another process or thread"):
            jobs.download(job_id, tmp_path / "a.csv")
        go_on.set()
        first.join(30)
    assert results[0].sha256 == digest_of(tmp_path / "a.csv")
    assert left_in(tmp_path) == ["a.csv"]


def test_stream_yields_the_result_and_writes_no_file(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = sandbox.add_job()
    monkeypatch.chdir(tmp_path)
    for mode, total in (("redirect", 300_000), ("stream", None)):
        with jobs.stream(job_id, mode=mode) as chunks:
            assert chunks.bytes_total == total
            assert hashlib.sha256(b"".join(chunks)).hexdigest() == sandbox.result(job_id).sha256
    assert left_in(tmp_path) == []


def test_stream_raises_the_errors_of_download_on_entering(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.raises(ResultNotReadyError):
        jobs.stream(sandbox.add_job(seconds=3600)).__enter__()
    with pytest.raises(ConfigurationError, match="open the stream first"):
        list(jobs.stream(sandbox.add_job()))


def test_a_stream_left_early_releases_its_connection(jobs: AnyClient, sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(result_bytes=50_000_000)
    with jobs.stream(job_id) as chunks:
        assert next(iter(chunks))
    assert jobs.get(job_id).id == job_id


def test_a_target_that_appears_during_the_download_is_kept(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with pytest.raises(DestinationExistsError, match="appeared during the download"):
        jobs.download(sandbox.add_job(), target, on_progress=lambda *_: target.write_bytes(b"another's"))
    assert target.read_bytes() == b"another's"
