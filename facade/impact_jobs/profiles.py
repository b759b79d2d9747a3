"""Profiles: credentials under names, in a file that nobody else can read.

    [default]
    account_sid = "IRabc..."
    auth_token = "..."
    base_url = "https://api.impact.com"    # optional
    account_kind = "agency"                # optional

A profile is used as a whole: the environment's `IMPACT_BASE_URL` and `IMPACT_ACCOUNT_KIND` do not apply to it, because
the former could send the token to another server than the one it was stored for.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from impact_jobs import _private_file
from impact_jobs._account import DEFAULT_BASE_URL, Account
from impact_jobs._account_kinds import AccountKindName, account_kind
from impact_jobs._private_file import replace as replace_private_file
from impact_jobs.client import JobsClient
from impact_jobs.errors import ConfigurationError, shorten
from impact_jobs.models import Secret, secret_url

if TYPE_CHECKING:
    from impact_jobs.async_client import AsyncJobsClient

__all__ = [
    "CREDENTIALS",
    "DEFAULT",
    "FILE_NAME",
    "VARIABLE",
    "Profile",
    "config_folder",
    "load",
    "remove",
    "replace_private_file",
    "save",
    "stored",
    "validate",
]

FILE_NAME = "credentials.toml"
DEFAULT = "default"
VARIABLE = "IMPACT_JOBS_PROFILE"
CREDENTIALS = ("IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN")

_FOLDER = "impact-jobs"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # the keys that TOML accepts without quotes
_REQUIRED, _OPTIONAL = ("account_sid", "auth_token"), ("base_url", "account_kind")
_PLAIN_KEY = re.compile(r"[A-Za-z_-]{1,20}")  # shorter than a token, which may have been pasted as a key
_HEADING = "# Written by `impact-jobs profile`, which keeps no comments.\n"


@frozen
class Profile:
    """One account under a name. None stands for the default."""

    name: str
    account_sid: str
    auth_token: Secret
    base_url: str | None = None
    account_kind: str | None = None

    @property
    def kind(self) -> AccountKindName:
        """The kind of the account; raise `ConfigurationError` if there is no such kind."""
        return account_kind(self.account_kind or "agency", "account_kind").name

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return self.base_url or DEFAULT_BASE_URL

    def client(self, kind: AccountKindName | None = None) -> JobsClient:
        """Create a client of the account, as one of another kind if that is given."""
        return JobsClient(self.account_sid, self.auth_token.reveal(), account=kind or self.kind, base_url=self.url)

    def async_client(self) -> AsyncJobsClient:
        """Create an asynchronous client of the account."""
        from impact_jobs.async_client import AsyncJobsClient  # noqa: PLC0415 - the command line does without

        return AsyncJobsClient(self.account_sid, self.auth_token.reveal(), account=self.kind, base_url=self.url)


def config_folder() -> Path:
    """Return the folder of the file: `~/.config/impact-jobs`, or as `XDG_CONFIG_HOME` says."""
    home = os.path.expanduser("~")  # noqa: PTH111 - unlike Path.home, it never raises
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", home), _FOLDER)
    if sys.platform == "darwin":
        return Path(home, "Library", "Application Support", _FOLDER)
    return Path(os.environ.get("XDG_CONFIG_HOME", f"{home}/.config"), _FOLDER)


def load(name: str | None, *, folder: Path, environ: Mapping[str, str]) -> Profile | None:
    """Load the profile to use; return None to leave the credentials, or the error if there are none, to `from_env`.

    `name` comes first, then `IMPACT_JOBS_PROFILE`, then the credentials in the environment, even if only one of the two
    variables is set, and last the profile "default".
    """
    in_environ = " and ".join(variable for variable in CREDENTIALS if environ.get(variable))
    wanted = name if name is not None else environ.get(VARIABLE) or None
    if name is None and wanted and in_environ:
        raise ConfigurationError(
            f"{VARIABLE} and {in_environ} are both set, and may belong to different accounts: "
            "unset one of them, or pass --profile."
        )
    if wanted is None and in_environ:
        return None
    found = _read(folder)
    profile_or_problem = found.get(wanted or DEFAULT)
    if isinstance(profile_or_problem, Profile):
        return profile_or_problem
    if profile_or_problem is not None:
        raise ConfigurationError(profile_or_problem)
    if wanted is None:
        return None
    known = f" (it has: {', '.join(sorted(found))}): name one of these, or" if found else ":"
    raise ConfigurationError(
        f"{folder / FILE_NAME} has no profile {shorten(wanted)!r}{known} create it with `impact-jobs profile add`."
    )


def stored(folder: Path) -> list[Profile]:
    """Return all profiles, sorted by name; raise `ConfigurationError` if one of them is malformed."""
    profiles = []
    for profile_or_problem in _read(folder).values():
        if isinstance(profile_or_problem, str):
            raise ConfigurationError(profile_or_problem)
        profiles.append(profile_or_problem)
    return sorted(profiles, key=lambda profile: profile.name)


def save(profile: Profile, *, folder: Path) -> Path:
    """Add `profile`, or replace the one of its name, and return the file; the other profiles stay."""
    validate(profile)
    _read(folder)  # raises before anything is created
    with _private_file.locked(folder / FILE_NAME):
        others = (other for other in stored(folder) if other.name != profile.name)
        return _write([*others, profile], folder)


def remove(name: str, *, folder: Path) -> None:
    """Remove one profile; the others stay."""
    load(name, folder=folder, environ={})
    with _private_file.locked(folder / FILE_NAME):
        _write([other for other in stored(folder) if other.name != name], folder)


def validate(profile: Profile) -> Profile:
    """Return `profile` if its values are well-formed, else raise `ConfigurationError`."""
    if not _NAME.fullmatch(profile.name):
        raise ConfigurationError(
            f"{shorten(profile.name)!r} is not a valid profile name: use up to 64 letters, digits, '-' and '_'."
        )
    kind = account_kind(profile.kind)
    Account.create(profile.account_sid, profile.auth_token, secret_url(profile.url), kind=kind)
    return profile


def _read(folder: Path) -> dict[str, Profile | str]:
    """Return every profile by name, or the reason why it is malformed."""
    file = folder / FILE_NAME
    if problem := _private_file.unsafe_path(file):
        raise ConfigurationError(problem)
    _private_file.remove_leftover(file)
    # Raised here, not in `_parse`, because tracebacks can show the values of locals, and `_parse` holds tokens.
    parsed = _parse(file)
    if isinstance(parsed, str):
        raise ConfigurationError(parsed)
    return parsed


def _parse(file: Path) -> dict[str, Profile | str] | str:
    """Return the profiles, or why the file as a whole cannot be used."""
    try:
        with open(file, "rb", opener=_private_file.open_without_waiting) as opened:
            # The open file is checked, so that it is the one that is read even if the path changes meanwhile.
            if problem := _private_file.unsafe_file(file, os.fstat(opened.fileno())):
                return problem
            tables = tomllib.loads(opened.read(_private_file.MAX_BYTES).decode())
    except OSError as error:
        # Only if both say that it is missing, because what seems to be empty is overwritten.
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not os.path.exists(file):  # noqa: PTH110 - it never raises
            return {}
        return f"{file} cannot be read ({error.strerror or error}): check its permissions."
    except (ValueError, RecursionError) as error:  # a parser's message may quote the line, and so the token
        place = re.search(r"line \d+", str(error)) if isinstance(error, tomllib.TOMLDecodeError) else None
        where = f" at {place[0]}" if place else ""
        return f"{file} is not TOML{where} (not shown, because it may hold a token): correct it, or remove it."
    for key, table in tables.items():
        if not isinstance(table, dict):
            return f"{file}: {_quoted(key)} is outside any profile: put a line such as [{DEFAULT}] before it."
    return {name: _parse_profile(file, name, table) for name, table in tables.items()}


def _parse_profile(file: Path, name: str, table: Mapping[str, Any]) -> Profile | str:
    if not _NAME.fullmatch(name):
        return f"{file}: a profile has an invalid name: use up to 64 letters, digits, '-' and '_'."
    where = f"{file}, profile {name!r}"
    if unknown := table.keys() - {*_REQUIRED, *_OPTIONAL}:
        keys = ", ".join(sorted(map(_quoted, unknown)))
        known = "account_sid, auth_token and, optionally, base_url and account_kind"
        return f"{where}: unknown {keys}: a profile has {known}."
    for key in (*_REQUIRED, *_OPTIONAL):
        if key in _REQUIRED and key not in table:
            return f"{where}: {key} is missing: add it, or run `impact-jobs profile add {name}` again."
        if not isinstance(table.get(key, ""), str):
            return f"{where}: {key} is not a string: put it in quotes."
    try:
        token, optional = Secret(table["auth_token"]), map(table.get, _OPTIONAL)
        return validate(Profile(name, table["account_sid"], token, *optional))
    except ConfigurationError as error:
        return f"{where}: {error}"


def _quoted(key: str) -> str:
    return repr(key) if _PLAIN_KEY.fullmatch(key) else "a key that is not a plain word"


def _write(profiles: list[Profile], folder: Path) -> Path:
    text = Secret(_HEADING + "".join(map(_to_toml, profiles)))
    return replace_private_file(folder / FILE_NAME, text)


def _to_toml(profile: Profile) -> str:
    values = {"account_sid": profile.account_sid, "auth_token": profile.auth_token.reveal()}
    values |= {key: value for key in _OPTIONAL if (value := getattr(profile, key)) is not None}
    # A JSON string is a TOML string too, unless it has half of a surrogate pair, which `validate` has ruled out.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    return f"\n[{profile.name}]\n{''.join(lines)}"
