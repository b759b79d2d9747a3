"""A file that was put together beside its target, and takes the target's name once it is complete and on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from impact_jobs._download.filesystem import (
    copy_permissions,
    is_open_at,
    link_or_rename,
    open_safely,
    status_of,
    sync,
    sync_folder,
)
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import disk_errors


def sha256_of(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit_file(source: Path, target: Path, options: DownloadOptions, *, replaces: bool) -> None:
    """Sync a file, and give it the name `target`, which is on the same file system; keep the mode of a replaced file.

    What fails after that is a warning in the log.

    Raises:
        DestinationExistsError: The target exists, and `replaces` is false.
    """
    with disk_errors(target), open_safely(source, "r+") as file:
        replaced = status_of(target) if replaces else None
        if replaced is not None:
            with options.warning_if_it_fails(target, "the permissions could not be kept"):
                copy_permissions(replaced, file.fileno())
        if not sync(file.fileno()):
            options.warn_once(source, "files cannot be synced here, so a power cut may lose them")
        if replaces:
            source.replace(target)
        else:
            link_or_rename(source, target)
        with options.warning_if_it_fails(target.parent, "the folder could not be synced"):
            sync_folder(target.parent)
        with options.warning_if_it_fails(source, "it could not be removed"):
            if is_open_at(file, source):
                source.unlink()
