"""The file on disk while it is incomplete: `<target>.part`, locked, with its journal beside it."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from attrs import evolve

from impact_jobs._download.background import BackgroundThread
from impact_jobs._download.checksums import Digester
from impact_jobs._download.filesystem import (
    SuppressSystemErrors,
    copy_permissions,
    exists,
    have_same_bytes,
    is_of_system,
    is_open_at,
    link_or_rename,
    open_safely,
    preallocate,
    read_at,
    set_mode,
    status_of,
    sync,
    sync_folder,
    write_at,
)
from impact_jobs._download.journal import Journal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_names import open_part, remove_other_names
from impact_jobs._download.ranges import Coverage
from impact_jobs.errors import DestinationExistsError, DownloadError, IntegrityError

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
        if not is_of_system(error):
            raise
        raise DownloadError(
            f"{str(target)!r} could not be written: {error.strerror or error}. Make room, or choose another folder; "
            "then download again, and it resumes where it can."
        ) from error


def _finish(clean_up: Callable[[], None]) -> None:
    """Call a function that may be repeated; if a signal handler of the user ends it early, first call it again."""
    try:
        clean_up()
    except BaseException:
        clean_up()
        raise


class PartFile:
    """A file that is written beside its target and takes the target's name once it is complete.

    It is locked while it is open, so that no two processes or threads write the same one. Bytes may be written in any
    order and by several threads. Threads in the background digest them, sync them, and then note them in the journal,
    which therefore never lists bytes that a crash could lose. A failure of the disk is raised as a `DownloadError`.

    Args:
        target: The file; it may still be changed until `commit`.
        base: The path that gives the part its name, if the target's name is not known yet.
        replaces: The file to replace, if not the target.
        replaced_sha256: The digest of that file, if it is known; otherwise it is read where its size is the same.
    """

    journal: Journal  # of the earlier attempt that is resumed, or else as passed to `start`
    coverage: Coverage  # the bytes that were written
    completed_at: datetime | None = None  # which becomes the file's modification time
    unchanged: bool | None = None  # whether the replaced file has the same bytes; None before `commit`, or without one

    def __init__(
        self,
        target: Path,
        job_id: str,
        options: DownloadOptions,
        *,
        base: Path | None = None,
        replaces: Path | None = None,
        replaced_sha256: str | None = None,
    ) -> None:
        self.target: Path = target
        self._options = options
        self.overwrites: bool = options.overwrite or replaces is not None
        self._replaced_path = replaces or target
        self._replaced_sha256 = replaced_sha256
        self._lock = threading.Lock()
        self._syncing = BackgroundThread("impact-jobs-sync")
        self._digesting = BackgroundThread("impact-jobs-digest")
        self._is_listed = self._are_names_synced = False
        with disk_errors(target):
            self._replaced = status_of(self._replaced_path) if self.overwrites else None
            if self._replaced is not None:
                remove_other_names(self._replaced_path)
            mode = 0o666 if self._replaced is None else self._replaced.st_mode & 0o600
            opened = open_part(base or target, mode)
            self._file, self._path, self._journal_path = opened.file, opened.path, opened.journal_path
            try:
                self._prepare(job_id, is_named=base is None)
            except BaseException:
                self._file.close()  # at once, because the traceback would keep it open, and so locked
                raise

    def _prepare(self, job_id: str, *, is_named: bool) -> None:
        found = os.fstat(self._fd)
        if is_named and not self.overwrites and exists(self.target):
            # Another process has committed since the target was checked, and a lost race leaves no empty file.
            if not found.st_size:
                self._remove_names()
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        if self._replaced is not None and found.st_mode & 0o777 & ~self._replaced.st_mode:
            with SuppressSystemErrors():
                set_mode(self._fd, self._replaced.st_mode & 0o600)  # it was not private when an earlier call wrote it
        if self._journal_path is None:
            self._options.warn_once(
                self._path, "there are no locks in this folder, so a download that fails starts over"
            )
        journal = Journal.load(self._journal_path) if self._journal_path and self._options.resume else None
        self._use(Journal(job_id=job_id))
        if (
            journal is not None
            and journal.job_id.lower() == job_id.lower()
            and journal.representation.is_resumable
            and journal.coverage.fits(found.st_size)
        ):
            self._use(journal)
        with SuppressSystemErrors():
            self._is_listed = self._journal_path is not None and self._journal_path.lstat().st_size > 0

    def start(self, journal: Journal) -> None:
        """Drop the bytes that were written, and reserve room for the file that `journal` describes."""
        self._stop_threads()
        self._use(journal)
        with disk_errors(self.target):
            self._check_name()
            self._clear_journal()
            self._file.truncate(0)
            preallocate(self._file, journal.representation.length or 0)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write `data` at `offset`."""
        with disk_errors(self.target):
            write_at(self._fd, data, offset)
            with self._lock:
                self.coverage = coverage = self.coverage.plus(offset, offset + len(data))
            self._work_in_background(coverage)

    def read_beginning(self, count: int) -> bytes:
        """Return the first `count` bytes of the file."""
        buffer = memoryview(bytearray(min(count, self.coverage.prefix)))
        with disk_errors(self.target):
            return bytes(buffer[: read_at(self._fd, buffer, 0)]) if buffer else b""

    def commit(self) -> str | None:
        """Give the complete file, once it is safely on disk, the name of the target; return its sha256 if requested.

        What fails after that is a warning in the log.

        Raises:
            IntegrityError: It does not match what the storage stated; it is removed.
            DestinationExistsError: The target has appeared meanwhile; the part is removed.
        """
        size = self.coverage.size
        with disk_errors(self.target):
            self._syncing.join()
            if os.fstat(self._fd).st_size < size:
                raise OSError(errno.EIO, "it became shorter while it was written")
            self._file.truncate(size)
            self._set_attributes()
            self._syncing.start(self._sync)  # while the rest of the bytes is digested
            self._digesting.join()
            digests = self._digester.finish(size)
            self._syncing.join()
            self._verify(digests)
            self.unchanged = self._is_unchanged(size, digests.get("sha256"))
            self._check_name()
            # What a kill leaves from here on may be the target's other name, so it must not be resumed.
            self._clear_journal()
            try:
                self._publish()
            except FileExistsError:
                self.discard()
                raise
        try:
            self.discard()  # its other names
        finally:
            self._sync_folder()
        return digests["sha256"].hex() if "sha256" in digests else None

    def close(self) -> None:
        """Close the file without committing: keep it if it can be resumed, else remove it. Harmless after `commit`."""
        self._close(self._save_to_resume)

    def discard(self) -> None:
        """Remove the file and its journal, and close it. Harmless after `commit`."""
        self._close(lambda: False)

    def _close(self, keep: Callable[[], bool]) -> None:
        if self._file.closed:
            return
        try:
            _finish(self._stop_threads)
            if not keep():
                _finish(self._remove_names)  # while it is open: without the lock another process may use the name
        finally:
            with self._options.warning_if_it_fails(self.target, "it could not be closed"):
                self._file.close()

    def _save_to_resume(self) -> bool:
        with SuppressSystemErrors():
            if self.coverage.size and self.journal.representation.is_resumable and not self._is_published():
                self._save(self.coverage)
                return self._is_listed
        return False

    @property
    def path(self) -> Path:
        """The path of the part."""
        return self._path

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
            with SuppressSystemErrors():
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
            if not self._are_names_synced:
                # First, so that after a power cut the journal stands beside its own part, and no part without one.
                self._are_names_synced = True
                self._sync_folder()
            if not sync(self._fd):
                self._options.warn_once(self._path, "files cannot be synced here, so a power cut may lose them")
        except OSError as error:
            self._sync_error = error
            raise

    def _sync_folder(self) -> None:
        with self._options.warning_if_it_fails(self.target.parent, "the folder could not be synced"):
            sync_folder(self.target.parent)

    def _save(self, coverage: Coverage) -> None:
        self._sync()
        self._check_name()
        if self._journal_path is None or not self.journal.representation.is_resumable:
            return
        # The disk may be full, though the file itself has its room reserved.
        with self._options.warning_if_it_fails(self._path, "its journal could not be written"):
            evolve(self.journal, coverage=coverage).save(self._journal_path)
            self._is_listed = True

    def _check_name(self) -> None:
        # The lock is on the file, not on its name, which somebody may have removed and given to another file.
        if not os.path.samestat(os.fstat(self._fd), self._path.lstat()):
            raise OSError(errno.ESTALE, f"{self._path.name!r} was replaced meanwhile")

    def _clear_journal(self) -> None:
        if self._journal_path is not None:
            Journal.clear(self._journal_path)
        self._is_listed = False

    def _set_attributes(self) -> None:
        if self._replaced is not None:
            with self._options.warning_if_it_fails(self.target, "the permissions could not be kept"):
                copy_permissions(self._replaced, self._fd)
        if self.completed_at is not None:
            with SuppressSystemErrors(), suppress(ValueError, OverflowError):  # a convenience
                moment = self.completed_at.timestamp()
                os.utime(self._fd, (moment, moment))

    def _is_unchanged(self, size: int, sha256: bytes | None) -> bool | None:
        """Compare with the file that is replaced, which is read only if its size is the same."""
        if self._replaced is None:
            return None
        try:
            with open_safely(self._replaced_path, "r") as old:
                if os.fstat(old.fileno()).st_size != size:
                    return False
                if sha256 is None:
                    return have_same_bytes(old.fileno(), self._fd, size)
                digest = self._replaced_sha256 or hashlib.file_digest(old, "sha256").hexdigest()
                return digest == sha256.hex()
        except OSError as error:
            if not is_of_system(error):
                raise
            return None  # it was removed, or cannot be read

    def _publish(self) -> None:
        try:
            if self.overwrites:
                self._path.replace(self.target)
            else:
                link_or_rename(self._path, self.target)
        except OSError as error:
            # Over a network, it may have been done although the answer was lost.
            if not (is_of_system(error) and self._is_published()):
                raise

    def _is_published(self) -> bool:
        with suppress(FileNotFoundError):
            return is_open_at(self._file, self.target)
        return False

    def _remove_names(self) -> None:
        """Remove the part and its journal, unless their names belong to another process by now."""
        with self._options.warning_if_it_fails(self._path, "it could not be removed"):
            if is_open_at(self._file, self._path):
                if self._is_listed:
                    with SuppressSystemErrors():
                        self._clear_journal()  # first, because a crash may bring back one of the names
                self._path.unlink()
            elif status_of(self._path) is not None:
                return
            elif not self._is_published():  # after a rename, another process may take the name at any moment
                self._path.unlink(missing_ok=True)
            if self._journal_path is not None:
                self._journal_path.unlink(missing_ok=True)

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
