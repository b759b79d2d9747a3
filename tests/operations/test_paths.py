"""What was there before a download: the working directory, a folder, a file with its mode, an older result."""

from __future__ import annotations

import errno
import gzip
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import ConfigurationError, JobFailedError, JobsError, Polling, Retry, TransportError
from impact_jobs.models import JobStatus
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import names_in

MIB = 1024 * 1024


@pytest.fixture
def job_id(sandbox: Sandbox) -> str:
    return sandbox.add_job(age=3600)


# Paths


def test_a_relative_path_is_resolved_when_the_call_begins(
    jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    first.mkdir()
    other.mkdir()
    (first / "folder").mkdir()
    running = sandbox.add_job(seconds=0.1)
    eager = Polling(minimum=0.02, maximum=0.1)

    def leave(*_: object) -> None:
        os.chdir(other)

    calls: list[Callable[[], Path]] = [
        lambda: jobs.download(job_id, "a.csv", on_progress=leave).path,
        lambda: jobs.download(job_id, Path("folder"), on_progress=leave).path,
        lambda: jobs.wait_and_download(running, "b.csv", polling=eager, on_update=leave).path,
        lambda: jobs.fetch_all([job_id], "all", on_update=leave).files[job_id].path,
    ]
    for call in calls:
        monkeypatch.chdir(first)
        path = call()
        assert path.is_absolute()
        assert path.is_relative_to(first)
        assert path.stat().st_size == 300_000
    assert names_in(other) == []
    monkeypatch.chdir(first)
    assert jobs.download(job_id, "c.csv").path == Path("c.csv"), "as given, if that still leads there"
    assert jobs.fetch_all([job_id], "all").directory == Path("all")


def test_a_relative_path_in_a_removed_working_directory_is_refused(
    jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for verb, first in ((jobs.download, job_id), (jobs.fetch_all, [job_id])):
        with pytest.raises(ConfigurationError, match="give an absolute path"):
            verb(first, "a.csv")
    assert sandbox.requests == ()
    assert jobs.download(job_id, tmp_path / "a.csv").bytes_written == 300_000


@pytest.mark.parametrize("ending", ["/", "/.", "/..", "//", "/./"])
def test_a_target_that_ends_in_a_slash_is_a_folder(
    ending: str, jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        for verb in (jobs.download, jobs.wait_and_download):
            with pytest.raises(ConfigurationError, match="does not exist: create it first"):
                verb(job_id, f"{tmp_path}/{name}{ending}", overwrite=True)
    assert sandbox.requests == ()
    (tmp_path / "there").mkdir()
    done = jobs.download(job_id, f"{tmp_path}/there{ending}")
    assert done.path.parent.samefile(f"{tmp_path}/there{ending}")
    assert done.path.read_bytes() == b"".join(sandbox.result(job_id).read())


@pytest.mark.parametrize("function", ["access", "stat"])
def test_a_folder_that_cannot_be_examined_is_refused_with_the_reason(  # noqa: PLR0917 - fixtures
    function: str, jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, function)

    def fail(path: Any, *args: Any, **options: Any) -> Any:
        if str(path) == str(tmp_path):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, *args, **options)

    monkeypatch.setattr(os, function, fail)
    for verb, first, path in (
        (jobs.download, job_id, tmp_path),
        (jobs.download, job_id, tmp_path / "a.csv"),
        (jobs.wait_and_download, job_id, tmp_path / "a.csv"),
        (jobs.fetch_all, [job_id], tmp_path),
    ):
        with pytest.raises(ConfigurationError, match=r"could not be examined \(Stale file handle\)"):
            verb(first, path)
    assert sandbox.requests == ()


def test_an_error_of_the_file_system_is_a_jobs_error_and_in_fetch_all_that_of_one_job(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [sandbox.add_job() for _ in range(3)]
    target = tmp_path / "a.csv"

    def spoil(name: str, about: str) -> None:
        real = getattr(os, name)

        def spoilt(first: Any, *args: Any, **options: Any) -> Any:
            path = str(Path(f"/proc/self/fd/{first}").readlink()) if isinstance(first, int) else str(first)
            if about in path:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return real(first, *args, **options)

        monkeypatch.setattr(os, name, spoilt)

    for name in ("stat", "lstat", "fstat", "open", "utime"):
        with monkeypatch.context():
            spoil(name, "a.csv")
            for overwrite in (False, True):
                try:
                    jobs.download(ids[0], target, overwrite=overwrite)
                except JobsError as error:
                    assert "a.csv" in str(error)  # noqa: PT017 - there may be none
            monkeypatch.undo()
        with monkeypatch.context():
            spoil(name, ids[1])
            report = jobs.fetch_all(ids, tmp_path / name)
            assert report.files.keys() >= {ids[0], ids[2]}, report.errors
            monkeypatch.undo()
        assert jobs.fetch_all(ids, tmp_path / name).is_complete, "no lock is left"


# A file that is replaced


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o444, 0o400])
def test_a_replaced_file_keeps_its_mode_and_its_part_is_never_readable_by_more(
    mode: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, job_id, seen = tmp_path / "a.csv", sandbox.add_job(result_bytes=3 * MIB, age=3600), set[int]()
    part = Path(f"{target}.part")

    def watch(*_: object) -> None:
        seen.add(part.stat().st_mode & 0o777)

    for at in (MIB, 0):
        sandbox.cut_next_download(at)
    with pytest.raises(TransportError):  # it leaves a part of a new file, which is readable by others
        jobs.with_options(retry=Retry(attempts=2, base_delay=0.0)).download(job_id, target, connections=1)
    assert part.stat().st_mode & 0o777 & ~mode
    target.touch()
    target.chmod(mode)
    done = jobs.download(job_id, target, overwrite=True, on_progress=watch)
    assert (done.resumed_from, done.sha256) == (MIB, sandbox.result(job_id).sha256)
    assert target.stat().st_mode & 0o777 == mode
    assert not any(found & ~mode for found in seen), [oct(found) for found in seen]


def test_a_replaced_file_keeps_its_group_or_its_group_loses_its_access(
    jobs: AnyClient, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, changes = tmp_path / "a.csv", list[tuple[int, int]]()
    target.touch()
    target.chmod(0o664)
    found = target.stat()
    real = os.lstat

    def of_another_group(path: Any, **options: Any) -> os.stat_result:
        status = real(path, **options)
        return os.stat_result((*status[:5], 4242, *status[6:])) if str(path) == str(target) else status

    def refuse(_: int, owner: int, group: int) -> None:
        changes.append((owner, group))
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("impact_jobs._download.part_file.status_of", of_another_group)
    monkeypatch.setattr(os, "fchown", refuse)
    jobs.download(job_id, target, overwrite=True)
    assert changes == [(found.st_uid, 4242), (-1, 4242)]
    assert target.stat().st_mode & 0o777 == 0o604


# A result that is newer than the file


def test_a_file_gets_the_time_of_its_result(jobs: AnyClient, job_id: str, tmp_path: Path) -> None:
    job = jobs.get(job_id)
    assert job.completed_date
    paths = [
        jobs.download(job, tmp_path / "a.csv").path,
        jobs.wait_and_download(job_id, tmp_path / "b.csv").path,
        jobs.fetch_all([job_id], tmp_path / "all").files[job_id].path,
    ]
    for path in paths:
        assert path.stat().st_mtime == pytest.approx(job.completed_date.timestamp(), abs=0.001)
    absurd = evolve(job, completed_date=datetime.max.replace(tzinfo=UTC))
    assert jobs.download(absurd, tmp_path / "c.csv").bytes_written == 300_000


def test_a_job_that_has_completed_again_is_fetched_again(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job(age=3600)
    job = jobs.get(job_id)
    assert job.completed_date
    path = jobs.fetch_all([job_id], tmp_path).files[job_id].path
    path.chmod(0o600)
    old = path.read_bytes()
    fresh = evolve(job, completed_date=job.completed_date + timedelta(minutes=5))
    running = evolve(job, status=JobStatus.RUNNING, completed_date=None)
    sandbox.replace_result(job_id)
    sandbox.forget_requests()
    for same in (job_id, job, evolve(job, completed_date=None)):
        assert jobs.fetch_all([same], tmp_path).files[job_id].path.read_bytes() == old
    assert sandbox.requests == ()
    assert jobs.fetch_all([running], tmp_path).files[job_id].path.read_bytes() == old
    assert len(sandbox.requests) == 1, "one poll, which shows that the file is the latest"
    with pytest.raises(JobFailedError):
        raise jobs.fetch_all([evolve(job, status=JobStatus.FAILED)], tmp_path).errors[job_id]
    again = jobs.fetch_all([fresh], tmp_path).files[job_id]
    assert again.sha256 == sandbox.result(job_id).sha256
    assert (names_in(tmp_path), path.stat().st_mode & 0o777) == ([f"{job_id}.csv"], 0o600)
    sandbox.forget_requests()
    assert jobs.fetch_all([fresh], tmp_path).files[job_id].sha256 == again.sha256
    assert sandbox.requests == ()


def test_the_newer_result_replaces_the_file_even_if_its_extension_is_another(
    jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path
) -> None:
    old = tmp_path / f"{job_id}.tsv"
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    report = jobs.fetch_all([jobs.get(job_id)], tmp_path)
    assert report.files[job_id].sha256 == sandbox.result(job_id).sha256
    assert names_in(tmp_path) == [f"{job_id}.csv"]


# Names that are ours to choose


@pytest.mark.parametrize("is_encoded", [False, True])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_only_a_compressed_result_gets_a_name_of_one(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, is_gzip: bool, is_encoded: bool
) -> None:
    job_id = sandbox.add_job()
    result = gzip.compress(b"a,b\n" * 1000) if is_gzip else b"a,b\n" * 1000
    headers = {"Content-Disposition": 'attachment; filename="Report.CSV.GZ"', "ETag": '"1"'}
    headers |= {"Content-Encoding": "gzip"} if is_encoded else {}
    body = gzip.compress(result) if is_encoded else result
    sandbox.answer_next("GET", ".csv", status=200, body=body, headers=headers, content_type="text/csv", times=2)
    name = "Report.CSV.GZ" if is_gzip else "Report.CSV"
    done = jobs.download(job_id, tmp_path)
    assert (done.path, done.path.read_bytes()) == (tmp_path / name, result)
    done = jobs.fetch_all([job_id], tmp_path / "all").files[job_id]
    assert (done.path.name, done.path.read_bytes()) == (name.replace("Report", job_id), result)


@pytest.mark.parametrize(("content_type", "extension"), [("application/gzip", ".gz"), ("application/zip", ".zip")])
def test_a_content_type_names_the_compression_only_of_a_compressed_result(
    content_type: str, extension: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for body, expected in ((b"\x1f\x8b" if extension == ".gz" else b"PK\x03\x04", extension), (b"a,b\n", "")):
        job_id = sandbox.add_job()
        sandbox.answer_next("GET", ".csv", status=200, body=body, headers={}, content_type=content_type)
        assert jobs.fetch_all([job_id], tmp_path).files[job_id].path.name == job_id + expected


def test_a_connection_that_breaks_before_the_name_is_known_is_retried(
    jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path
) -> None:
    body, headers = gzip.compress(b"a,b\n"), {"Content-Disposition": "attachment; filename=a.gz", "ETag": '"1"'}
    broken = headers | {"Content-Length": "1000"}
    sandbox.answer_next("GET", ".csv", status=200, body=b"", headers=broken, content_type="text/csv")
    sandbox.answer_next("GET", ".csv", status=200, body=body, headers=headers, content_type="text/csv")
    assert jobs.download(job_id, tmp_path).path == tmp_path / "a.gz"


# Several processes, and the folder itself


def test_calls_that_share_a_folder_request_each_result_once(sandbox: Sandbox, tmp_path: Path) -> None:
    ids = [sandbox.add_job(result_bytes=50_000) for _ in range(20)]

    def work() -> None:
        with sandbox.client() as jobs:
            assert jobs.fetch_all(ids, tmp_path).is_complete

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(request.path.endswith("/Download") for request in sandbox.requests) == len(ids)
    assert sum(request.origin == "storage" for request in sandbox.requests) == len(ids)
    assert names_in(tmp_path) == sorted(f"{job_id}.csv" for job_id in ids)


def test_the_parent_of_each_folder_that_fetch_all_makes_is_synced(
    jobs: AnyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(str(Path(f"/proc/self/fd/{number}").readlink())))
    jobs.fetch_all([], tmp_path / "a" / "b")
    assert sorted(synced) == [str(tmp_path), str(tmp_path / "a")]
    jobs.fetch_all([], tmp_path / "a" / "b")
    assert len(synced) == 2, "only of new ones"
