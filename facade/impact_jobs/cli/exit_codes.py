"""What the command's exit code says, and which error comes to which."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

import click

from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    JobFailedError,
    JobNotFoundError,
    JobsError,
    NotReplayableError,
    PermissionDeniedError,
    RateLimitError,
    ReplayUncertainError,
    ResultExpiredError,
    ResultNotReadyError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)

OK: Final = 0
JOB_FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
TIMEOUT: Final = 4
TRANSPORT: Final = 5
UNCERTAIN: Final = 6
BUG: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130  # 128 and the number of the signal, as shells say it
READER_GONE: Final = 141
TERMINATED: Final = 143

MEANINGS: Final[dict[int, tuple[str, str]]] = {
    OK: ("done", ""),
    JOB_FAILED: ("a job failed or was cancelled", "read its message; replay it, or schedule a new one"),
    USAGE: ("the command, its input or a file in its way is wrong", "correct what the message names"),
    NOT_FOUND: ("not found, or not permitted", "check the id, the credentials and their scope"),
    TIMEOUT: ("not done in time", "run it again, for the job goes on at the server"),
    TRANSPORT: ("no answer, or none that can be used", "run it again, later"),
    UNCERTAIN: ("a replay's answer was lost", "look at the newest jobs; never just run it again"),
    BUG: ("a mistake of this program", "report it, with what -vv shows"),
    INTERRUPTED: ("interrupted by Ctrl-C", "run the command that was printed"),
    READER_GONE: ("whoever read the output had enough", ""),
    TERMINATED: ("ended by SIGTERM", "run the command that was printed"),
}
"""By exit code: what has happened, and what to do."""

# A class stands for its subclasses, too, unless these are told apart here.
CODES: Final[dict[type[JobsError], int]] = {
    JobFailedError: JOB_FAILED,
    ConfigurationError: USAGE,
    DestinationExistsError: USAGE,
    ApiError: USAGE,  # 400 and its kin: as it is, the request will never be taken
    AuthenticationError: NOT_FOUND,
    PermissionDeniedError: NOT_FOUND,
    NotReplayableError: NOT_FOUND,
    JobNotFoundError: NOT_FOUND,
    ResultExpiredError: NOT_FOUND,
    WaitTimeoutError: TIMEOUT,
    ResultNotReadyError: TIMEOUT,
    TransportError: TRANSPORT,
    RateLimitError: TRANSPORT,
    ServerError: TRANSPORT,
    UnexpectedResponseError: TRANSPORT,
    DownloadError: TRANSPORT,  # a broken transfer, or a full disk
    ReplayUncertainError: UNCERTAIN,
}
"""By class of error."""

# The one that running the command again mends least comes first.
_WORST_FIRST = (UNCERTAIN, USAGE, NOT_FOUND, JOB_FAILED, TRANSPORT, TIMEOUT)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: to everything between here and there it is what Ctrl-C is."""


def code_of_any(error: BaseException) -> int:
    """The exit code of a command that ended with `error`."""
    match error:
        case JobsError():
            return code_of(error)
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


def code_of(error: JobsError) -> int:
    """The exit code that `error` comes to."""
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), TRANSPORT)


def worst(errors: Iterable[JobsError]) -> int:
    """The exit code of a command that came to all of these; 0 for none."""
    found = {code_of(error) for error in errors}
    return next((code for code in _WORST_FIRST if code in found), OK)
