"""The windows of an export as tasks: what each is about, how far it has come, and how users follow it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from attrs import Attribute, define, evolve, field

from impact_jobs._account import Account
from impact_jobs._download.destination import Place
from impact_jobs._download.export_journal import WindowState, size_of
from impact_jobs._operations.download import existing_file
from impact_jobs._operations.export import ExportRequest
from impact_jobs._operations.export_options import OnWindow
from impact_jobs._operations.result_age import AgeRule, no_older_than
from impact_jobs._operations.result_pages import takes_json_lines
from impact_jobs._operations.windows.assembling import Assemble
from impact_jobs.errors import JobsError
from impact_jobs.models import DownloadResult, Job
from impact_jobs.report_models import ExportWindow

T = TypeVar("T")

_NOT_OLD = no_older_than(timedelta())


class Journal(Protocol):
    """Where the states of windows are recorded; see `ExportJournal`."""

    states: dict[str, WindowState]

    def record(self, key: str, state: WindowState) -> None:
        """Record the state of a window. Called in a thread."""
        ...


def _report(task: WindowTask, _: Attribute[Any], news: T) -> T:
    """Report a change of a window to the user's function."""
    if news is not None and task.on_window is not None:
        task.on_window(task.window, news)  # type: ignore[arg-type]  # one of its kinds of news
    return news


@define(kw_only=True, eq=False)
class WindowTask:
    """One window, and how far it has come. Setting its job or its outcome reports that to the user.

    `source` is the file that the job's result is written to, and `target` the file that the user gets of this window:
    the same one, or one that is assembled from it; None if the windows are joined.

    The state is recorded in `journal` by `key`. A result that the server has already is replayed if it is too old by
    `age_rule`; with `is_due`, that is so of the one that the state names. `asked` are the filters of a plan.
    """

    window: ExportWindow
    request: ExportRequest
    key: str
    source: Place
    target: Place | None
    state: WindowState
    journal: Journal
    age_rule: AgeRule | None
    on_window: OnWindow | None = None
    assemble: Assemble | None = None  # for a target of its own
    asked: Mapping[str, str] | None = None
    is_due: bool = False
    job: Job | None = field(default=None, on_setattr=_report)  # the last snapshot
    is_exported: bool = False  # in this call
    is_refused: bool = False  # the server does not replay its job
    is_news: bool = False  # an incomplete call has written the file, so perhaps nobody has seen it
    replaces: bool = False  # the file that is in the way may be replaced
    outcome: DownloadResult | JobsError | None = field(default=None, on_setattr=_report)
    retries: int = 0

    @property
    def place(self) -> Place:
        """The file that is complete once the window is."""
        return self.target or self.source

    @property
    def file_format(self) -> str:
        """The format of that file: that of the result, unless it is assembled from that."""
        return self.request.result_format if self.target in {None, self.source} else "PARQUET"

    @property
    def is_unfinished(self) -> bool:
        """Whether its file was made before its last day had passed, by the server's date, so that it lacks a part."""
        made_at = self.state.file.completed_at if self.state.file is not None else None
        return made_at is not None and self.request.end is not None and made_at.date() <= self.request.end

    @property
    def rule(self) -> AgeRule | None:
        """Its rule about the age of results; a file that lacks a part of its window is always too old."""
        return _NOT_OLD if self.age_rule is None and self.is_unfinished else self.age_rule

    @property
    def takes_all_pages(self) -> bool:
        """Whether all pages of a JSON result are joined, as JSON lines."""
        is_joined = self.source is not self.target or self.asked is not None or takes_json_lines(self.source.path)
        return self.request.result_format == "JSON" and is_joined

    @property
    def path(self) -> Path:
        """Its absolute path."""
        return self.place.path

    def existing_result(self) -> DownloadResult | None:
        """Return the file of the window if it is as it was completed.

        The digest is checked if the file is to be joined, and else only the size, so that many files take no time.
        """
        file = self.state.file
        if file is None or not (file.is_at(self.path) if self.target is None else size_of(self.path) == file.size):
            return None
        job_id, fresh = self.state.job_id or "", self.state.fresh
        found = existing_file(self.place.shown, job_id, size=file.size, sha256=file.sha256, rows=file.rows, fresh=fresh)
        return evolve(found, unchanged=None if self.target is None else self.compared(is_same=True))

    def compared(self, *, is_same: bool | None) -> bool | None:
        """Return what to say of a file that has the bytes of the one before it, or not."""
        return None if self.is_news and is_same else is_same


def window_key(account: Account, request: ExportRequest) -> str:
    """Return a short text that identifies a request and its account."""
    text = f"{account.base_url} {account.path} {request.key}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
