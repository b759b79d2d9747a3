"""Which windows to load: those whose files have changed since, and never two that share a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeAlias

from attrs import frozen

from impact_jobs import DownloadResult
from impact_jobs.sync import PlannedFile

LoadedWindows: TypeAlias = dict[str, list[str]]
"""The windows of one account that are in the table, by first day: the last day, and the digest of the file."""

_DIGEST_CHARACTERS = 16  # enough to distinguish versions, because dlt stores its whole state with every load


@frozen(kw_only=True)
class LandedFile:
    """A file of the plan, and what is in its place.

    Attributes:
        file: The file.
        result: What the plan has made of it; None if there is nothing yet.
    """

    file: PlannedFile
    result: DownloadResult | None

    @property
    def start(self) -> str:
        """The first day, which is the key of the window in the table."""
        return self.file.window.start.isoformat()

    @property
    def entry(self) -> list[str]:
        """What to remember once it is loaded."""
        digest = (self.result and self.result.sha256) or ""
        return [self.file.window.end.isoformat(), digest[:_DIGEST_CHARACTERS]]


@frozen(kw_only=True)
class WindowChanges:
    """What to do with the windows of one account.

    Attributes:
        load: The files to load.
        remove: The first days of the windows to remove, because files that are there take their place.
    """

    load: tuple[LandedFile, ...]
    remove: tuple[str, ...]


def window_changes(loaded: Mapping[str, list[str]], files: Iterable[LandedFile]) -> WindowChanges:
    """Return what to load, and which windows of an earlier split to remove.

    A window of an earlier split stays until all files that take its place are there. Until then none of those is
    loaded, because a day would be in the table twice, or be missing.
    """
    by_start = {file.start: file for file in files}
    successors = {start: found for start in loaded if (found := _successors(start, loaded[start][0], by_start))}
    ready = {start for start, file in by_start.items() if file.result is not None}
    while blocked := {start for found in successors.values() if not found <= ready for start in found & ready}:
        ready -= blocked
    remove = tuple(start for start, found in successors.items() if found <= ready)
    kept = {start: digest for start, (_, digest) in loaded.items() if start not in remove}
    load = tuple(file for start, file in by_start.items() if start in ready and kept.get(start) != file.entry[1])
    return WindowChanges(load=load, remove=remove)


def _successors(start: str, end: str, files: Mapping[str, LandedFile]) -> set[str]:
    """Return the files that share days with a loaded window, if they are not that window itself."""
    same = files.get(start)
    if same is not None and same.file.window.end.isoformat() >= end:
        return set()  # the files of a plan share no days with each other
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    sharing = {key for key, each in files.items() if each.file.window.start <= last and first <= each.file.window.end}
    return sharing if sharing - {start} else set()
