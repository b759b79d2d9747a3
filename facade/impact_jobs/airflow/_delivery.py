"""Put the result of a job at its destination, and recognise it there in a later try."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol, Self

from attrs import asdict, evolve, frozen

from impact_jobs import ConfigurationError, DestinationExistsError, DownloadResult, Job, JobsClient, JobStatus
from impact_jobs.airflow._task_state import Memory
from impact_jobs.toolkit import save_result

logger: Final = logging.getLogger("impact_jobs")

FILE_KEY: Final = "impact_jobs_file"
"""The key of the file in the task's state."""

UPLOAD_KEY: Final = "impact_jobs_upload"
"""The key of an unfinished upload in the task's state."""


class Target(Protocol):
    """What this module needs of `_storage.Destination`."""

    @property
    def uri(self) -> str:
        """The URL without the connection."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine."""

    @property
    def local_path(self) -> Path:
        """The path of a file on this machine."""

    def exists(self) -> bool:
        """Return whether a file is there."""

    def sha256(self) -> str | None:
        """Return the digest of what is there, or None."""

    def put(self, source: Path, *, sha256: str, memory: Memory, verify: bool = True, overwrite: bool = True) -> None:
        """Upload a file."""

    def abandon(self, memory: Memory) -> None:
        """Remove what an earlier upload has left."""


@frozen(kw_only=True)
class Delivered:
    """A file at its destination.

    Attributes:
        uri: Its URL.
        job_id: The job whose result it is.
        rows: The number of records, or None if the format has no count.
        size: The length in bytes.
        sha256: The digest in hexadecimal.
        unchanged: Whether the same bytes were there when the task last succeeded, or else when it first started; False
            if nothing says so.
    """

    uri: str
    job_id: str
    rows: int | None
    size: int
    sha256: str
    unchanged: bool

    def as_dict(self) -> dict[str, Any]:
        """Return what the operators return of it."""
        return {
            "job_id": self.job_id,
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
            "unchanged": self.unchanged,
        }


@frozen(kw_only=True)
class FileNote:
    """What the task's state says about its file. The digests are in hexadecimal, None if nothing was there.

    Attributes:
        uri: The URL. The note of another file is not used.
        sha256: The digest of the file that is written, or None before it is known.
        replaces: That of what was there before.
        known: That of what was there when the task last succeeded, or else when it first started.
        clears: Airflow's `max_tries`, which grows whenever the task is cleared.
        is_complete: Whether the file was written.
    """

    uri: str
    sha256: str | None
    replaces: str | None
    known: str | None
    clears: int
    is_complete: bool = False

    @classmethod
    def read(cls, value: Mapping[str, Any] | None, uri: str) -> Self | None:
        """Return the note, or None if there is none, or it is of another file or version."""
        try:
            note = cls(**(value or {}))
        except TypeError:
            return None
        return note if note.uri == uri else None

    def known_at(self, clears: int) -> str | None:
        """Return `known` for a try. One that follows without a clear shows that the earlier one did not succeed."""
        return self.sha256 if self.is_complete and clears != self.clears else self.known


