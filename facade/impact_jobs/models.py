"""What users hold in their hands: a job, and a downloaded result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen
from impact_agency_api.models.job import Job as GeneratedJob
from impact_agency_api.models.job_status import JobStatus
from impact_agency_api.models.job_type import JobType

from impact_jobs._redaction import Secret, redact, secret_url

__all__ = ["DownloadResult", "GeneratedJob", "Job", "JobStatus", "JobType", "Secret", "secret_url"]

_TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.ERROR, JobStatus.FAILED})


def _shown(text: str | None) -> str:
    """In a `repr`: without a link's signature, should the server put such a link there."""
    return repr(text and redact(text))


@frozen(kw_only=True, slots=False)  # filling the slots of a frozen class takes twice as long; lists are long
class Job:
    """One job as the server described it at one moment; `get` it again for news.

    Times are aware; one that came without an offset is taken as UTC. A field that the server left out,
    empty or unreadable is None; `raw` holds what it sent.

    Attributes:
        id: The job's UUID, as the server writes it.
        type: What kind of work it is; a plain text where the kind is newer than this release.
        status: Where it stands; a plain text where the status is newer than this release.
        program_id: The program (campaign) it is scoped to.
        created_by: The account that created it.
        created_date: When it was scheduled.
        started_date: When it left the queue.
        completed_date: When it finished successfully.
        abandoned_date: When it was abandoned.
        cancelled_date: When it was cancelled.
        failed_date: When it failed.
        last_progress_update_date: When `percentage_complete` last moved.
        status_message: The server's words on the status, such as the reason of a failure.
        records_processed: Records so far.
        percentage_complete: Progress, 0 to 100.
        replayable: Whether the server would replay it.
        result_uri: Path of its download, once completed.
        raw: The untouched JSON object.

    Example:
        >>> job = jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
        >>> job.status, job.percentage_complete
        (<JobStatus.RUNNING: 'RUNNING'>, 40)

    Source: the vendor's Jobs page; strings for numbers and empty dates are documented there too.
    """

    id: str
    type: JobType | str | None = None
    status: JobStatus | str
    program_id: str | None = None
    created_by: str | None = None
    created_date: datetime | None = None
    started_date: datetime | None = None
    completed_date: datetime | None = None
    abandoned_date: datetime | None = None
    cancelled_date: datetime | None = None
    failed_date: datetime | None = None
    last_progress_update_date: datetime | None = None
    status_message: str | None = field(default=None, repr=_shown)
    records_processed: int | None = None
    percentage_complete: int | None = None
    replayable: bool = False
    result_uri: str | None = field(default=None, repr=_shown)
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended as COMPLETED, CANCELLED, ERROR or FAILED. An unknown status is no end.

        Example:
            >>> [job.id for job in jobs.list() if not job.is_terminal]
            []
        """
        return self.status in _TERMINAL


@frozen(kw_only=True)
class DownloadResult:
    """A result that is whole and on disk.

    Attributes:
        path: The file, under its final name.
        job_id: Whose result it is.
        job: The snapshot at hand when the download began; None when only an id was given.
        bytes_written: Its size in bytes.
        sha256: Its digest in hexadecimal; None where it was not wanted.
        content_type: As the storage stated it, or None.
        filename: The name that the storage suggested, made safe, or None.
        resumed_from: How many bytes were there already, from an earlier call; 0 where they were of another file.
        connections: How many connections were used at once, at most; 0 when nothing was missing.
        seconds: How long it took, from the first request to the file under its name.

    Example:
        >>> result = jobs.wait_and_download(job, "actions.csv")
        >>> result.path, result.bytes_written
        (PosixPath('actions.csv'), 52428800)
    """

    path: Path
    job_id: str
    job: Job | None
    bytes_written: int
    sha256: str | None
    content_type: str | None
    filename: str | None
    resumed_from: int
    connections: int
    seconds: float
