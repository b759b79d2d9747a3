"""Full, read-only or vanished disks, and files that another program changes."""

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

from tests.faults.forkserver import ForkServer, KillPoint
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
    """Mount something, and return whether that succeeded; only root may."""
    command = shutil.which("mount")
    if command is None:
        return False
    return subprocess.run([command, *arguments], capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed arguments


@contextmanager
def unmounting(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        command = shutil.which("umount")
        assert command is not None
        subprocess.run([command, "--lazy", str(folder)], check=True)  # noqa: S603 - fixed arguments


def add_job(sandbox: Sandbox, size: int) -> str:
    return sandbox.add_job(result_bytes=size, age=3600)


def download_cut(jobs: AnyClient, sandbox: Sandbox, job_id: str, target: Path, *, after: int) -> None:
    for at in (after, 0, 0, 0):
        sandbox.cut_next_download(at)
    with pytest.raises(JobsError):
        jobs.with_options(retry=QUICK).download(job_id, target)


# Disk space


def _enlarge(folder: Path, size: int) -> None:
    assert mount("-o", f"remount,size={size}", str(folder))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[], None]]:
    """Limit `folder` to `size` bytes, or each file to that if we may not mount; give a function that makes room."""
    folder.mkdir()
    with ExitStack() as stack:
        if mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)):
            stack.enter_context(unmounting(folder))
            yield lambda: _enlarge(folder, 4 * size)
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # CPython ignores SIGXFSZ
        stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_result_larger_than_the_disk_fails_before_any_byte_is_written(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = add_job(sandbox, 9 * MIB)
    target, seen = tmp_path / "small" / "a.csv", []
    with small_disk(target.parent, 8 * MIB) as make_room:
        with pytest.raises(DownloadError, match=r"No space left|File too large") as raised:
            jobs.download(job_id, target, on_progress=lambda done, _: seen.append(done))
        assert "Make room" in str(raised.value)
        assert sum(seen) == 0, "some bytes were written"
        assert names_in(target.parent) == []
        make_room()
        assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256
        assert names_in(target.parent) == ["a.csv"]


def test_a_download_resumes_after_the_disk_was_full(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system cannot reserve space in advance."""
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "no")))
    job_id = add_job(sandbox, 9 * MIB)
    target = tmp_path / "small" / "a.csv"
    with small_disk(target.parent, 8 * MIB) as make_room:
        with pytest.raises(DownloadError, match=r"No space left|File too large"):
            jobs.download(job_id, target, connections=1)
        assert not target.exists()
        left = names_in(target.parent)
        assert left in ([], ["a.csv.part", "a.csv.part.json"]), "neither resumable nor clean"
        make_room()
        done = jobs.download(job_id, target)
        assert (done.resumed_from > 0) == bool(left)
        assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(target)
        assert names_in(target.parent) == ["a.csv"]


def test_a_disk_with_room_for_the_result_but_not_for_a_journal_is_enough(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impact_jobs._download.part_file._CHECKPOINT_BYTES", MIB)
    job_id = add_job(sandbox, 8 * MIB)
    target = tmp_path / "small" / "a.csv"
    with small_disk(target.parent, 8 * MIB):
        assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256 == digest_of(target)
        assert names_in(target.parent) == ["a.csv"]


# Folders


def test_a_read_only_folder_is_refused_before_any_request(jobs: AnyClient, sandbox: Sandbox) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        if mount("-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)):
            stack.enter_context(unmounting(folder))
        else:
            folder.chmod(0o555)
            if os.geteuid() == 0:  # root ignores permissions
                stack.callback(os.setresuid, 0, 0, 0)
                os.setresuid(_NOBODY, _NOBODY, 0)
        for path in (folder / "a.csv", folder):
            with pytest.raises(ConfigurationError, match="not writable"):
                jobs.download(add_job(sandbox, 1000), path)
    assert sandbox.requests == ()


@pytest.mark.parametrize("size", [300_000, 9 * MIB])
def test_a_folder_removed_meanwhile_is_a_clear_error(
    size: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
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


# Changes to the part file


def test_a_part_file_removed_during_a_download_is_a_clear_error_and_leaves_nothing(
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
def test_another_process_s_part_file_is_neither_published_nor_removed(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, overwrite: bool
) -> None:
    """The part file is moved away, and another process starts one of its own under the same name."""
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 2 * MIB)

    def take_over(done: int, _: int | None) -> None:
        if done and not (tmp_path / "old").exists():
            part_of(target).rename(tmp_path / "old")
            part_of(target).write_bytes(b"another process's bytes")
            journal_of(target).write_text("another process's journal")

    with pytest.raises(DownloadError, match="was replaced meanwhile"):
        jobs.download(job_id, target, overwrite=overwrite, on_progress=take_over)
    assert names_in(tmp_path) == ["a.csv.part", "a.csv.part.json", "old"]
    assert part_of(target).read_bytes() == b"another process's bytes"
    assert journal_of(target).read_text() == "another process's journal"


@pytest.mark.parametrize("keep", [0, 1, 100_000])
def test_a_part_file_truncated_during_a_download_is_not_published(
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
def test_a_part_file_shorter_than_its_journal_says_is_started_over(
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
def test_a_part_file_of_a_replaced_result_is_started_over_even_with_one_attempt(
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
def test_a_complete_part_file_is_published_only_if_the_result_is_unchanged(
    size: int, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path, *, is_replaced: bool
) -> None:
    """The first call crashes just before it publishes the file; meanwhile a replay may change the result."""
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


def test_the_digest_of_a_modified_part_file_describes_the_file_on_disk(
    jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The storage states no checksum, so the modification goes undetected, but the digest is true."""
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 6 * MIB)
    download_cut(jobs, sandbox, job_id, target, after=5 * MIB)
    with part_of(target).open("r+b") as part:
        part.seek(4 * MIB)
        part.write(b"modified")
    done = jobs.download(job_id, target)
    assert done.resumed_from == 5 * MIB
    assert done.sha256 == digest_of(target) != sandbox.result(job_id).sha256


def test_a_modified_part_file_is_thrown_away_if_the_storage_states_a_checksum(tmp_path: Path) -> None:
    with Sandbox(job_seconds=0, checksums=True) as sandbox, sandbox.client() as jobs:
        target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)
        download_cut(jobs, sandbox, job_id, target, after=200_000)
        with part_of(target).open("r+b") as part:
            part.write(b"modified")
        with pytest.raises(DownloadError, match="thrown away"):
            jobs.download(job_id, target)
        assert names_in(tmp_path) == []
        assert jobs.download(job_id, target).sha256 == sandbox.result(job_id).sha256


