"""The file on disk while it is incomplete: `<target>.part`, locked, with its journal beside it."""

from __future__ import annotations

import base64
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import evolve

from impact_jobs._download.background import BackgroundThread
from impact_jobs._download.checksums import Digester
from impact_jobs._download.filesystem import (
    download_error,
    is_open_at,
    open_locked,
    preallocate,
    rename_without_replacing,
    sync_data,
    sync_folder,
)
from impact_jobs._download.journal import NEW_SUFFIX, Journal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.ranges import EMPTY, Coverage
from impact_jobs.errors import IntegrityError

logger: logging.Logger = logging.getLogger("impact_jobs")

_CHECKPOINT_BYTES = 64 * 1024 * 1024
_CHECKPOINT_SECONDS = 1.0


class PartFile:
    """A file that is written beside its target and takes the target's name once it is complete.

    It is locked while it is open, so that no two processes or threads write the same one. Bytes may be written in any
    order and by several threads. Threads in the background digest them, sync them, and then note them in the journal,
    which therefore never lists bytes that a crash could lose.

    Attributes:
        target: The name that the file takes at the end.
        journal: What is known of the result; None until `start`, unless an earlier attempt left a journal.
        coverage: The bytes that were written.

    Raises:
        DestinationExistsError: Another process or thread is writing it.
        DownloadError: It could not be opened.
    """

    def __init__(self, target: Path, job_id: str, options: DownloadOptions) -> None:
        self.target: Path = target
        self.journal: Journal | None = None
        self.coverage: Coverage = EMPTY
        self._options = options
        self._path = target.with_name(target.name + ".part")
        self._journal_path = target.with_name(target.name + ".part.json")
        self._lock = threading.Lock()
        self._background = BackgroundThread("impact-jobs-sync")
        self._saved_bytes = 0
        self._saved_at = time.monotonic()
        self._digester: Digester | None = None
        self._sync_error: OSError | None = None
        with self._disk_errors():
            self._file = open_locked(self._path)
        found = Journal.load(self._journal_path) if options.resume else None
        size = os.fstat(self._fd).st_size
        if found and found.job_id == job_id and found.representation.is_resumable and found.coverage.fits(size):
            self._use(found)

    def start(self, journal: Journal) -> None:
        """Start over, with a file as `journal` describes it.

        Raises:
            DownloadError: There is no room for it.
        """
        self.reset()
        with self._disk_errors():
            preallocate(self._file, journal.representation.length or 0)
        self._use(journal)

    def reset(self) -> None:
        """Drop the bytes that were written, and the journal."""
        with self._disk_errors():
            with suppress(OSError):  # the bytes that could not be synced are dropped as well
                self._background.join()
            self.journal, self.coverage, self._saved_bytes, self._sync_error = None, EMPTY, 0, None
            self._check_name()
            self._unlink_journal()
            self._file.truncate(0)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write `data` at `offset`.

        Raises:
            DownloadError: It could not be written.
        """
        size = len(data)
        with self._disk_errors():
            written = os.pwrite(self._fd, data, offset)
            while written < size:  # rare: a signal, or the last bytes of a full disk
                written += os.pwrite(self._fd, memoryview(data)[written:], offset + written)
            with self._lock:
                self.coverage = coverage = self.coverage.plus(offset, offset + size)
            if self._digester is not None:
                self._digester.advance(coverage.prefix)
            self._checkpoint(coverage)

    def commit(self) -> str | None:
        """Give the complete file, once it is safely on disk, the name of the target; return its sha256 if requested.

        Raises:
            IntegrityError: It does not match what the storage stated; it is removed.
            DownloadError: It could not be written.
        """
        size = self.coverage.size
        with self._disk_errors():
            self._background.join()
            if os.fstat(self._fd).st_size < size:
                raise OSError(errno.EIO, "it became shorter while it was written")
            self._file.truncate(size)
            self._background.start(self._sync)  # syncs while the rest of the bytes is digested
            digests = {} if self._digester is None else self._digester.finish(size)
            self._background.join()
            self._sync(os.fsync)
        self._verify(digests)
        with self._disk_errors():
            self._check_name()
            if self._options.overwrite:
                self._path.replace(self.target)
            else:
                rename_without_replacing(self._path, self.target)
            self._unlink_journal()
            self._file.close()
            sync_folder(self.target.parent)
        return digests["sha256"].hex() if "sha256" in digests else None

    def close(self) -> None:
        """Close the file without committing: keep it if it can be resumed, else remove it. Harmless after `commit`."""
        if self._file.closed:
            return
        self._stop_digester()
        with suppress(OSError):
            self._background.join()
            if self._is_resumable and self.coverage.spans:
                self._save(self.coverage)
                if self._journal_path.exists():
                    self._file.close()
                    return
        self.discard()

    def discard(self) -> None:
        """Remove the file and its journal, and close it. Harmless after `commit`."""
        if self._file.closed:
            return
        self._stop_digester()
        with suppress(OSError):
            self._background.join()
        # Before the file is closed, because without the lock the name may already be another process's.
        with suppress(OSError):
            if is_open_at(self._file, self._path) or not self._path.exists():
                self._unlink_journal()
                self._path.unlink(missing_ok=True)
        self._file.close()

    @property
    def _fd(self) -> int:
        return self._file.fileno()

    @property
    def _is_resumable(self) -> bool:
        return self.journal is not None and self.journal.representation.is_resumable

    def _use(self, journal: Journal) -> None:
        self._stop_digester()
        self.journal, self.coverage = journal, journal.coverage
        self._digester = Digester(self._fd, set(journal.checksums) | ({"sha256"} if self._options.digest else set()))
        if self.coverage.prefix:
            self._digester.advance(self.coverage.prefix)

    def _stop_digester(self) -> None:
        if self._digester is not None:
            self._digester.stop()

    def _checkpoint(self, coverage: Coverage) -> None:
        """Save the journal in the background, if enough bytes have arrived or enough time has passed."""
        now = time.monotonic()
        is_due = coverage.size - self._saved_bytes >= _CHECKPOINT_BYTES or now - self._saved_at >= _CHECKPOINT_SECONDS
        if is_due and self._background.start(lambda: self._save(coverage)):
            self._saved_bytes, self._saved_at = coverage.size, now

    def _sync(self, sync: Callable[[int], None] = sync_data) -> None:
        # The kernel reports lost pages once only; a later sync of the same file succeeds without them.
        if self._sync_error is not None:
            raise self._sync_error
        try:
            sync(self._fd)
        except OSError as error:
            self._sync_error = error
            raise

    def _save(self, coverage: Coverage) -> None:
        self._sync()
        self._check_name()
        if self.journal is not None and self._is_resumable:
            try:
                evolve(self.journal, coverage=coverage).save(self._journal_path)
            except OSError as error:  # the disk may be full, though the file itself has its room reserved
                logger.warning("%s: its journal could not be written: %s", self._path.name, error.strerror)

    def _check_name(self) -> None:
        # The lock is on the file, not on its name, which somebody may have removed and given to another file.
        if not os.path.samestat(os.fstat(self._fd), self._path.lstat()):
            raise OSError(errno.ESTALE, f"{self._path.name!r} was replaced meanwhile")

    def _unlink_journal(self) -> None:
        self._journal_path.unlink(missing_ok=True)
        self._journal_path.with_name(self._journal_path.name + NEW_SUFFIX).unlink(missing_ok=True)

    def _verify(self, digests: dict[str, bytes]) -> None:
        if self.journal is None:
            return
        length, size = self.journal.representation.length, self.coverage.size
        wrong = [name for name, stated in self.journal.checksums.items() if base64.b64decode(stated) != digests[name]]
        if length is not None and length != size:
            wrong = [f"length ({size} bytes arrived, {length} were announced)"]
        if wrong:
            self.discard()
            raise IntegrityError(
                f"job {self.journal.job_id}: what arrived is not what the storage announced, by {', '.join(wrong)}; "
                "it was thrown away. Download again; if that does not help, replay the job."
            )

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise download_error(error, self.target) from error
