"""Files that an earlier plan has made, and that the present one does not name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from impact_jobs._account import Account
from impact_jobs._download.export_journal import size_of
from impact_jobs._download.filesystem import is_of_system
from impact_jobs._download.manifest import MANIFEST_NAME, Manifest
from impact_jobs._operations.planned_files.values import PlannedFile
from impact_jobs.errors import ConfigurationError


def find_leftovers(files: Sequence[PlannedFile], accounts: Mapping[str, Account]) -> tuple[Path, ...]:
    """Return the files of the plan's accounts and reports that manifests list and the plan does not name, sorted.

    Such files are left if the split, the format or the template of a report has changed. A folder that cannot be read
    is skipped. The manifests of the plan's folders are read, and those of other folders in its areas, as deep as the
    plan's folders are.

    Args:
        files: All files of the plan: a selection would make leftovers of the other ones.
        accounts: The accounts by the plan's names of them; files of other accounts are not looked for.

    Returns:
        Their paths.
    """
    reports = {(accounts[file.account].name, file.report_id) for file in files if file.account in accounts}
    known = {file.path for file in files}
    listed = (
        (folder / name, entry)
        for folder in _folders(files)
        for name, entry in _manifest(folder).entries.items()
        if (entry.account, entry.report) in reports
    )
    return tuple(sorted(path for path, entry in listed if path not in known and size_of(path) == entry.bytes))


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.read(folder)
    except ConfigurationError:
        return Manifest(folder)


def _folders(files: Sequence[PlannedFile]) -> set[Path]:
    """Return the folders that have a manifest."""
    depths: dict[Path, int] = {}
    for area, folder in {(file.area, file.path.parent) for file in files}:
        depths[area] = max(depths.get(area, 0), len(folder.relative_to(area).parts))
    return {folder for area, depth in depths.items() for folder in _with_manifest(area, depth)}


def _with_manifest(folder: Path, depth: int) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError as error:
        if not is_of_system(error):
            raise
        return
    if MANIFEST_NAME in found:
        yield folder
    if depth:
        for name in (name for name, is_folder in found.items() if is_folder):
            yield from _with_manifest(folder / name, depth - 1)
