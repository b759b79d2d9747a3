"""Whether pyarrow is installed, and its functions."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from impact_jobs.errors import ConfigurationError


def require_pyarrow() -> None:
    """Raise ConfigurationError unless pyarrow can be imported, before a request is sent for its sake."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise ConfigurationError(
            f'Arrow tables and Parquet files need the extra `frames`: pip install ".[frames]" in the clone ({error}).'
        ) from None


def arrow_functions() -> Any:  # noqa: ANN401 - type checkers do not see its functions, because they are made at import
    """Return the module `pyarrow.compute`."""
    return import_module("pyarrow.compute")
