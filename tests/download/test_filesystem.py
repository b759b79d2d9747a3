"""The file system under a part file, where it lacks a feature or fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from impact_jobs import DestinationExistsError, DownloadError
from impact_jobs._download.filesystem import link_or_rename, preallocate
from impact_jobs._download.part_file import disk_errors

MIB = 1024 * 1024


@pytest.fixture
def file(tmp_path: Path) -> Iterator[FileIO]:
    with FileIO(tmp_path / "a.part", "x+") as opened:
        yield opened


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that changes what the file system states about its free room."""

    def state(**stated: int) -> None:
        values = {"f_frsize": 4096, "f_blocks": 10**9, "f_bfree": 10**9, "f_bavail": 10**9} | stated
        monkeypatch.setattr(os, "fstatvfs", lambda _: SimpleNamespace(**values))

    return state


def test_preallocation_reserves_room_where_the_system_supports_it(
    file: FileIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    preallocate(file, MIB)
    assert (tmp_path / "a.part").stat().st_size == 0
    monkeypatch.undo()
    preallocate(file, MIB)
    assert (tmp_path / "a.part").stat().st_size == MIB


def test_room_that_is_reserved_for_root_counts_for_root_alone(
    file: FileIO, room: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    room(f_bavail=0, f_bfree=512)
    for user, most in ((0, 2 * MIB), (1000, 0)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        preallocate(file, most)
        with pytest.raises(OSError, match="No space left"):
            preallocate(file, most + MIB)


@pytest.mark.parametrize("stated", [{"f_blocks": 0}, {"f_bfree": 0, "f_bavail": 0}])
def test_free_room_that_is_stated_as_0_is_unknown(
    stated: dict[str, int], file: FileIO, room: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    room(**stated)
    preallocate(file, MIB)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=f"No space left.*{MIB} bytes are needed"):
        preallocate(file, MIB)


def test_the_free_room_may_not_be_stated_at_all(file: FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fstatvfs")
    preallocate(file, MIB)


@pytest.mark.parametrize("number", [None, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_without_hard_links_a_file_is_renamed_but_still_never_replaced(
    number: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        assert number is not None
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse) if number else monkeypatch.delattr(os, "link")
    source, target = tmp_path / "a.part", tmp_path / "a"
    source.write_text("new")
    link_or_rename(source, target)
    assert (target.read_text(), source.exists()) == ("new", False)
    source.write_text("newer")
    with pytest.raises(FileExistsError):
        link_or_rename(source, target)
    assert target.read_text() == "new"


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "a.part", tmp_path / "a"
    source.write_text("new")
    target.write_text("old")
    with pytest.raises(FileExistsError):
        link_or_rename(source, target)
    assert (target.read_text(), source.read_text()) == ("old", "new")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (BlockingIOError(errno.EAGAIN, "busy"), DestinationExistsError, "is being downloaded by another process"),
        (FileExistsError(errno.EEXIST, "exists"), DestinationExistsError, "appeared during the download"),
        (OSError(errno.ENOSPC, "No space left on device"), DownloadError, "No space left on device. Make room"),
        (OSError("the file shrank"), DownloadError, "could not be written: the file shrank"),
    ],
)
def test_an_oserror_becomes_a_download_error(error: OSError, kind: type[DownloadError], message: str) -> None:
    with pytest.raises(DownloadError, match=message) as raised, disk_errors(Path("a.csv")):
        raise error
    assert type(raised.value) is kind
