"""Disks that are full, closed or gone, and files that somebody else lays hands on."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, DestinationExistsError, DownloadError, JobsError, Retry
from impact_jobs.sandbox import Sandbox

from tests.faults.forkserver import Death, Zygote
from tests.faults.harness import Call, InjectedError
from tests.support.driving import AnyClient

MIB: Final = 1024 * 1024
QUICK: Final = Retry(base_delay=0.0)
_NOBODY: Final = 65534
_ROOT: Final = Path(__file__).resolve().parents[2]


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def journal_of(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")


def mount(*arguments: str) -> bool:
    """Whether it could be done: it takes the rights of root."""
    command = shutil.which("mount")
    if command is None:
        return False
    return subprocess.run([command, *arguments], capture_output=True, check=False).returncode == 0  # noqa: S603 - our own


@contextmanager
def unmounting(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        command = shutil.which("umount")
        assert command is not None
        subprocess.run([command, "--lazy", str(folder)], check=True)  # noqa: S603 - our own


def add_job(sandbox: Sandbox, size: int) -> str:
    return sandbox.add_job(result_bytes=size, age=3600)


def download_cut(jobs: AnyClient, sandbox: Sandbox, job_id: str, target: Path, *, after: int) -> None:
    for at in (after, 0, 0, 0):
        sandbox.cut_next_download(at)
    with pytest.raises(JobsError):
        jobs.with_options(retry=QUICK).download(job_id, target)


# Room


def _enlarge(folder: Path, size: int) -> None:
    assert mount("-o", f"remount,size={size}", str(folder))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[], None]]:
    """Let files in `folder` have `size` bytes at most, together or each, as far as we may; gives what makes room."""
    folder.mkdir()
    with ExitStack() as stack:
        if mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)):
            stack.enter_context(unmounting(folder))
            yield lambda: _enlarge(folder, 4 * size)
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # Python ignores the signal that comes with it
        stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_has_no_room_fails_before_a_byte_of_it_is_written(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = add_job(sandbox, 9 * MIB)
    target, seen = tmp_path / "small" / "a.csv", []
    with small_disk(target.parent, 8 * MIB) as make_room:
        with pytest.raises(DownloadError, match=r"No space left|File too large") as raised:
            jobs.download(job_id, target, on_progress=lambda done, _: seen.append(done))
        assert "Make room" in str(raised.value)
        assert sum(seen) == 0, "nothing was written"
        assert names_in(target.parent) == []
        make_room()
        assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256
        assert names_in(target.parent) == ["a.csv"]


def test_a_disk_that_fills_up_keeps_what_there_is_and_goes_on(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be reserved."""
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "no")))
    job_id = add_job(sandbox, 9 * MIB)
    target = tmp_path / "small" / "a.csv"
    with small_disk(target.parent, 8 * MIB) as make_room:
        with pytest.raises(DownloadError, match=r"No space left|File too large"):
            jobs.download(job_id, target, connections=1)
        assert not target.exists()
        left = names_in(target.parent)
        assert left in ([], ["a.csv.part", "a.csv.part.json"]), "resumable, or nothing"
        make_room()
        done = jobs.download(job_id, target)
        assert (done.resumed_from > 0) == bool(left)
        assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(target)
        assert names_in(target.parent) == ["a.csv"]


