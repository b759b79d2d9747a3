"""`fetch_all` with files in its folder, with other processes, and with errors that pass."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    AuthenticationError,
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    FetchReport,
    Job,
    RateLimitError,
    ResultNotReadyError,
    Retry,
    TransportError,
)
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile
from impact_jobs._operations import download, fetch_all
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import asked_of, assert_complete, names_in

ONE_TRY = Retry(attempts=1)
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def ids(sandbox: Sandbox) -> list[str]:
    """Return five jobs that are completed."""
    return [sandbox.add_job(result_bytes=size) for size in (0, 1, 1000, 70_000, 300_000)]


# Files in the folder


def test_a_partial_file_is_resumed(jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path) -> None:
    sandbox.cut_next_download(100_000)
    job_id = ids[-1]
    first = jobs.with_options(retry=ONE_TRY).fetch_all([job_id], tmp_path)
    assert [type(error) for error in first.errors.values()] == [TransportError]
    sandbox.forget_requests()
    second = jobs.fetch_all(ids, tmp_path)
    assert_complete(second, sandbox, tmp_path)
    assert second.files[job_id].resumed_from == 100_000
    ranges = [request.headers.get("range") for request in asked_of(sandbox, "storage")]
    assert sorted(ranges, key=str) == [None] * 4 + ["bytes=100000-299999"], (
        "the others from the beginning, this one resumed"
    )
    assert sum(request.path.endswith("/Download") for request in sandbox.requests) == len(ids)


def test_for_a_complete_part_only_the_last_byte_is_requested(
    jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "it broke")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fail)
        assert len(jobs.fetch_all(ids, tmp_path).errors) == len(ids)
    sandbox.forget_requests()
    assert_complete(jobs.fetch_all(ids, tmp_path), sandbox, tmp_path)
    ranges = {request.headers.get("range") for request in asked_of(sandbox, "storage")}
    sizes = {sandbox.result(job_id).size for job_id in ids}
    assert ranges == {f"bytes={size - 1}-{size - 1}" if size > 1 else None for size in sizes}


@pytest.mark.parametrize("suffixes", [(".part", ".part.json"), (".part.json",)])
def test_partial_files_beside_a_complete_file_are_removed(
    suffixes: tuple[str, ...], jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path
) -> None:
    assert_complete(jobs.fetch_all(ids, tmp_path), sandbox, tmp_path)
    for job_id, suffix in ((job_id, suffix) for job_id in ids for suffix in suffixes):
        target = tmp_path / f"{job_id}.csv"
        if suffix == ".part":
            os.link(target, f"{target}{suffix}")  # it died between linking the target and unlinking the part
        else:
            Path(f"{target}{suffix}").write_text("{}")
    sandbox.forget_requests()
    assert_complete(jobs.fetch_all(ids, tmp_path), sandbox, tmp_path)
    assert sandbox.requests == ()


def test_of_several_partial_files_the_one_with_a_journal_is_resumed(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    sandbox.cut_next_download(100_000)
    assert not jobs.with_options(retry=ONE_TRY).fetch_all([job_id], tmp_path).is_complete
    for ending in (".csv.gz.part", ".tsv.part", ".csv.part"):
        (tmp_path / f"{job_id}{ending}").write_bytes(b"other")
        (tmp_path / f"{job_id}{ending}.json").touch()
    report = jobs.fetch_all([job_id], tmp_path)
    assert report.files[job_id].resumed_from == 100_000
    assert_complete(report, sandbox, tmp_path)


def test_foreign_files_are_neither_touched_nor_recognised(jobs: AnyClient, ids: list[str], tmp_path: Path) -> None:
    foreign = {
        *(f"{ids[0]}{rest}" for rest in ("-old.csv", " (1).csv.part", "-x.part", ".csv.gz.old.bak", ".csv~", "0.part")),
        f"x{ids[1]}.csv",
        f"{UNKNOWN}.csv",
        f"{UNKNOWN}.csv.part",
        ".part",
        "notes.txt",
    }
    for name in foreign:
        (tmp_path / name).write_text(name)
    report = jobs.fetch_all(ids, tmp_path)
    assert report.is_complete
    assert set(names_in(tmp_path)) == foreign | {f"{job_id}.csv" for job_id in ids}
    assert all((tmp_path / name).read_text() == name for name in foreign)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


def a_link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent)


@pytest.mark.parametrize("ending", ["", ".csv", ".part", ".part.json", ".csv.part", ".csv.part.json"])
@pytest.mark.parametrize("make", [a_folder, a_link, a_link_to_a_folder])
def test_a_folder_or_link_under_a_job_s_name_fails_only_that_job(  # noqa: PLR0917 - fixtures
    make: Callable[[Path], None], ending: str, jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    make(folder / f"{ids[0]}{ending}")
    report = jobs.fetch_all(ids[:2], folder)
    assert report.files.keys() >= {ids[1]}
    assert all(isinstance(error, ConfigurationError | DownloadError) for error in report.errors.values())
    assert names_in(tmp_path) == ["a"], "nothing is written elsewhere"
    if make is a_folder:
        (folder / f"{ids[0]}{ending}").rmdir()
    else:
        (folder / f"{ids[0]}{ending}").unlink(missing_ok=True)
    assert_complete(jobs.fetch_all(ids[:2], folder), sandbox, folder)


def test_a_partial_file_is_not_moved_into_a_folder_of_its_name(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job()
    (tmp_path / f"{job_id}.csv").mkdir()
    (tmp_path / f"{job_id}.csv.part").write_bytes(b"")
    (tmp_path / f"{job_id}.csv.part.json").write_bytes(b"")
    report = jobs.fetch_all([job_id], tmp_path)
    assert isinstance(report.errors[job_id], ConfigurationError)
    assert names_in(tmp_path / f"{job_id}.csv") == []


# Unusable folders


@pytest.mark.parametrize("kind", ["a file", "under a file", "a dangling link", "closed", "unreadable"])
def test_an_unusable_folder_is_refused_before_any_request(
    kind: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    if kind in {"a file", "under a file"}:
        folder.write_text("")
        folder = folder / "b" if kind == "under a file" else folder
    elif kind == "a dangling link":
        folder.symlink_to("nowhere")
    elif kind == "closed":  # by a patch, because root, who may run these tests, can write anywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    else:
        monkeypatch.setattr(os, "listdir", lambda _: os.open(tmp_path / "none", os.O_RDONLY))
    with pytest.raises(ConfigurationError, match="the folder"):
        jobs.fetch_all([sandbox.add_job()], folder)
    assert sandbox.requests == ()


def test_a_folder_that_is_removed_meanwhile_is_not_created_again(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = [sandbox.add_job() for _ in range(6)]
    folder = tmp_path / "a"
    report = jobs.fetch_all(ids, folder, concurrency=2, on_update=lambda _: shutil.rmtree(folder, ignore_errors=True))
    assert {type(error) for error in report.errors.values()} == {ConfigurationError}
    assert len(report.errors) == len(ids)
    assert names_in(tmp_path) == [], "not even a file of its name"
    assert_complete(jobs.fetch_all(ids, folder), sandbox, folder)


def test_a_full_disk_fails_each_job_and_the_next_call_succeeds(
    jobs: AnyClient, sandbox: Sandbox, ids: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        report = jobs.fetch_all(ids, tmp_path)
    assert [type(error) for error in report.errors.values()] == [DownloadError] * 4
    assert names_in(tmp_path) == [f"{ids[0]}.csv"], "the empty result needs no room"
    assert_complete(jobs.fetch_all(ids, tmp_path), sandbox, tmp_path)


# Other processes and threads


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses."""
    monkeypatch.setattr(download, "_LOCKED_SECONDS", 0.001)
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.001)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("concurrency", [1, 4])
def test_several_calls_on_one_folder_all_return_all_files(concurrency: int, sandbox: Sandbox, tmp_path: Path) -> None:
    ids = [sandbox.add_job(result_bytes=20_000 + number) for number in range(30)]
    reports: list[FetchReport] = []
    with ExitStack() as stack:
        clients = [stack.enter_context(sandbox.client()) for _ in range(3)]

        def work(client: AnyClient) -> None:
            reports.append(client.fetch_all(ids, tmp_path, concurrency=concurrency))

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(reports) == 3
    for report in reports:
        assert_complete(report, sandbox, tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_file_that_appears_during_the_wait_is_recognised(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    ids = [sandbox.add_job() for _ in range(3)]

    def appear(job: Job) -> None:
        (tmp_path / f"{job.id}.csv").write_bytes(b"".join(sandbox.result(job.id).read()))

    assert_complete(jobs.fetch_all(ids, tmp_path, on_update=appear), sandbox, tmp_path)
    assert not asked_of(sandbox, "storage")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("ends_well", [True, False])
def test_a_file_that_another_process_is_writing_is_waited_for(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ends_well: bool
) -> None:
    job_id = sandbox.add_job()
    target = tmp_path / f"{job_id}.csv"
    other = PartFile(target, job_id, DownloadOptions(), base=tmp_path / job_id)
    attempts: list[Path] = []

    def open_part(path: Path, *args: Any, **options: Any) -> PartFile:
        attempts.append(path)
        if len(attempts) == 2:  # the first was refused
            if ends_well:
                target.write_bytes(b"".join(sandbox.result(job_id).read()))
            other.discard()
        return PartFile(path, *args, **options)

    monkeypatch.setattr(fetch_all, "PartFile", open_part)
    assert_complete(jobs.fetch_all([job_id], tmp_path), sandbox, tmp_path)
    downloads = [request for request in sandbox.requests if request.path.endswith("/Download")]
    assert len(downloads) == (0 if ends_well else 1), "waiting needs no request"


@pytest.mark.usefixtures("quick")
def test_a_lock_that_is_never_released_is_an_error_in_the_end(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "HOUR", 0.01)
    job_id = sandbox.add_job()
    other = PartFile(tmp_path / f"{job_id}.csv", job_id, DownloadOptions(), base=tmp_path / job_id)
    report = jobs.fetch_all([job_id], tmp_path)
    assert isinstance(report.errors[job_id], DestinationExistsError)
    other.discard()


# Errors that pass


def not_ready(job_id: str) -> dict[str, Any]:
    return {"status": 202, "body": f'{{"Id": "{job_id}", "Status": "RUNNING"}}'}


def limited(_: str) -> dict[str, Any]:
    return {"status": 429, "headers": {"Retry-After": "0"}}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("answer", "kind"), [(not_ready, ResultNotReadyError), (limited, RateLimitError)])
def test_transient_errors_are_waited_out_for_an_hour(  # noqa: PLR0917 - fixtures
    answer: Callable[[str], dict[str, Any]],
    kind: type[Exception],
    jobs: AnyClient,
    sandbox: Sandbox,
    ids: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_retries = jobs.with_options(retry=ONE_TRY)
    sandbox.answer_next("GET", f"{ids[2]}/Download", times=3, **answer(ids[2]))
    assert_complete(no_retries.fetch_all(ids, tmp_path / "a"), sandbox, tmp_path / "a")
    monkeypatch.setattr(download, "HOUR", 0.0)
    sandbox.answer_next("GET", f"{ids[2]}/Download", **answer(ids[2]))
    report = no_retries.fetch_all(ids, tmp_path / "b")
    assert {job_id: type(error) for job_id, error in report.errors.items()} == {ids[2]: kind}


def test_wrong_credentials_fail_every_job_after_one_request(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    ids = [sandbox.add_job() for _ in range(10)]
    sandbox.answer_next("GET", re.compile("/Jobs"), status=401, times=10)
    report = jobs.fetch_all(ids, tmp_path)
    assert [type(error) for error in report.errors.values()] == [AuthenticationError] * 10
    assert [error.job_id for error in report.errors.values()] == ids
    assert len(sandbox.requests) == 1, "one refusal is enough"
