"""Find the fsspec filesystem of a location, as Airflow's object storage paths do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from impact_jobs.airflow._storage.location import Location
from impact_jobs.errors import ConfigurationError, shorten

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_PROVIDERS: Final = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "s3a": "apache-airflow-providers-amazon[s3fs]",
    "s3n": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "gcs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
    "adl": "apache-airflow-providers-microsoft-azure",
    "sftp": "apache-airflow-providers-sftp",
    "hdfs": "apache-airflow-providers-apache-hdfs",
}


def filesystem(location: Location) -> AbstractFileSystem:
    """Return the filesystem of a location, one for each scheme and connection of the process.

    Raises:
        ConfigurationError: The provider, its extra or the connection is missing. What to do: see the message.
    """
    if location.is_local:
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415 - fsspec comes with Airflow only

        return LocalFileSystem()
    from airflow.sdk.io import attach  # noqa: PLC0415 - Airflow takes long to import

    store = attach(location.scheme, location.conn_id)
    if "fs" not in vars(store) and location.conn_id is not None:
        _check_connection(location)
    try:
        return cast("AbstractFileSystem", store.fs)
    except ImportError as error:
        reason = f"a library is missing ({shorten(str(error.name or error))})"
    except ValueError as error:
        if f"registered for scheme {location.scheme}" not in str(error):
            reason = shorten(" ".join(str(error).split()))
            raise ConfigurationError(f"{location.uri}: the connection cannot be used: {reason}") from None
        reason = f"Airflow has no filesystem for {location.scheme}://"
    provider = _PROVIDERS.get(location.scheme)
    advice = f"install {provider!r}" if provider else "install a provider that has one, or correct the scheme"
    raise ConfigurationError(f"{location.uri}: {reason}: {advice}.")


def _check_connection(location: Location) -> None:
    # Because Amazon's provider only logs that a connection is missing, and uses the machine's own credentials.
    from airflow.sdk import BaseHook  # noqa: PLC0415 - as above

    from impact_jobs.airflow._errors import AirflowNotFoundException  # noqa: PLC0415 - it imports Airflow

    with suppress(AirflowNotFoundException):
        BaseHook.get_connection(location.conn_id or "")
        return
    raise ConfigurationError(
        f"{location.uri}: Airflow has no connection {location.conn_id!r}: create it, or correct storage_conn_id."
    )
