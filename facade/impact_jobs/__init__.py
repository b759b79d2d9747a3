"""Export impact.com's reports, and wait for, download and replay its asynchronous jobs.

    from impact_jobs import JobsClient

    with JobsClient.from_env() as jobs:
        result = jobs.wait_and_download("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "actions.csv")

The names in `__all__` are public, and so are those of `impact_jobs.sandbox` and `impact_jobs.pytest_plugin`.
docs/stability.md lists the few names that are semi-public; everything else is private.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impact_jobs._account import JobReference
    from impact_jobs._account_kinds import AccountKindName
    from impact_jobs._download.options import Mode, OnProgress
    from impact_jobs._operations.fetch_all import FetchReport
    from impact_jobs._operations.stream import AsyncResultStream, ResultStream
    from impact_jobs._operations.wait_many import Timeouts
    from impact_jobs._policy.polling import Polling
    from impact_jobs._policy.retry import Retry
    from impact_jobs._policy.windows import Split
    from impact_jobs._redaction import redact
    from impact_jobs.async_client import AsyncJobsClient
    from impact_jobs.client import JobsClient
    from impact_jobs.errors import (
        AlreadyRunningError,
        ApiError,
        AuthenticationError,
        ConfigurationError,
        ConversionError,
        DestinationExistsError,
        DownloadError,
        ExportIncompleteError,
        ExportReport,
        ExportUncertainError,
        FieldError,
        IntegrityError,
        InvalidParameterError,
        JobCancelledError,
        JobFailedError,
        JobNotFoundError,
        JobsError,
        NotReplayableError,
        PermissionDeniedError,
        RateLimitError,
        ReplayUncertainError,
        ReportNotFoundError,
        RequestTimeoutError,
        ResultExpiredError,
        ResultNotReadyError,
        ServerError,
        TransportError,
        UnexpectedResponseError,
        WaitTimeoutError,
    )
    from impact_jobs.models import DownloadResult, Job, JobStatus, JobType
    from impact_jobs.report_models import DataType, ExportWindow, Report, ReportColumn, ReportFilter, ReportMetadata

__all__ = [
    "AccountKindName",
    "AlreadyRunningError",
    "ApiError",
    "AsyncJobsClient",
    "AsyncResultStream",
    "AuthenticationError",
    "ConfigurationError",
    "ConversionError",
    "DataType",
    "DestinationExistsError",
    "DownloadError",
    "DownloadResult",
    "ExportIncompleteError",
    "ExportReport",
    "ExportUncertainError",
    "ExportWindow",
    "FetchReport",
    "FieldError",
    "IntegrityError",
    "InvalidParameterError",
    "Job",
    "JobCancelledError",
    "JobFailedError",
    "JobNotFoundError",
    "JobReference",
    "JobStatus",
    "JobType",
    "JobsClient",
    "JobsError",
    "Mode",
    "NotReplayableError",
    "OnProgress",
    "PermissionDeniedError",
    "Polling",
    "RateLimitError",
    "ReplayUncertainError",
    "Report",
    "ReportColumn",
    "ReportFilter",
    "ReportMetadata",
    "ReportNotFoundError",
    "RequestTimeoutError",
    "ResultExpiredError",
    "ResultNotReadyError",
    "ResultStream",
    "Retry",
    "ServerError",
    "Split",
    "Timeouts",
    "TransportError",
    "UnexpectedResponseError",
    "WaitTimeoutError",
    "redact",
]

__version__ = "0.1.0"

_HOMES = {
    "_account": ("JobReference",),
    "_account_kinds": ("AccountKindName",),
    "report_models": ("DataType", "ExportWindow", "Report", "ReportColumn", "ReportFilter", "ReportMetadata"),
    "_download.options": ("Mode", "OnProgress"),
    "_operations.fetch_all": ("FetchReport",),
    "_operations.stream": ("AsyncResultStream", "ResultStream"),
    "_operations.wait_many": ("Timeouts",),
    "async_client": ("AsyncJobsClient",),
    "client": ("JobsClient",),
    "models": ("DownloadResult", "Job", "JobStatus", "JobType"),
    "_policy.polling": ("Polling",),
    "_policy.retry": ("Retry",),
    "_policy.windows": ("Split",),
    "_redaction": ("redact",),
}
_HOME_OF = dict.fromkeys(__all__, "errors") | {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # because type checkers would accept any misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used (PEP 562), because httpx takes long to import."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
