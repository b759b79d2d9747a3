"""Check that other users can neither read nor replace a file of secrets, and write it without exposing it."""

from __future__ import annotations

import importlib
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from impact_jobs.errors import ConfigurationError
from impact_jobs.models import Secret

_os: Any = os  # because mypy also checks for platforms that lack some of its functions
_fcntl: Any
try:
    _fcntl = importlib.import_module("fcntl")
except ImportError:
    _fcntl = None

MAX_BYTES = 1024 * 1024
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def unsafe_path(file: Path) -> str | None:
    """Return why the folder of `file`, or of the file that it links to, cannot be trusted with a secret."""
    if not file.is_absolute():
        return f"{file.parent} is not an absolute path: set HOME, or set XDG_CONFIG_HOME to an absolute path."
    try:
        link = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{file} cannot be examined ({error.strerror}): check the permissions of its folder."
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in {_os.geteuid(), 0}:
        return f"{file} is a link that belongs to another user: check its target, and create your own with `ln -s`."
    return _unsafe_folder(file.parent) or _unsafe_folder(file.resolve().parent)


def _unsafe_folder(folder: Path) -> str | None:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{folder} cannot be examined ({error.strerror}): check its permissions."
    if found.st_uid not in {_os.geteuid(), 0}:
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
    if found.st_uid != _os.geteuid():
        return f"{file} belongs to another user: create your own with `impact-jobs profile add`."
    if found.st_mode & _FOR_OTHERS:
        return f"{file} can be read or written by others: run `chmod 600 {shlex.quote(str(file))}`."
    return None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` against other processes of this command within the block; create the folder if it is missing."""
    try:
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be used ({error.strerror}): check its path and permissions."
        ) from None
    try:
        if problem := _unsafe_folder(folder):
            raise ConfigurationError(problem)
        if _fcntl is not None:
            _fcntl.flock(handle, _fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(file: Path, text: Secret) -> Path:
    """Write `text` to `file`, or to the file that it links to, in one step, and return its path.

    The new file is never readable by others. If it cannot be written, the old file stays.
    """
    file = file.resolve()
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # 0600 from the start
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text.reveal())
                opened.flush()
                os.fsync(handle)
            Path(temporary).replace(file)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written ({error.strerror}): check its folder and disk.") from None
    return file
