"""`manifest.jsonl`: what each file in a folder is, one line of JSON a file."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve, field, fields, frozen

from impact_jobs._download.filesystem import append_line, is_of_system, lock, open_safely, status_of
from impact_jobs.errors import ConfigurationError

MANIFEST_NAME = "manifest.jsonl"

_LOCK_SECONDS = 5.0
_POLL_SECONDS = 0.01


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
        start, end: The first and the last day of the data.
        account: The Account SID; of an agency's client for a brand, with "/" and the brand's id.
        format: The format of the result, such as "CSV".
        request: The text that identifies the request, for exports.
        created, completed: When the job was, as ISO 8601.
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
    start: str | None = field(default=None, converter=_as_text)
    end: str | None = field(default=None, converter=_as_text)
    account: str | None = None
    format: str | None = None
    request: str | None = None
    created: str | None = field(default=None, converter=_as_text)
    completed: str | None = field(default=None, converter=_as_text)
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    written: str | None = None
    extra: Mapping[str, Any] = field(factory=dict)

    def line(self) -> str:
        """Return the entry as one line of JSON, without the values that are not known."""
        known = {name: value for name, value in asdict(self).items() if value is not None and name != "extra"}
        return json.dumps({**known, **{name: value for name, value in self.extra.items() if name not in known}})

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

    Several processes may append to it. A torn last line, left by a crash, is ignored.
    """

    folder: Path
    entries: dict[str, ManifestEntry] = field(factory=dict)  # in the order of the lines
    _position: int = field(default=0, repr=False)  # up to which the file was read
    _lock: threading.RLock = field(factory=threading.RLock, repr=False)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a folder; it is empty if there is none."""
        manifest = cls(folder)
        manifest.refresh()
        return manifest

    def refresh(self) -> None:
        """Read what was appended meanwhile, also by other processes."""
        path = self.folder / MANIFEST_NAME
        try:
            with self._lock, open_safely(path, "r") as file:
                if os.fstat(file.fileno()).st_size < self._position:  # somebody has replaced it
                    self.entries.clear()
                    self._position = 0
                file.seek(self._position)
                for line in _lines(file):
                    self._position += len(line) if line.endswith(b"\n") else 0
                    entry = _parse(line)
                    if entry is not None:
                        self._add(entry)
        except FileNotFoundError:
            pass
        except OSError as error:
            if not is_of_system(error):
                raise
            raise ConfigurationError(
                f"{str(path)!r} could not be read: {error.strerror}. Repair or remove it, or choose another folder."
            ) from None

    def append(self, entry: ManifestEntry) -> None:
        """Append an entry, and sync it; keys of an earlier one that this release does not know are kept.

        Raise OSError if that fails; what was there before is still valid.
        """
        with self._lock:
            before = self.entries.get(entry.file)
            extra = {**(before.extra if before else {}), **entry.extra}
            entry = evolve(entry, extra=extra, written=datetime.now(UTC).isoformat())
            with open_safely(self.folder / MANIFEST_NAME, "r+", flags=os.O_CREAT | os.O_APPEND) as file:
                _lock_soon(file)
                append_line(file, entry.line())
            self._add(entry)

    def by_job(self) -> dict[str, ManifestEntry]:
        """Return the last entry about each job, by its id in lower case."""
        with self._lock:
            return {each.job: each for each in self.entries.values() if each.job is not None}

    def _add(self, entry: ManifestEntry) -> None:
        self.entries.pop(entry.file, None)  # so that the last line comes last
        self.entries[entry.file] = entry


def _parse(line: bytes) -> ManifestEntry | None:
    """Return the entry of a line; None if the line is torn, or about no file."""
    with suppress(ValueError, RecursionError):
        found = json.loads(line)
        if isinstance(found, dict) and isinstance(found.get("file"), str):
            known = {name: found[name] for name in _TYPES if isinstance(found.get(name), _TYPES[name])}
            return ManifestEntry(**known, extra={name: value for name, value in found.items() if name not in known})
    return None


def _lock_soon(file: FileIO) -> None:
    """Wait for the lock for a few seconds; without it, appending a line at once is still safe on local disks."""
    give_up_at = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < give_up_at:
        with suppress(BlockingIOError):
            lock(file)
            return
        time.sleep(_POLL_SECONDS)


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
    each.name: {"rows": int, "bytes": int, "filters": dict}.get(each.name, str)
    for each in fields(ManifestEntry)
    if each.name != "extra"
}
