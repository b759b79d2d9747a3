"""The file system under a part file, where it lacks a feature or fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import DestinationExistsError, DownloadError
from impact_jobs._download.filesystem import open_locked, preallocate, rename_without_replacing
from impact_jobs._download.part_file import disk_errors

MIB = 1024 * 1024


def test_a_locked_file_cannot_be_opened_again(tmp_path: Path) -> None:
    file = open_locked(tmp_path / "a.part")
    with pytest.raises(BlockingIOError):
        open_locked(tmp_path / "a.part")
    file.close()
    open_locked(tmp_path / "a.part").close()


def test_preallocation_reserves_room_where_the_system_supports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = open_locked(tmp_path / "a.part")
    monkeypatch.delattr(os, "posix_fallocate")
    preallocate(file, MIB)
    assert (tmp_path / "a.part").stat().st_size == 0
    monkeypatch.undo()
    preallocate(file, MIB)
    assert (tmp_path / "a.part").stat().st_size == MIB
    file.close()


def test_without_hard_links_a_file_is_renamed_but_still_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "a.part", tmp_path / "a"
    source.write_text("new")
    rename_without_replacing(source, target)
    assert (target.read_text(), source.exists()) == ("new", False)
    source.write_text("newer")
    with pytest.raises(PermissionError):
        rename_without_replacing(source, target)
    assert target.read_text() == "new"


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "a.part", tmp_path / "a"
    source.write_text("new")
    target.write_text("old")
    with pytest.raises(FileExistsError):
        rename_without_replacing(source, target)
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
