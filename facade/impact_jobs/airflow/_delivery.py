"""Put the result of a job at its destination, and recognise it there in a later try."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol
from urllib.parse import unquote

from attrs import frozen

from impact_jobs import ConfigurationError, DestinationExistsError, Job, JobsClient, JobStatus
from impact_jobs.airflow._task_state import Memory
from impact_jobs.client import save_result

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
        unchanged: Whether the same bytes were there before the task started, or started anew after a clear.
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
        may_be_there: Whether an earlier try may have written the file, although there is no note of it any more.
        clears: Airflow's `max_tries`, which grows whenever the task is cleared.
    """

    target: Target
    file: Memory
    upload: Memory
    overwrite: bool = False
    verify: bool = True
    may_be_there: bool = False
    clears: int = 0

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
        if note is None or (note["sha256"] is not None and not self._is_ours(self.target.sha256())):
            raise self._exists()

    def deliver(self, client: JobsClient, job_id: str, *, result_format: str) -> Delivered:
        """Download the result of a completed job to the destination.

        Raises:
            DestinationExistsError: A file of another origin is there.
            JobsError: As for `JobsClient.download`; or the upload failed.
        """
        existing = self.target.sha256()
        before = self._before(existing)
        may_replace = self.overwrite or self._is_ours(existing)
        if self.target.is_local and may_replace:
            return self._deliver_here(client, job_id, existing=existing, before=before, result_format=result_format)
        with TemporaryDirectory(prefix="impact-jobs-") as folder:
            name = Path(unquote(self.target.uri)).name
            result = save_result(client, _completed(job_id), Path(folder, name), result_format=result_format)
            sha256 = result.sha256 or _sha256(result.path)
            if sha256 == existing:
                self.target.abandon(self.upload)  # an earlier try was killed after its upload
            else:
                if not may_replace:
                    raise self._exists()
                self._set_note(sha256, existing, before)
                self.target.put(
                    result.path,
                    sha256=sha256,
                    memory=self.upload,
                    verify=self.verify,
                    overwrite=existing is not None,
                )
            self._set_note(sha256, existing, before)
        delivered = self._delivered(result.rows, result.bytes_written, job_id, sha256, before)
        # The download has logged only its temporary file.
        unchanged = ", unchanged" if delivered.unchanged else ""
        logger.info("job %s: %d bytes are at %s%s", job_id, delivered.size, delivered.uri, unchanged)
        return delivered

    def _deliver_here(
        self, client: JobsClient, job_id: str, *, existing: str | None, before: str | None, result_format: str
    ) -> Delivered:
        self._make_folder()  # this may be another machine than that of the check
        self._set_note(None, existing, before)
        path = self.target.local_path
        result = save_result(
            client, _completed(job_id), path, result_format=result_format, overwrite=existing is not None
        )
        sha256 = result.sha256 or _sha256(result.path)
        self._set_note(sha256, existing, before)
        return self._delivered(result.rows, result.bytes_written, job_id, sha256, before)

    def _make_folder(self) -> None:
        if self.target.is_local:
            folder = self.target.local_path.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigurationError(f"the folder {folder} cannot be made: {error.strerror}.") from None

    def _delivered(self, rows: int | None, size: int, job_id: str, sha256: str, before: str | None) -> Delivered:
        return Delivered(
            uri=self.target.uri, job_id=job_id, rows=rows, size=size, sha256=sha256, unchanged=sha256 == before
        )

    def _note(self) -> Mapping[str, Any] | None:
        note = self.file.get()
        is_complete = note is not None and note.keys() >= {"uri", "sha256", "replaces", "before", "clears"}
        return note if is_complete and note is not None and note["uri"] == self.target.uri else None

    def _set_note(self, sha256: str | None, existing: str | None, before: str | None) -> None:
        self.file.set({
            "uri": self.target.uri, "sha256": sha256, "replaces": existing, "before": before, "clears": self.clears
        })  # fmt: skip

    def _before(self, existing: str | None) -> str | None:
        """Return the digest of what was there at the first try since the task was cleared.

        A try that was killed after its upload has announced nothing, so the next one must not say "unchanged".
        """
        note = self._note()
        return existing if note is None or note["clears"] != self.clears else note["before"]

    def _is_ours(self, existing: str | None) -> bool:
        """Return whether nothing is there, or what this task has written or was about to replace."""
        note = self._note()
        return existing is None or (note is not None and existing in (note["sha256"], note["replaces"]))

    def _exists(self) -> DestinationExistsError:
        return DestinationExistsError(
            f"{self.target.uri} exists, and this task has not written it: pass overwrite=True, or choose another path."
        )


def _completed(job_id: str) -> Job:
    """Return the job as it is known to be, which saves a request."""
    return Job(id=job_id, status=JobStatus.COMPLETED)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
