"""Turn the errors of this library, and the events of its triggers, into Airflow's exceptions, each of one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    DestinationExistsError,
    InvalidParameterError,
    JobNotFoundError,
    JobsError,
    NotReplayableError,
    PermissionDeniedError,
    ReplayUncertainError,
    ReportNotFoundError,
    shorten,
)

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "airflow_error",
    "event_error",
    "is_final",
    "one_line",
]

_FINAL = (
    AuthenticationError,
    ConfigurationError,
    DestinationExistsError,
    InvalidParameterError,
    NotReplayableError,
    PermissionDeniedError,
    ReplayUncertainError,
    ReportNotFoundError,
)
_FINAL_STATUS = frozenset({400, 402, 405})  # of an ApiError without a class of its own: the request itself is wrong


def one_line(text: str) -> str:
    """Return `text` as one line without the queries and credentials of URLs."""
    return " ".join(shorten(text).split())


def is_final(error: JobsError) -> bool:
    """Return whether a retry of the task cannot help, because somebody has to correct something first.

    A job that ended as FAILED is not final, because a retry replays it or exports anew.
    """
    if isinstance(error, JobNotFoundError):
        return not error.is_too_early
    return isinstance(error, _FINAL) or (type(error) is ApiError and error.status_code in _FINAL_STATUS)


def airflow_error(error: JobsError, what: str = "") -> AirflowException:
    """Return Airflow's exception for `error`, to be raised `from None`, so that the task's log shows it once.

    Args:
        error: An error of this library.
        what: What the task was doing, or the connection, such as "connection 'impact_default'"; it starts the line.

    Returns:
        An AirflowFailException if a retry cannot help, otherwise an AirflowException.

    Example:
        >>> raise airflow_error(error, "connection 'impact_default'") from None
        Traceback (most recent call last):
        AirflowFailException: connection 'impact_default': get job ...: HTTP 401 ...
    """
    kind = AirflowFailException if is_final(error) else AirflowException
    return kind(one_line(f"{what}: {error}" if what else str(error)))


def event_error(event: Mapping[str, Any]) -> AirflowException | None:
    """Return the exception for an event of `ImpactJobTrigger`, or None if the job completed.

    Args:
        event: The payload of the event.
    """
    if event["outcome"] == "completed":
        return None
    return (AirflowFailException if event["is_final"] else AirflowException)(event["message"])
