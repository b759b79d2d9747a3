"""`fetch_all` with a template of names, its manifest, and files that are replaced by the same bytes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from impact_jobs import ConfigurationError, DownloadError, Job, Retry
from impact_jobs._download.manifest import Manifest
from impact_jobs._operations import fetch_folder
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import asked_of, names_in

NAME = "{type}_{created:%Y-%m-%d}_{id}"


@pytest.fixture
def done(jobs: AnyClient, sandbox: Sandbox) -> list[Job]:
    """Return three completed jobs."""
    return [jobs.get(sandbox.add_job(result_bytes=size)) for size in (1000, 70_000, 300_000)]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def expected_name(job: Job) -> str:
    assert job.created_date is not None
    return f"{job.type}_{job.created_date:%Y-%m-%d}_{job.id}.csv"


@pytest.mark.parametrize("as_ids", [False, True])
def test_files_are_named_and_listed(
    as_ids: Any, jobs: AnyClient, sandbox: Sandbox, done: list[Job], tmp_path: Path
) -> None:
    report = jobs.fetch_all([job.id for job in done] if as_ids else done, tmp_path, name=NAME)
    assert names_in(tmp_path) == sorted([*map(expected_name, done), "manifest.jsonl"])
    listed = {line["job"]: line for line in lines(tmp_path)}
    for job in done:
        result, line = sandbox.result(job.id), listed[job.id]
        file = report.files[job.id]
        assert file.path == tmp_path / expected_name(job)
        assert line.pop("written")
        assert job.created_date is not None
        assert job.completed_date is not None
        assert line == {
            "file": expected_name(job), "job": job.id, "type": str(job.type),
            "account": sandbox.account_sid, "format": "CSV", "created": job.created_date.isoformat(),
            "completed": job.completed_date.isoformat(), "rows": file.path.read_bytes().count(b"\n") - 1,
            "bytes": result.size, "sha256": result.sha256,
        }  # fmt: skip
        assert file.rows == line["rows"]
        assert file.unchanged is None
    text = (tmp_path / "manifest.jsonl").read_text()
    assert sandbox.auth_token not in text
    sandbox.forget_requests()
    again = jobs.fetch_all([job.id for job in done], tmp_path, name=NAME)
    assert sandbox.requests == ()
    assert {key: (file.path, file.rows) for key, file in again.files.items()} == {
        key: (file.path, file.rows) for key, file in report.files.items()
    }
    assert len(lines(tmp_path)) == len(done), "a recognised file is not listed again"


def test_a_template_may_have_folders_and_an_extension(jobs: AnyClient, done: list[Job], tmp_path: Path) -> None:
    job = done[0]
    report = jobs.fetch_all([job], tmp_path, name="{type}/{created:%Y/%m}/{id}.csv")
    assert job.created_date is not None
    file = f"{job.type}/{job.created_date:%Y/%m}/{job.id}.csv"
    assert report.files[job.id].path == tmp_path / file
    assert (tmp_path / file).is_file()
    assert [line["file"] for line in lines(tmp_path)] == [file]
    assert names_in(tmp_path) == [str(job.type), "manifest.jsonl"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{report}", r"\{report\} is not one of its fields: \{id\}"),
        ("{creatd:%Y}_{id}", r"Did you mean \{created\}\?"),
        ("../{id}", "leads out of the folder"),
        ("/reports/{id}", "leads out of the folder"),
        ("{id}.part", "the call itself uses"),
        ("manifest.jsonl", "the call itself uses"),
        ("x/Manifest", "the call itself uses"),
        ("", "give a template"),
        (7, "give a template"),
        ("{created:%Y-%m-%d}", r"would be the file of job .* and of job .*: add a field that differs, such as \{id\}"),
    ],
)
def test_a_wrong_template_is_refused_before_any_request(  # noqa: PLR0917 - fixtures
    name: Any, message: str, jobs: AnyClient, sandbox: Sandbox, done: list[Job], tmp_path: Path
) -> None:
    sandbox.forget_requests()
    with pytest.raises(ConfigurationError, match=message):
        jobs.fetch_all(done, tmp_path / "a", name=name)
    assert sandbox.requests == ()
    assert names_in(tmp_path) == [], "not even the folder was created"


def test_a_job_without_a_file_collides_with_none(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    failed, done = (jobs.get(sandbox.add_job(status=status)) for status in ("FAILED", "COMPLETED"))
    report = jobs.fetch_all([failed, done], tmp_path, name="{created:%Y-%m-%d}")
    assert list(report.files) == [done.id]


@pytest.mark.parametrize("is_same_call", [True, False])
def test_a_later_collision_is_the_error_of_that_job_and_replaces_nothing(
    is_same_call: Any, jobs: AnyClient, sandbox: Sandbox, done: list[Job], tmp_path: Path
) -> None:
    first, second = (job.id for job in done[:2])
    name = "{created:%Y-%m-%d}"
    if is_same_call:
        report = jobs.fetch_all([first, second], tmp_path, name=name, concurrency=1)
    else:
        assert jobs.fetch_all([first], tmp_path, name=name).is_complete
        sandbox.forget_requests()
        report = jobs.fetch_all([first, second], tmp_path, name=name)
        assert not asked_of(sandbox, "storage"), "it is noticed before the download"
    (error,) = report.errors.values()
    assert isinstance(error, DownloadError)
    (kept,) = report.files.values()
    assert f"is the file of job {kept.job_id}, so it was not replaced" in str(error)
    assert kept.path.read_bytes() == b"".join(sandbox.result(kept.job_id).read())
    assert [line["job"] for line in lines(tmp_path)] == [kept.job_id]


def test_a_file_of_somebody_else_is_not_replaced(jobs: AnyClient, done: list[Job], tmp_path: Path) -> None:
    (tmp_path / "latest.csv").write_text("mine")
    report = jobs.fetch_all(done[:1], tmp_path, name="latest")
    assert "is there already, and the manifest does not list it" in str(report.errors[done[0].id])
    assert (tmp_path / "latest.csv").read_text() == "mine"


@pytest.mark.parametrize("name", [NAME, "latest"])
def test_a_crash_before_the_manifest_is_made_good(  # noqa: PLR0917 - fixtures
    name: str, jobs: AnyClient, sandbox: Sandbox, done: list[Job], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = done[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Manifest, "append", lambda *_: os.open(tmp_path / "none", os.O_RDONLY))
        assert jobs.fetch_all([job], tmp_path, name=name).is_complete, "the file is there, so this is a warning"
    assert [record.levelname for record in caplog.records if "manifest" in record.message] == ["WARNING"]
    sandbox.forget_requests()
    found = jobs.fetch_all([job], tmp_path, name=name).files[job.id]
    assert found.sha256 == sandbox.result(job.id).sha256
    assert bool(asked_of(sandbox, "storage")) == (name == "latest"), "without the id in its name it is compared"
    assert found.unchanged == (True if name == "latest" else None)
    assert [line["job"] for line in lines(tmp_path)] == [job.id]
    assert names_in(tmp_path) == sorted([found.path.name, "manifest.jsonl"])


def test_a_file_that_was_cut_or_removed_is_fetched_again(jobs: AnyClient, done: list[Job], tmp_path: Path) -> None:
    report = jobs.fetch_all(done, tmp_path, name=NAME)
    report.files[done[0].id].path.unlink()
    os.truncate(report.files[done[1].id].path, 10)
    again = jobs.fetch_all(done, tmp_path, name=NAME)
    assert [bool(file.connections) for file in again.files.values()] == [True, False, False]


def test_parts_keep_the_id_as_their_name(jobs: AnyClient, sandbox: Sandbox, done: list[Job], tmp_path: Path) -> None:
    job = done[2]
    sandbox.cut_next_download(100_000)
    assert not jobs.with_options(retry=Retry(attempts=1)).fetch_all([job], tmp_path, name=NAME).is_complete
    assert names_in(tmp_path) == [f"{job.id}.part", f"{job.id}.part.json"]
    report = jobs.fetch_all([job], tmp_path, name=NAME)
    assert report.files[job.id].resumed_from == 100_000
    assert names_in(tmp_path) == [expected_name(job), "manifest.jsonl"]


def test_without_a_template_there_is_no_manifest(jobs: AnyClient, done: list[Job], tmp_path: Path) -> None:
    jobs.fetch_all(done, tmp_path)
    assert names_in(tmp_path) == sorted(f"{job.id}.csv" for job in done)
    jobs.fetch_all(done, tmp_path, name="x/{id}")
    assert names_in(tmp_path) == sorted([*(f"{job.id}.csv" for job in done), "manifest.jsonl"]), "recognised by its id"


# The same bytes again


def completed_again(job: Job) -> Job:
    """Return a snapshot of the job as if it had run again."""
    assert job.completed_date is not None
    return evolve(job, completed_date=job.completed_date.replace(year=2099))


@pytest.mark.parametrize("name", [None, NAME])
@pytest.mark.parametrize(("change", "unchanged"), [(lambda data: data, True), (lambda data: data[:-1] + b"x", False)])
def test_a_rerun_says_whether_the_bytes_are_the_same(  # noqa: PLR0917 - fixtures
    name: str | None,
    change: Callable[[bytes], bytes],
    unchanged: Any,
    jobs: AnyClient,
    done: list[Job],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "impact_jobs")
    job = done[0]
    path = jobs.fetch_all([job], tmp_path, name=name).files[job.id].path
    path.write_bytes(change(path.read_bytes()))
    again = jobs.fetch_all([completed_again(job)], tmp_path, name=name).files[job.id]
    assert again.connections
    assert again.unchanged == unchanged
    assert any(record.message.endswith(", unchanged") for record in caplog.records) == unchanged


@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize(
    ("old", "unchanged"), [(None, None), (b"", False), ("same size", False), ("same", True)], ids=str
)
def test_a_download_says_whether_the_bytes_are_the_same(  # noqa: PLR0917 - fixtures
    digest: Any, old: Any, unchanged: Any, jobs: AnyClient, sandbox: Sandbox, done: list[Job], tmp_path: Path
) -> None:
    content = b"".join(sandbox.result(done[0].id).read())
    path = tmp_path / "a.csv"
    if old is not None:
        path.write_bytes({"same": content, "same size": content[::-1]}.get(old, old))
    result = jobs.download(done[0], path, overwrite=True, digest=digest)
    assert result.unchanged is unchanged
    assert path.read_bytes() == content


def test_the_digest_of_the_manifest_is_used_while_it_is_valid(
    jobs: AnyClient, done: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = done[0]
    jobs.fetch_all([job], tmp_path, name=NAME)
    used: list[str | None] = []
    known = fetch_folder.FetchFolder.known_sha256

    def note(folder: fetch_folder.FetchFolder, path: Path | None) -> str | None:
        used.append(known(folder, path))
        return used[-1]

    monkeypatch.setattr(fetch_folder.FetchFolder, "known_sha256", note)
    result = jobs.fetch_all([completed_again(job)], tmp_path, name=NAME).files[job.id]
    assert result.unchanged
    assert used == [result.sha256]
    assert len(lines(tmp_path)) == 2, "a file that is replaced is listed again, and the last line counts"
