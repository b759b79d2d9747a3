"""`manifest.jsonl`: what each file in a folder is, one line of JSON a file."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve, field, fields, frozen

from impact_jobs._download.filesystem import (
    SuppressSystemErrors,
    append_line,
    copy_permissions,
    is_of_system,
    is_open_at,
    lock,
    open_safely,
    status_of,
    sync,
    sync_folder,
    write_at,
)
from impact_jobs.errors import ConfigurationError
from impact_jobs.report_models import ExportWindow

MANIFEST_NAME = "manifest.jsonl"

_LOCK_SECONDS = 5.0
_POLL_SECONDS = 0.01
_MOST_ATTEMPTS = 50
_MOST_STALE_LINES = 500
_NEW_NAME = f".{MANIFEST_NAME}.new"
_QUEUED_WITHIN = timedelta(hours=12)  # less than the time between two nightly runs


def _as_text(value: date | str | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


@frozen(kw_only=True)
class ManifestEntry:
    """One file: where it is, what it came from, and what it holds. It holds no credential and no link.

    Attributes:
        file: Its path below the folder, with "/" between the parts.
        job: The id of the job, in lower case; None for a file that was joined from several.
        type: The type of the job.
        program: The program of the job.
        report: The id of the report.
        filters: The filters of the export, by parameter.
        asked: The filters as a plan states them, by name; None if no plan has made the file.
        start, end: The first and the last day of the data.
        account: The Account SID; of an agency's client for a brand, with "/" and the brand's id.
        format: The format of the result, such as "CSV".
        request: The text that identifies the request, for exports.
        created, started, completed: When the job was, as ISO 8601.
        refused: When the server has last refused to replay the job of this file, as ISO 8601.
        rows, bytes, sha256: Of the content; None if that was not computed.
        written: When this entry was appended, as ISO 8601.
        extra: Other keys of the line, which are kept.
    """

    file: str
    job: str | None = None
    type: str | None = None
    program: str | None = None
    report: str | None = None
    filters: Mapping[str, str] | None = None
    asked: Mapping[str, str] | None = None
    start: str | None = field(default=None, converter=_as_text)
    end: str | None = field(default=None, converter=_as_text)
    account: str | None = None
    format: str | None = None
    request: str | None = None
    created: str | None = field(default=None, converter=_as_text)
    started: str | None = field(default=None, converter=_as_text)
    completed: str | None = field(default=None, converter=_as_text)
    refused: str | None = field(default=None, converter=_as_text)
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    written: str | None = None
    extra: Mapping[str, Any] = field(factory=dict)

    def line(self) -> str:
        """Return the entry as one line of JSON, without the values that are not known."""
        known = {name: value for name, value in asdict(self).items() if value is not None and name != "extra"}
        return json.dumps({**known, **{name: value for name, value in self.extra.items() if name not in known}})

    @property
    def days(self) -> ExportWindow | None:
        """The days of the data; None if they are not known."""
        with suppress(ValueError, TypeError):
            return ExportWindow(date.fromisoformat(self.start or ""), date.fromisoformat(self.end or ""))
        return None

    @property
    def as_of(self) -> datetime | None:
        """The earliest moment that the job's data may be of, by the server's clock; None if it is not known."""
        return data_as_of(*map(_moment, (self.created, self.started, self.completed))) or _moment(self.written)

    @property
    def completed_at(self) -> datetime | None:
        """When the job completed; None if that is not known."""
        return _moment(self.completed)

    @property
    def refused_at(self) -> datetime | None:
        """When the server has last refused to replay the job, by this machine's clock; None if it has not."""
        return _moment(self.refused)

    def describes(self, path: Path) -> bool:
        """Return whether the file has the size that is stated, and was not changed since the entry was written."""
        found = status_of(path)
        with suppress(ValueError, TypeError):
            written = datetime.fromisoformat(self.written or "").timestamp()
            return found is not None and found.st_size == self.bytes and found.st_ctime <= written
        return False


