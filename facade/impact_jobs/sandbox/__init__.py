"""A stand-in for the Jobs API on this machine, for trying the client out and for testing tools that use it.

`Sandbox` documents the options and the behaviour; ``python -m impact_jobs.sandbox`` runs one as a process. Both need
``pip install ".[sandbox]"`` in a clone.

Example:
    >>> from impact_jobs.sandbox import Sandbox
    >>> with Sandbox(job_seconds=0) as sandbox:
    ...     job_id = sandbox.add_job(result_bytes=5_000)
    ...     report = sandbox.result(job_id)
    >>> report.size
    5000
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impact_jobs.sandbox._exports import RecordedExport
    from impact_jobs.sandbox._faults import RecordedRequest
    from impact_jobs.sandbox._result_file import ResultFile
    from impact_jobs.sandbox._sandbox import Sandbox

__all__ = ["RecordedExport", "RecordedRequest", "ResultFile", "Sandbox"]

_MODULES = {
    "RecordedExport": "_exports",
    "RecordedRequest": "_faults",
    "ResultFile": "_result_file",
    "Sandbox": "_sandbox",
}


if not TYPE_CHECKING:  # because type checkers would accept any misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used; if that fails, name the extra to install."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
                raise
            raise ImportError(
                'the sandbox needs the extra `sandbox`: pip install ".[sandbox]" in the clone', name=error.name
            ) from None
        return getattr(module, name)
