"""Change many files of a folder in one step, so that an interruption leaves all the old ones or all the new ones."""

import ctypes
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def replace_folder(folder: Path, *, written: Mapping[str, bytes], removed: Iterable[str]) -> None:
    """Write and remove files of a folder, and keep the others with their times.

    The new folder is prepared beside the old one and exchanged with it. Only on a file system that can't exchange
    folders, the files are replaced one by one.

    Raises:
        OSError: The new folder can't be prepared; the old one is unchanged.
    """
    folder = folder.resolve()
    prepared = folder.with_name(f".{folder.name}.new")
    if prepared.exists():  # an interrupted run left it
        shutil.rmtree(prepared)
    try:
        if folder.exists():
            shutil.copytree(folder, prepared, symlinks=True, copy_function=_link)
        else:
            prepared.mkdir(parents=True)
        for name in (*removed, *written):
            (prepared / name).unlink(missing_ok=True)
        for name, content in written.items():
            (prepared / name).parent.mkdir(parents=True, exist_ok=True)
            (prepared / name).write_bytes(content)
        if not folder.exists():
            prepared.rename(folder)
        elif not _exchange(prepared, folder):
            _replace_files(prepared, folder, written=written, removed=removed)
    finally:
        shutil.rmtree(prepared, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """Link a file instead of copying it, because nothing writes into it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders; return whether the system could."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    failed: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return not failed


def _replace_files(prepared: Path, folder: Path, *, written: Iterable[str], removed: Iterable[str]) -> None:
    for name in written:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (prepared / name).replace(folder / name)
    for name in removed:
        (folder / name).unlink(missing_ok=True)
