"""The journal of an export in windows: which jobs there are and which files are complete, so that a kill loses none.

A line holds the whole state of one window, and the last line about a window counts. It is on disk before the next step.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any

from attrs import define, field, frozen

from impact_jobs._account import is_job_id
from impact_jobs._download.assembled_file import measure
from impact_jobs._download.destination import make_folder
from impact_jobs._download.filesystem import (
    SuppressSystemErrors,
    append_line,
    is_open_at,
    lock,
    open_safely,
    status_of_regular,
    sync,
    sync_folder,
)
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import disk_errors
from impact_jobs.errors import ConfigurationError

_FORMAT = 1
_NAME = "journal.jsonl"
_REWRITTEN = f"{_NAME}.new"
ASSEMBLED = "assembled"
"""The file in the folder that will be the target."""

_MOST_ATTEMPTS = 50


@frozen(kw_only=True)
class CompleteFile:
    """A file that is complete."""

    size: int
    rows: int | None
    sha256: str | None
    completed_at: datetime | None  # when the job completed

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> CompleteFile:
        """Return what `fields` wrote; raise an error if it is something else."""
        completed = data["completed"]
        return cls(
            size=int(data["bytes"]),
            rows=None if data["rows"] is None else int(data["rows"]),
            sha256=None if data["sha256"] is None else str(data["sha256"]),
            completed_at=None if completed is None else datetime.fromisoformat(completed),
        )

    def is_at(self, path: Path) -> bool:
        """Return whether the file at `path` has these bytes."""
        return size_of(path) == self.size and (
            self.sha256 is None or measure(path, digest=True) == (self.size, self.sha256)
        )

    @property
    def fields(self) -> dict[str, object]:
        """What the journal holds."""
        completed = None if self.completed_at is None else self.completed_at.isoformat()
        return {"bytes": self.size, "rows": self.rows, "sha256": self.sha256, "completed": completed}


@frozen(kw_only=True)
class WindowState:
    """How far a window has come."""

    window: str = ""  # its days, for people
    sent_at: datetime | None = None  # when its export was about to be sent, by the local clock
    job_id: str | None = None  # None if no answer is recorded
    # When a replay of the job was about to be sent, by the server's clock; None again once its answer is recorded.
    replay_sent_at: datetime | None = None
    fresh: bool | None = None  # None until the age of the job's result has been checked
    is_saving: bool = False  # whether the target may be a file of ours that is not recorded as complete
    file: CompleteFile | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> WindowState:
        """Return what `fields` wrote; raise an error if it is something else."""
        sent, job_id, fresh, file = data["sent"], data["job"], data["fresh"], data["file"]
        replay_sent = data.get("replay_sent")  # earlier releases did not write it
        if not (job_id is None or is_job_id(job_id)) or fresh not in {None, True, False}:
            raise ValueError
        return cls(
            window=str(data["window"]),
            sent_at=None if sent is None else datetime.fromisoformat(sent),
            job_id=job_id,
            replay_sent_at=None if replay_sent is None else datetime.fromisoformat(replay_sent),
            fresh=fresh,
            is_saving=bool(data["saving"]),
            file=None if file is None else CompleteFile.parse(file),
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be lost without it."""
        return self == WindowState(window=self.window)

    @property
    def fields(self) -> dict[str, object]:
        """What the journal holds."""
        return {
            "window": self.window,
            "sent": None if self.sent_at is None else self.sent_at.isoformat(),
            "job": self.job_id,
            "replay_sent": None if self.replay_sent_at is None else self.replay_sent_at.isoformat(),
            "fresh": self.fresh,
            "saving": self.is_saving,
            "file": None if self.file is None else self.file.fields,
        }


