"""Other platforms, simulated by removing from this one what they lack."""

from __future__ import annotations

import fcntl
import os
from typing import Final

import pytest

_NOT_ON_MACOS: Final = ("posix_fallocate", "posix_fadvise", "fdatasync", "preadv", "pwritev")
_NOT_ON_WINDOWS: Final = (
    *_NOT_ON_MACOS, "pread", "pwrite", "fchmod", "fchown", "chown", "lchown", "geteuid", "getuid", "getegid", "getgid",
    "statvfs", "fstatvfs", "mkfifo", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK", "O_SYNC", "O_DSYNC",
)  # fmt: skip


def like_macos(patch: pytest.MonkeyPatch) -> None:
    """Remove what macOS lacks, and let a full sync be possible."""
    for name in _NOT_ON_MACOS:
        patch.delattr(os, name, raising=False)
    patch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)


WITHOUT_POSIX: Final = f"""
import os, sys
for module in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[module] = None
for name in {_NOT_ON_WINDOWS}:
    if hasattr(os, name):
        delattr(os, name)
"""
"""The beginning of a program that then lacks what Windows lacks."""
