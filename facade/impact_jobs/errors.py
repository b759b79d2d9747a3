"""Everything that can go wrong, as one tree.

    JobsError
    ├─ ConfigurationError                     before any request
    ├─ TransportError ─ RequestTimeoutError   no answer
    ├─ ApiError                               an answer that says no
    │  ├─ AuthenticationError 401   ├─ PermissionDeniedError 403   ├─ NotReplayableError 403 on replay
    │  ├─ JobNotFoundError 404      ├─ RateLimitError 429          └─ ServerError 5xx
    ├─ UnexpectedResponseError                an answer that cannot be read
    ├─ JobFailedError ─ JobCancelledError
    ├─ WaitTimeoutError (also a TimeoutError)
    ├─ ReplayUncertainError
    └─ DownloadError ─ ResultNotReadyError, ResultExpiredError, IntegrityError, DestinationExistsError

Every message says what happened, to which job, and what to do next; none holds a credential or the query
of a signed URL. All of them can be pickled and copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from impact_jobs._redaction import redact as redact  # noqa: PLC0414 - for the command line as well
from impact_jobs._redaction import shorten as shorten  # noqa: PLC0414 - the same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_jobs.models import Job


def _restore(cls: type[JobsError], args: tuple[Any, ...], state: dict[str, Any]) -> JobsError:
    error = cls.__new__(cls, *args)
    error.args = args  # which TimeoutError's __new__ leaves to the __init__ that is skipped here
    error.__dict__.update(state)
    return error


class JobsError(Exception):
    """The root: `except JobsError` catches whatever this library raises on purpose.

    Attributes:
        job_id: Which job it is about, where a call was about several; else None.

    Example:
        >>> try:
        ...     jobs.wait_and_download(job_id, "actions.csv")
        ... except JobsError as error:
        ...     print(error)
        job 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 ended as FAILED: Too many records. It has no result; ...
    """

    job_id: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls __init__ with the message alone, which keyword-only arguments refuse.
        return _restore, (type(self), self.args, self.__dict__)


class ConfigurationError(JobsError):
    """Credentials, URL, path, date or job name are missing or malformed; no request was made.

    What to do: correct the input that the message names.

    Example:
        >>> try:
        ...     jobs.get("report-7")
        ... except ConfigurationError as error:
        ...     print(error)
        'report-7' does not name a job: expected a UUID or a path such as ...
    """


class TransportError(JobsError):
    """No answer arrived: no connection, or it broke. GETs were already tried again.

    What to do: check network and proxy, then call again; a download goes on where it can.

    Attributes:
        request_sent: Whether any byte of the request can have left this machine.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except TransportError as error:
        ...     print(error)
        GET http...: Server disconnected ... Check network and proxy, then try again.
    """

    def __init__(self, message: str, *, request_sent: bool = True) -> None:
        super().__init__(message)
        self.request_sent = request_sent


class RequestTimeoutError(TransportError):
    """One exchange took longer than `request_timeout`, or than what was left of a wait.

    What to do: raise `request_timeout`, or call again.

    Example:
        >>> hasty = jobs.with_options(request_timeout=0.1)  # seconds
        >>> try:
        ...     job = hasty.get(job_id)
        ... except RequestTimeoutError:
        ...     job = jobs.get(job_id)
    """


@frozen
class FieldError:
    """One entry of an error answer's `Errors`.

    Attributes:
        field: The input that the server complains of, as it names it.
        message: What it says about it.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except ApiError as error:
        ...     print([f"{entry.field}: {entry.message}" for entry in error.errors])
        ['AccountId: Not a numeric value']
    """

    field: str
    message: str


class ApiError(JobsError):
    """The API answered, and the answer is an error.

    What to do: see the subclass; for this class itself (400, 402, 405 … and a 200 that says
    `"Status": "ERROR"`), read `message` and `errors`.

    Attributes:
        status_code: The HTTP status.
        message: The server's own words, or "".
        errors: What it says about single inputs.
        request_id: The server's name for the exchange, for its support team, or None.
        body: The first 4,096 characters of the answer, credentials redacted.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except ApiError as error:
        ...     print(error.status_code, error.message)
        400 Validation Failed
    """

    def __init__(
        self,
        text: str,
        *,
        status_code: int,
        message: str = "",
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
        body: str = "",
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.message = message
        self.errors: tuple[FieldError, ...] = tuple(errors)
        self.request_id = request_id
        self.body = body


class AuthenticationError(ApiError):
    """401: Account SID and Auth Token do not match. What to do: check both.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except AuthenticationError as error:
        ...     print(error.status_code)
        401
    """


class PermissionDeniedError(ApiError):
    """403: the credentials are known but may not do this.

    What to do: check that the token is active and has the Jobs scope, and that the account in the URL is its own.

    Example:
        >>> try:
        ...     jobs.replay(job_id)
        ... except PermissionDeniedError as error:
        ...     print(error.status_code, error.message)
        403 ...
    """


class NotReplayableError(ApiError):
    """403 on replay because of the job's state. What to do: wait for it to end, or schedule a new one.

    Example:
        >>> try:
        ...     fresh = jobs.replay(job_id)
        ... except NotReplayableError:
        ...     fresh = None  # which is what `replay_if_replayable` does
    """


class JobNotFoundError(ApiError):
    """404: this account has no such job. What to do: check id and account; results are kept for 90 days.

    Example:
        >>> try:
        ...     jobs.get("00000000-0000-4000-8000-000000000000")
        ... except JobNotFoundError as error:
        ...     print(error.status_code)
        404
    """


class RateLimitError(ApiError):
    """429: the hourly budget of the account is spent (1,000 requests by default).

    What to do: wait `retry_after` seconds; poll less, or share one client.

    Attributes:
        retry_after: Seconds until the server wants to be asked again, or None when it did not say.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except RateLimitError as error:
        ...     print(f"again in {error.retry_after:g} s")
        again in 120 s
    """

    retry_after: float | None = None


class ServerError(ApiError):
    """5xx: the server or a gateway before it failed. What to do: call again later.

    Attributes:
        retry_after: Seconds until the server wants to be asked again, or None when it did not say.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except ServerError as error:
        ...     print(error.status_code, error.retry_after)
        503 None
    """

    retry_after: float | None = None


class UnexpectedResponseError(JobsError):
    """A job was due and something else came: XML, HTML, nothing, broken or wrong-shaped JSON.

    What to do: check `base_url` and any proxy between; if both are right, report it with the message.

    Attributes:
        status_code: The HTTP status of the answer.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except UnexpectedResponseError as error:
        ...     print(error)
        get job ...: HTTP 200, but the answer is HTML, though JSON was asked for. Check base_url and any proxy between.
    """

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code


class JobFailedError(JobsError):
    """The job ended as FAILED or ERROR and has no result.

    What to do: read `job.status_message`; `replay` runs it once more when `job.replayable`.

    Attributes:
        job: The last snapshot.

    Example:
        >>> try:
        ...     jobs.wait(job_id)
        ... except JobFailedError as error:
        ...     print(error.job.status, error.job.status_message)
        FAILED Too many records.
    """

    def __init__(self, job: Job) -> None:
        reason = shorten(job.status_message or "the server gave no reason").rstrip(".")
        hint = "replay it" if job.replayable else "schedule a new one"
        super().__init__(f"job {job.id} ended as {job.status}: {reason}. It has no result; {hint} if you need one.")
        self.job = job

    @classmethod
    def of(cls, job: Job) -> JobFailedError:
        """The error that fits how `job` ended.

        Args:
            job: A job that is FAILED, ERROR or CANCELLED.

        Returns:
            A `JobCancelledError` for a cancelled job, else a `JobFailedError`.

        Example:
            >>> JobFailedError.of(Job(id="3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", status="CANCELLED")).job.status
            'CANCELLED'
        """
        return (JobCancelledError if job.status == "CANCELLED" else JobFailedError)(job)


class JobCancelledError(JobFailedError):
    """The job was cancelled before it finished. What to do: replay it or schedule a new one.

    Example:
        >>> try:
        ...     done = jobs.wait(job_id)
        ... except JobCancelledError as error:
        ...     done = jobs.wait(jobs.replay(error.job))
    """


class WaitTimeoutError(JobsError, TimeoutError):
    """The job was not done when the wait's `timeout` passed; it goes on at the server.

    What to do: call `wait` again with the same job; nothing is lost.

    Attributes:
        job: The last snapshot, or None when no poll was answered.

    Example:
        >>> try:
        ...     jobs.wait(job_id, timeout=0)  # seconds; 0 asks once
        ... except WaitTimeoutError as error:
        ...     print(error.job.status, error.job.percentage_complete)
        RUNNING 40
    """

    def __init__(self, job: Job | None, *, job_id: str = "", timeout: float = 0.0, cause: str = "") -> None:
        seen = f"last seen {job.status} at {job.percentage_complete or 0} %" if job else "never seen"
        because = f"; the last request failed: {cause}" if cause else ""
        super().__init__(
            f"job {job.id if job else job_id} was not done after {timeout:g} s ({seen}{because}). "
            "It goes on at the server: wait for it again, with a longer timeout."
        )
        self.job = job


class ReplayUncertainError(JobsError):
    """The replay's answer was lost, so whether a new job exists is not known. It was not sent again.

    What to do: look at `candidates`, or list today's jobs; replay again only when none of them is yours.

    Attributes:
        source: The id of the job that was to be replayed.
        candidates: New jobs that could be the replay, newest first.

    Example:
        >>> try:
        ...     jobs.replay(job_id)
        ... except ReplayUncertainError as error:
        ...     print(error.source == job_id, error.candidates)
        True ()
    """

    def __init__(self, source: str, candidates: Sequence[Job] = (), *, cause: str = "") -> None:
        found = ", ".join(job.id for job in candidates) or "none known"
        super().__init__(
            f"the replay of job {source} may or may not have been accepted ({cause or 'no readable answer'}); "
            f"candidates: {found}. List the newest jobs before you replay it again."
        )
        self.source = source
        self.candidates: tuple[Job, ...] = tuple(candidates)


class DownloadError(JobsError):
    """A result could not be brought to disk; nothing stands under the target's name because of it.

    What to do: as the message says; then call again.

    Example:
        >>> try:
        ...     jobs.download(job_id, "actions.csv")
        ... except DownloadError as error:
        ...     print(error)
        download of job ...: the redirect to http://... was not followed: only https is safe. Check base_url and any ...
    """


class ResultNotReadyError(DownloadError):
    """The job has no result yet. What to do: `wait_and_download`, or try later.

    Attributes:
        job: The snapshot that the server sent in place of a result.

    Example:
        >>> try:
        ...     jobs.download(job_id, "actions.csv")
        ... except ResultNotReadyError as error:
        ...     print(error.job.percentage_complete)
        40
    """

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} is {job.status} and has no result yet: wait for it, then download.")
        self.job = job


class ResultExpiredError(DownloadError):
    """The storage refused even a fresh link. What to do: replay the job; results are kept for 90 days.

    Example:
        >>> try:
        ...     result = jobs.download(job_id, "actions.csv")
        ... except ResultExpiredError:
        ...     result = jobs.wait_and_download(jobs.replay(job_id), "actions.csv")
    """


class IntegrityError(DownloadError):
    """What arrived is not what the storage announced; it was thrown away. What to do: download again.

    Example:
        >>> try:
        ...     result = jobs.download(job_id, "actions.csv")
        ... except IntegrityError:
        ...     result = jobs.download(job_id, "actions.csv")
    """


class DestinationExistsError(DownloadError):
    """The target exists and `overwrite` is false, or another process is writing it.

    What to do: pass `overwrite=True` or another path.

    Example:
        >>> try:
        ...     result = jobs.download(job_id, "actions.csv")
        ... except DestinationExistsError:
        ...     result = jobs.download(job_id, "actions.csv", overwrite=True)
    """
