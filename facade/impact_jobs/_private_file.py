"""Check that other users can neither read nor replace a file of secrets, and write it without exposing it."""

from __future__ import annotations

import logging
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from impact_jobs.errors import ConfigurationError
from impact_jobs.models import Secret

logger: logging.Logger = logging.getLogger("impact_jobs")

_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None  # it is missing on some systems
_OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)

MAX_BYTES = 1024 * 1024
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def unsafe_path(file: Path) -> str | None:
    """Return why the folder of `file`, or of the file that it links to, cannot be trusted with a secret."""
    if not file.is_absolute():
        return f"{file.parent} is not an absolute path: set HOME, or set XDG_CONFIG_HOME to an absolute path."
    if not hasattr(os, "geteuid"):  # nor have files owners and modes there
        return None
    try:
        link = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{file} cannot be examined ({error.strerror}): check the permissions of its folder."
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in {os.geteuid(), 0}:
        return f"{file} is a link that belongs to another user: check its target, and create your own with `ln -s`."
    return _unsafe_folder(file.parent) or _unsafe_folder(_target(file).parent)


def _unsafe_folder(folder: Path) -> str | None:
    if not hasattr(os, "geteuid"):
        return None
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{folder} cannot be examined ({error.strerror}): check its permissions."
    if found.st_uid not in {os.geteuid(), 0}:
        return f"{folder} belongs to another user, who could swap the credentials in it: use a folder of your own."
    if found.st_mode & _WRITABLE_BY_OTHERS:
        return (
            f"{folder} can be written to by others, who could swap the credentials in it: "
            f"run `chmod go-w {shlex.quote(str(folder))}`."
        )
    return None


def unsafe_file(file: Path, found: os.stat_result) -> str | None:
    """Return why `file`, whose status is `found`, may not hold a secret."""
    if not stat.S_ISREG(found.st_mode):
        return f"{file} is not a regular file: move it away, and create one with `impact-jobs profile add`."
    if not hasattr(os, "geteuid"):
        return None
    if found.st_uid != os.geteuid():
        return f"{file} belongs to another user: create your own with `impact-jobs profile add`."
    if found.st_mode & _FOR_OTHERS:
        return f"{file} can be read or written by others: run `chmod 600 {shlex.quote(str(file))}`."
    return None


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Lock the folder of `file` against other processes of this command; create it if it is missing."""
    folder = _make_folder(file)
    if problem := _unsafe_folder(folder):
        raise ConfigurationError(problem)
    handle = _locked_folder(folder, wait=True)
    if handle is None:
        logger.warning("%s cannot be locked: change profiles in one command at a time", folder)
    try:
        yield
    finally:
        if handle is not None:
            with _warning_if_it_fails(folder, "unlocked"):
                os.close(handle)


def replace(file: Path, text: Secret) -> Path:
    """Write `text` to `file`, or to the file that it links to, in one step, and return its path; `file` is locked.

    The new file is never readable by others. If it cannot be written, the old file stays.
    """
    file = _target(file)
    temporary, written = _temporary(file), None
    try:
        try:
            temporary.unlink(missing_ok=True)  # of a process that was killed
            with open(temporary, "x", encoding="utf-8", opener=_open_for_us_alone) as opened:
                opened.write(text.reveal())
                opened.flush()
                os.fsync(opened.fileno())
                written = os.fstat(opened.fileno())
            temporary.replace(file)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if not _is_at(file, written):  # a file system in a network may report a failure of what it has done
            raise ConfigurationError(
                f"{file} cannot be written ({error.strerror or error}): check its folder and disk."
            ) from None
    with _warning_if_it_fails(file, "synced"):
        _sync_folder(file.parent)
    return file


def remove_leftover(file: Path) -> None:
    """Remove the secrets that a killed process has left beside `file`, unless another process is writing them."""
    temporary = _temporary(_target(file))
    if not os.path.lexists(temporary):
        return
    handle = _locked_folder(temporary.parent, wait=False)
    if handle is not None:
        with _warning_if_it_fails(temporary, "removed"):
            try:
                temporary.unlink(missing_ok=True)
            finally:
                os.close(handle)


def _target(file: Path) -> Path:
    return Path(os.path.realpath(file))  # unlike Path.resolve, it never fails


def _temporary(file: Path) -> Path:
    """Return the only name under which a new file is written, so that what a killed process has left can be found."""
    return file.with_name(f".{file.name}.new")


def _open_for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)


def open_without_waiting(path: str, flags: int) -> int:
    """Open a file for `open`, which then does not wait for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _make_folder(file: Path) -> Path:
    """Create the folder of `file`; return it, or the one of the file that it links to."""
    try:
        is_new = not file.parent.exists()
        file.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        if is_new:
            with suppress(OSError):
                _sync_folder(file.parent.parent)
        folder = _target(file).parent
        os.stat(folder)  # noqa: PTH116 - fails for a link into a missing folder
    except OSError as error:
        raise ConfigurationError(
            f"{file.parent} cannot be used ({error.strerror or error}): check its path and permissions."
        ) from None
    return folder


def _locked_folder(folder: Path, *, wait: bool) -> int | None:
    """Return a descriptor of the locked folder; None if it cannot be locked, or not at once."""
    if _fcntl is None:
        return None
    try:
        handle = os.open(folder, _OPEN_FOLDER)
    except OSError:
        return None
    try:
        _fcntl.flock(handle, _fcntl.LOCK_EX if wait else _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BaseException as error:
        with suppress(OSError):
            os.close(handle)
        if isinstance(error, OSError):  # also of a file system without locks
            return None
        raise
    return handle


def _sync_folder(folder: Path) -> None:
    if _fcntl is None:  # nor can a folder be opened there
        return
    handle = os.open(folder, _OPEN_FOLDER)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_at(file: Path, written: os.stat_result | None) -> bool:
    with suppress(OSError):
        return written is not None and os.path.samestat(file.stat(), written)
    return False


@contextmanager
def _warning_if_it_fails(file: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        logger.warning("%s could not be %s (%s)", file, what, error.strerror or error)
