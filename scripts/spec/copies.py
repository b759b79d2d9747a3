"""A copy of the tree in which everything runs as in the tree, but imports what the copy has."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

# The type checker's cache is copied, because a check without it takes minutes.
NOT_COPIED: Final = shutil.ignore_patterns(
    ".git", ".venv*", ".cache", ".pytest_cache", ".ruff_cache", "__pycache__", "node_modules", "dist", "_build", "*.new"
)


def copy_tree(root: Path, copy: Path) -> None:
    """Copy a tree with its times, so that make rebuilds nothing, and give the copy the tree's environment.

    Args:
        root: The tree.
        copy: The folder to create.

    Raises:
        OSError: Something can't be copied.
    """
    root = root.resolve()
    shutil.copytree(root, copy, symlinks=True, ignore=NOT_COPIED)
    (root / ".cache").mkdir(exist_ok=True)
    (copy / ".cache").symlink_to(root / ".cache")
    if (root / ".venv").exists():
        _share_environment(
            (root / ".venv").resolve(), copy / ".venv", moved=lambda text: text.replace(str(root), str(copy))
        )


def _share_environment(old: Path, new: Path, *, moved: Callable[[str], str]) -> None:
    """Link the parts of a virtual environment, and rewrite what names its tree: scripts, and the editable install."""
    for folder in (Path("bin"), *(path.relative_to(old) for path in old.glob("lib/python*/site-packages"))):
        (new / folder).mkdir(parents=True)
        for entry in (old / folder).iterdir():
            target = new / folder / entry.name
            text = _text(entry)
            if text is not None and moved(text) != text:
                target.write_text(moved(text), encoding="utf-8")
                shutil.copystat(entry, target)
            elif entry.is_symlink():
                target.symlink_to(entry.readlink())
            else:
                target.symlink_to(entry)
    for name in ("pyvenv.cfg", ".ready"):
        if (old / name).exists():
            shutil.copy2(old / name, new / name)


def _text(path: Path) -> str | None:
    """Return the text of a script or a path file."""
    if path.is_symlink() or not path.is_file() or not (path.suffix == ".pth" or path.parent.name == "bin"):
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
