"""The manifests of the folders in which windows have their files: what an earlier call has completed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock

from attrs import define, field

from impact_jobs._account import Account
from impact_jobs._download.export_journal import CompleteFile, WindowState
from impact_jobs._download.manifest import Manifest, ManifestEntry
from impact_jobs._download.part_file import disk_errors
from impact_jobs._operations.windows.tasks import WindowTask
from impact_jobs.models import DownloadResult, Job


@define
class WindowManifests:
    """The manifests of one call. Thread-safe."""

    account: Account
    _by_folder: dict[Path, Manifest] = field(factory=dict, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def find(self, task: WindowTask) -> WindowState | None:
        """Return the state of a window whose file an earlier call has completed, if its request was equal."""
        entry = self._of(task).entries.get(task.path.name)
        if entry is None or entry.request != task.key or entry.job is None or entry.bytes is None:
            return None
        completed = _moment(entry.completed)
        file = CompleteFile(size=entry.bytes, rows=entry.rows, sha256=entry.sha256, completed_at=completed)
        return WindowState(job_id=entry.job, file=file)

    def record(self, task: WindowTask, job: Job, result: DownloadResult) -> None:
        """Record what the file of a window is."""
        entry = ManifestEntry(
            file=task.path.name,
            job=job.id.lower(),
            type=job.type,
            program=job.program_id,
            report=task.request.report_id,
            filters=task.request.parameters,
            start=task.request.start,
            end=task.request.end,
            account=self.account.name,
            format=task.request.result_format,
            request=task.key,
            created=job.created_date,
            completed=job.completed_date,
            rows=result.rows,
            bytes=result.bytes_written,
            sha256=result.sha256,
        )
        with disk_errors(task.path):
            self._of(task).append(entry)

    def _of(self, task: WindowTask) -> Manifest:
        folder = task.path.parent
        with self._lock:
            if folder not in self._by_folder:
                self._by_folder[folder] = Manifest.read(folder)
            return self._by_folder[folder]


def _moment(text: str | None) -> datetime | None:
    with suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(text or "")
        return moment if moment.tzinfo else None
    return None
