"""The file on disk while it is incomplete: `<target>.part`, locked, with its journal beside it."""

from __future__ import annotations

import base64
import errno
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import evolve

from impact_jobs._download.checksums import Digester
from impact_jobs._download.filesystem import (
    BackgroundThread,
    is_open_at,
    open_locked,
    preallocate,
    rename_without_replacing,
    sync_folder,
)
from impact_jobs._download.journal import NEW_SUFFIX, Journal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.ranges import Coverage
from impact_jobs.errors import DestinationExistsError, DownloadError, IntegrityError

logger: logging.Logger = logging.getLogger("impact_jobs")

_DIGEST_FROM_BYTES = 4 * 1024 * 1024  # a thread for fewer would cost more than it saves
_CHECKPOINT_BYTES = 64 * 1024 * 1024
_CHECKPOINT_SECONDS = 1.0


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Raise an OSError as the error that the user sees, because writing `target` has failed."""
    try:
        yield
    except BlockingIOError as error:
        raise DestinationExistsError(
            f"{str(target)!r} is being downloaded by another process or thread: let it finish."
        ) from error
    except FileExistsError as error:
        raise DestinationExistsError(
            f"{str(target)!r} appeared during the download: pass overwrite=True, or choose another path."
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{str(target)!r} could not be written: {error.strerror or error}. Make room, or choose another folder; "
            "then download again, and it resumes where it can."
        ) from error


class PartFile:
    """A file that is written beside its target and takes the target's name once it is complete.

    It is locked while it is open, so that no two processes or threads write the same one. Bytes may be written in any
    order and by several threads. Threads in the background digest them, sync them, and then note them in the journal,
    which therefore never lists bytes that a crash could lose. A failure of the disk is raised as a `DownloadError`.
    """

    journal: Journal  # of the earlier attempt that is resumed, or else as passed to `start`
    coverage: Coverage  # the bytes that were written

    def __init__(self, target: Path, job_id: str, options: DownloadOptions) -> None:
        self.target: Path = target
        self._options = options
        self._path = target.with_name(target.name + ".part")
        self._journal_path = target.with_name(target.name + ".part.json")
        self._lock = threading.Lock()
        self._syncing = BackgroundThread("impact-jobs-sync")
        self._digesting = BackgroundThread("impact-jobs-digest")
        with disk_errors(target):
            self._file = open_locked(self._path)
            size = os.fstat(self._fd).st_size
            if not options.overwrite and os.path.lexists(target):
                # Another process has committed since the target was checked, and a lost race leaves no empty file.
                if not size:
                    self._path.unlink()
                self._file.close()
                raise FileExistsError
        journal = Journal.load(self._journal_path) if options.resume and size else None
        self._use(Journal(job_id=job_id))
        is_same = journal is not None and journal.job_id.lower() == job_id.lower()
        if journal and is_same and journal.representation.is_resumable and journal.coverage.fits(size):
            self._use(journal)

    def start(self, journal: Journal) -> None:
        """Drop the bytes that were written, and reserve room for the file that `journal` describes."""
        self._stop_threads()
        self._use(journal)
        with disk_errors(self.target):
            self._check_name()
            self._unlink_journal()
            self._file.truncate(0)
            preallocate(self._file, journal.representation.length or 0)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write `data` at `offset`."""
        size = len(data)
        with disk_errors(self.target):
            written = os.pwrite(self._fd, data, offset)
            while written < size:  # rare: a signal, or the last bytes of a full disk
                written += os.pwrite(self._fd, memoryview(data)[written:], offset + written)
            with self._lock:
                self.coverage = coverage = self.coverage.plus(offset, offset + size)
            self._work_in_background(coverage)

    def commit(self) -> str | None:
        """Give the complete file, once it is safely on disk, the name of the target; return its sha256 if requested.

        Raises:
            IntegrityError: It does not match what the storage stated; it is removed.
        """
        size = self.coverage.size
        with disk_errors(self.target):
            self._syncing.join()
            if os.fstat(self._fd).st_size < size:
                raise OSError(errno.EIO, "it became shorter while it was written")
            self._file.truncate(size)
            self._syncing.start(self._sync)  # while the rest of the bytes is digested
            self._digesting.join()
            digests = self._digester.finish(size)
            self._syncing.join()
            self._verify(digests)
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
        self._stop_threads()
        with suppress(OSError):
            if self.coverage.size and self.journal.representation.is_resumable:
                self._save(self.coverage)
                if self._journal_path.exists():
                    self._file.close()
                    return
        self.discard()

    def discard(self) -> None:
        """Remove the file and its journal, and close it. Harmless after `commit`."""
        if self._file.closed:
            return
        self._stop_threads()
        # Before the file is closed, because without the lock the name may already be another process's.
        with suppress(OSError):
            if is_open_at(self._file, self._path) or not self._path.exists():
                self._unlink_journal()
                self._path.unlink(missing_ok=True)
        self._file.close()

    @property
    def _fd(self) -> int:
        return self._file.fileno()

    def _use(self, journal: Journal) -> None:
        self.journal, self.coverage = journal, journal.coverage
        self._saved_bytes, self._saved_at = self.coverage.size, time.monotonic()
        self._sync_error: OSError | None = None
        self._digester = Digester(self._fd, set(journal.checksums) | ({"sha256"} if self._options.digest else set()))

    def _stop_threads(self) -> None:
        for thread in (self._digesting, self._syncing):
            with suppress(OSError):
                thread.join()

    def _work_in_background(self, coverage: Coverage) -> None:
        """Digest the bytes and save the journal, if enough bytes have arrived or enough time has passed."""
        digester, now = self._digester, time.monotonic()
        if digester.digests and coverage.prefix - digester.position >= _DIGEST_FROM_BYTES:
            self._digesting.start(lambda: digester.digest_up_to(coverage.prefix))
        is_due = coverage.size - self._saved_bytes >= _CHECKPOINT_BYTES or now - self._saved_at >= _CHECKPOINT_SECONDS
        if is_due and self._syncing.start(lambda: self._save(coverage)):
            self._saved_bytes, self._saved_at = coverage.size, now

    def _sync(self) -> None:
        # After a failure every sync must fail, because the kernel reports lost pages to the first one only.
        if self._sync_error is not None:
            raise self._sync_error
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
        except OSError as error:
            self._sync_error = error
            raise

    def _save(self, coverage: Coverage) -> None:
        self._sync()
        self._check_name()
        if self.journal.representation.is_resumable:
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
        length, size = self.journal.representation.length, self.coverage.size
        wrong = [name for name, stated in self.journal.checksums.items() if base64.b64decode(stated) != digests[name]]
        if length is not None and length != size:
            wrong = [f"length ({size} bytes arrived, {length} were announced)"]
        if wrong:
            self.discard()
            raise IntegrityError(
                f"job {self.journal.job_id}: the file does not match what the storage announced: {', '.join(wrong)}. "
                "It was thrown away. Download again; if that does not help, replay the job."
            )
