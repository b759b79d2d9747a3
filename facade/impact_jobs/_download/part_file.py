"""The file on disk while it is not whole: `<target>.part`, locked, with its journal beside it."""

from __future__ import annotations

import base64
import errno
import fcntl
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from attrs import evolve

from impact_jobs._download.checksums import Digester
from impact_jobs._download.journal import Journal, fresh_beside
from impact_jobs._download.ranges import Coverage
from impact_jobs.errors import DestinationExistsError, DownloadError, IntegrityError

logger: logging.Logger = logging.getLogger("impact_jobs")

_CHECKPOINT_BYTES = 64 * 1024 * 1024
_CHECKPOINT_SECONDS = 1.0
_PREALLOCATE_FROM_BYTES = 1024 * 1024
_NO_PREALLOCATION = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV}


class PartFile:
    """A file that is being written beside its target, and takes the target's name once it is whole.

    It is locked while it is open, so no two processes or threads write the same one. Bytes may be written in any
    order and by several threads. In the background they are synced and noted in the journal, which therefore never
    speaks of bytes that a crash could take; and they are digested.
    """

    def __init__(self, target: Path, job_id: str, *, overwrite: bool, resume: bool, digest: bool) -> None:
        self.target: Path = target
        self.journal: Journal | None = None
        self._overwrite = overwrite
        self._algorithms = {"sha256"} if digest else set()
        self._part = target.with_name(target.name + ".part")
        self._journal_path = target.with_name(target.name + ".part.json")
        self._lock = threading.Lock()
        self._background = _Background()
        self._loss: OSError | None = None
        with self._disk():
            self._file = self._open_locked()
        self._coverage = Coverage()
        self._digester = Digester(self._fd, self._algorithms)
        found = Journal.load(self._journal_path) if resume else None
        size = os.fstat(self._fd).st_size
        if found and found.job_id == job_id and found.version.is_resumable and found.coverage.fits(size):
            self._describe(found, found.coverage)

    @property
    def coverage(self) -> Coverage:
        """The bytes that were written."""
        return self._coverage

    def forget(self) -> None:
        """Give up the bytes that are there."""
        with self._disk():
            with suppress(OSError):  # nobody will rely on them
                self._background.join()
            self.journal, self._coverage, self._loss = None, Coverage(), None
            self._check_that_it_is_ours()
            self._unlink_journal()
            self._file.truncate(0)

    def begin(self, journal: Journal) -> None:
        """Start over with a file of that description.

        Raises:
            DownloadError: There is no room for it.
        """
        self.forget()
        with self._disk():
            self._preallocate(journal.version.length or 0)
        self._describe(journal, Coverage())

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Put `data` at `offset`.

        Raises:
            DownloadError: It could not be written.
        """
        size = len(data)
        with self._disk():
            written = os.pwrite(self._fd, data, offset)
            while written < size:  # rare: a signal, or the last bytes of a full disk
                written += os.pwrite(self._fd, memoryview(data)[written:], offset + written)
            with self._lock:
                self._coverage = coverage = self._coverage.plus(offset, offset + size)
            self._digester.advance(coverage.prefix)
            self._background.checkpoint(lambda: self._save(coverage), coverage.size)

    def publish(self) -> str | None:
        """Put the whole file, safely on disk, under the target's name; return its sha256 if it was wanted.

        Raises:
            IntegrityError: It is not what the storage stated; it is gone.
            DownloadError: It could not be written.
        """
        size = self._coverage.size
        with self._disk():
            self._background.join()
            if os.fstat(self._fd).st_size < size:
                raise OSError(errno.EIO, "it has become shorter while it was written")
            self._file.truncate(size)
            self._background.start(self._sync)  # bytes reach the disk while the rest of them is digested
            digests = self._digester.finish(size)
            self._background.join()
            self._sync(os.fsync)
        self._verify(digests)
        with self._disk():
            self._check_that_it_is_ours()
            if self._overwrite:
                self._part.replace(self.target)
            else:
                self._rename_without_replacing()
            self._unlink_journal()
            self._file.close()
            sync_folder(self.target.parent)
        return digests["sha256"].hex() if "sha256" in digests else None

    def leave(self) -> None:
        """Close it without publishing: kept where it can be resumed, else removed. Harmless after `publish`."""
        if self._file.closed:
            return
        self._digester.stop()
        with suppress(OSError):
            self._background.join()
            if self._is_resumable and self._coverage.spans:
                self._save(self._coverage)
                if self._journal_path.exists():
                    self._file.close()
                    return
        self.discard()

    def discard(self) -> None:
        """Remove it and its journal, and close it."""
        if self._file.closed:
            return
        self._digester.stop()
        with suppress(OSError):
            self._background.join()
        # While the lock is still ours: a moment later the name may be another's.
        with suppress(OSError):
            if _is_same(self._file, self._part) or not self._part.exists():
                self._unlink_journal()
                self._part.unlink(missing_ok=True)
        self._file.close()

    @property
    def _fd(self) -> int:
        return self._file.fileno()

    @property
    def _is_resumable(self) -> bool:
        return self.journal is not None and self.journal.version.is_resumable

    def _describe(self, journal: Journal, coverage: Coverage) -> None:
        self._digester.stop()
        self.journal, self._coverage = journal, coverage
        self._digester = Digester(self._fd, self._algorithms | set(journal.checksums))
        self._digester.advance(coverage.prefix)

    def _sync(self, sync: Callable[[int], None] | None = None) -> None:
        # The kernel tells only once of what it could not write, and then forgets it: a later success is none.
        if self._loss is not None:
            raise self._loss
        try:
            (sync or os.fdatasync)(self._fd)
        except OSError as error:
            self._loss = error
            raise

    def _save(self, coverage: Coverage) -> None:
        self._sync()
        self._check_that_it_is_ours()
        if self.journal is not None and self._is_resumable:
            try:
                evolve(self.journal, coverage=coverage).save(self._journal_path)
            except OSError as error:  # a full disk, perhaps, on which the file itself has its room
                logger.warning("%s: its journal could not be written: %s", self._part.name, error.strerror)

    def _check_that_it_is_ours(self) -> None:
        # The lock is on the file, not on its name: somebody may have removed it, and yet another begun a new one.
        if not os.path.samestat(os.fstat(self._fd), self._part.lstat()):
            raise OSError(errno.ESTALE, f"{self._part.name!r} was replaced meanwhile")

    def _unlink_journal(self) -> None:
        self._journal_path.unlink(missing_ok=True)
        fresh_beside(self._journal_path).unlink(missing_ok=True)

    def _preallocate(self, length: int) -> None:
        if length < _PREALLOCATE_FROM_BYTES:
            return
        number = self._reserve(length)
        if number and number not in _NO_PREALLOCATION:
            self._file.truncate(0)  # give back what there was
            raise OSError(number, f"{os.strerror(number)} (it is to have {length} bytes)")

    def _reserve(self, length: int) -> int:
        """Reserve the room; the number of what went wrong, or 0."""
        room = os.fstatvfs(self._fd)
        # Asked first, for where the kernel cannot reserve, the C library writes zeros until the disk is full.
        if room.f_blocks and length > room.f_bavail * room.f_frsize:
            return errno.ENOSPC
        try:
            os.posix_fallocate(self._fd, 0, length)
        except OSError as error:
            return error.errno or errno.EIO
        except OverflowError:
            return errno.EFBIG
        return 0

    def _verify(self, digests: dict[str, bytes]) -> None:
        if self.journal is None:
            return
        length = self.journal.version.length
        wrong = [name for name, stated in self.journal.checksums.items() if base64.b64decode(stated) != digests[name]]
        if length is not None and length != self._coverage.size:
            wrong = [f"length ({self._coverage.size} bytes came, {length} were announced)"]
        if wrong:
            self.discard()
            raise IntegrityError(
                f"job {self.journal.job_id}: what arrived is not what the storage announced, by {', '.join(wrong)}; "
                "it was thrown away. Download again; if it stays so, replay the job."
            )

    def _rename_without_replacing(self) -> None:
        # Unlike a rename, a link never replaces what another process has put there meanwhile.
        try:
            os.link(self._part, self.target)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS} or os.path.lexists(self.target):
                raise
            self._part.rename(self.target)  # a file system without links
        else:
            self._part.unlink()

    def _open_locked(self) -> FileIO:
        while True:
            # Neither truncated nor trusted before the lock is ours: until then it may be another's.
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            file = FileIO(os.open(self._part, flags, 0o666), "r+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same(file, self._part):
                    if _links_to(file, self._part) <= 1:
                        return file
                    # A process died between giving it its name and taking this one away: it is the result.
                    self._part.unlink()
            except BlockingIOError:
                file.close()
                raise DestinationExistsError(
                    f"{str(self.target)!r} is being downloaded by another process or thread: let it finish."
                ) from None
            except OSError:
                file.close()
                raise
            # The other published its file between our opening and our locking it: hands off, and open anew.
            file.close()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise DestinationExistsError(
                f"{str(self.target)!r} appeared during the download: pass overwrite=True, or choose another path."
            ) from None
        except OSError as error:
            raise DownloadError(
                f"{str(self.target)!r} could not be written: {error.strerror or error}. Make room, or choose another "
                "folder; then download again, and it goes on where it can."
            ) from error


class _Background:
    """Runs one function at a time in a thread, and remembers what went wrong: the kernel tells of it only once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failure: OSError | None = None
        self._size = 0
        self._time = time.monotonic()

    def checkpoint(self, function: Callable[[], None], size: int) -> None:
        """Start `function` if enough bytes have come, or enough time has passed, since it ran."""
        with self._lock:
            now = time.monotonic()
            is_due = size - self._size >= _CHECKPOINT_BYTES or now - self._time >= _CHECKPOINT_SECONDS
            if not is_due or (self._thread is not None and self._thread.is_alive()):
                return
            self.join()  # tells at once what has gone wrong
            self._size, self._time = size, now
            self.start(function)

    def start(self, function: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._run, args=(function,), name="impact-jobs-sync", daemon=True)
        self._thread.start()

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except OSError as error:
            self._failure = error

    def join(self) -> None:
        """Wait for it, and raise what has gone wrong since the last time."""
        if self._thread is not None:
            self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _is_same(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _links_to(file: FileIO, path: Path) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"{path.name!r} is no regular file")
    return status.st_nlink


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
