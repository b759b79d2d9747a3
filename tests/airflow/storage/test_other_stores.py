"""Stores whose filesystem writes a file piece by piece: this machine, fsspec's memory, and any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from impact_jobs import DestinationExistsError, DownloadError, IntegrityError
from impact_jobs.airflow._storage import Destination

from tests.airflow.storage.conftest import Attached
from tests.airflow.storage.stores import Bytes, FileMemory

Made = Callable[[str, int], Bytes]


class OwnMemory(MemoryFileSystem):
    """A store in memory that no other test sees, whose writes can fail in the middle."""

    cachable = False

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.blocksize = 100
        self.fails = fails

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        opened = super()._open(path, mode, **options)
        if self.fails and mode == "wb":
            write = opened.write
            written: list[bytes] = []

            def failing(data: bytes) -> int:
                if written:
                    raise OSError(28, "no space")
                written.append(data)
                return int(write(data))

            opened.write = failing
        return opened


@pytest.mark.parametrize("name", ["a.csv", "a b#c?d[e]*.csv"])
def test_a_file_arrives(attached: Attached, made: Made, memory: FileMemory, name: str) -> None:
    file, fs = made("file", 1000), OwnMemory()
    destination = attached(f"memory://folder/{name}", fs)
    assert not destination.exists()
    for _ in range(2):
        destination.put(file.path, sha256=file.sha256, memory=memory)
        assert fs.find("/") == [f"/folder/{name}"]
        assert destination.sha256() == file.sha256
    assert memory.get() is None
    destination.put(made("other", 10).path, sha256=made("other", 10).sha256, memory=memory)
    assert destination.sha256() == made("other", 10).sha256


def test_a_write_that_fails_in_the_middle_shows_nothing(attached: Attached, made: Made, memory: FileMemory) -> None:
    file, fs = made("file", 1000), OwnMemory(fails=True)
    with pytest.raises(DownloadError, match="no space"):
        attached("memory://folder/a.csv", fs).put(file.path, sha256=file.sha256, memory=memory)
    assert fs.find("/") == []


def test_what_a_killed_try_has_left_is_removed(attached: Attached, made: Made, memory: FileMemory) -> None:
    file, fs = made("file", 1000), OwnMemory()
    destination = attached("memory://folder/a.csv", fs)
    fs.mv = fs.cp_file = fs.rm_file = die  # as if the process were dead
    with pytest.raises(DeadError):
        destination.put(file.path, sha256=file.sha256, memory=memory)
    [left] = fs.find("/")
    assert left.endswith(".part")
    del fs.mv, fs.cp_file, fs.rm_file
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert fs.find("/") == ["/folder/a.csv"]


def test_a_store_that_does_not_replace_is_helped(attached: Attached, made: Made, memory: FileMemory) -> None:
    class Hdfs(OwnMemory):
        def mv(self, path1: str, path2: str, **_: Any) -> None:
            if not self.exists(path2):
                self.cp_file(path1, path2)
                self.rm_file(path1)

    file, fs = made("file", 1000), Hdfs()
    fs.pipe_file("/folder/a.csv", b"old")
    attached("memory://folder/a.csv", fs).put(file.path, sha256=file.sha256, memory=memory)
    assert fs.cat_file("/folder/a.csv") == file.path.read_bytes()
    assert fs.find("/") == ["/folder/a.csv"]


def test_damaged_bytes_are_deleted(attached: Attached, made: Made, memory: FileMemory) -> None:
    file, fs = made("file", 1000), OwnMemory()
    with pytest.raises(IntegrityError, match="was deleted"):
        attached("memory://folder/a.csv", fs).put(file.path, sha256="0" * 64, memory=memory)
    assert fs.find("/") == []


@pytest.mark.parametrize("verify", [True, False])
def test_a_size_is_always_compared(attached: Attached, made: Made, memory: FileMemory, verify: bool) -> None:  # noqa: FBT001
    class Short(OwnMemory):
        def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
            self.pipe_file(rpath, Path(lpath).read_bytes()[:-1])

    file, fs = made("file", 1000), Short()
    with pytest.raises(IntegrityError):
        attached("memory://folder/a.csv", fs).put(file.path, sha256=file.sha256, memory=memory, verify=verify)
    assert fs.find("/") == []


def test_the_file_of_another_writer_stays(attached: Attached, made: Made, memory: FileMemory) -> None:
    class Raced(OwnMemory):
        def cat_file(self, path: str, **limits: Any) -> bytes:
            body = bytes(super().cat_file(path, **limits))
            self.pipe_file(path, b"another's")
            return body[::-1]

    file, fs = made("file", 1000), Raced()
    with pytest.raises(DestinationExistsError, match="another writer"):
        attached("memory://folder/a.csv", fs).put(file.path, sha256=file.sha256, memory=memory)
    assert fs.store["/folder/a.csv"].getvalue() == b"another's"


def test_a_file_that_exists_is_kept_unless_it_is_ours(attached: Attached, made: Made, memory: FileMemory) -> None:
    file, fs = made("file", 1000), OwnMemory()
    destination = attached("memory://folder/a.csv", fs)
    fs.pipe_file("/folder/a.csv", b"old")
    with pytest.raises(DestinationExistsError):
        destination.put(file.path, sha256=file.sha256, memory=memory, overwrite=False)
    assert fs.find("/") == ["/folder/a.csv"]
    assert destination.sha256() != file.sha256
    destination.put(file.path, sha256=file.sha256, memory=memory)
    destination.put(file.path, sha256=file.sha256, memory=memory, overwrite=False)


@pytest.mark.parametrize("says_so", [True, False])
def test_a_file_that_appears_during_the_upload_stays(
    attached: Attached,
    made: Made,
    memory: FileMemory,
    says_so: bool,  # noqa: FBT001
) -> None:
    class Hdfs(OwnMemory):
        def mv(self, path1: str, path2: str, **_: Any) -> None:
            self.pipe_file(path2, b"another's")
            if says_so:
                raise OSError(path1)

    file, fs = made("file", 1000), Hdfs()
    with pytest.raises(DownloadError if says_so else DestinationExistsError):
        attached("memory://folder/a.csv", fs).put(file.path, sha256=file.sha256, memory=memory, overwrite=False)
    assert fs.cat_file("/folder/a.csv") == b"another's"
    assert fs.find("/") == ["/folder/a.csv"]


def test_a_copy_on_this_machine_appears_whole(
    made: Made, memory: FileMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = made("file", 1000), tmp_path / "folder"
    folder.mkdir()
    destination = Destination.create(str(folder / "a.csv"))
    assert destination.is_local

    def half(_: LocalFileSystem, source: str, target: str, **__: Any) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:500])
        raise OSError(28, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "put_file", half)
        with pytest.raises(DownloadError, match="no space"):
            destination.put(file.path, sha256=file.sha256, memory=memory)
    assert list(folder.iterdir()) == []
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert [path.name for path in folder.iterdir()] == ["a.csv"]
    assert destination.sha256() == file.sha256


class DeadError(BaseException):
    pass


def die(*_: object, **__: object) -> None:
    raise DeadError
