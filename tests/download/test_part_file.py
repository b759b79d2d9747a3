from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest
from impact_jobs import DestinationExistsError, DownloadError
from impact_jobs._download.journal import Journal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.ranges import UNKNOWN, Representation

pytestmark = pytest.mark.usefixtures("either_platform")

ROOT = Path(__file__).resolve().parents[2]
DATA = b"Date,Clicks\r\n2026-05-29,1\r\n"


def open_part(target: Path, *, overwrite: bool) -> PartFile:
    part = PartFile(target, "job", DownloadOptions(overwrite=overwrite, resume=False))
    part.start(Journal(job_id="job", representation=UNKNOWN))
    return part


def append(part: PartFile, data: bytes) -> None:
    part.write(data, part.coverage.size)


def size_of(part: PartFile) -> int:
    return part.coverage.size


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "report.csv"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestPartFile:
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_the_target_does_not_exist_until_the_file_is_complete(self, target: Path, *, overwrite: bool) -> None:
        part = open_part(target, overwrite=overwrite)
        append(part, DATA)
        assert names_in(target.parent) == ["report.csv.part", "report.csv.part.json"]
        append(part, DATA)
        assert part.commit() == hashlib.sha256(2 * DATA).hexdigest()
        assert size_of(part) == 2 * len(DATA)
        assert names_in(target.parent) == ["report.csv"]
        assert target.read_bytes() == 2 * DATA
        part.discard()
        assert target.read_bytes() == 2 * DATA, "a committed file is kept"

    def test_a_target_that_was_committed_meanwhile_leaves_no_part(self, target: Path) -> None:
        target.write_bytes(b"of another process")
        with pytest.raises(DestinationExistsError):
            open_part(target, overwrite=False)
        assert names_in(target.parent) == ["report.csv"]

    def test_an_empty_result_is_complete(self, target: Path) -> None:
        assert open_part(target, overwrite=False).commit() == hashlib.sha256().hexdigest()
        assert target.read_bytes() == b""

    @pytest.mark.parametrize("times", [1, 2])
    def test_discard_removes_everything(self, target: Path, times: int) -> None:
        part = open_part(target, overwrite=False)
        append(part, DATA)
        for _ in range(times):
            part.discard()
        assert names_in(target.parent) == []

    def test_an_overwritten_file_is_never_incomplete(self, target: Path) -> None:
        target.write_bytes(b"old")
        with target.open("rb") as reader:
            part = open_part(target, overwrite=True)
            append(part, DATA)
            assert target.read_bytes() == b"old"
            part.commit()
            assert reader.read() == b"old", "a process that has it open still reads the old file"
        assert target.read_bytes() == DATA

    def test_discard_keeps_the_existing_target(self, target: Path) -> None:
        target.write_bytes(b"old")
        part = open_part(target, overwrite=True)
        append(part, DATA)
        part.discard()
        assert target.read_bytes() == b"old"
        assert names_in(target.parent) == ["report.csv"]

    def test_a_target_that_appears_meanwhile_is_not_overwritten(self, target: Path) -> None:
        part = open_part(target, overwrite=False)
        append(part, DATA)
        target.write_bytes(b"another's")
        with pytest.raises(DestinationExistsError, match="appeared during the download: pass overwrite=True"):
            part.commit()
        part.discard()
        assert target.read_bytes() == b"another's"
        assert names_in(target.parent) == ["report.csv"]

    def test_the_part_of_a_crashed_process_is_reused(self, target: Path) -> None:
        Path(f"{target}.part").write_bytes(b"half a file, longer than the new one" * 9)
        Path(f"{target}.part.json").touch()
        part = open_part(target, overwrite=False)
        append(part, DATA)
        part.commit()
        assert target.read_bytes() == DATA
        assert names_in(target.parent) == ["report.csv"]

    def test_a_crash_between_link_and_unlink_keeps_the_committed_file(self, target: Path) -> None:
        """The part is then the target itself under a second name, so truncating one would truncate both."""
        target.write_bytes(b"whole")
        os.link(target, f"{target}.part")
        part = open_part(target, overwrite=True)
        append(part, DATA)
        assert target.read_bytes() == b"whole"
        part.commit()
        assert target.read_bytes() == DATA
        assert names_in(target.parent) == ["report.csv"]

    def test_a_part_that_is_a_link_is_not_followed(self, target: Path) -> None:
        precious = target.with_name("precious")
        precious.write_bytes(b"precious")
        Path(f"{target}.part").symlink_to(precious)
        open_part(target, overwrite=True).commit()
        assert precious.read_bytes() == b"precious"
        assert names_in(target.parent) == ["precious", "report.csv", "report.csv.part"]

    def test_a_new_file_has_the_usual_permissions(self, target: Path) -> None:
        before = os.umask(0o020)
        try:
            open_part(target, overwrite=False).commit()
        finally:
            os.umask(before)
        assert stat.S_IMODE(target.stat().st_mode) == 0o646

    def test_no_other_process_inherits_the_lock(self, target: Path) -> None:
        part = open_part(target, overwrite=False)
        assert not os.get_inheritable(part._file.fileno())
        part.discard()

    def test_a_large_file_is_digested_while_it_is_written(self, target: Path) -> None:
        data = DATA * 400_000
        part = open_part(target, overwrite=False)
        for start in range(0, len(data), 1_000_000):
            append(part, data[start : start + 1_000_000])
        task = part._digesting._task
        assert task is not None
        assert part.commit() == hashlib.sha256(data).hexdigest()
        assert task.has_ended