@pytest.mark.parametrize("suffix", [".part", ".part.json"])
@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "pipe", "folder"])
def test_links_pipes_and_folders_in_the_way_are_neither_followed_nor_waited_for(
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
    for _ in range(2):  # the first is cut, and leaves a journal if it can
        with suppress(DownloadError, JobsError):
            done = jobs.with_options(retry=QUICK).download(job_id, target)
            assert done.sha256 == sandbox.result(job_id).sha256 == digest_of(target)
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()
    assert names_in(tmp_path) == ["a.csv", there.name, "precious"], "what is in the way stays, and is not waited for"


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


def json_values() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
    return st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))


def test_the_digest_is_true_with_any_journal(
    sandbox: Sandbox, tmp_path: Path, examples: Callable[[float], int]
) -> None:
    """A plausible journal is believed about the part file's coverage, but the digest is computed from the file."""
    size = 20_000
    job_id, target = add_job(sandbox, size), tmp_path / "a.csv"
    spans = st.lists(st.tuples(st.integers(-9, size + 9), st.integers(-9, size + 9)).map(list), max_size=4)
    fields = st.fixed_dictionaries(
        {},
        optional={
            "coverage": spans | json_values(),
            "length": st.integers(-5, size * 2) | json_values(),
            "validator": st.text(max_size=9) | json_values(),
            "checksums": st.dictionaries(st.sampled_from(("md5", "sha256", "crc32", "shake_128", "x")), json_values()),
            "job_id": json_values(),
            "format": json_values(),
            "content_type": json_values(),
            "filename": json_values(),
        },
    )
    texts = st.binary(max_size=200) | json_values().map(lambda value: json.dumps(value).encode())

    @settings(max_examples=min(80, examples(1.5)), suppress_health_check=list(HealthCheck))
    @given(changes=fields, text=st.none() | texts, part_size=st.sampled_from((0, 7, size)))
    def campaign(changes: dict[str, object], text: bytes | None, part_size: int) -> None:
        part_of(target).write_bytes(bytes(part_size))
        written = json.dumps(journal(sandbox, job_id) | changes).encode() if text is None else text
        journal_of(target).write_bytes(written)
        try:
            done = jobs.download(job_id, target, overwrite=True)
        except JobsError:
            done = jobs.download(job_id, target, overwrite=True)  # the first call removed the unusable journal
        assert done.sha256 == digest_of(target)
        assert done.bytes_written == target.stat().st_size
        assert names_in(tmp_path) == ["a.csv"]

    with sandbox.client(retry=QUICK) as jobs:
        campaign()