@define(eq=False)
class ExportJournal:
    """The journal in a folder of its own, which is locked while it is open."""

    folder: Path
    states: dict[str, WindowState]
    _file: FileIO
    _lock: Lock = field(factory=Lock, init=False)

    @classmethod
    def open(cls, folder: Path, target: Path, options: DownloadOptions) -> ExportJournal:
        """Open the journal in `folder`, which is created if it is missing, and lock it. Errors name `target`.

        Raises:
            ConfigurationError: The folder is a link, or somebody else's.
            DestinationExistsError: Another process or thread has it open.
        """
        path = folder / _NAME
        with disk_errors(target):
            for _ in range(_MOST_ATTEMPTS):
                with suppress(FileNotFoundError):
                    _check_ours(folder)
                make_folder(folder)
                with suppress(FileNotFoundError):  # another process has just completed the export
                    file = open_safely(path, "r+", flags=os.O_CREAT | os.O_APPEND)
                    try:
                        if not lock(file):
                            options.warn_once(folder, "there are no locks here: run one export into it at a time")
                        if is_open_at(file, path):
                            with SuppressSystemErrors():
                                sync_folder(folder)
                            return cls(folder, dict(_read(file)), file)
                    except BaseException:
                        file.close()
                        raise
                    file.close()
            raise OSError(errno.ESTALE, f"{folder.name!r} is replaced again and again")

    def record(self, key: str, state: WindowState) -> None:
        """Record the state of a window, and return once it is on disk. Thread-safe."""
        with self._lock, disk_errors(self.folder):
            append_line(self._file, _line(key, state))
            self.states[key] = state

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget what the journal says about other windows, and their files. It is replaced as a whole."""
        kept = {key: state for key, state in self.states.items() if key in keys}
        path = self.folder / _REWRITTEN
        with self._lock, disk_errors(self.folder):
            for other in self.folder.iterdir():
                if not (self.states.keys() - kept.keys()).isdisjoint(other.name.split(".")):
                    other.unlink()
            file = open_safely(path, "r+", flags=os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            try:
                lock(file)
                for key, state in kept.items():
                    file.write(f"{_line(key, state)}\n".encode())
                sync(file.fileno())
                path.replace(self.folder / _NAME)
            except BaseException:
                file.close()
                raise
            self._file.close()
            self._file, self.states = file, kept

    def close(self) -> None:
        """Close the journal, and keep it unless it says nothing. Harmless after `remove`."""
        if not self._file.closed and all(state.is_empty for state in self.states.values()):
            self.remove()
        self._file.close()

    def remove(self) -> None:
        """Remove the folder: the journal last, so that a kill on the way leaves a folder that is known to be ours.

        Files of others stay, and so does the journal beside them, but empty.
        """
        with SuppressSystemErrors():
            paths = [path for path in sorted(self.folder.iterdir()) if path.name != _NAME]
            for path in filter(self._is_ours, paths):
                path.unlink()
            if all(map(self._is_ours, paths)):
                (self.folder / _NAME).unlink()
                self.folder.rmdir()
            else:
                self._file.truncate(0)
        self._file.close()

    def _is_ours(self, path: Path) -> bool:
        return path.name in {ASSEMBLED, _REWRITTEN} or not self.states.keys().isdisjoint(path.name.split("."))


def read_states(folder: Path) -> dict[str, WindowState]:
    """Return what the journal in a folder says, which is not locked; nothing if there is none that can be read."""
    with SuppressSystemErrors(), open_safely(folder / _NAME, "r") as file:
        return dict(_read(file))
    return {}


def _line(key: str, state: WindowState) -> str:
    return json.dumps({"format": _FORMAT, "key": key, **state.fields})


def _check_ours(folder: Path) -> None:
    # One reading, because another process may be removing the folder, the journal last.
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.is_symlink() or (names and _NAME not in names):
        raise ConfigurationError(
            f"{str(folder)!r} is needed for files in between, but it is a link, or has files of others: move it, or "
            "choose another path."
        )


def _read(file: FileIO) -> Iterator[tuple[str, WindowState]]:
    """Return the states in the order in which they were written; skip what is torn or not ours."""
    for line in file.readall().splitlines():
        with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
            data = json.loads(line)
            if data["format"] == _FORMAT and isinstance(data["key"], str):
                yield data["key"], WindowState.parse(data)


def size_of(path: Path) -> int | None:
    """Return the size of a regular file; None if there is none."""
    found = status_of_regular(path)
    return None if found is None else found.st_size
