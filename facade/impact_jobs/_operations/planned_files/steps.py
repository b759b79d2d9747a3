"""What brings each file of a plan up to date, by the manifests, the files and the clock. No request is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from attrs import define, evolve, field, frozen

from impact_jobs._account import Account, is_job_id
from impact_jobs._download.destination import check_file
from impact_jobs._download.export_journal import CompleteFile, WindowState, read_states, size_of
from impact_jobs._download.manifest import MANIFEST_NAME, Manifest, ManifestEntry, data_as_of
from impact_jobs._download.part_file import disk_errors
from impact_jobs._operations.download import existing_file
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._validators import shown
from impact_jobs.errors import ConfigurationError, DestinationExistsError, JobsError
from impact_jobs.models import Job
from impact_jobs.report_models import ExportWindow

_DAY = timedelta(days=1)
_CLOCK_SLACK = timedelta(hours=1)  # between this machine's clock and the server's
_KEY_PARTS = "-"
_INTERRUPTED = "an earlier run was interrupted"
_REFUSED = "the server does not replay its job"

FORMAT_NAMES = {"csv": "CSV", "json": "JSON", "parquet": "PARQUET"}
"""What a manifest calls each format of a planned file."""


def decide(
    account: Account,
    files: Sequence[PlannedFile],
    *,
    now: datetime,
    states: Mapping[Path, Mapping[str, WindowState]] | None = None,
) -> list[FileStep]:
    """Return what to do about each of the files, in the same order.

    A file that cannot be made or examined has a step with an error; nothing else is raised.

    Args:
        account: The account that all the files are of.
        files: The files; all windows of a report, so that a changed split can be seen.
        now: The moment, with a time zone.
        states: What the journal of each area holds, by `file_key`, if it is locked; by default, it is read.

    Returns:
        The steps.
    """
    decision = _Decision.create(account, files, now=now, states=states)
    steps = [decision.step(file) for file in files]
    if states is None and any(step.error is not None for step in steps):
        # A run may have saved these files after the journals were read.
        decision = _Decision.create(account, files, now=now, states=None)
        steps = [step if step.error is None else decision.step(step.file) for step in steps]
    return steps


def required_since(file: PlannedFile, now: datetime) -> datetime:
    """Return the moment at or after which the job of a file that is up to date was created.

    While rows may still be corrected, it is the last midnight (UTC), so that a file is refreshed at most once a day.
    Later, it is the end of that time, so that the file is refreshed once more.
    """
    midnight, last_day = _midnight(now.astimezone(UTC).date()), _midnight(file.window.end)
    settling = max(file.refresh, _DAY)
    return midnight if midnight - last_day <= settling else last_day + settling


def is_current(file: PlannedFile, job: Job, now: datetime) -> bool:
    """Return whether the result of a completed job, which has the days and filters of the file, is up to date."""
    as_of = data_as_of(job.created_date, job.started_date, job.completed_date)
    return as_of is not None and as_of >= required_since(file, now)


def asked_filters(file: PlannedFile) -> dict[str, str]:
    """Return the filters in the form in which a manifest records them: the text of each value, by name."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in file.filters.items()}


def file_key(account: Account, file: PlannedFile) -> str:
    """Return the key of a file in the journal of its area: where it is, and what is requested of which account."""
    window, filters = file.window, sorted(asked_filters(file).items())
    days = [window.start.isoformat(), window.end.isoformat()]
    request = [account.base_url, account.path, file.report_id, FORMAT_NAMES[file.format], *days, filters]
    return f"{_place_key(file)}{_KEY_PARTS}{_hash(json.dumps(request))}"


def place_of(key: str) -> str:
    """Return the part of a file's key that stands for its path."""
    return key.partition(_KEY_PARTS)[0]


def journal_folder(account: Account, area: Path) -> Path:
    """Return the folder of the journal of an account's files in an area."""
    key = hashlib.sha256(f"{account.base_url} {account.path}".encode()).hexdigest()[:16]
    return area / f"sync.{key}.windows"


def _place_key(file: PlannedFile) -> str:
    return _hash(file.path.relative_to(file.area).as_posix())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@frozen(kw_only=True)
