"""Translate what stores raise into errors of this library: one line, no secret, and whether trying again can help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from impact_jobs.airflow._storage.location import Location
from impact_jobs.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    JobsError,
    PermissionDeniedError,
    shorten,
)

T = TypeVar("T")

_BUGS: Final = (TypeError, AttributeError, NameError, LookupError, AssertionError, MemoryError)
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestTimeTooSkewed", "TokenRefreshRequired"})
_EXISTS: Final = frozenset({"PreconditionFailed", "412"})
_MISSING: Final = frozenset({"NoSuchBucket", "404", "ContainerNotFound"})
_FORBIDDEN: Final = frozenset({"401", "403", "AccessDenied"})
_WRONG: Final = frozenset({"InvalidBucketName", "KeyTooLongError", "ParamValidationError"})
_NO_CREDENTIALS: Final = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})


def translate(call: Callable[[], T], *, doing: str, location: Location) -> T:
    """Return what `call` returns; raise an error of this library for what the store raises.

    Raises:
        ConfigurationError: The bucket, the folder or the credentials are missing, or the store refuses the name.
        PermissionDeniedError: The connection may not do this.
        DestinationExistsError: The file exists.
        DownloadError: Anything else; another try may succeed.
    """
    try:
        return call()
    except (JobsError, *_BUGS):
        raise
    except Exception as error:  # noqa: BLE001 - each store's library has its own tree of errors
        failure = _translated(error, doing=doing, location=location)
    raise failure  # here, because the store's error may show requests with their signatures


def code_of(error: BaseException) -> str:
    """Return the store's own code of an error, such as "NoSuchBucket" or "404"; else the name of its class."""
    cause: Any = error.__cause__ or error
    response = getattr(cause, "response", None)  # botocore's
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    for name in ("error_code", "status_code", "code", "status"):  # Azure's, and gcsfs's
        code = getattr(cause, name, None)
        if isinstance(code, str | int):
            return str(getattr(code, "value", code))
    return type(error).__name__


def _translated(error: Exception, *, doing: str, location: Location) -> JobsError:
    code, uri = code_of(error), location.uri
    reason = shorten(" ".join(f"{type(error).__name__}: {error}".split()))
    if code in _EXISTS or isinstance(error, FileExistsError):
        return DestinationExistsError(f"{uri} exists: pass overwrite=True, or choose another path.")
    if code in _NO_CREDENTIALS:
        return ConfigurationError(f"{uri} cannot be {doing}: there are no credentials; name a connection ({reason})")
    if code in _WRONG:
        return ConfigurationError(f"{uri} cannot be {doing}: the store refuses this name ({reason})")
    if code in _MISSING or isinstance(error, FileNotFoundError | NotADirectoryError):
        return _missing(location, doing)
    if (code in _FORBIDDEN or isinstance(error, PermissionError)) and code not in _EXPIRED:
        return _forbidden(location, doing, reason)
    return DownloadError(f"{uri} could not be {doing}: {reason}. Try again.")


def _missing(location: Location, doing: str) -> JobsError:
    kind, name = ("bucket", location.bucket) if location.has_bucket else ("folder", location.path.rpartition("/")[0])
    return ConfigurationError(
        f"{location.uri} cannot be {doing}: the {kind} {name!r} does not exist; create it, or correct the path."
    )


def _forbidden(location: Location, doing: str, reason: str) -> JobsError:
    if location.is_local:
        return ConfigurationError(f"{location.path!r} cannot be {doing}: {reason}")
    who = f"the connection {location.conn_id!r}" if location.conn_id else "the default credentials"
    error = PermissionDeniedError(
        f"{location.uri} cannot be {doing}: the store refuses {who}; allow to list, read and write there ({reason})",
        status_code=403,
    )
    error.is_from_storage = True
    return error