def test_a_disk_with_room_for_the_file_alone_does(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that finds no room is no reason to fail."""
    monkeypatch.setattr("impact_jobs._download.part_file._CHECKPOINT_BYTES", MIB)
    job_id = add_job(sandbox, 8 * MIB)
    target = tmp_path / "small" / "a.csv"
    with small_disk(target.parent, 8 * MIB):
        assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256 == digest_of(target)
        assert names_in(target.parent) == ["a.csv"]


# Folders


def test_a_read_only_folder_is_told_of_before_any_request(jobs: AnyClient, sandbox: Sandbox) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        if mount("-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)):
            stack.enter_context(unmounting(folder))
        else:
            folder.chmod(0o555)
            if os.geteuid() == 0:  # whom permissions do not bind
                stack.callback(os.setresuid, 0, 0, 0)
                os.setresuid(_NOBODY, _NOBODY, 0)
        for path in (folder / "a.csv", folder):
            with pytest.raises(ConfigurationError, match="not writable"):
                jobs.download(add_job(sandbox, 1000), path)
    assert sandbox.requests == ()


@pytest.mark.parametrize("size", [300_000, 9 * MIB])
def test_a_folder_that_vanishes_is_a_clear_error(size: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    job_id = add_job(sandbox, size)

    def remove(done: int, _: int | None) -> None:
        if done:
            shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(DownloadError, match="could not be written: No such file or directory"):
        jobs.download(job_id, folder / "a.csv", on_progress=remove)
    assert names_in(tmp_path) == []
    folder.mkdir()
    assert jobs.download(job_id, folder / "a.csv").sha256 == sandbox.result(job_id).sha256


# The part in other hands


def test_a_part_that_vanishes_is_a_clear_error_and_leaves_nothing(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 2 * MIB)

    def remove(done: int, _: int | None) -> None:
        if done:
            part_of(target).unlink(missing_ok=True)

    with pytest.raises(DownloadError, match="could not be written: No such file or directory"):
        jobs.download(job_id, target, on_progress=remove)
    assert names_in(tmp_path) == []
    assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_part_that_another_has_begun_meanwhile_is_neither_published_nor_removed(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, overwrite: bool
) -> None:
    """Somebody tidies up, then another process begins anew, with a file of its own under the same name."""
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 2 * MIB)

    def take_over(done: int, _: int | None) -> None:
        if done and not (tmp_path / "old").exists():
            part_of(target).rename(tmp_path / "old")
            part_of(target).write_bytes(b"the beginning of another's")
            journal_of(target).write_text("another's")

    with pytest.raises(DownloadError, match="was replaced meanwhile"):
        jobs.download(job_id, target, overwrite=overwrite, on_progress=take_over)
    assert names_in(tmp_path) == ["a.csv.part", "a.csv.part.json", "old"]
    assert part_of(target).read_bytes() == b"the beginning of another's"
    assert journal_of(target).read_text() == "another's"


@pytest.mark.parametrize("keep", [0, 1, 100_000])
def test_a_part_that_is_cut_short_meanwhile_is_not_published(
    keep: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)

    def cut(done: int, total: int | None) -> None:
        if done == total:
            os.truncate(part_of(target), keep)

    with pytest.raises(DownloadError, match=r"shorter|shrank"):
        jobs.download(job_id, target, on_progress=cut)
    assert not target.exists()
    done = jobs.download(job_id, target)
    assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(target)
    assert names_in(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("kind", ["gone", "empty", "shorter"])
def test_a_part_that_lacks_what_its_journal_tells_of_is_begun_anew(
    kind: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)
    download_cut(jobs, sandbox, job_id, target, after=200_000)
    part = part_of(target)
    if kind == "gone":
        part.unlink()
    else:
        os.truncate(part, 0 if kind == "empty" else 199_999)
    done = jobs.download(job_id, target)
    assert (done.resumed_from, done.sha256) == (0, sandbox.result(job_id).sha256)
    assert names_in(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_part_of_a_file_that_is_gone_is_begun_anew_though_there_is_but_one_try(
    attempts: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)
    download_cut(jobs, sandbox, job_id, target, after=200_000)
    sandbox.replace_result(job_id)
    done = jobs.with_options(retry=Retry(attempts=attempts)).download(job_id, target)
    assert (done.resumed_from, done.sha256) == (0, sandbox.result(job_id).sha256)
    assert names_in(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("is_replaced", [False, True])
@pytest.mark.parametrize("size", [1, 300_000])
def test_a_part_that_lacks_only_its_name_gets_it_only_if_it_is_still_the_result(
    size: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, is_replaced: bool
) -> None:
    """As after a crash at the last moment, and a replay since that gave the job another result."""
    target, job_id = tmp_path / "a.csv", add_job(sandbox, size)

    def crash(done: int, total: int | None) -> None:
        if done == total:
            raise InjectedError

    with pytest.raises(InjectedError):
        jobs.download(job_id, target, on_progress=crash)
    assert part_of(target).stat().st_size == size
    if is_replaced:
        sandbox.replace_result(job_id)
    done = jobs.download(job_id, target)
    assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(target)
    assert done.resumed_from == (0 if is_replaced else size)
    assert names_in(tmp_path) == ["a.csv"]


def test_of_a_part_that_was_tampered_with_the_digest_is_told_as_it_is(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """No checksum is stated here, so nothing can be held against it; but what is told is what there is."""
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 6 * MIB)
    download_cut(jobs, sandbox, job_id, target, after=5 * MIB)
    with part_of(target).open("r+b") as part:
        part.seek(4 * MIB)
        part.write(b"tampered with")
    done = jobs.download(job_id, target)
    assert done.resumed_from == 5 * MIB
    assert done.sha256 == digest_of(target) != sandbox.result(job_id).sha256


def test_where_checksums_are_stated_a_part_that_was_tampered_with_is_thrown_away(tmp_path: Path) -> None:
    with Sandbox(job_seconds=0, checksums=True) as sandbox, sandbox.client() as jobs:
        target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)
        download_cut(jobs, sandbox, job_id, target, after=200_000)
        with part_of(target).open("r+b") as part:
            part.write(b"tampered with")
        with pytest.raises(DownloadError, match="thrown away"):
            jobs.download(job_id, target)
        assert names_in(tmp_path) == []
        assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256


@pytest.mark.parametrize("suffix", [".part", ".part.json", ".part.json.new"])
@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "pipe", "folder"])
def test_what_lies_in_the_way_is_neither_followed_nor_waited_for(
    kind: str, suffix: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    precious, target, job_id = tmp_path / "precious", tmp_path / "a.csv", add_job(sandbox, 300_000)
    precious.write_bytes(b"precious")
    there = tmp_path / f"a.csv{suffix}"
    match kind:
        case "link to a file":
            there.symlink_to(precious)
        case "link to nothing":
            there.symlink_to(tmp_path / "nothing")
        case "pipe":
            os.mkfifo(there)
        case _:
            there.mkdir()
    for at in (1000, 0, 0, 0):
        sandbox.cut_next_download(at)
    for _ in range(2):  # the first is cut, and leaves a journal where it can
        with suppress(DownloadError, JobsError):
            done = jobs.with_options(retry=QUICK).download(job_id, target)
            assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(target)
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()
    assert target.exists() == (suffix != ".part" and kind != "folder")
    if suffix == ".part":
        assert names_in(tmp_path) == ["a.csv.part", "precious"], "another's, and not ours to remove"


# Journals


def journal(sandbox: Sandbox, job_id: str) -> dict[str, object]:
    result = sandbox.result(job_id)
    return {
        "format": 1,
        "job_id": job_id,
        "length": result.size,
        "validator": result.etag,
        "checksums": {},
        "content_type": None,
        "filename": None,
        "coverage": [[0, 1000]],
    }


def anything() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
    return st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))


def test_no_journal_whatever_it_says_makes_the_digest_a_lie(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its word is taken for what is there, if it fits; but what is told of the file is read from the file."""
    size = 20_000
    job_id, target = add_job(sandbox, size), tmp_path / "a.csv"
    spans = st.lists(st.tuples(st.integers(-9, size + 9), st.integers(-9, size + 9)).map(list), max_size=4)
    fields = st.fixed_dictionaries(
        {},
        optional={
            "coverage": spans | anything(),
            "length": st.integers(-5, size * 2) | anything(),
            "validator": st.text(max_size=9) | anything(),
            "checksums": st.dictionaries(st.sampled_from(("md5", "sha256", "crc32", "shake_128", "x")), anything()),
            "job_id": anything(),
            "format": anything(),
            "content_type": anything(),
            "filename": anything(),
        },
    )
    texts = st.binary(max_size=200) | anything().map(lambda value: json.dumps(value).encode())

    @settings(max_examples=80, suppress_health_check=list(HealthCheck))
    @given(changes=fields, text=st.none() | texts, part_size=st.sampled_from((0, 7, size)))
    def campaign(changes: dict[str, object], text: bytes | None, part_size: int) -> None:
        part_of(target).write_bytes(bytes(part_size))
        told = json.dumps(journal(sandbox, job_id) | changes).encode() if text is None else text
        journal_of(target).write_bytes(told)
        try:
            done = jobs.download(job_id, target, overwrite=True)
        except JobsError:
            done = jobs.download(job_id, target, overwrite=True)  # the one that made no sense is gone
        assert done.sha256 == digest_of(target)
        assert done.bytes_written == target.stat().st_size
        assert names_in(tmp_path) == ["a.csv"]

    with sandbox.client(retry=QUICK) as jobs:
        campaign()


def test_another_job_s_journal_is_not_believed(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    target, job_id, other = tmp_path / "a.csv", add_job(sandbox, 300_000), add_job(sandbox, 300_000)
    download_cut(jobs, sandbox, other, target, after=200_000)
    done = jobs.download(job_id, target)
    assert (done.resumed_from, done.sha256) == (0, sandbox.result(job_id).sha256)
    assert names_in(tmp_path) == ["a.csv"]


# Several processes


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_several_processes_one_wins_and_the_others_say_so(
    sandbox: Sandbox, tmp_path: Path, *, overwrite: bool
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 3 * MIB)
    if overwrite:
        target.write_bytes(b"old")
    account = {"account_sid": sandbox.account_sid, "auth_token": sandbox.auth_token, "base_url": sandbox.base_url}
    with ExitStack() as stack:
        zygotes = [stack.enter_context(Zygote()) for _ in range(3)]
        for _ in range(5):
            for number, zygote in enumerate(zygotes):
                connections = (1, 4, None)[number]
                zygote.start(Call("blocking", connections, overwrite=overwrite), account, job_id, target)
            outcomes = [zygote.outcome() for zygote in zygotes]
            winners = [outcome for outcome in outcomes if not outcome.error]
            assert len(winners) == 1 or (overwrite and winners), outcomes
            assert {winner.sha256 for winner in winners} == {sandbox.result(job_id).sha256} == {digest_of(target)}
            losers = [outcome.error for outcome in outcomes if outcome.error]
            assert all(error.startswith("DestinationExistsError") for error in losers), losers
            assert names_in(tmp_path) == ["a.csv"]
            if not overwrite:
                target.unlink()


def test_one_that_died_after_giving_the_name_leaves_a_whole_file(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)
    account = {"account_sid": sandbox.account_sid, "auth_token": sandbox.auth_token, "base_url": sandbox.base_url}
    with Zygote() as zygote:
        zygote.start(Call("blocking"), account, job_id, target, death=Death("after a system call", 1, "link"))
        assert zygote.outcome().killed
    assert names_in(tmp_path) == ["a.csv", "a.csv.part"]
    assert target.stat().st_nlink == 2
    assert digest_of(target) == sandbox.result(job_id).sha256
    with pytest.raises(DestinationExistsError):
        jobs.download(job_id, target)
    other = add_job(sandbox, 200_000)
    with target.open("rb") as reader:
        assert jobs.download(other, target, overwrite=True).sha256 == sandbox.result(other).sha256
        assert hashlib.sha256(reader.read()).hexdigest() == sandbox.result(job_id).sha256, "who has it open reads on"
    assert names_in(tmp_path) == ["a.csv"]


def test_where_files_may_not_grow_it_is_a_clear_error(sandbox: Sandbox, tmp_path: Path) -> None:
    """By a limit of the process, where a mount may not be had either."""
    code = (
        "import resource, sys\n"
        "from impact_jobs import DownloadError, JobsClient\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "with JobsClient.from_env() as jobs:\n"
        "    try:\n"
        "        jobs.download(sys.argv[1], sys.argv[2])\n"
        "    except DownloadError as error:\n"
        "        print(error)\n"
    )
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 2 * MIB)
    told = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", code, job_id, str(target)],
        cwd=_ROOT, env=os.environ | sandbox.environ, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "could not be written: File too large" in told.stdout
    assert names_in(tmp_path) == []