def test_the_journal_of_another_job_is_ignored(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    target, job_id, other = tmp_path / "a.csv", add_job(sandbox, 300_000), add_job(sandbox, 300_000)
    download_cut(jobs, sandbox, other, target, after=200_000)
    done = jobs.download(job_id, target)
    assert (done.resumed_from, done.sha256) == (0, sandbox.result(job_id).sha256)
    assert names_in(tmp_path) == ["a.csv"]


# Several processes


@pytest.fixture(scope="module")
def fork_servers() -> Iterator[list[ForkServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(ForkServer()) for _ in range(3)]


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_several_processes_one_wins_and_the_others_fail_clearly(
    sandbox: Sandbox, fork_servers: list[ForkServer], tmp_path: Path, *, overwrite: bool
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 3 * MIB)
    if overwrite:
        target.write_bytes(b"old")
    account = {"account_sid": sandbox.account_sid, "auth_token": sandbox.auth_token, "base_url": sandbox.base_url}
    for _ in range(3):
        for connections, fork_server in zip((1, 4, None), fork_servers, strict=True):
            fork_server.start(Call("blocking", connections, overwrite=overwrite), account, job_id, target)
        outcomes = [fork_server.outcome() for fork_server in fork_servers]
        winners = [outcome for outcome in outcomes if not outcome.error]
        assert len(winners) == 1 or (overwrite and winners), outcomes
        assert {winner.sha256 for winner in winners} == {sandbox.result(job_id).sha256} == {digest_of(target)}
        losers = [outcome.error for outcome in outcomes if outcome.error]
        assert all(error.startswith("DestinationExistsError") for error in losers), losers
        assert names_in(tmp_path) == ["a.csv"]
        if not overwrite:
            target.unlink()


def test_a_process_killed_just_after_publishing_leaves_a_complete_file(
    jobs: AnyClient, sandbox: Sandbox, fork_servers: list[ForkServer], tmp_path: Path
) -> None:
    target, job_id = tmp_path / "a.csv", add_job(sandbox, 300_000)
    account = {"account_sid": sandbox.account_sid, "auth_token": sandbox.auth_token, "base_url": sandbox.base_url}
    kill_point = KillPoint("after a system call", 1, "link")
    fork_servers[0].start(Call("blocking"), account, job_id, target, kill_point=kill_point)
    assert fork_servers[0].outcome().killed
    assert names_in(tmp_path) == ["a.csv", "a.csv.part", "a.csv.part.json"]
    assert target.stat().st_nlink == 2
    assert digest_of(target) == sandbox.result(job_id).sha256
    with pytest.raises(DestinationExistsError):
        jobs.download(job_id, target)
    assert names_in(tmp_path) == ["a.csv"], "the other name of the file is removed when it is met"
    other = add_job(sandbox, 200_000)
    with target.open("rb") as reader:
        assert jobs.download(other, target, overwrite=True).sha256 == sandbox.result(other).sha256
        assert hashlib.sha256(reader.read()).hexdigest() == sandbox.result(job_id).sha256, "changed for open readers"
    assert names_in(tmp_path) == ["a.csv"]


def test_a_file_size_limit_of_the_process_is_a_clear_error(sandbox: Sandbox, tmp_path: Path) -> None:
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
    done = subprocess.run(  # noqa: S603 - fixed arguments
        [sys.executable, "-c", code, job_id, str(target)],
        cwd=_ROOT, env=os.environ | sandbox.environ, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "could not be written: File too large" in done.stdout
    assert names_in(tmp_path) == []
