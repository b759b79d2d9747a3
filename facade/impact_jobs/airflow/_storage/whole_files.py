"""Upload a file to a store that has no resumable upload of ours, so that it appears whole or not at all."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from impact_jobs.airflow._storage.location import Location
from impact_jobs.airflow._storage.memory import UploadMemory

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def put_at_once(fs: AbstractFileSystem, location: Location, source: Path, *, overwrite: bool) -> None:
    """Upload to a store that shows an object only once it is whole, such as Google's or Azure's."""
    fs.put_file(str(source), location.path, mode="overwrite" if overwrite else "create")


def put_and_rename(
    fs: AbstractFileSystem, location: Location, source: Path, *, path: str, memory: UploadMemory, overwrite: bool
) -> None:
    """Upload under a temporary name in the same folder, then rename.

    The name is remembered first, so that the next try removes what a killed process has left. It is different in each
    try, because two tries that write the same temporary file could publish each other's half.

    Args:
        fs: The store.
        location: The target.
        source: The file.
        path: The target as the filesystem spells it.
        memory: What the next try reads.
        overwrite: Whether to replace a file.
    """
    temporary = f"{path.rpartition('/')[0]}/.{location.name}.{secrets.token_hex(4)}.part"
    memory.set({"uri": location.uri, "temporary": temporary})
    try:
        fs.put_file(str(source), temporary)
        _rename(fs, temporary, path, overwrite=overwrite)
    except BaseException:
        remove_temporary(fs, temporary)
        raise


def remove_temporary(fs: AbstractFileSystem, temporary: str) -> None:
    """Remove what a try has left, if it is there and the store allows it."""
    with suppress(Exception):
        fs.rm_file(temporary)


def _rename(fs: AbstractFileSystem, temporary: str, path: str, *, overwrite: bool) -> None:
    if not overwrite and fs.exists(path):
        raise FileExistsError(path)
    try:
        _move(fs, temporary, path)
    except OSError:
        if not (overwrite and fs.exists(path)):
            raise
    fs.invalidate_cache()
    if fs.exists(temporary):  # some stores do not replace a file, and not all of those say so
        if not overwrite:
            raise FileExistsError(path)
        fs.rm_file(path)
        _move(fs, temporary, path)


def _move(fs: AbstractFileSystem, temporary: str, path: str) -> None:
    from fsspec import AbstractFileSystem  # noqa: PLC0415 - fsspec comes with Airflow only

    if type(fs).mv is AbstractFileSystem.mv:  # which copies, and reads "?" and "*" in a name as a pattern
        fs.cp_file(temporary, path)
        fs.rm_file(temporary)
    else:
        fs.mv(temporary, path)
