"""Planned files, and what runs make of them, without a run."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from pathlib import Path

from impact_jobs import DownloadResult, ExportWindow, JobsError
from impact_jobs.sync import FileAction, FileState, PlannedFile, SyncedFile

AREA = Path("/srv/data")
JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"


def planned(month: str, *, account: str = "north", report: str = "actions", last_day: int = 0) -> PlannedFile:
    """Return the file of a month, such as "2026-05", or of its first days."""
    year, number = map(int, month.split("-"))
    end = date(year, number, last_day or monthrange(year, number)[1])
    return PlannedFile(
        account=account,
        report=report,
        report_id="agency_action_listing",
        window=ExportWindow(date(year, number, 1), end),
        path=AREA / account / report / f"{month}.csv",
        area=AREA,
    )


def result(file: PlannedFile, *, rows: int | None = 10, size: int = 1000) -> DownloadResult:
    """Return a result in the place of a file."""
    return DownloadResult(
        path=file.path,
        job_id=JOB_ID,
        job=None,
        bytes_written=size,
        sha256="0" * 64,
        content_type="text/csv",
        filename=None,
        resumed_from=0,
        connections=1,
        seconds=0.5,
        rows=rows,
        fresh=True,
    )


def synced(
    file: PlannedFile, state: FileState, *, error: JobsError | None = None, is_there: bool | None = None
) -> SyncedFile:
    """Return what a run has made of a file; by default, the file is there unless it was not made."""
    without = {FileState.LEFT, FileState.RUNNING, FileState.FAILED}
    there = state not in without if is_there is None else is_there
    action = FileAction.KEEP if state is FileState.CURRENT else FileAction.EXPORT
    why = "" if state is FileState.CURRENT else "missing"
    return SyncedFile(
        file=file, state=state, action=action, why=why, result=result(file) if there else None, error=error
    )
