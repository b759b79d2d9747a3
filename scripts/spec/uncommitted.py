"""Find the files of a tree that git could not restore."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def uncommitted(root: Path, folders: Sequence[str]) -> set[str]:
    """Return the files that differ from the last commit, or are not in it; none if the tree is not in git.

    Args:
        root: The tree.
        folders: Where to look, by their paths in the tree.
    """
    changed = _git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", "HEAD", "--", *folders)
    new = _git(root, "ls-files", "--others", "-z", "--", *folders)
    return {name for name in (changed + new).split("\0") if name}


def _git(root: Path, *arguments: str) -> str:
    """Run git and return its output; none if it fails."""
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except OSError:
        return ""
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""
