"""The manifests of the folders in which windows have their files: what an earlier call has completed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from threading import Lock

from attrs import define, evolve, field

from impact_jobs._account import Account
from impact_jobs._download.export_journal import CompleteFile, WindowState
from impact_jobs._download.manifest import Manifest, ManifestEntry
from impact_jobs._download.part_file import disk_errors
from impact_jobs._operations.windows.tasks import WindowTask, window_key
from impact_jobs._redaction import shorten
from impact_jobs._validators import shown
from impact_jobs.errors import DestinationExistsError, DownloadError
from impact_jobs.models import DownloadResult, Job
from impact_jobs.report_models import ExportWindow


@define
class WindowManifests:
    """The manifests of one call. Thread-safe."""

    account: Account
    _by_folder: dict[Path, Manifest] = field(factory=dict, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def entry_of(self, path: Path) -> ManifestEntry | None:
        """Return what the manifest of its folder says about a file."""
        return self._of(path).entries.get(path.name)

    def find(self, task: WindowTask) -> WindowState | None:
        """Return the state of a window whose file an earlier call has completed, if its request was equal."""
        entry = self.entry_of(task.path)
        if entry is None or entry.job is None or entry.bytes is None:
            return None
        if (entry.request, entry.format) != (task.key, task.file_format):
            return None
        return WindowState(job_id=entry.job, file=complete_file(entry))

    def may_replace(self, task: WindowTask) -> bool:
        """Return whether the file in the way holds a part of the window: it has grown since, such as a month that runs.

        Raises:
            DestinationExistsError: The file is of another request, or holds days that the window does not have.
        """
        entry, days = self.entry_of(task.path), _days(task.request.start, task.request.end)
        if entry is None or entry.report is None or entry.bytes is None or days is None:
            return False
        with disk_errors(task.path):
            if not complete_file(entry).is_at(task.path):
                return False
        name = repr(str(task.place.shown))
        if (other := self._difference(entry, task)) is not None:
            raise DestinationExistsError(
                f"{name} exists, and holds {other}: use another folder, or pass overwrite=True to replace it."
            )
        held = entry.days
        if held is None or held == days:
            return False
        if days.start <= held.start and held.end <= days.end:
            return True
        raise DestinationExistsError(
            f"{name} exists, and holds {held}, but {days} is asked for: pass overwrite=True to replace it."
        )

    def _difference(self, entry: ManifestEntry, task: WindowTask) -> str | None:
        """Return what a file holds instead of what is asked for, without the days; None if it is the same."""
        request = task.request
        filters = ", ".join(f"{name}={value}" for name, value in sorted((entry.filters or {}).items()))
        if entry.report != request.report_id:
            return f"the report {shown(entry.report)}"
        if entry.account != self.account.name:
            return f"the report of the account {shown(entry.account)}"
        if entry.format != task.file_format:
            return f"the report as {entry.format}"
        if (entry.filters or {}) != dict(request.parameters):
            return f"the report with {shorten(filters)}" if filters else "the report without filters"
        return None

    def record(self, task: WindowTask, job: Job, result: DownloadResult) -> None:
        """Record what the file of a window is."""
        entry = ManifestEntry(
            file=task.path.name,
            job=job.id.lower(),
            type=job.type,
            program=job.program_id,
            report=task.request.report_id,
            filters=task.request.parameters,
            asked=task.asked,
            start=task.request.start,
            end=task.request.end,
            account=self.account.name,
            format=task.file_format,
            request=window_key(self.account, task.request),
            created=job.created_date,
            started=job.started_date,
            completed=job.completed_date,
            rows=result.rows,
            bytes=result.bytes_written,
            sha256=result.sha256,
        )
        with disk_errors(task.path):
            self._of(task.path).append(entry)

    def record_refusals(self, tasks: Iterable[WindowTask], moment: datetime) -> None:
        """Record that the server does not replay the jobs of these windows, whose files stay, if the disk allows it."""
        for task in tasks:
            with suppress(DownloadError), disk_errors(task.path):
                if (entry := self.entry_of(task.path)) is not None:
                    self._of(task.path).append(evolve(entry, refused=moment))

    def _of(self, path: Path) -> Manifest:
        folder = path.parent
        with self._lock:
            if folder not in self._by_folder:
                self._by_folder[folder] = Manifest.read(folder)
            return self._by_folder[folder]


def complete_file(entry: ManifestEntry) -> CompleteFile:
    """Return the file that an entry describes. If its size is not stated, that is -1, which no file has."""
    size = -1 if entry.bytes is None else entry.bytes
    return CompleteFile(size=size, rows=entry.rows, sha256=entry.sha256, completed_at=entry.completed_at)


def _days(start: date | None, end: date | None) -> ExportWindow | None:
    return None if start is None or end is None else ExportWindow(start, end)
