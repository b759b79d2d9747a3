"""The values that the client returns: a job, and a downloaded result."""

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


def _redacted_repr(text: str | None) -> str:
    return repr(text and redact(text))  # the server may put a signed link there


@frozen(kw_only=True, slots=False)  # with slots, creating a frozen object takes twice as long
class Job:
    """A snapshot of a job, as the server described it.

    A field that the server omitted, left empty or filled with something unreadable is None; `raw` has what it sent.
    All times have a time zone, UTC if the server states none.

    Attributes:
        id: The job's UUID, as the server writes it.
        type: The type of work; a string if the type is newer than this release.
        status: The status; a string if the status is newer than this release.
        program_id: The program (campaign) of the job.
        created_by: The account that created the job.
        created_date: When the job was scheduled.
        started_date: When the job left the queue.
        completed_date: When the job completed.
        abandoned_date: When the job was abandoned.
        cancelled_date: When the job was cancelled.
        failed_date: When the job failed.
        last_progress_update_date: When `percentage_complete` last changed.
        status_message: The server's message about the status, such as the reason of a failure.
        records_processed: The number of records so far.
        percentage_complete: The progress, 0 to 100.
        replayable: Whether the server allows a replay.
        result_uri: The path of the download, once the job has completed.
        raw: The JSON object, unchanged.

    Example:
        >>> job = jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
        >>> job.status, job.percentage_complete
        (<JobStatus.RUNNING: 'RUNNING'>, 40)

    Source: the vendor's Jobs page, which also documents numbers in strings and empty dates.
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
    status_message: str | None = field(default=None, repr=_redacted_repr)
    records_processed: int | None = None
    percentage_complete: int | None = None
    replayable: bool = False
    result_uri: str | None = field(default=None, repr=_redacted_repr)
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended as COMPLETED, CANCELLED, ERROR or FAILED. An unknown status does not count.

        The servers of brand and partner accounts may run a job in ERROR again; a wait takes that into account.

        Example:
            >>> [job.id for job in jobs.list() if not job.is_terminal]
            []
        """
        return self.status in _TERMINAL


@frozen(kw_only=True)
class DownloadResult:
    """A result that was downloaded completely.

    Attributes:
        path: The file, under its final name.
        job_id: The id of the job.
        job: The `Job` that the download started from; None if only an id was given.
        bytes_written: The size of the file in bytes.
        sha256: The digest in hexadecimal; None without `digest`.
        content_type: The content type that the storage stated, or None.
        filename: The file name that the storage suggested, made safe, or None.
        resumed_from: How many bytes an earlier call had already downloaded.
        connections: How many connections were used at once, at most; 0 if no bytes were missing.
        seconds: How long the download took, from the first request to the final rename.
        pages_total: The number of pages of a JSON result that states it, or None. The file holds the first page only.
            If there are more, `export_and_download(…, join=True)` gets all of them; CSV has no pages. None for the last
            of several pages.
        rows: The number of records, if the call has counted them, or None.
        fresh: Whether the result was made for this export, or is no older than its `max_age`. False if it is that of an
            earlier, equal export, and with `max_age` if it could not be replayed. None if the call was not an export.
        unchanged: Whether the file that was replaced, or was there already, has the same bytes. None if there was none,
            or if a call that was interrupted or incomplete has written it.

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
    pages_total: int | None = None
    rows: int | None = None
    fresh: bool | None = None
    unchanged: bool | None = None
