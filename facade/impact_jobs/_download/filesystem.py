"""What a part file needs of the system: a lock, room, a thread in the background, a rename that replaces nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from attrs import define, field

_PREALLOCATE_FROM_BYTES = 1024 * 1024
_NO_PREALLOCATION = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


@define
class BackgroundThread:
    """Runs one function at a time in a thread. If it raises an OSError, the next `start` or `join` raises that."""

    _name: str
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _error: OSError | None = field(default=None, init=False)

    def start(self, function: Callable[[], None]) -> bool:
        """Start `function`, unless the previous one is still running; return whether it was started."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return False
            self.join()
            thread = threading.Thread(target=self._run, args=(function,), name=self._name, daemon=True)
            thread.start()
            self._thread = thread  # not before, because a thread that could not be started cannot be joined
            return True

    def join(self) -> None:
        """Wait until the function has ended."""
        if self._thread is not None:
            self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except OSError as error:
            self._error = error


def open_locked(path: Path) -> FileIO:
    """Open a regular file for reading and writing, creating it if it is missing, and lock it.

    Raises:
        BlockingIOError: Another process or thread holds the lock.
    """
    while True:
        # Without O_TRUNC, because until the lock is held the bytes may be those of another process.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        file = FileIO(os.open(path, flags, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_open_at(file, path):
                if _count_names(file) <= 1:
                    return file
                # A process died after it had linked the finished file to its target: remove this other name of it.
                path.unlink()
        except OSError:
            file.close()
            raise
        # The name was given to another file between opening and locking, or was just removed: open it again.
        file.close()


def is_open_at(file: FileIO, path: Path) -> bool:
    """Return whether `path` still names the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _count_names(file: FileIO) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "the .part file is not a regular file")
    return status.st_nlink


def preallocate(file: FileIO, length: int) -> None:
    """Reserve room for `length` bytes where the file system can, so that a full disk fails before the transfer."""
    number = _reserve(file.fileno(), length) if length >= _PREALLOCATE_FROM_BYTES else 0
    if number and number not in _NO_PREALLOCATION:
        file.truncate(0)  # release what was reserved before the disk was full
        raise OSError(number, f"{os.strerror(number)} ({length} bytes are needed)")


def _reserve(descriptor: int, length: int) -> int:
    """Return the error number, or 0."""
    room = os.fstatvfs(descriptor)
    # Checked first, because where the kernel cannot reserve room, the C library writes zeros until the disk is full.
    if room.f_blocks and length > room.f_bavail * room.f_frsize:
        return errno.ENOSPC
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, length)
    except OSError as error:
        return error.errno or errno.EIO
    except OverflowError:
        return errno.EFBIG
    return 0


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_without_replacing(source: Path, target: Path) -> None:
    """Rename a file, or raise FileExistsError if `target` exists."""
    # A hard link, because unlike a rename it never replaces a file that has appeared meanwhile.
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS or os.path.lexists(target):
            raise
        source.rename(target)
    else:
        source.unlink()
