"""The disk fails in the background: bytes that were written turn out to be lost."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from impact_jobs import DownloadError
from impact_jobs._download import part_file
from impact_jobs._download.journal import Journal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile
from impact_jobs._download.ranges import Representation

MIB = 1024 * 1024


def described(length: int) -> Journal:
    return Journal(job_id="job", representation=Representation(length=length, validator='"v1"'))


class FailingSync:
    """Fails once, as `os.fdatasync` does if the kernel has lost pages; later calls succeed."""

    def __init__(self) -> None:
        self.has_failed = threading.Event()

    def __call__(self, descriptor: int) -> None:
        assert os.fstat(descriptor)
        if not self.has_failed.is_set():
            self.has_failed.set()
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def part(tmp_path: Path) -> PartFile:
    part = PartFile(tmp_path / "report.csv", "job", DownloadOptions())
    part.start(described(4 * MIB))
    return part


@pytest.fixture
def sync(monkeypatch: pytest.MonkeyPatch) -> FailingSync:
    sync = FailingSync()
    monkeypatch.setattr(os, "fdatasync", sync)
    monkeypatch.setattr(part_file, "_CHECKPOINT_BYTES", MIB)  # the next write is due at once
    return sync


def wait_for(part: PartFile) -> None:
    task = part._syncing._task
    assert task is not None
    task.wait()


def test_a_failed_sync_is_raised_by_the_next_write(part: PartFile, sync: FailingSync) -> None:
    part.write(bytes(MIB), 0)
    wait_for(part)
    assert sync.has_failed.is_set()
    with pytest.raises(DownloadError, match="could not be written: Input/output error"):
        part.write(bytes(MIB), MIB)
    part.close()
    assert list(part.target.parent.iterdir()) == [], "the journal would not be true"


def test_a_failed_sync_prevents_the_commit(part: PartFile, sync: FailingSync) -> None:
    part.write(bytes(4 * MIB), 0)
    wait_for(part)
    assert sync.has_failed.is_set()
    with pytest.raises(DownloadError, match="could not be written: Input/output error"):
        part.commit()
    part.close()
    assert list(part.target.parent.iterdir()) == []


def test_a_file_whose_last_sync_fails_is_not_resumed(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    part.write(bytes(4 * MIB), 0)
    part._syncing.join()
    monkeypatch.setattr(os, "fdatasync", FailingSync())
    with pytest.raises(DownloadError, match="could not be written: Input/output error"):
        part.commit()
    part.close()
    assert list(part.target.parent.iterdir()) == []


def test_a_part_that_cannot_be_read_back_is_not_committed(part: PartFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    part.write(bytes(4 * MIB), 0)  # enough for a thread to digest it
    with pytest.raises(DownloadError, match="could not be written: Input/output error"):
        part.commit()
    part.close()


def test_a_length_beyond_the_largest_file_is_refused_even_if_the_free_space_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "fstatvfs", lambda _: os.statvfs_result((*stated[:2], 0, 0, 0, *stated[5:])))
    part = PartFile(tmp_path / "report.csv", "job", DownloadOptions())
    with pytest.raises(DownloadError, match=f"File too large.*{2**64} bytes are needed"):
        part.start(described(2**64))
    part.discard()
    assert list(tmp_path.iterdir()) == []
