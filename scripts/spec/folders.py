"""Change many files of a folder in one step, so that an interruption leaves all the old ones or all the new ones."""

import ctypes
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from spec.trees import Files, read_files

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def set_files(folder: Path, files: Files) -> None:
    """Give a folder these files and no others; those that are equal keep their times.

    Raises:
        OSError: The new folder can't be prepared; the old one is unchanged.
    """
    old = read_files(folder)
    written = {name: content for name, content in files.items() if old.get(name) != content}
    removed = sorted(old.keys() - files.keys())
    if written or removed:
        replace_folder(folder, written=written, removed=removed)


def replace_folder(folder: Path, *, written: Mapping[str, bytes], removed: Iterable[str]) -> None:
    """Write and remove files of a folder, and keep the others with their times, except Python's caches.

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
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(folder, prepared, symlinks=True, ignore=ignored, copy_function=_link)
        else:
            prepared.mkdir(parents=True)
        _remove(prepared, (*removed, *written))
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
    _remove(folder, removed)


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files, and the folders that are empty then."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
        for parent in (folder / name).parents:
            if parent == folder or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()
