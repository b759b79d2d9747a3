"""The outcome of a run: each file, what is left, and what it took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from impact_jobs._operations.planned_files.values import FileAction, PlannedFile
from impact_jobs.errors import JobsError
from impact_jobs.models import DownloadResult, Job

OnUpdate: TypeAlias = Callable[[PlannedFile, Job | DownloadResult | JobsError], object]
"""A function that is called with a file and its news: a snapshot of its job, its result, or its error."""


class FileState(StrEnum):
    """How a run has left a file.

    Example:
        >>> Plan.load("reports.toml").run().files[0].state
        <FileState.NEW: 'new'>
    """

    CURRENT = "current"
    """It was up to date already; nothing was requested."""

    NEW = "new"
    """It was missing, and was made."""

    CHANGED = "changed"
    """It was replaced by other bytes."""

    UNCHANGED = "unchanged"
    """It was refreshed, and has the same bytes."""

    STALE = "stale"
    """It keeps older rows than the plan demands, because the server does not replay its job."""

    LEFT = "left"
    """It is left for the next run, because the account has no exports or requests left. An older file stays."""

    RUNNING = "running"
    """Its job was not done in time. The next run continues with it. An older file stays."""

    FAILED = "failed"
    """It could not be made; see the error. An older file stays."""


@frozen(kw_only=True)
class SyncedFile:
    """One file of a plan after a run.

    Attributes:
        file: The file.
        state: How the run has left it.
        action: What was to be done about it.
        why: The reason, in a few words; "" if it was up to date already.
        result: The file that is in place, if the plan has made it; otherwise None.
        error: Why it was not made or refreshed; otherwise None.

    Example:
        >>> Plan.load("reports.toml").run().files[0].result.rows
        1066
    """

    file: PlannedFile
    state: FileState
    action: FileAction
    why: str = ""
    result: DownloadResult | None = None
    error: JobsError | None = None


@frozen(kw_only=True)
class AccountUse:
    """What a run took of one account's limits.

    Attributes:
        account: The plan's name of the account.
        exports: How many exports and replays were sent.
        requests: How many requests were sent to the API.
        again_at: From when on the account has exports or requests again, in UTC, if files are left; otherwise None.
        why_left: Which limit is the reason; "" if none is.

    Example:
        >>> Plan.load("reports.toml").run().accounts[0].exports
        4
    """

    account: str
    exports: int = 0
    requests: int = 0
    again_at: datetime | None = None
    why_left: str = ""


@frozen(kw_only=True)
class SyncReport:
    """The outcome of a run of a plan.

    Attributes:
        files: Each file of the plan, the newest days first.
        accounts: What the run took of each account.
        leftovers: Files of the plan's accounts and reports that an earlier plan, or another one, has made, and that
            this one does not name. Nothing reads or removes them.
        seconds: How long the run took.

    Example:
        >>> report = Plan.load("reports.toml").run()
        >>> report.is_complete, len(report.changed)
        (True, 4)
    """

    files: tuple[SyncedFile, ...]
    accounts: tuple[AccountUse, ...] = ()
    leftovers: tuple[Path, ...] = ()
    seconds: float = 0.0

    @property
    def changed(self) -> tuple[SyncedFile, ...]:
        """The files to load again, because they are new or have other bytes than before."""
        return self._in(FileState.NEW, FileState.CHANGED)

    @property
    def left(self) -> tuple[SyncedFile, ...]:
        """The files that the next run continues with."""
        return self._in(FileState.LEFT, FileState.RUNNING)

    @property
    def failed(self) -> tuple[SyncedFile, ...]:
        """The files that could not be made."""
        return self._in(FileState.FAILED)

    @property
    def is_complete(self) -> bool:
        """Whether each file is there and as new as the plan demands, as far as the server allows."""
        return not self.left and not self.failed

    def _in(self, *states: FileState) -> tuple[SyncedFile, ...]:
        return tuple(file for file in self.files if file.state in states)
