"""What a download needs of the platform and the file system, and what it does where they lack some of it.

Each feature is asked for when it is used: by `hasattr`, or by trying.
"""

from __future__ import annotations

import errno
import importlib
import os
import secrets
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from attrs import frozen

from impact_jobs.errors import ConfigurationError

_os: Any = os  # because mypy also checks for platforms that lack some of its functions
_fcntl: Any
try:
    _fcntl = importlib.import_module("fcntl")
except ImportError:
    _fcntl = None

_VITAL = ("pread", "pwrite")
_COMPARED_BYTES = 256 * 1024
_PREALLOCATE_FROM_BYTES = 1024 * 1024
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY})
_NO_LOCKS = _UNSUPPORTED | {errno.ENOLCK}
_NO_PREALLOCATION = _UNSUPPORTED | {errno.ENODEV}
_NO_HARD_LINKS = _UNSUPPORTED | {errno.EPERM, errno.EMLINK}


def check_platform() -> None:
    """Raise ConfigurationError if no file can be downloaded on this platform."""
    lacking = [f"os.{name}" for name in _VITAL if not hasattr(os, name)]
    if lacking:
        raise ConfigurationError(
            f"a download to a file needs {' and '.join(lacking)}, which Python lacks on this platform: "
            "read the result with `open` or `stream` instead."
        )


def is_of_system(error: BaseException | None) -> bool:
    """Return whether the system raised this error, and not a signal handler of the user during a call of the system.

    Such a handler raises TimeoutError, which is an OSError, at any line; the system's own errors have a number.
    """
    return isinstance(error, OSError) and not (isinstance(error, TimeoutError) and error.errno is None)