class TestLock:
    def test_a_second_writer_is_refused_without_damage(self, target: Path) -> None:
        first = open_part(target, overwrite=True)
        append(first, DATA)
        for overwrite in (False, True):
            with pytest.raises(DestinationExistsError, match="is being downloaded by another process or thread"):
                open_part(target, overwrite=overwrite)
        first.commit()
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("end", ["commit", "discard"])
    def test_commit_and_discard_release_the_lock(self, end: str, target: Path) -> None:
        getattr(open_part(target, overwrite=True), end)()
        second = open_part(target, overwrite=True)
        append(second, DATA)
        second.commit()
        assert target.read_bytes() == DATA

    def test_the_lock_holds_between_processes_and_ends_with_its_owner(self, target: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from tests.download.test_part_file import append, open_part; "
            "part = open_part(Path(sys.argv[1]), overwrite=False); append(part, b'half'); "
            "print('ready', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", code, str(target)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: S603 - our own
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            with pytest.raises(DestinationExistsError, match="is being downloaded"):
                open_part(target, overwrite=False)
            other.kill()
        assert names_in(target.parent) == ["report.csv.part", "report.csv.part.json"]
        part = open_part(target, overwrite=False)
        append(part, DATA)
        part.commit()
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_file_committed_between_opening_and_locking_is_not_touched(
        self, target: Path, monkeypatch: pytest.MonkeyPatch, *, overwrite: bool
    ) -> None:
        first = open_part(target, overwrite=overwrite)
        append(first, DATA)
        locked: list[FileIO] = []

        def lock_late(file: FileIO, operation: int) -> None:
            if not locked:  # the second has opened the part but not locked it yet
                first.commit()
            locked.append(file)
            real(file, operation)

        real = fcntl.flock
        monkeypatch.setattr(fcntl, "flock", lock_late)
        if overwrite:
            second = open_part(target, overwrite=overwrite)
            append(second, b"second")
            assert target.read_bytes() == DATA
            second.commit()
            assert target.read_bytes() == b"second"
        else:
            with pytest.raises(DestinationExistsError, match="appeared"):
                open_part(target, overwrite=overwrite)
            assert target.read_bytes() == DATA
        assert len(locked) == 2, "it opened a part of its own"
        assert names_in(target.parent) == ["report.csv"]

    def test_of_many_threads_exactly_one_writes_the_file(self, target: Path) -> None:
        contents = [bytes([number]) * 100_000 for number in range(8)]
        start = threading.Barrier(len(contents))
        won: list[bytes] = []
        refused: list[DestinationExistsError] = []

        def download(content: bytes) -> None:
            start.wait()
            try:
                part = open_part(target, overwrite=False)
            except DestinationExistsError as error:
                refused.append(error)
                return
            try:
                append(part, content)
                part.commit()
                won.append(content)
            except DestinationExistsError as error:
                refused.append(error)
            finally:
                part.discard()

        threads = [threading.Thread(target=download, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [target.read_bytes()] == won
        assert len(refused) == 7
        assert names_in(target.parent) == ["report.csv"]


class TestDisk:
    @pytest.fixture
    def full(self, target: Path) -> Iterator[PartFile]:
        """Return a part on a full disk."""
        part = open_part(target, overwrite=False)
        part._file.close()
        part._file = FileIO("/dev/full", "r+")
        yield part
        part.discard()

    def test_a_full_disk_is_a_clear_error(self, full: PartFile) -> None:
        with pytest.raises(DownloadError, match=r"csv' could not be written: No space left.*Make room") as raised:
            append(full, DATA)
        assert type(raised.value) is DownloadError
        assert isinstance(raised.value.__cause__, OSError)
        assert size_of(full) == 0, "only written bytes are counted"

    def test_short_writes_are_completed(self, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, bytes(data)[:3], offset))
        part = open_part(target, overwrite=False)
        append(part, DATA)
        assert part.commit() == hashlib.sha256(DATA).hexdigest()
        assert target.read_bytes() == DATA

    def test_a_folder_that_went_away_is_a_clear_error(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        with pytest.raises(DownloadError, match="could not be written: No such file or directory"):
            open_part(folder / "report.csv", overwrite=False)
        folder.mkdir()
        part = open_part(folder / "report.csv", overwrite=False)
        shutil.rmtree(folder)
        with pytest.raises(DownloadError, match="could not be written: No such file or directory"):
            part.commit()
        part.discard()

    def test_a_target_that_became_a_folder_is_a_clear_error(self, target: Path) -> None:
        part = open_part(target, overwrite=True)
        target.mkdir()
        with pytest.raises(DownloadError, match="could not be written: Is a directory"):
            part.commit()
        part.discard()
        assert names_in(target.parent) == ["report.csv"]

    def test_bytes_are_synced_before_the_journal_lists_them(
        self, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []
        monkeypatch.setattr(os, "fdatasync", lambda _: seen.append("sync"), raising=False)
        monkeypatch.setattr(Journal, "save", lambda *_: seen.append("save"))
        part = PartFile(target, "job", DownloadOptions())
        part.start(Journal(job_id="job", representation=Representation(length=2 * len(DATA), validator='"tag"')))
        append(part, DATA)
        part.close()
        assert seen == ["sync", "save"]
        part.discard()

    def test_the_file_is_synced_before_it_is_renamed(self, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[tuple[bool, list[str]]] = []

        def sync(descriptor: int) -> None:
            seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), names_in(target.parent)))

        monkeypatch.setattr(os, "fdatasync", sync, raising=False)
        monkeypatch.setattr(os, "fsync", sync)
        part = open_part(target, overwrite=False)
        append(part, DATA)
        part.commit()
        whole = ["report.csv.part", "report.csv.part.json"]
        assert seen == [(True, whole), (False, whole), (True, ["report.csv"])], "the names, the file, its new name"
