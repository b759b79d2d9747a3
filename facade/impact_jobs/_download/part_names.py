"""Which `.part` beside a target is ours, and how it is opened and removed.

A part is ours if its journal is beside it, even an empty one, or if it is empty. Any other is left alone, and the next
name is used instead: `a.csv.part`, `a.csv.2.part`, and so on.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from itertools import chain
from pathlib import Path

from attrs import frozen

from impact_jobs._download.filesystem import (
    SuppressSystemErrors,
    exists,
    is_open_at,
    lock,
    open_safely,
    status_of,
)

_MOST_NAMES = 9
_MOST_ATTEMPTS = 50


@frozen
class OpenPart:
    """A part file that no other process writes.

    The path of its journal is None if the file system has no locks. The name is then random, so that no other process
    has the same one, and the part cannot be resumed.
    """

    file: FileIO
    path: Path
    journal_path: Path | None


class _NoLocksError(Exception):
    """The file system has no locks."""


def part_names(base: Path) -> Iterator[tuple[Path, Path]]:
    """Return the names of the part and its journal, and then those to use if somebody else has taken them."""
    for number in chain([""], (f".{number}" for number in range(2, _MOST_NAMES + 1))):
        part = base.with_name(f"{base.name}{number}.part")
        yield part, part.with_name(part.name + ".json")


def open_part(base: Path, mode: int) -> OpenPart:
    """Open the part of `base` for reading and writing, creating it with `mode` if it is missing, and lock it.

    Raises:
        BlockingIOError: Another process or thread holds the lock.
    """
    try:
        for path, journal_path in part_names(base):
            file = _open_locked(path, journal_path, mode)
            if file is not None:
                return OpenPart(file, path, journal_path)
    except _NoLocksError:
        path = base.with_name(f"{base.name}.{secrets.token_hex(4)}.part")
        return OpenPart(open_safely(path, "x+", permissions=mode), path, None)
    raise OSError(errno.EBUSY, f"'{base.name}.{_MOST_NAMES}.part' and those before are somebody else's: remove them")


def remove_part(base: Path) -> None:
    """Remove the part of `base` and its journal if they are ours.

    Raises:
        BlockingIOError: Another process or thread holds the lock.
    """
    path, journal_path = next(part_names(base))
    if _is_ours(path, journal_path):
        _remove(path, journal_path)


def remove_other_names(target: Path) -> None:
    """Remove what a process has left that died just after it had linked its part to `target`."""
    for path, journal_path in part_names(target):
        with SuppressSystemErrors():  # among them a lock, which means that the other process is about to remove it
            if os.path.samestat(path.lstat(), target.lstat()):
                _remove(path, journal_path)
        with SuppressSystemErrors():
            found = journal_path.lstat()
            if stat.S_ISREG(found.st_mode) and not found.st_size and not exists(path):
                journal_path.unlink()
        if not exists(path):
            return


def _remove(path: Path, journal_path: Path) -> None:
    with suppress(FileNotFoundError), open_safely(path, "r") as file:
        if not lock(file) or not is_open_at(file, path):
            return
        path.unlink()
    with SuppressSystemErrors():
        if stat.S_ISREG(journal_path.lstat().st_mode):
            journal_path.unlink()


def _is_ours(path: Path, journal_path: Path) -> bool:
    """Return whether the part, which may be missing, is a regular file, and its journal shows that it is ours."""
    found, journal = status_of(path), status_of(journal_path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        return False
    if journal is not None:
        return stat.S_ISREG(journal.st_mode)
    return found is None or found.st_size == 0


def _open_locked(path: Path, journal_path: Path, mode: int) -> FileIO | None:
    """Open and lock a part; return None if it is somebody else's."""
    for _ in range(_MOST_ATTEMPTS):
        if not _is_ours(path, journal_path):
            return None
        # Without O_TRUNC, because until the lock is held the bytes may be those of another process.
        file = _open_ours(path, mode)
        if file is None:
            return None
        try:
            is_locked = lock(file)
            if is_open_at(file, path) and _is_ours(path, journal_path):
                found = os.fstat(file.fileno())
                if is_locked and found.st_nlink <= 1:
                    return file
                # Another name of a finished file, left by a process that died after it had linked it to its target,
                # or the file that was created here to try the lock.
                if is_locked or not found.st_size:
                    path.unlink()
        except BaseException:
            file.close()
            raise
        # The name was given to another file between opening and locking, or was just removed: open it again.
        file.close()
        if not is_locked:
            raise _NoLocksError
    raise OSError(errno.ESTALE, f"{path.name!r} is replaced again and again")


def _open_ours(path: Path, mode: int) -> FileIO | None:
    """Open a part, creating it if it is missing; return None if it belongs to another user."""
    try:
        return open_safely(path, "r+", flags=os.O_CREAT, permissions=mode)
    except PermissionError:
        if not exists(path):
            raise
    with suppress(PermissionError):
        # It was to replace a file that cannot be written, and has the mode of that file.
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # no more, because chmod ignores the umask
        return open_safely(path, "r+", flags=os.O_CREAT, permissions=mode)
    return None
