"""Where a result is to be put, and what it may be called."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from impact_jobs.errors import ConfigurationError, DestinationExistsError

# What a file system or a terminal takes for something else, as it does those that change a text's direction.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff/\\:*?\"<>|]")
_LEADING = re.compile(r"\A[\s.]+")
_LONGEST_NAME_BYTES = 200  # below the 255 of common file systems, with room for ".part.json.new"
_LONGEST_EXTENSION_BYTES = 20
_LONGEST_TARGET_BYTES = 240
_PARAMETER = re.compile(r";\s*(filename\*?)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;]*)", re.IGNORECASE)
# Those that RFC 5987 names. Python knows more, and some of them raise, warn or make half a character.
_CHARSETS = frozenset({"utf-8", "utf8", "iso-8859-1"})


def check_target(path: Path, *, overwrite: bool) -> None:
    """Find out before any request whether a result could be put there.

    Args:
        path: The file to write, or an existing folder to write into.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ConfigurationError: The folder is missing or closed to us, or the path is no regular file.
        DestinationExistsError: The file is there, and `overwrite` is false.
    """
    # os.path, for Path.is_dir raises where a name is too long or a folder above is closed.
    folder = path if os.path.isdir(path) else path.parent  # noqa: PTH112
    check_folder(folder)
    if folder == path:
        return
    if len(os.fsencode(path.name)) > _LONGEST_TARGET_BYTES:
        raise ConfigurationError(
            f"the file name {path.name[:40]!r}… is too long: {_LONGEST_TARGET_BYTES} bytes at most."
        )
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"{str(path)!r} is not a regular file: choose another path.")
    if not overwrite:
        raise DestinationExistsError(f"{str(path)!r} exists: pass overwrite=True, or choose another path.")


def check_folder(folder: Path) -> None:
    """Raises ConfigurationError unless files can be made in it."""
    if not os.path.isdir(folder):  # noqa: PTH112 - see check_target
        raise ConfigurationError(f"the folder {str(folder)!r} does not exist: create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"the folder {str(folder)!r} is not writable: choose another.")


def suggested_name(content_disposition: str | None) -> str | None:
    """The file name in a `Content-Disposition`, made safe; None when there is none.

    Only the base name counts, whatever system's separators it uses; control characters and those that some
    file system forbids become `_`; leading dots go; it is cut to 200 bytes, its extension kept.
    """
    found = {name.lower(): value for name, value in _PARAMETER.findall(content_disposition or "")}
    plain = found.get("filename", "").strip().removeprefix('"').removesuffix('"')
    return _safe(_decoded(found.get("filename*", ""))) or _safe(re.sub(r'\\(["\\])', r"\1", plain))


def _decoded(extended: str) -> str:
    """A value as RFC 5987 writes it, charset'language'percent-encoded; "" where it cannot be read."""
    charset, _, rest = extended.strip().strip('"').partition("'")
    known = (charset or "utf-8").lower() in _CHARSETS
    return unquote(rest.partition("'")[2], encoding=charset or "utf-8", errors="replace") if known else ""


def _safe(name: str) -> str | None:
    base = PureWindowsPath(name).name  # knows both / and \
    clean = _LEADING.sub("", _UNSAFE.sub("_", base)).rstrip()
    extension = Path(clean).suffix if len(os.fsencode(Path(clean).suffix)) <= _LONGEST_EXTENSION_BYTES else ""
    stem = clean.removesuffix(extension)
    room = _LONGEST_NAME_BYTES - len(os.fsencode(extension))
    return (os.fsencode(stem)[:room].decode("utf-8", "ignore") + extension).rstrip() or None
