"""Whether pyarrow is installed."""

from __future__ import annotations

from impact_jobs.errors import ConfigurationError


def require_pyarrow() -> None:
    """Raise ConfigurationError unless pyarrow can be imported, before a request is sent for its sake."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise ConfigurationError(
            f'Arrow tables and Parquet files need the extra `frames`: pip install ".[frames]" in the clone ({error}).'
        ) from None