class _Journaled:
    """What the journal of an interrupted run says about the place of a file."""

    job_id: str | None = None  # of the job whose result is still to be downloaded
    is_saving: bool = False  # the file may have other bytes than the manifest says
    is_ours: bool = False  # the file may be replaced even if the manifest has another one


@define(kw_only=True)
class _Decision:
    account: Account
    files: Sequence[PlannedFile]
    now: datetime
    states: Mapping[Path, Mapping[str, WindowState]]
    _manifests: dict[Path, Manifest | JobsError] = field(factory=dict, init=False)
    _windows: dict[str, list[ExportWindow]] = field(factory=dict, init=False)  # of each report
    _by_place: dict[tuple[Path, str], list[WindowState]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        for file in self.files:
            self._windows.setdefault(file.report, []).append(file.window)
        for area, states in self.states.items():
            for key, state in states.items():
                self._by_place.setdefault((area, place_of(key)), []).append(state)

    @classmethod
    def create(
        cls,
        account: Account,
        files: Sequence[PlannedFile],
        *,
        now: datetime,
        states: Mapping[Path, Mapping[str, WindowState]] | None,
    ) -> _Decision:
        if states is None:
            states = {area: read_states(journal_folder(account, area)) for area in {file.area for file in files}}
        return cls(account=account, files=files, now=now, states=states)

    def step(self, file: PlannedFile) -> FileStep:
        try:
            return self._step(file)
        except JobsError as error:
            return FileStep(file=file, action=FileAction.EXPORT, error=error)

    def _step(self, file: PlannedFile) -> FileStep:
        entry, size = self._manifest(file.path.parent).entries.get(file.path.name), size_of(file.path)
        if size is None:
            check_file(file.path, overwrite=True)  # that nothing else is in its place
        journaled = self._journaled(file, size)
        is_of_plan = entry is not None and (entry.report, entry.account) == (file.report_id, self.account.name)
        if entry is not None and is_of_plan and _is_as_listed(file.path, entry, size, check=journaled.is_saving):
            step = self._of_existing(file, entry)
        elif size is None or journaled.is_ours:
            step = self._of_missing(file, entry if is_of_plan else None, is_interrupted=size is not None)
        else:
            raise _foreign(file, entry, size)
        if step.action is not FileAction.KEEP and journaled.job_id is not None:
            return evolve(step, action=FileAction.DOWNLOAD, why="its job is known", job_id=journaled.job_id)
        return step

    def _of_existing(self, file: PlannedFile, entry: ManifestEntry) -> FileStep:
        """Return the step of a file that is as its entry says."""
        due, change = self._due(file, entry), self._change(file, entry)
        found = existing_file(
            file.path, entry.job or "", size=entry.bytes or 0, sha256=entry.sha256, rows=entry.rows, fresh=not due
        )
        step = FileStep(
            file=file, action=FileAction.KEEP, job_id=entry.job, result=evolve(found, unchanged=not (due or change))
        )
        if change or (due and not _is_replayable(file, entry)):
            return evolve(step, action=FileAction.EXPORT, why=change or due, job_id=None)
        if due and self._is_refused(file, entry):
            return evolve(step, why=_REFUSED)
        return evolve(step, action=FileAction.REFRESH, why=due) if due else step

    def _of_missing(self, file: PlannedFile, entry: ManifestEntry | None, *, is_interrupted: bool) -> FileStep:
        """Return the step of a file that is missing, or not as its entry says because a run was interrupted."""
        if entry is not None and entry.days != file.window and self._is_clock_behind(entry):
            raise ConfigurationError(
                f"{str(file.path)!r} is to be made again, but its last version is of {entry.as_of:%Y-%m-%d %H:%M} UTC, "
                f"and it is {self.now:%Y-%m-%d %H:%M} by this machine's clock: set the clock, and run again."
            )
        if entry is None or not _is_replayable(file, entry) or self._change(file, entry):
            why = _INTERRUPTED if is_interrupted else "missing"
            return FileStep(file=file, action=FileAction.EXPORT, why=why)
        if (due := self._due(file, entry)) and not self._is_refused(file, entry):
            return FileStep(file=file, action=FileAction.REFRESH, why=due, job_id=entry.job)
        why = _INTERRUPTED if is_interrupted else "the file was deleted"
        return FileStep(file=file, action=FileAction.DOWNLOAD, why=why, job_id=entry.job)

    def _change(self, file: PlannedFile, entry: ManifestEntry) -> str:
        """Return how a file differs from what the plan states now; "" if it does not."""
        if entry.format != FORMAT_NAMES[file.format]:
            return "the format has changed"
        if (entry.asked if entry.asked is not None else entry.filters or {}) != asked_filters(file):
            return "the filters have changed"
        return "" if entry.days == file.window else self._change_of_days(file, entry.days, entry.as_of)

    def _change_of_days(self, file: PlannedFile, held: ExportWindow | None, as_of: datetime | None) -> str:
        """Return why other days than the plan's must be replaced; "" if the file holds all of the plan's."""
        days = file.window
        if held is None:
            return "its days are not known"
        if held.start <= days.start and days.end <= held.end:
            is_split = any(_overlap(held, other) and other != days for other in self._windows[file.report])
            return f"the split has changed: it holds {held}" if is_split else ""
        if held.end > days.end and as_of is not None and as_of > self.now:
            return ""  # the clock was set back
        if held.start == days.start:
            return f"ends later: it holds the days until {held.end}"
        return f"the days have changed: it holds {held}"

    def _due(self, file: PlannedFile, entry: ManifestEntry) -> str:
        """Return why the rows of a file may be out of date; "" if they are not."""
        made, end = entry.as_of, file.window.end
        if made is not None and made >= required_since(file, self.now):
            return ""
        if made is None or made < _midnight(end) + _DAY:
            return "the window was not over"
        return f"may change until {end + min(file.refresh, date.max - end)}"

    def _is_clock_behind(self, entry: ManifestEntry) -> bool:
        return entry.as_of is not None and entry.as_of > self.now + _CLOCK_SLACK

    def _is_refused(self, file: PlannedFile, entry: ManifestEntry) -> bool:
        """Return whether the server has refused the replay that is due, so that another one is in vain."""
        return entry.refused_at is not None and entry.refused_at >= required_since(file, self.now)

    def _manifest(self, folder: Path) -> Manifest:
        found = self._manifests.get(folder)
        if found is None:
            try:
                found = Manifest.read(folder)
            except JobsError as error:
                found = error
            self._manifests[folder] = found
        if isinstance(found, JobsError):
            raise copy(found)
        return found

    def _journaled(self, file: PlannedFile, size: int | None) -> _Journaled:
        if not self._by_place:
            return _Journaled()
        of_place = self._by_place.get((file.area, _place_key(file)), ())
        own = self.states.get(file.area, {}).get(file_key(self.account, file))
        is_complete = any(state.file is not None and state.file.size == size for state in of_place)
        is_saving = any(state.is_saving for state in of_place) and not is_complete
        return _Journaled(
            job_id=own.job_id if own is not None and own.file is None else None,
            is_saving=is_saving,
            is_ours=is_saving or is_complete,
        )


def _is_as_listed(path: Path, entry: ManifestEntry, size: int | None, *, check: bool) -> bool:
    """Return whether a file has the size of its entry; with `check`, also whether it has the same bytes."""
    if size is None or size != entry.bytes:
        return False
    with disk_errors(path):
        return not check or CompleteFile(size=size, rows=None, sha256=entry.sha256, completed_at=None).is_at(path)


def _overlap(one: ExportWindow, other: ExportWindow) -> bool:
    return one.start <= other.end and other.start <= one.end


def _is_replayable(file: PlannedFile, entry: ManifestEntry) -> bool:
    """Return whether a replay of the entry's job has the days of the file."""
    return is_job_id(entry.job or "") and entry.days == file.window


def _foreign(file: PlannedFile, entry: ManifestEntry | None, size: int) -> DestinationExistsError:
    if entry is None:
        problem = f"exists, but this plan has not made it: it is not listed in {MANIFEST_NAME}"
    elif entry.bytes != size:
        problem = f"was changed since this plan made it: it has {size} bytes, and {MANIFEST_NAME} states {entry.bytes}"
    else:
        held = f"the report {shown(entry.report)} of the account {shown(entry.account)}"
        problem = f"exists, but this plan has not made it: it holds {held}"
    return DestinationExistsError(f"{str(file.path)!r} {problem}. Move it or delete it.")
