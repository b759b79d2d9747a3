"""Parse the path of a destination: a path on this machine, or a URL with an Airflow connection."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import field, frozen

from impact_jobs.errors import ConfigurationError, shorten

_LOCAL: Final = frozenset({"file", "local"})
# The stores whose URLs begin with a bucket or container, and whose objects appear whole or not at all.
_BUCKETS: Final = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az"})


@frozen(kw_only=True)
class Location:
    """One file, and the connection that leads to it.

    Attributes:
        uri: The URL without the connection.
        scheme: The scheme of the URL, "file" for this machine.
        path: What follows the scheme: "bucket/key", or an absolute path on this machine.
        conn_id: The Airflow connection, or None for the default of the store's library.
    """

    uri: str
    scheme: str
    path: str
    conn_id: str | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine."""
        return self.scheme == "file"

    @property
    def has_bucket(self) -> bool:
        """Whether the store has buckets, and shows an object only once it is whole."""
        return self.scheme in _BUCKETS

    @property
    def bucket(self) -> str:
        """The bucket or container; the host of other stores."""
        return self.path.partition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def parse(text: str, conn_id: str | None) -> Location:
    """Return the location that a path names.

    Args:
        text: A path on this machine, or a URL such as "s3://bucket/folder/name.csv".
        conn_id: The Airflow connection, unless the URL names it ("s3://conn_id@bucket/...").

    Raises:
        ConfigurationError: It does not name a file, or the two connections differ. What to do: correct the value.
    """
    if any(ord(character) < ord(" ") for character in text):
        raise ConfigurationError(f"path={text!r} contains a control character: correct it.")
    scheme, mark, rest = text.partition("://")
    if not mark:
        return _local(text, text, conn_id)
    authority, slash, key = rest.partition("/")
    userinfo, at, bucket = authority.rpartition("@")
    if ":" in userinfo:
        raise _wrong(text, "credentials do not belong in a URL: name an Airflow connection before the @")
    if at and bucket.endswith(".core.windows.net"):
        raise _wrong(text, "Airflow reads what precedes the @ as a connection: write abfs://conn_id@container/name")
    conn_id = _only_one(text, userinfo, conn_id)
    if scheme.lower() in _LOCAL:
        if bucket or not slash:
            raise _wrong(text, "give an absolute path after file://, with three slashes")
        return _local(text, f"/{key}", None)
    return _remote(text, scheme.lower(), bucket=bucket, key=key, conn_id=conn_id)


def _remote(text: str, scheme: str, *, bucket: str, key: str, conn_id: str | None) -> Location:
    if scheme in _BUCKETS and not bucket:
        raise _wrong(text, "it names no bucket")
    if key.rpartition("/")[2] in {"", ".", ".."}:
        raise _wrong(text, "it does not name a file: append a name such as report.csv")
    return Location(uri=f"{scheme}://{bucket}/{key}", scheme=scheme, path=f"{bucket}/{key}", conn_id=conn_id)


def _local(given: str, path: str, conn_id: str | None) -> Location:
    if conn_id is not None:
        raise _wrong(given, "a path on this machine needs no connection: give a URL such as s3://bucket/name.csv")
    if Path(path).name in {"", ".."} or path.endswith(("/", "/.")):
        raise _wrong(given, "it does not name a file: append a name such as report.csv")
    absolute = Path(path).absolute()
    return Location(uri=absolute.as_uri(), scheme="file", path=str(absolute))


def _only_one(text: str, in_url: str, given: str | None) -> str | None:
    if in_url and given and in_url != given:
        raise _wrong(text, f"it names another connection than storage_conn_id={given!r}: name one of them only")
    return in_url or given


def _wrong(text: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"path={shorten(text)!r}: {reason}.")
