"""The target of a download: whether a file can be written there, and its name if the storage suggests one."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from attrs import frozen

from impact_jobs._download.filesystem import (
    SuppressSystemErrors,
    check_platform,
    exists,
    is_of_system,
    status_of,
    sync_folder,
)
from impact_jobs._download.part_names import remove_other_names
from impact_jobs.errors import ConfigurationError, DestinationExistsError

# Characters that a file system or a terminal interprets, among them those that change the direction of text.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff/\\:*?\"<>|]")
_LEADING = re.compile(r"\A[\s.]+")
_MAX_NAME_BYTES = 200  # common file systems allow 255, and ".9.part.json" is appended
_MAX_EXTENSION_BYTES = 20
_MAX_TARGET_BYTES = 240
_PARAMETER = re.compile(r";\s*(filename\*?)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;]*)", re.IGNORECASE)
# Those of RFC 5987 only, because others that Python supports raise, warn, or decode to half a character.
_CHARSETS = frozenset({"utf-8", "utf8", "iso-8859-1"})
_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})


@frozen
class Place:
    """A user's path, as given, and where that was when the call began."""

    given: Path
    path: Path  # absolute, because the working directory may change

    @classmethod
    def at(cls, path: str | PathLike[str]) -> Place:
        """Return the place that `path` names; raise ConfigurationError if it names none."""
        check_platform()
        with suppress(TypeError, UnicodeEncodeError):
            given = Path(path)
            if str(path) and b"\0" not in os.fsencode(given):
                try:
                    return cls(given, given.absolute())
                except OSError as error:
                    if not is_of_system(error):
                        raise
                    raise ConfigurationError(
                        f"path={path!r} is relative, and the current folder cannot be used "
                        f"({error.strerror}): give an absolute path."
                    ) from None
        raise ConfigurationError(
            f"path={path!r} is not a file name: give the path of a file, or of an existing folder."
        )

    @classmethod
    def of_target(cls, path: str | PathLike[str]) -> Place:
        """Return the place of a target. One that ends in a slash must be an existing folder."""
        place = cls.at(path)
        if os.path.basename(os.fspath(path)) in {"", ".", ".."}:  # noqa: PTH119 - which drops the slash
            check_folder(place.path)
        return place

    def __truediv__(self, name: str) -> Place:
        return Place(self.given / name, self.path / name)

    @property
    def shown(self) -> Path:
        """The path as given, or the absolute one if that leads elsewhere by now."""
        with SuppressSystemErrors():
            return self.given if self.given.absolute() == self.path else self.path
        return self.path


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check, before any request, that a result can be written to `path`: a file, or an existing folder.

    Raises:
        ConfigurationError: The folder is missing or not writable, or the path is not a regular file.
        DestinationExistsError: The file exists, and `overwrite` is false.
    """
    folder = path if is_folder(path) else path.parent
    check_folder(folder)
    if folder == path:
        return
    if len(os.fsencode(path.name)) > _MAX_TARGET_BYTES:
        raise ConfigurationError(f"the file name {path.name[:40]!r}… is too long: {_MAX_TARGET_BYTES} bytes at most.")
    check_file(path, overwrite=overwrite)


def check_file(path: Path, *, overwrite: bool) -> None:
    """Check that nothing is in the way of a file; raise as `check_target` does."""
    with _examining(path):
        found = status_of(path)
    if found is None:
        return
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{str(path)!r} is not a regular file: choose another path.")
    if not overwrite:
        remove_other_names(path)
        raise DestinationExistsError(f"{str(path)!r} exists: pass overwrite=True, or choose another path.")


def check_folder(folder: Path) -> None:
    """Raise ConfigurationError unless files can be created in `folder`."""
    if not is_folder(folder):
        raise ConfigurationError(f"the folder {str(folder)!r} does not exist: create it first.")
    with _examining(folder):
        is_writable = os.access(folder, os.W_OK | os.X_OK)
    if not is_writable:
        raise ConfigurationError(f"the folder {str(folder)!r} is not writable: choose another.")


def make_folder(folder: Path) -> list[Path]:
    """Create a folder and those above it that are missing, durably, and return them; the innermost is the first.

    Raises:
        ConfigurationError: That fails.
    """
    made = [each for each in (folder, *folder.parents) if not exists(each)]
    for each in reversed(made or [folder]):
        try:
            each.mkdir()
        except OSError as error:
            if not is_of_system(error):
                raise
            if not is_folder(each):
                raise ConfigurationError(
                    f"the folder {str(folder)!r} could not be created: {error.strerror}. Choose another."
                ) from None
    check_folder(folder)
    for each in made:
        with SuppressSystemErrors():
            sync_folder(each.parent)
    return made


def remove_empty_folders(made: Iterable[Path]) -> None:
    """Remove those of these folders that are empty, each before the one that it is in."""
    for folder in made:
        with SuppressSystemErrors():
            folder.rmdir()


def is_folder(path: Path) -> bool:
    """Return whether a path names a folder; raise ConfigurationError if the system does not answer that."""
    with _examining(path):
        try:
            return stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
    return False


@contextmanager
def _examining(path: Path) -> Iterator[None]:
    """Raise ConfigurationError if the system does not answer a question about `path`."""
    try:
        yield
    except OSError as error:
        if not is_of_system(error):
            raise
        raise ConfigurationError(
            f"{str(path)!r} could not be examined ({error.strerror or error}): check its folder, or choose another."
        ) from None


def suggested_name(content_disposition: str | None) -> str | None:
    """Return the file name in a `Content-Disposition`, made safe, or None if there is none.

    Only the base name is used, with either system's separators; control characters and those that some file systems
    forbid become `_`; leading dots are removed; the name is cut to 200 bytes, but keeps its extension.
    """
    found = {name.lower(): value for name, value in _PARAMETER.findall(content_disposition or "")}
    plain = found.get("filename", "").strip().removeprefix('"').removesuffix('"')
    return safe_name(_decode(found.get("filename*", ""))) or safe_name(re.sub(r'\\(["\\])', r"\1", plain))


def _decode(extended: str) -> str:
    """Decode a value as in RFC 5987, charset'language'percent-encoded; return "" if that is not possible."""
    charset, _, rest = extended.strip().strip('"').partition("'")
    charset = charset.lower() or "utf-8"
    return unquote(rest.partition("'")[2], encoding=charset, errors="replace") if charset in _CHARSETS else ""


def safe_name(name: str) -> str | None:
    """Return the last part of a path as a name that every file system accepts; None if nothing is left."""
    base = PureWindowsPath(name).name  # splits at both / and \
    clean = _LEADING.sub("", _UNSAFE.sub("_", base)).rstrip()
    extension = Path(clean).suffix if len(os.fsencode(Path(clean).suffix)) <= _MAX_EXTENSION_BYTES else ""
    stem = clean.removesuffix(extension)
    room = _MAX_NAME_BYTES - len(os.fsencode(extension))
    return (os.fsencode(stem)[:room].decode("utf-8", "ignore") + extension).rstrip() or None