class SuppressSystemErrors:
    """Suppresses an OSError within the block, unless a signal handler of the user raised it."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        return is_of_system(error)


def exists(path: Path) -> bool:
    """Return whether anything has this name, even a link to nowhere; False also if that cannot be found out."""
    with SuppressSystemErrors():
        path.lstat()
        return True
    return False


def open_safely(path: Path, mode: str, *, flags: int = 0, permissions: int = 0o666) -> FileIO:
    """Open a file without following a link, waiting for a pipe, or handing it to child processes."""
    flags |= sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"))
    return FileIO(path, mode, opener=lambda name, access: os.open(name, access | flags, permissions))


def status_of(path: Path) -> os.stat_result | None:
    """Return the status of a file, or that of a link itself; None if it is missing."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def status_of_regular(path: Path) -> os.stat_result | None:
    """Return the status of a regular file; None if it is missing, cannot be looked at, or is something else."""
    try:
        found = path.lstat()
    except OSError as error:
        if not is_of_system(error):
            raise
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def lock(file: FileIO) -> bool:
    """Lock an open file until it is closed; return False if the file system has no locks.

    Raises:
        BlockingIOError: Another process or thread holds the lock.
    """
    if _fcntl is None:
        return False
    try:
        _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def is_open_at(file: FileIO, path: Path) -> bool:
    """Return whether `path` still names the open file."""
    found = status_of(path)
    return found is not None and os.path.samestat(os.fstat(file.fileno()), found)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`."""
    size = len(data)
    written = _os.pwrite(descriptor, data, offset)
    while written < size:  # rare: a signal, or the last bytes of a full disk
        written += _os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def append_line(file: FileIO, text: str) -> None:
    """Append a line to a file that is open to append and read, and sync it; after an error, what was there is kept."""
    line, size = f"{text}\n".encode(), file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":  # a process has died while it appended
            line = b"\n" + line
    if file.write(line) != len(line):
        file.truncate(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sync(file.fileno())


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read into `buffer` from `offset` on, and return how many bytes were read; 0 at the end of the file."""
    if hasattr(os, "preadv"):
        return int(_os.preadv(descriptor, [buffer], offset))
    data = _os.pread(descriptor, len(buffer), offset)
    buffer[: len(data)] = data
    return len(data)


def have_same_bytes(one: int, other: int, size: int) -> bool:
    """Return whether the first `size` bytes of two open files are equal."""
    buffers = [memoryview(bytearray(_COMPARED_BYTES)) for _ in range(2)]
    position = 0
    while position < size:
        counts = [read_at(each, buffer, position) for each, buffer in zip((one, other), buffers, strict=True)]
        count = min(*counts, size - position)
        if not count or buffers[0][:count] != buffers[1][:count]:
            return False
        position += count
    return True


def free_room(descriptor: int) -> int | None:
    """Return how many bytes this process can still write to the file system; None if that is unknown."""
    try:
        room = _os.fstatvfs(descriptor)
    except (OSError, AttributeError) as error:
        if isinstance(error, OSError) and not is_of_system(error):
            raise
        return None
    if not (room.f_blocks and room.f_bfree):  # a network drive may state no size, or no free room
        return None
    is_root = hasattr(os, "geteuid") and _os.geteuid() == 0  # which may use what is reserved for it
    return int((room.f_bfree if is_root else room.f_bavail) * room.f_frsize)


def preallocate(file: FileIO, length: int) -> None:
    """Reserve room for `length` bytes where the file system can, so that a full disk fails before the transfer."""
    number = reserve(file.fileno(), length) if length >= _PREALLOCATE_FROM_BYTES else 0
    if number and number not in _NO_PREALLOCATION:
        file.truncate(0)  # release what was reserved before the disk was full
        raise OSError(number, f"{os.strerror(number)} ({length} bytes are needed)")


def reserve(descriptor: int, length: int) -> int:
    """Reserve room for `length` bytes, and return the error number, or 0."""
    free = free_room(descriptor)
    # Checked first, because where the kernel cannot reserve room, the C library writes zeros until the disk is full.
    if free is not None and length > free:
        return errno.ENOSPC
    if not hasattr(os, "posix_fallocate"):
        return errno.ENOSYS
    try:
        _os.posix_fallocate(descriptor, 0, length)
    except OSError as error:
        if not is_of_system(error):
            raise
        return error.errno or errno.EIO
    except OverflowError:
        return errno.EFBIG
    return 0


def sync(descriptor: int) -> bool:
    """Write the bytes of a file to the disk; return False if the file system cannot do that."""
    full = getattr(_fcntl, "F_FULLFSYNC", None)  # where fsync only reaches the cache of the disk
    for synchronise in (
        *([lambda number: _fcntl.fcntl(number, full)] if full is not None else []),
        getattr(os, "fdatasync", os.fsync),
    ):
        try:
            synchronise(descriptor)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            return True
    return False


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_rename(source: Path, target: Path) -> None:
    """Give a file the name `target`, or raise FileExistsError if that exists. `source` may remain as another name."""
    try:
        # A hard link, because unlike a rename it never replaces a file that has appeared meanwhile.
        _os.link(source, target)
    except (OSError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_HARD_LINKS:
            raise
        if exists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        source.rename(target)


def copy_permissions(replaced: os.stat_result, descriptor: int) -> None:
    """Give a file the mode and group, and if possible the owner, of the file that it replaces."""
    mode, found = stat.S_IMODE(replaced.st_mode) & 0o777, os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (replaced.st_uid, replaced.st_gid):
        for owner in (replaced.st_uid, -1):
            with SuppressSystemErrors():
                _os.fchown(descriptor, owner, replaced.st_gid)
                break
        else:
            mode &= ~stat.S_IRWXG  # the bits were meant for another group
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        set_mode(descriptor, mode)


def set_mode(descriptor: int, mode: int) -> None:
    """Set the permissions of an open file."""
    _os.fchmod(descriptor, mode)


@frozen
class FolderFeatures:
    """What a folder has of that which downloads use."""

    free: int | None  # bytes
    missing: tuple[str, ...]


def examine_folder(folder: Path) -> FolderFeatures:
    """Try in `folder` what a download does there; raise OSError if files cannot be written to it."""
    check_platform()
    missing = []
    path = folder / f".impact-jobs-doctor.{secrets.token_hex(8)}"
    other = path.with_name(f"{path.name}.renamed")
    file = FileIO(path, "x+")
    try:
        free = free_room(file.fileno())
        number = reserve(file.fileno(), 4096)
        if number in _NO_PREALLOCATION:
            missing.append("fallocate")
        elif number:
            raise OSError(number, os.strerror(number))
        write_at(file.fileno(), b"0", 0)
        if not lock(file):
            missing.append("flock")
        if not sync(file.fileno()):
            missing.append("fsync")
        link_or_rename(path, other)
        if not exists(path):
            missing.append("hard links")
        with SuppressSystemErrors():
            sync_folder(folder)
            return FolderFeatures(free, tuple(missing))
        return FolderFeatures(free, (*missing, "fsync of folders"))
    finally:
        file.close()
        for name in (path, other):
            with suppress(FileNotFoundError):
                name.unlink()
