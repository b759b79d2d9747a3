"""The file system under a part file: locking, reserving room, syncing, renaming without replacing, and its errors."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from io import FileIO
from pathlib import Path

from impact_jobs.errors import DestinationExistsError, DownloadError

_PREALLOCATE_FROM_BYTES = 1024 * 1024
_NO_PREALLOCATION = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def open_locked(path: Path) -> FileIO:
    """Open a regular file for reading and writing, creating it if it is missing, and lock it.

    Raises:
        BlockingIOError: Another process or thread holds the lock.
        OSError: The file could not be opened.
    """
    while True:
        # Without O_TRUNC, because until the lock is held the bytes may be those of another process.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        file = FileIO(os.open(path, flags, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_open_at(file, path):
                if _count_names(file, path) <= 1:
                    return file
                # A process died between linking the finished file to its target and removing this name of it.
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


def _count_names(file: FileIO, path: Path) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"{path.name!r} is not a regular file")
    return status.st_nlink


def preallocate(file: FileIO, length: int) -> None:
    """Reserve room for `length` bytes, where the file system can, so that a full disk is noticed before the transfer.

    Raises:
        OSError: There is not enough room; the file is empty then.
    """
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
    if not hasattr(os, "posix_fallocate"):
        return 0
    try:
        os.posix_fallocate(descriptor, 0, length)
    except OSError as error:
        return error.errno or errno.EIO
    except OverflowError:
        return errno.EFBIG
    return 0


def sync_data(descriptor: int) -> None:
    """Write the bytes of a file to the disk, though not necessarily its times."""
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(descriptor)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_without_replacing(source: Path, target: Path) -> None:
    """Rename a file, unless `target` exists.

    Raises:
        FileExistsError: `target` exists.
    """
    # A hard link, because unlike a rename it never replaces a file that has appeared meanwhile.
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS or os.path.lexists(target):
            raise
        source.rename(target)
    else:
        source.unlink()


def download_error(error: OSError, target: Path) -> DownloadError:
    """Return the error that a user sees when writing `target` has failed with `error`."""
    if isinstance(error, BlockingIOError):
        return DestinationExistsError(
            f"{str(target)!r} is being downloaded by another process or thread: let it finish."
        )
    if isinstance(error, FileExistsError):
        return DestinationExistsError(
            f"{str(target)!r} appeared during the download: pass overwrite=True, or choose another path."
        )
    return DownloadError(
        f"{str(target)!r} could not be written: {error.strerror or error}. Make room, or choose another folder; "
        "then download again, and it resumes where it can."
    )
