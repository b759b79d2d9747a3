"""Profiles: credentials by name, in a file that nobody else can read.

    [default]
    account_sid = "IRabc..."
    auth_token = "..."
    base_url = "https://api.impact.com"    # optional

A profile is taken whole: of the environment's `IMPACT_BASE_URL` nothing is mixed in, or a token might go elsewhere than
it was stored for.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from impact_jobs._account import DEFAULT_BASE_URL, Account
from impact_jobs._download.filesystem import sync_folder
from impact_jobs._redaction import Secret, secret_url, shorten
from impact_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from impact_jobs import JobsClient

FILE_NAME = "credentials.toml"
DEFAULT = "default"
VARIABLE = "IMPACT_JOBS_PROFILE"
CREDENTIALS = ("IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what TOML takes without quotes
_KEYS = {"account_sid", "auth_token", "base_url"}
_PLAIN_KEY = re.compile(r"[A-Za-z_-]{1,20}")  # shorter than a token, which may have slipped into a key's place
_LONGEST_FILE_BYTES = 1024 * 1024
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_HEADING = "# Written by `impact-jobs profile`, which keeps no comments.\n"


@frozen
class Profile:
    """One account under a name.

    Attributes:
        name: Its name in the file.
        account_sid: The Account SID.
        auth_token: The Auth Token; it shows itself only when asked.
        base_url: Where the API is; None for the vendor's own.
    """

    name: str
    account_sid: str
    auth_token: Secret
    base_url: str | None = None

    @property
    def url(self) -> str:
        """Where the API is."""
        return self.base_url or DEFAULT_BASE_URL

    def client(self, **options: Any) -> JobsClient:  # noqa: ANN401 - those of JobsClient
        """A client of the account."""
        from impact_jobs import JobsClient  # noqa: PLC0415 - slow to load, and not every command needs it

        return JobsClient(self.account_sid, self.auth_token.reveal(), base_url=self.url, **options)


def config_folder() -> Path:
    """Where the file is kept: `~/.config/impact-jobs`, or what `XDG_CONFIG_HOME` says."""
    return Path(click.get_app_dir("impact-jobs"))


def chosen(name: str | None, *, environ: Mapping[str, str]) -> str | None:
    """The name of the profile that is asked for: by `--profile`, else by `IMPACT_JOBS_PROFILE`; None where by neither.

    Raises:
        ConfigurationError: The environment names a profile and holds credentials too, perhaps of another account.
    """
    if name is not None:
        return name
    named = environ.get(VARIABLE)
    if named and (held := _credentials_in(environ)):
        raise ConfigurationError(
            f"{VARIABLE} and {held} are both set, and may be two accounts: unset one of them, or give --profile."
        )
    return named or None


def load(name: str | None, *, folder: Path, environ: Mapping[str, str]) -> Profile | None:
    """The profile to work with.

    What is named explicitly wins: `name`, then `IMPACT_JOBS_PROFILE`. Then come the environment's own credentials, of
    which one variable is enough to be meant; then the profile "default".

    Args:
        name: As `--profile` gives it, or None.
        folder: Where the file is; see `config_folder`.
        environ: The environment.

    Returns:
        The profile; None when the client's `from_env` is to look, and to say what is missing.

    Raises:
        ConfigurationError: The file is unsafe or malformed, or there is no such profile.
    """
    wanted = chosen(name, environ=environ)
    if wanted is None and _credentials_in(environ):
        return None
    found = _read(folder)
    problem_or_profile = found.get(wanted or DEFAULT)
    if isinstance(problem_or_profile, Profile):
        return problem_or_profile
    if problem_or_profile is not None:
        raise ConfigurationError(problem_or_profile)
    if wanted is None:
        return None
    known = ", ".join(sorted(found)) or "none"
    raise ConfigurationError(
        f"{folder / FILE_NAME} has no profile {shorten(wanted)!r} (it has: {known}): "
        "name one of these, or make it with `impact-jobs profile add`."
    )


def stored(folder: Path) -> list[Profile]:
    """All profiles, by name.

    Raises:
        ConfigurationError: The file is unsafe, or it or one of them is malformed.
    """
    found = _read(folder)
    for problem in found.values():
        if isinstance(problem, str):
            raise ConfigurationError(problem)
    return sorted((each for each in found.values() if isinstance(each, Profile)), key=lambda profile: profile.name)


def save(profile: Profile, *, folder: Path) -> Path:
    """Add `profile`, or put it in place of the one of its name; the others stay.

    The file is replaced in one step by one that was never readable by anybody else.

    Returns:
        The file.

    Raises:
        ConfigurationError: The profile is malformed, or the file is, or is unsafe, or cannot be written.
    """
    checked(profile)
    _read(folder)  # before anything is made there
    with _locked(folder):
        others = (other for other in stored(folder) if other.name != profile.name)
        return _write([*others, profile], folder)


def remove(name: str, *, folder: Path) -> None:
    """Take one profile out; the others stay.

    Raises:
        ConfigurationError: There is none of that name, or the file is malformed, unsafe, or cannot be written.
    """
    load(name, folder=folder, environ={})
    with _locked(folder):
        _write([other for other in stored(folder) if other.name != name], folder)


def checked(profile: Profile) -> Profile:
    """`profile`, if its values can be right.

    Raises:
        ConfigurationError: One of them cannot.
    """
    if not _NAME.fullmatch(profile.name):
        raise ConfigurationError(
            f"{shorten(profile.name)!r} is no name for a profile: use up to 64 letters, digits, '-' and '_'."
        )
    Account.create(profile.account_sid, profile.auth_token, secret_url(profile.url))
    return profile


def _credentials_in(environ: Mapping[str, str]) -> str:
    return " and ".join(name for name in CREDENTIALS if environ.get(name))


def _read(folder: Path) -> dict[str, Profile | str]:
    """By name, every profile or what is wrong with it."""
    file = folder / FILE_NAME
    if problem := _unsafe(folder):
        raise ConfigurationError(problem)
    # Raised here, where neither the text nor a parser's frame, which hold tokens, is part of the traceback.
    outcome = _parsed(file)
    if isinstance(outcome, str):
        raise ConfigurationError(outcome)
    return outcome


def _unsafe(folder: Path) -> str | None:
    """Why no secret can be trusted to lie in `folder`, or where the file in it links to."""
    file = folder / FILE_NAME
    if not folder.is_absolute():
        return f"{folder} is not an absolute path: set HOME, or XDG_CONFIG_HOME to one."
    try:
        link = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{file} cannot be looked at ({error.strerror}): check the rights of its folder."
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in {os.geteuid(), 0}:
        return f"{file} is a link that another user made: look where it leads, and make your own with `ln -s`."
    return _unsafe_folder(folder) or _unsafe_folder(file.resolve().parent)


def _unsafe_folder(folder: Path) -> str | None:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{folder} cannot be looked at ({error.strerror}): check its rights."
    if found.st_uid not in {os.geteuid(), 0}:
        return f"{folder} belongs to another user, who could swap the credentials in it: use a folder of your own."
    if found.st_mode & _WRITABLE_BY_OTHERS:
        return (
            f"{folder} can be written to by others, who could swap the credentials in it: "
            f"run `chmod go-w {shlex.quote(str(folder))}`."
        )
    return None


def _parsed(file: Path) -> dict[str, Profile | str] | str:
    try:
        with file.open("rb") as opened:
            problem = _unsafe_file(file, os.fstat(opened.fileno()))
            # What was checked is what is read, whatever the name has come to mean since.
            tables = {} if problem else tomllib.loads(opened.read(_LONGEST_FILE_BYTES).decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        return f"{file} cannot be read ({error.strerror}): check its rights."
    except (ValueError, RecursionError) as error:  # a parser's message may quote the line, and so the token
        place = re.search(r"line \d+", str(error)) if isinstance(error, tomllib.TOMLDecodeError) else None
        where = f" at {place[0]}" if place else ""
        return f"{file} is not TOML{where} (not shown, for it may hold a token): correct it, or remove it and add anew."
    for key, table in tables.items():
        if not isinstance(table, dict):
            return f"{file}: {_shown(key)} stands outside of a profile: put a line such as [{DEFAULT}] before it."
    return problem or {name: _profile(file, name, table) for name, table in tables.items()}


def _unsafe_file(file: Path, found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return f"{file} is not a regular file: move it away, and make it with `impact-jobs profile add`."
    if found.st_uid != os.geteuid():
        return f"{file} belongs to another user: make your own with `impact-jobs profile add`."
    if found.st_mode & _FOR_OTHERS:
        return f"{file} can be read or written by others: run `chmod 600 {shlex.quote(str(file))}`."
    return None


def _profile(file: Path, name: str, table: Mapping[str, Any]) -> Profile | str:
    if not _NAME.fullmatch(name):
        return f"{file}: a profile's name is not up to 64 letters, digits, '-' and '_': correct it."
    where = f"{file}, profile {name!r}"
    if unknown := table.keys() - _KEYS:
        shown = ", ".join(sorted(map(_shown, unknown)))
        return f"{where}: unknown {shown}: a profile has account_sid, auth_token and perhaps base_url."
    for key in ("account_sid", "auth_token", "base_url"):
        if key not in table and key != "base_url":
            return f"{where}: {key} is missing: add it, or run `impact-jobs profile add {name}` again."
        if not isinstance(table.get(key, ""), str):
            return f"{where}: {key} is not a text: put it in quotes."
    try:
        return checked(Profile(name, table["account_sid"], Secret(table["auth_token"]), table.get("base_url")))
    except ConfigurationError as error:
        return f"{where}: {error}"


def _shown(key: str) -> str:
    return repr(key) if _PLAIN_KEY.fullmatch(key) else "a key that is no plain word"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold off other processes that would write the file, in a folder that is there and ours alone."""
    try:
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used ({error.strerror}): check its path and rights.") from None
    try:
        if problem := _unsafe_folder(folder):
            raise ConfigurationError(problem)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(profiles: list[Profile], folder: Path) -> Path:
    file = (folder / FILE_NAME).resolve()  # where it is a link, the link stays
    text = Secret(_HEADING + "".join(map(_toml, profiles)))
    try:
        handle, made = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=file.parent)  # 0600 from the start
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text.reveal())
                opened.flush()
                os.fsync(handle)
            Path(made).replace(file)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(made).unlink()
            raise
        sync_folder(file.parent)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written ({error.strerror}): check its folder and disk.") from None
    return file


def _toml(profile: Profile) -> str:
    values = {"account_sid": profile.account_sid, "auth_token": profile.auth_token.reveal()}
    if profile.base_url is not None:
        values["base_url"] = profile.base_url
    # A JSON string is a TOML string, too, as long as it has no half of a surrogate pair: `checked` has seen to that.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    return f"\n[{profile.name}]\n{''.join(lines)}"