@frozen(kw_only=True)
class Delivery:
    """Delivers a result: whole or not at all, and not over a file of another origin.

    Before it writes, it notes the digest of the new file and of the one that it replaces. What has one of these digests
    in a later try was written by this task.

    Args:
        target: Where to put it.
        file: Where the task's state notes the file.
        upload: Where the task's state notes an unfinished upload.
        overwrite: Whether to replace a file of another origin.
        verify: Whether to read the object back and compare its digest.
        late_seconds: How long to wait for a result that the download endpoint does not have yet.
        clears: Airflow's `max_tries`.
        may_be_there: Whether an earlier try may have written the file, although there is no note of it any more.
    """

    target: Target
    file: Memory
    upload: Memory
    overwrite: bool = False
    verify: bool = True
    late_seconds: float = 600.0
    clears: int = 0
    may_be_there: bool = False

    def check(self) -> None:
        """Check the destination before a job is scheduled.

        Raises:
            DestinationExistsError: A file is there that this task has not written. Pass `overwrite=True`, or choose
                another path.
            JobsError: The store cannot be reached, or the connection may not read there.
        """
        self._make_folder()
        if self.overwrite or not self.target.exists():
            return
        note = self._note()
        if note is None and self.may_be_there:
            return  # the comparison with the result shows whose it is
        if note is None or (note.sha256 is not None and not self._is_ours(self.target.sha256())):
            raise self._exists()

    def deliver(self, client: JobsClient, job_id: str, *, result_format: str) -> Delivered:
        """Download the result of a completed job to the destination.

        Raises:
            DestinationExistsError: A file of another origin is there.
            WaitTimeoutError: The result is still late after `late_seconds`.
            JobsError: As for `JobsClient.download`; or the upload failed.
        """
        existing = self.target.sha256()
        may_replace = self.overwrite or self._is_ours(existing)
        if self.target.is_local and may_replace:
            return self._deliver_here(client, job_id, existing=existing, result_format=result_format)
        note = self._new_note(existing)
        with TemporaryDirectory(prefix="impact-jobs-") as folder:
            path = Path(folder, self.target.name)
            result = self._save(client, job_id, path, result_format=result_format)
            sha256 = result.sha256 or _sha256(result.path)
            if sha256 == existing:
                self.target.abandon(self.upload)  # an earlier try was killed after its upload
            else:
                if not may_replace:
                    raise self._exists()
                self._write(note, sha256)
                self.target.put(
                    result.path,
                    sha256=sha256,
                    memory=self.upload,
                    verify=self.verify,
                    overwrite=existing is not None,
                )
            self._write(note, sha256, is_complete=True)
        delivered = self._delivered(result, job_id, sha256=sha256, note=note)
        # The download has logged only its temporary file.
        unchanged = ", unchanged" if delivered.unchanged else ""
        logger.info("job %s: %d bytes are at %s%s", job_id, delivered.size, delivered.uri, unchanged)
        return delivered

    def _deliver_here(self, client: JobsClient, job_id: str, *, existing: str | None, result_format: str) -> Delivered:
        self._make_folder()  # this may be another machine than that of the check
        note = self._new_note(existing)
        self._write(note, None)
        path, is_there = self.target.local_path, existing is not None
        result = self._save(client, job_id, path, result_format=result_format, overwrite=is_there)
        sha256 = result.sha256 or _sha256(result.path)
        self._write(note, sha256, is_complete=True)
        return self._delivered(result, job_id, sha256=sha256, note=note)

    def _save(
        self, client: JobsClient, job_id: str, path: Path, *, result_format: str, overwrite: bool = False
    ) -> DownloadResult:
        completed = Job(id=job_id, status=JobStatus.COMPLETED)  # as it is known to be, which saves a request
        return save_result(
            client, completed, path, result_format=result_format, overwrite=overwrite, timeout=self.late_seconds
        )

    def _make_folder(self) -> None:
        if self.target.is_local:
            folder = self.target.local_path.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigurationError(f"the folder {folder} cannot be made: {error.strerror}.") from None

    def _delivered(self, result: DownloadResult, job_id: str, *, sha256: str, note: FileNote) -> Delivered:
        return Delivered(
            uri=self.target.uri,
            job_id=job_id,
            rows=result.rows,
            size=result.bytes_written,
            sha256=sha256,
            unchanged=sha256 == note.replaces == note.known,
        )

    def _note(self) -> FileNote | None:
        return FileNote.read(self.file.get(), self.target.uri)

    def _new_note(self, existing: str | None) -> FileNote:
        note = self._note()
        at_first = None if self.may_be_there else existing
        known = at_first if note is None else note.known_at(self.clears)
        return FileNote(uri=self.target.uri, sha256=None, replaces=existing, known=known, clears=self.clears)

    def _write(self, note: FileNote, sha256: str | None, *, is_complete: bool = False) -> None:
        self.file.set(asdict(evolve(note, sha256=sha256, is_complete=is_complete)))

    def _is_ours(self, existing: str | None) -> bool:
        """Return whether nothing is there, or what this task has written or was about to replace."""
        note = self._note()
        return existing is None or (note is not None and existing in (note.sha256, note.replaces))

    def _exists(self) -> DestinationExistsError:
        return DestinationExistsError(
            f"{self.target.uri} exists, and this task has not written it: pass overwrite=True, or choose another path."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
