"""What is beside a target: whose part it is, and what a process has left that was killed, interrupted or second."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import DestinationExistsError, Retry, TransportError
from impact_jobs._download.part_names import part_names
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.folders import names_in

pytestmark = pytest.mark.usefixtures("either_platform")

QUICK = Retry(attempts=2, base_delay=0.0)


@pytest.fixture
def job_id(sandbox: Sandbox) -> str:
    return sandbox.add_job(age=3600)


def cut(jobs: AnyClient, sandbox: Sandbox, job_id: str, target: Path) -> None:
    for at in (100_000, 0):
        sandbox.cut_next_download(at)
    with pytest.raises(TransportError):
        jobs.with_options(retry=QUICK).download(job_id, target)


# Whose part it is


@pytest.mark.parametrize("verb", ["download", "overwrite", "fetch_all"])
def test_a_part_without_our_journal_is_left_alone_and_the_download_goes_on(
    verb: str, jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path
) -> None:
    target = tmp_path / f"{job_id}.csv"
    foreign = [Path(f"{target}.part"), tmp_path / f"{job_id}.part", Path(f"{target}.2.part")]
    for path in foreign:
        path.write_bytes(b"somebody else's")
    if verb == "fetch_all":
        assert jobs.fetch_all([job_id], tmp_path).is_complete
    else:
        cut(jobs, sandbox, job_id, target)
        assert jobs.download(job_id, target, overwrite=verb == "overwrite").resumed_from == 100_000
    assert target.read_bytes() == b"".join(sandbox.result(job_id).read())
    assert names_in(tmp_path) == sorted(path.name for path in (target, *foreign))
    assert {path.read_bytes() for path in foreign} == {b"somebody else's"}


def test_a_download_that_finds_only_foreign_parts_says_so(jobs: AnyClient, job_id: str, tmp_path: Path) -> None:
    for part, _ in part_names(tmp_path / "a.csv"):
        part.write_bytes(b"somebody else's")
    with pytest.raises(Exception, match="are somebody else's: remove them"):
        jobs.download(job_id, tmp_path / "a.csv")


@pytest.mark.parametrize("journal", [b"", b"torn", b'{"format": 1}'])
def test_any_journal_shows_that_the_part_is_ours(journal: bytes, jobs: AnyClient, job_id: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv.part").write_bytes(b"of a process that was killed")
    (tmp_path / "a.csv.part.json").write_bytes(journal)
    assert jobs.download(job_id, tmp_path / "a.csv").resumed_from == 0
    assert names_in(tmp_path) == ["a.csv"]


# After the commit


def test_a_part_that_its_owner_cannot_write_is_made_writable_for_its_owner_alone(
    jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, part, real = tmp_path / "a.csv", tmp_path / "a.csv.part", os.open
    cut(jobs, sandbox, job_id, target)
    part.chmod(0o400)  # because it was to replace a file with this mode

    def open_unlike_root(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if str(path) == str(part) and flags & os.O_RDWR and not part.stat().st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", open_unlike_root)
    assert jobs.download(job_id, target).resumed_from == 100_000
    assert target.stat().st_mode & 0o777 == 0o600


def test_who_comes_second_leaves_nothing(jobs: AnyClient, job_id: str, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with pytest.raises(DestinationExistsError, match="appeared during the download"):
        jobs.download(job_id, target, on_progress=lambda done, total: target.touch() if done == total else None)
    assert names_in(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("function", ["link", "replace", "unlink", "fsync"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_interrupted_commit_leaves_the_whole_file_or_none_and_nothing_that_is_resumed_wrongly(
    function: str, sandbox: Sandbox, job_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, overwrite: bool
) -> None:
    target, real = tmp_path / "a.csv", getattr(os, function)
    if overwrite:
        target.write_bytes(b"old")

    def interrupted(*args: Any, **options: Any) -> None:
        real(*args, **options)
        signal.raise_signal(signal.SIGINT)

    with sandbox.client() as jobs:
        with monkeypatch.context() as patch:
            patch.setattr(os, function, interrupted)
            with suppress(KeyboardInterrupt):
                jobs.download(job_id, target, overwrite=overwrite)
        result = b"".join(sandbox.result(job_id).read())
        if target.exists():
            assert target.read_bytes() in {result, b"old"}
            with target.open("r+b") as file:
                file.write(b"EDITED IN PLACE")
            target.unlink()
        jobs.download(job_id, target)
        assert target.read_bytes() == result
        assert names_in(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("function", ["fsync", "unlink"])
def test_what_fails_after_the_commit_is_one_warning(  # noqa: PLR0917 - fixtures
    function: str,
    jobs: AnyClient,
    sandbox: Sandbox,
    job_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = getattr(os, function)

    def fail(first: Any, *args: Any, **options: Any) -> None:
        if function == "unlink" or stat.S_ISDIR(os.fstat(first).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(first, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        done = jobs.download(job_id, tmp_path / "a.csv")
        assert done.sha256 == sandbox.result(job_id).sha256
        assert len(caplog.records) == 1, caplog.messages
        caplog.clear()
        ids = [sandbox.add_job() for _ in range(3)]
        assert jobs.fetch_all(ids, tmp_path / "all").is_complete
        texts = {message.partition(": ")[2] for message in caplog.messages}
        assert len(texts) == len(caplog.records) == 1, "once for all files of the call"


def test_a_process_killed_after_the_link_leaves_nothing_that_a_moved_file_could_damage(
    jobs: AnyClient, sandbox: Sandbox, job_id: str, tmp_path: Path
) -> None:
    target, part = tmp_path / "a.csv", tmp_path / "a.csv.part"
    jobs.download(job_id, target)
    os.link(target, part)
    part.with_name("a.csv.part.json").touch()
    target.rename(tmp_path / "archived.csv")
    (tmp_path / "archived.csv").write_bytes(b"edited")
    jobs.download(job_id, target)
    assert (tmp_path / "archived.csv").read_bytes() == b"edited"
    assert target.read_bytes() == b"".join(sandbox.result(job_id).read())
    assert names_in(tmp_path) == ["a.csv", "archived.csv"]


@pytest.mark.parametrize("left", ["both", "journal"])
def test_what_a_killed_commit_left_is_removed_when_it_is_met(
    left: str, jobs: AnyClient, job_id: str, tmp_path: Path
) -> None:
    target = tmp_path / "a.csv"
    jobs.download(job_id, target)
    if left == "both":
        os.link(target, f"{target}.part")
    Path(f"{target}.part.json").touch()
    with pytest.raises(DestinationExistsError):
        jobs.download(job_id, target)
    assert names_in(tmp_path) == ["a.csv"]


# Without locks


@pytest.mark.parametrize("number", [None, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])  # None: Python has no `fcntl`
def test_without_locks_two_downloads_do_not_mix_and_one_wins(  # noqa: PLR0917 - fixtures
    number: int | None,
    sandbox: Sandbox,
    job_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> None:
        assert number is not None
        raise OSError(number, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse) if number else monkeypatch.setattr(
        "impact_jobs._download.filesystem._fcntl", None
    )
    target, other = tmp_path / "a.csv", sandbox.add_job(age=3600)
    Path(f"{target}.part").write_bytes(b"of a process that may be alive")
    Path(f"{target}.part.json").touch()
    with sandbox.client() as jobs:

        def second(done: int, total: int | None) -> None:
            if done == total and not target.exists():
                jobs.download(other, target)

        with pytest.raises(DestinationExistsError):
            jobs.download(job_id, target, on_progress=second)
        assert target.read_bytes() == b"".join(sandbox.result(other).read())
        assert names_in(tmp_path) == ["a.csv", "a.csv.part", "a.csv.part.json"]
        assert ["no locks" in message for message in caplog.messages] == [True, True], "once in each call"
        assert jobs.fetch_all([job_id], tmp_path / "all").is_complete
        assert names_in(tmp_path / "all") == [f"{job_id}.csv"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("suffix", [".part", ".part.json"])
def test_what_is_no_file_is_left_alone(
    make: Callable[[Path], object], suffix: str, jobs: AnyClient, job_id: str, tmp_path: Path
) -> None:
    make(tmp_path / f"a.csv{suffix}")
    jobs.download(job_id, tmp_path / "a.csv")
    assert names_in(tmp_path) == ["a.csv", f"a.csv{suffix}"]
