"""A file that a plan names, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import field, frozen

from impact_jobs.errors import JobsError
from impact_jobs.models import DownloadResult
from impact_jobs.report_models import ExportWindow

FileFormat: TypeAlias = Literal["csv", "json", "parquet"]
"""The format of a file; "json" means JSON lines with the records of all pages."""


@frozen(kw_only=True)
class PlannedFile:
    """One file that a plan names: one window of one report of one account.

    Attributes:
        account: The plan's name of the account.
        report: The plan's name of the report, which is its id unless the plan gives another.
        report_id: The report's id.
        window: The days.
        path: The absolute path of the file.
        area: The absolute path of the folder below which all files of the report are: the part of the template that
            has no fields.
        format: "csv", "json" (JSON lines) or "parquet".
        filters: The values by the filter's name, as the plan has them.
        refresh: For how long after the window's last day its rows may still be corrected.

    Example:
        >>> [str(file.window) for file in Plan.load("reports.toml").files()][:1]
        ['2026-05-01 to 2026-05-28']
    """

    account: str
    report: str
    report_id: str
    window: ExportWindow
    path: Path
    area: Path
    format: FileFormat = "csv"
    filters: Mapping[str, object] = field(factory=dict, hash=False)
    refresh: timedelta = timedelta(0)

    def __str__(self) -> str:
        return f"{self.report} of {self.account}, {self.window}"


class FileAction(StrEnum):
    """What brings a file up to date.

    Example:
        >>> Plan.load("reports.toml").steps()[0].action
        <FileAction.EXPORT: 'export'>
    """

    KEEP = "keep"
    """Nothing, because it is up to date."""

    EXPORT = "export"
    """An export, because there is no file of these days and filters."""

    REFRESH = "refresh"
    """A replay of its job, because its rows may have been corrected since."""

    DOWNLOAD = "download"
    """A download alone, because its job is known from an earlier run."""


@frozen(kw_only=True)
class FileStep:
    """What to do about one file.

    Attributes:
        file: The file.
        action: What brings it up to date.
        why: The reason in a few words, such as "missing" or "the filters have changed"; "" if it is up to date.
            A file is also kept if the server has refused to replay its job since it became due.
        job_id: The job that is known of it, or None.
        result: The file that is in place now, if the plan has made it; otherwise None.
        error: Why nothing can be done, such as a file of another origin in its place; otherwise None.

    Example:
        >>> [(step.file.path.name, step.why) for step in Plan.load("reports.toml").steps()][:1]
        [('2026-05.csv', 'missing')]
    """

    file: PlannedFile
    action: FileAction
    why: str = ""
    job_id: str | None = None
    result: DownloadResult | None = None
    error: JobsError | None = None

    @property
    def exports(self) -> int:
        """How many of the account's daily exports it takes. A replay counts as one, because the server may count it."""
        return int(self.error is None and self.action in {FileAction.EXPORT, FileAction.REFRESH})

    @property
    def requests(self) -> int:
        """About how many of the account's hourly requests it takes, besides those that wait for all jobs together."""
        return 0 if self.error is not None else _REQUESTS[self.action]


_REQUESTS = {
    FileAction.KEEP: 0,
    FileAction.EXPORT: 2,  # the export, and the download's redirect
    FileAction.REFRESH: 3,  # the job's state, the replay, and the redirect
    FileAction.DOWNLOAD: 1,
}