@define
class Manifest:
    """The entries of a folder's `manifest.jsonl`, by file. The last line about a file counts.

    Several processes may append to it. A torn last line, left by a crash, is ignored. Lines that later ones have
    replaced are removed once they are many.
    """

    folder: Path
    entries: dict[str, ManifestEntry] = field(factory=dict)  # in the order of the lines
    _position: int = field(default=0, repr=False)  # up to which the file was read
    _last_line: bytes = field(default=b"", repr=False)  # before that
    _lines: int = field(default=0, repr=False)
    _lock: threading.RLock = field(factory=threading.RLock, repr=False)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder; it is empty if there is none."""
        manifest = cls(folder)
        manifest.refresh()
        return manifest

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / MANIFEST_NAME

    def refresh(self) -> None:
        """Read what was appended meanwhile, also by other processes."""
        try:
            with self._lock, open_safely(self.path, "r") as file:
                self._read(file)
        except FileNotFoundError:
            pass
        except OSError as error:
            if not is_of_system(error):
                raise
            raise ConfigurationError(
                f"{str(self.path)!r} could not be read: {error.strerror}. Repair or remove it, or choose another "
                "folder."
            ) from None

    def append(self, entry: ManifestEntry) -> None:
        """Append an entry, and sync it; keys of an earlier one that this release does not know are kept.

        Raise OSError if that fails; what was there before is still valid.
        """
        with self._lock:
            for _ in range(_MOST_ATTEMPTS):
                with open_safely(self.path, "r+", flags=os.O_CREAT | os.O_APPEND) as file:
                    is_locked = _lock_soon(file)
                    if is_open_at(file, self.path) and self._append(file, entry):
                        if is_locked and self._lines - len(self.entries) > max(len(self.entries), _MOST_STALE_LINES):
                            self._compact(file)
                        return
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def by_job(self) -> dict[str, ManifestEntry]:
        """Return the last entry about each job, by its id in lower case."""
        with self._lock:
            return {each.job: each for each in self.entries.values() if each.job is not None}

    def _append(self, file: FileIO, entry: ManifestEntry) -> bool:
        """Append an entry to the open file; return False if another process has replaced that meanwhile."""
        self._read(file)
        before = self.entries.get(entry.file)
        extra = {**(before.extra if before else {}), **entry.extra}
        append_line(file, evolve(entry, extra=extra, written=datetime.now(UTC).isoformat()).line())
        if not self._position:
            with SuppressSystemErrors():
                sync_folder(self.folder)  # because the file may be new
        self._read(file)
        return is_open_at(file, self.path)

    def _read(self, file: FileIO) -> None:
        """Read the lines after the last one that is known, or all if that has another place: the file was replaced."""
        file.seek(self._position - len(self._last_line))
        if file.read(len(self._last_line)) != self._last_line:
            self.entries, self._position, self._last_line, self._lines = {}, 0, b"", 0
            file.seek(0)
        found: dict[str, dict[str, Any]] = {}
        for line in _lines(file):
            if line.endswith(b"\n"):
                self._position, self._last_line, self._lines = self._position + len(line), line, self._lines + 1
            if (values := _parse(line)) is not None:
                found.pop(values["file"], None)  # so that the last line comes last
                found[values["file"]] = values
        for name, values in found.items():
            self.entries.pop(name, None)
            self.entries[name] = _entry(values)

    def _compact(self, file: FileIO) -> None:
        """Replace the open and locked file by one without the lines that later ones have replaced, if possible."""
        new_path = self.folder / _NEW_NAME
        with SuppressSystemErrors():
            new_path.unlink(missing_ok=True)  # left by a process that died
            with open_safely(new_path, "x+") as new:
                lock(new)  # so that no process appends to it before its name is on disk
                try:
                    copy_permissions(os.fstat(file.fileno()), new.fileno())
                    write_at(new.fileno(), b"".join(f"{each.line()}\n".encode() for each in self.entries.values()), 0)
                    sync(new.fileno())
                    if os.fstat(file.fileno()).st_size == self._position:  # nothing was appended without a lock
                        new_path.replace(self.path)
                        sync_folder(self.folder)
                finally:
                    new_path.unlink(missing_ok=True)


def data_as_of(created: datetime | None, started: datetime | None, completed: datetime | None) -> datetime | None:
    """Return the earliest moment that a job's data may be of, by when it was created, started and completed."""
    if created and started and started - created > _QUEUED_WITHIN:
        return started  # a replay has queued the same job again, and has left its date of creation as it was
    return created or started or completed


def _moment(text: str | None) -> datetime | None:
    with suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(text or "")
        return moment if moment.tzinfo else None
    return None


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the values of a line; None if the line is torn, or about no file."""
    with suppress(ValueError, RecursionError):
        found = json.loads(line)
        if isinstance(found, dict) and isinstance(found.get("file"), str):
            return found
    return None


def _entry(values: Mapping[str, Any]) -> ManifestEntry:
    known = {name: values[name] for name, kind in _TYPES.items() if isinstance(values.get(name), kind)}
    return ManifestEntry(**known, extra={name: value for name, value in values.items() if name not in known})


def _lock_soon(file: FileIO) -> bool:
    """Wait for the lock for a few seconds; without it, appending a line at once is still safe on local disks."""
    give_up_at = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < give_up_at:
        with suppress(BlockingIOError):
            return lock(file)
        time.sleep(_POLL_SECONDS)
    return False


def _lines(file: FileIO) -> Iterator[bytes]:
    rest = b""
    while data := file.read(1024 * 1024):
        *lines, rest = (rest + data).splitlines(keepends=True)
        yield from lines
        if rest.endswith(b"\n"):
            yield rest
            rest = b""
    yield rest


_TYPES: dict[str, type] = {
    each.name: {"rows": int, "bytes": int, "filters": dict, "asked": dict}.get(each.name, str)
    for each in fields(ManifestEntry)
    if each.name != "extra"
}
