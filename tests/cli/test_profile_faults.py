"""If any call of the system fails, or the process is killed, either the old profiles are there or the new ones."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from impact_jobs import ConfigurationError, _private_file
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile, remove, save, stored

OLD, NEW = "canary-old", "canary-new"
CALLS = ("open", "close", "fsync", "fstat", "stat", "lstat", "unlink", "replace", "mkdir", "readlink")
FAILURES = [(errno.EIO, True), *((number, False) for number in (errno.EIO, errno.ENOSPC, errno.EACCES, errno.ENOLCK))]


class KilledError(BaseException):
    """Ends the process: nothing that it does afterwards has an effect."""


@define
class Injector:
    """Fails one call of the system, or kills the process there."""

    at: int
    failure: BaseException | None
    is_done_before: bool = False  # whether the call takes effect all the same
    calls: int = 0
    is_dead: bool = False

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.is_dead:
                if name == "close":  # the kernel closes the files of a killed process, which unlocks them
                    original(*args, **kwargs)
                raise KilledError
            if self.calls != self.at or self.failure is None:
                return original(*args, **kwargs)
            self.is_dead = isinstance(self.failure, KilledError)
            if self.is_done_before or name == "close":  # which closes the file even if it fails
                original(*args, **kwargs)
            raise self.failure

        return call


@contextmanager
def injecting(injector: Injector) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, injector.wrap(name, getattr(os, name)))
        patch.setattr(fcntl, "flock", injector.wrap("flock", fcntl.flock))
        yield


def profile(token: str, name: str = "default") -> Profile:
    return Profile(name, "IR1", Secret(token))


def prepared(folder: Path) -> Path:
    save(profile(OLD), folder=folder)
    save(profile(OLD, "other"), folder=folder)
    return folder


def tokens(folder: Path) -> list[str]:
    return [each.auth_token.reveal() for each in stored(folder)]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def change(folder: Path) -> None:
    save(profile(NEW), folder=folder)


def calls_of(folder: Path) -> int:
    injector = Injector(0, None)
    with injecting(injector):
        change(folder)
    return injector.calls


@pytest.mark.parametrize(("number", "is_done_before"), FAILURES)
def test_a_failing_call_leaves_the_old_profiles_or_the_new_ones(
    number: int, *, is_done_before: bool, tmp_path: Path
) -> None:
    calls = calls_of(prepared(tmp_path / "counted"))
    assert calls > 15
    for at in range(1, calls + 1):
        folder = prepared(tmp_path / str(at))
        failure = OSError(number, os.strerror(number))
        with injecting(Injector(at, failure, is_done_before)):
            try:
                change(folder)
                expected = NEW
            except ConfigurationError:
                expected = OLD
        assert tokens(folder) == [expected, OLD], at
        assert names(folder) == ["credentials.toml"], at


@pytest.mark.parametrize("is_done_before", [False, True])
def test_the_next_command_removes_what_a_killed_one_has_left(*, is_done_before: bool, tmp_path: Path) -> None:
    calls, had_leftover = calls_of(prepared(tmp_path / "counted")), 0
    for at in range(1, calls + 1):
        folder = prepared(tmp_path / str(at))
        with injecting(Injector(at, KilledError(), is_done_before)), pytest.raises(KilledError):
            change(folder)
        had_leftover += len(names(folder)) > 1
        assert tokens(folder) in ([OLD, OLD], [NEW, OLD]), at
        assert names(folder) == ["credentials.toml"], at
        change(folder)
        assert tokens(folder) == [NEW, OLD], at
    assert had_leftover, "otherwise the test kills it nowhere"


def test_a_leftover_of_a_first_write_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / ".credentials.toml.new").write_text(OLD)
    assert stored(tmp_path) == []
    assert names(tmp_path) == []


def test_a_reader_leaves_the_file_that_another_process_is_writing(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "a")
    with _private_file.locked(folder / "credentials.toml"):
        (folder / ".credentials.toml.new").write_text(NEW)
        assert tokens(folder) == [OLD, OLD]
        assert (folder / ".credentials.toml.new").exists()
    assert tokens(folder) == [OLD, OLD]
    assert not (folder / ".credentials.toml.new").exists()


def test_a_writer_does_not_write_through_a_link_at_the_temporary_name(tmp_path: Path) -> None:
    folder, elsewhere = prepared(tmp_path / "a"), tmp_path / "elsewhere"
    (folder / ".credentials.toml.new").symlink_to(elsewhere)
    change(folder)
    assert tokens(folder) == [NEW, OLD]
    assert not elsewhere.exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.__getitem__)
def test_a_file_system_without_locks_works_with_one_warning(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    change(tmp_path / "a")
    [record] = caplog.records
    assert (record.levelno, "cannot be locked" in record.getMessage()) == (logging.WARNING, True)
    caplog.clear()
    save(profile(OLD, "other"), folder=tmp_path / "a")
    remove("default", folder=tmp_path / "a")
    assert tokens(tmp_path / "a") == [OLD]
    assert len(caplog.records) == 2


def test_a_failure_after_the_file_has_its_name_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(_private_file, "_sync_folder", fail)
    change(tmp_path / "a")
    assert tokens(tmp_path / "a") == [NEW]
    assert "could not be synced (input/output error)" in caplog.text


def test_two_folders_with_a_link_to_the_same_file_share_a_lock(tmp_path: Path) -> None:
    folder, other = prepared(tmp_path / "a"), tmp_path / "b"
    other.mkdir(mode=0o700)
    (other / "credentials.toml").symlink_to(folder / "credentials.toml")
    with _private_file.locked(other / "credentials.toml"):
        handle = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


def test_a_loop_of_links_is_reported(tmp_path: Path) -> None:
    (tmp_path / "credentials.toml").symlink_to(tmp_path / "credentials.toml")
    for call in (lambda: stored(tmp_path), lambda: change(tmp_path)):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            call()


def test_profiles_work_without_what_only_posix_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on Windows: no locks, no users, no modes."""
    monkeypatch.setattr(_private_file, "_fcntl", None)
    monkeypatch.delattr(os, "geteuid")
    change(tmp_path / "a")
    (tmp_path / "a" / "credentials.toml").chmod(0o666)
    assert tokens(tmp_path / "a") == [NEW]
    assert "cannot be locked" in caplog.text


def test_it_can_be_imported_without_what_only_posix_has() -> None:
    program = """
import importlib.util, os
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "fcntl" else find(name, *rest)
del os.geteuid, os.O_DIRECTORY
import impact_jobs._private_file, sys
assert "fcntl" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program
