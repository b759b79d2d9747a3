"""What each exit code means, and which error leads to which code."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

import click

from impact_jobs import JobsError, errors

OK: Final = 0
JOB_FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
TIMEOUT: Final = 4
TRANSPORT: Final = 5
UNCERTAIN: Final = 6
BUG: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130  # 128 plus the number of the signal, as shells report it
READER_GONE: Final = 141
TERMINATED: Final = 143

MEANINGS: Final[dict[int, tuple[str, str]]] = {
    OK: ("done", ""),
    JOB_FAILED: ("a job failed or was cancelled", "read its message; replay it, or schedule a new one"),
    USAGE: ("the command, its input or its destination is wrong", "correct what the message names"),
    NOT_FOUND: ("not found, or not permitted", "check the id, the credentials and their scope"),
    TIMEOUT: ("not done in time, or not all of it", "run it again; jobs continue on the server"),
    TRANSPORT: ("no response, or an unusable one", "run it again later"),
    UNCERTAIN: ("the response to a replay was lost", "look at the newest jobs before you replay again"),
    BUG: ("internal error (bug)", "report it, with the output of -vv"),
    INTERRUPTED: ("interrupted by Ctrl-C", "run the command that was printed"),
    READER_GONE: ("output closed by the reader (SIGPIPE)", ""),
    TERMINATED: ("ended by SIGTERM", "run the command that was printed"),
}
"""What has happened, and what to do, by exit code."""

# A class stands for its subclasses too, unless they have an entry of their own.
CODES: Final[dict[type[JobsError], int]] = {
    errors.JobFailedError: JOB_FAILED,
    errors.ConfigurationError: USAGE,
    errors.DestinationExistsError: USAGE,
    errors.ApiError: USAGE,  # such as 400: the server will reject the same request every time
    errors.AuthenticationError: NOT_FOUND,
    errors.PermissionDeniedError: NOT_FOUND,
    errors.NotReplayableError: NOT_FOUND,
    errors.JobNotFoundError: NOT_FOUND,
    errors.ReportNotFoundError: NOT_FOUND,
    errors.ResultExpiredError: NOT_FOUND,
    errors.WaitTimeoutError: TIMEOUT,
    errors.AlreadyRunningError: TIMEOUT,
    errors.ResultNotReadyError: TIMEOUT,
    errors.ExportIncompleteError: TIMEOUT,
    errors.TransportError: TRANSPORT,
    errors.RateLimitError: TRANSPORT,
    errors.ServerError: TRANSPORT,
    errors.UnexpectedResponseError: TRANSPORT,
    errors.ExportUncertainError: TRANSPORT,  # another try creates no second job
    errors.DownloadError: TRANSPORT,  # a broken transfer, or a full disk
    errors.ReplayUncertainError: UNCERTAIN,
}
"""The exit code of each class of error."""

_PASSING_STATUSES = frozenset({408, 425})  # whose class, `ApiError`, otherwise stands for a wrong request

# The failure that a second run is least likely to fix comes first.
_WORST_FIRST = (UNCERTAIN, USAGE, NOT_FOUND, JOB_FAILED, TRANSPORT, TIMEOUT)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, which interrupts a command in the same way as Ctrl-C."""


def code_of(error: BaseException) -> int:
    """Return the exit code of a command that ended with `error`."""
    match error:
        case JobsError():
            may_pass = error.is_too_early or getattr(error, "status_code", 0) in _PASSING_STATUSES
            return TIMEOUT if may_pass else next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), TRANSPORT)
        case TerminatedError():
            return TERMINATED
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED
        case click.ClickException():
            return USAGE
        case OSError():
            return READER_GONE if error.errno == errno.EPIPE else TRANSPORT
        case _:
            return BUG


def worst(failures: Iterable[JobsError]) -> int:
    """Return the exit code of a command in which all of these occurred; 0 for none."""
    codes = {code_of(error) for error in failures}
    return next((code for code in _WORST_FIRST if code in codes), OK)
