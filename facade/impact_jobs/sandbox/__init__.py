"""A stand-in for the Jobs API on this machine: to try the client out, and to test tools that use it.

Args and behaviour are those of `Sandbox`; ``python -m impact_jobs.sandbox`` runs one as a process. Both need
``pip install "impact-jobs[sandbox]"``.

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
    from impact_jobs.sandbox.faults import RecordedRequest
    from impact_jobs.sandbox.result_file import ResultFile
    from impact_jobs.sandbox.sandbox import Sandbox

__all__ = ["RecordedRequest", "ResultFile", "Sandbox"]

_HOMES = {"RecordedRequest": "faults", "ResultFile": "result_file", "Sandbox": "sandbox"}


if not TYPE_CHECKING:  # else a misspelt name would be an object to type checkers, not an error

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used, and say what to install where that fails."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
                raise
            raise ImportError(
                'the sandbox needs starlette and uvicorn: pip install "impact-jobs[sandbox]"', name=error.name
            ) from None
        return getattr(module, name)
