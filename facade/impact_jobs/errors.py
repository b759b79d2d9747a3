"""The errors of this library, as one tree.

    JobsError
    ├─ ConfigurationError                     wrong input; no request was sent
    ├─ TransportError ─ RequestTimeoutError   no response
    ├─ ApiError                               an error response
    │  ├─ AuthenticationError 401   ├─ PermissionDeniedError 403   ├─ NotReplayableError 403 on replay
    │  ├─ JobNotFoundError 404      ├─ RateLimitError 429          ├─ ServerError 5xx
    │  └─ ReportNotFoundError, InvalidParameterError   about a report, 200, 400 or 404
    ├─ UnexpectedResponseError                an unreadable response
    ├─ JobFailedError ─ JobCancelledError
    ├─ WaitTimeoutError (also a TimeoutError)
    ├─ ReplayUncertainError
    ├─ ExportUncertainError
    ├─ ExportIncompleteError
    └─ DownloadError ─ ResultNotReadyError, ResultExpiredError, IntegrityError, ConversionError,
                       DestinationExistsError ─ AlreadyRunningError

Each message says what happened, to which job, and what to do next. No message contains a credential or the query of a
signed URL. All errors can be pickled and copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from impact_jobs._redaction import redact as redact  # noqa: PLC0414 - for the command line as well
from impact_jobs._redaction import shorten as shorten  # noqa: PLC0414 - the same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_jobs.models import DownloadResult, Job
    from impact_jobs.report_models import ExportWindow


def _restore(cls: type[JobsError], args: tuple[Any, ...], state: dict[str, Any]) -> JobsError:
    error = cls.__new__(cls, *args)
    error.args = args  # TimeoutError.__new__ leaves them to __init__, which is skipped here
    error.__dict__.update(state)
    return error


class JobsError(Exception):
    """The base class: `except JobsError` catches every error that this library raises on purpose.

    Attributes:
        job_id: The job that the error is about, if the call was about several; otherwise None.
        is_too_early: Whether the job was replayed or completed a moment ago, and the server did not show that
            everywhere yet, not even after all retries. The same call may succeed in a minute.

    Example:
        >>> try:
        ...     jobs.wait_and_download(job_id, "actions.csv")
        ... except JobsError as error:
        ...     print(error)
        job 3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 ended as FAILED: Too many records. It has no result; ...
    """

    job_id: str | None = None
    is_too_early: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own method calls __init__ with the message alone, without the keyword arguments.
        return _restore, (type(self), self.args, self.__dict__)


class ConfigurationError(JobsError):
    """Credentials, a URL, a path, a date or a job reference is missing or malformed. No request was sent.

    What to do: correct the value that the message names.

    Example:
        >>> try:
        ...     jobs.get("report-7")
        ... except ConfigurationError as error:
        ...     print(error)
        'report-7' does not name a job: give a UUID or a path such as ...
    """


class TransportError(JobsError):
    """No response arrived, after all retries. What to do: check network and proxy, then call again.

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
    """An exchange exceeded `request_timeout` or the time left of a wait. What to do: raise `request_timeout`.

    Example:
        >>> impatient = jobs.with_options(request_timeout=0.1)  # seconds
        >>> try:
        ...     job = impatient.get(job_id)
        ... except RequestTimeoutError:
        ...     job = jobs.get(job_id)
    """


@frozen
class FieldError:
    """One entry of the `Errors` of an error response.

    Attributes:
        field: The server's name of the input that is wrong.
        message: The server's description of the problem.

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
    """The API returned an error response, or the storage one that may pass (408, 425, 429 or 5xx).

    What to do: see the subclass. For this class itself (400, 402, 405, or a 200 with `"Status": "ERROR"`), correct what
    the server's `message` and `errors` name; `str(error)` includes both. After 408 or 425, call again later.

    Attributes:
        status_code: The HTTP status.
        message: The server's message, or "".
        errors: The server's messages about single inputs.
        request_id: The server's id of the exchange, for its support team, or None.
        body: The first 4,096 characters of the response, without credentials.
        retry_after: Seconds until the server accepts requests again, or None if it does not say.
        is_from_storage: Whether the storage answered, and not the API. The account's requests are not affected.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except ApiError as error:
        ...     print(error.status_code, error.message)
        400 Validation Failed
    """

    retry_after: float | None = None
    is_from_storage: bool = False

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
    """401: the Account SID and the Auth Token do not match. What to do: check both.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except AuthenticationError as error:
        ...     print(error.status_code)
        401
    """


class PermissionDeniedError(ApiError):
    """403: the credentials are valid, but may not do this.

    What to do: check that the token is active and has the Jobs scope, and that the URL names your own account.

    Example:
        >>> try:
        ...     jobs.replay(job_id)
        ... except PermissionDeniedError as error:
        ...     print(error.status_code, error.message)
        403 ...
    """


class NotReplayableError(ApiError):
    """403 on a replay, because of the job's state. What to do: wait until the job has ended, or schedule a new one.

    Example:
        >>> try:
        ...     fresh = jobs.replay(job_id)
        ... except NotReplayableError:
        ...     fresh = None  # `replay_if_replayable` does the same
    """


class JobNotFoundError(ApiError):
    """404: the account has no such job. What to do: check the id and the account. Results are kept for 90 days.

    Example:
        >>> try:
        ...     jobs.get("00000000-0000-4000-8000-000000000000")
        ... except JobNotFoundError as error:
        ...     print(error.status_code)
        404
    """


class RateLimitError(ApiError):
    """429: the account has no requests left (1,000 an hour by default), or the storage is busy.

    What to do: wait `retry_after` seconds, and poll less if the API answered.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except RateLimitError as error:
        ...     print(f"again in {error.retry_after:g} s")
        again in 120 s
    """


class ReportNotFoundError(ApiError):
    """The account has no report of that id, or may not export it. What to do: choose one of `jobs.reports()`.

    Example:
        >>> try:
        ...     jobs.export_report("agency_action_listin")
        ... except ReportNotFoundError as error:
        ...     print(error)
        export of report agency_action_listin: ... Did you mean 'agency_action_listing' (Action Listing)? ...
    """


class InvalidParameterError(ApiError):
    """The server refused a date or a filter of an export. What to do: correct what its message names.

    Example:
        >>> try:
        ...     jobs.export_report("agency_action_listing", start_date="2026-05-01", end_date="2199-01-01")
        ... except InvalidParameterError as error:
        ...     print(error.message)
        Invalid value for END_DATE: ...
    """


class ServerError(ApiError):
    """5xx: the server, the storage or a gateway failed. What to do: call again later.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except ServerError as error:
        ...     print(error.status_code, error.retry_after)
        503 None
    """


class UnexpectedResponseError(JobsError):
    """The response is not what the API documents: XML, HTML, an empty body, broken JSON, or another job.

    What to do: check `base_url` and your proxy. If both are right, report the message.

    Attributes:
        status_code: The HTTP status of the response.

    Example:
        >>> try:
        ...     jobs.get(job_id)
        ... except UnexpectedResponseError as error:
        ...     print(error)
        get job ...: HTTP 200, but the response is HTML instead of JSON. Check base_url and any proxy ...
    """

    def __init__(self, message: str, *, status_code: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code


class JobFailedError(JobsError):
    """The job ended as FAILED or ERROR, without a result. What to do: read `job.status_message`, or replay it.

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
        """Return a `JobCancelledError` for a cancelled job, and a `JobFailedError` for any other.

        Args:
            job: A job that is FAILED, ERROR or CANCELLED.

        Example:
            >>> JobFailedError.of(Job(id="3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", status="CANCELLED")).job.status
            'CANCELLED'
        """
        return (JobCancelledError if job.status == "CANCELLED" else JobFailedError)(job)


class JobCancelledError(JobFailedError):
    """The job was cancelled before it completed. What to do: replay it, or schedule a new one.

    Example:
        >>> try:
        ...     done = jobs.wait(job_id)
        ... except JobCancelledError as error:
        ...     done = jobs.wait(jobs.replay(error.job))
    """


class WaitTimeoutError(JobsError, TimeoutError):
    """The job did not complete within `timeout`, but continues on the server. What to do: wait again.

    Attributes:
        job: The last snapshot, or None if no poll succeeded.

    Example:
        >>> try:
        ...     jobs.wait(job_id, timeout=0)  # seconds; 0 polls once
        ... except WaitTimeoutError as error:
        ...     print(error.job.status, error.job.percentage_complete)
        RUNNING 40
    """

    def __init__(self, job: Job | None, *, job_id: str = "", timeout: float = 0.0, cause: str = "") -> None:
        seen = f"last seen {job.status} at {job.percentage_complete or 0} %" if job else "never seen"
        because = f"; the last request failed: {cause}" if cause else ""
        super().__init__(
            f"job {job.id if job else job_id} did not complete in {round(timeout, 2):g} s ({seen}{because}). "
            "It continues on the server: wait for it again, with a longer timeout."
        )
        self.job = job


class ReplayUncertainError(JobsError):
    """The response to a replay was lost, so a new job may or may not exist. The request was not sent again.

    What to do: look at `candidates`, or list today's jobs. Replay again only if none of them is yours.

    Attributes:
        source: The id of the replayed job.
        candidates: New jobs that may be the replay, newest first.

    Example:
        >>> try:
        ...     jobs.replay(job_id)
        ... except ReplayUncertainError as error:
        ...     print(error.source == job_id, error.candidates)
        True ()
    """

    def __init__(self, source: str, candidates: Sequence[Job] = (), *, cause: str = "") -> None:
        found = ", ".join(job.id for job in candidates) or "none"
        super().__init__(
            f"the replay of job {source} may or may not have been accepted ({cause or 'no readable response'}); "
            f"candidates: {found}. List the newest jobs before you replay it again."
        )
        self.source = source
        self.candidates: tuple[Job, ...] = tuple(candidates)


class ExportUncertainError(JobsError):
    """The response to an export was lost, and neither the list of jobs nor a second request settled the matter.

    What to do: call again later. An export that equals an earlier one returns the existing job.

    Attributes:
        report_id: The report.

    Example:
        >>> try:
        ...     jobs.export_report("agency_action_listing")
        ... except ExportUncertainError as error:
        ...     print(error.report_id)
        agency_action_listing
    """

    def __init__(self, report_id: str, *, cause: str = "") -> None:
        super().__init__(
            f"the export of report {report_id} may or may not have been accepted ({cause or 'no readable response'}). "
            "Call again later: if it was accepted, the server returns the existing job."
        )
        self.report_id = report_id


@frozen(kw_only=True)
class ExportReport:
    """The outcome of an export in windows.

    Attributes:
        outcomes: The file of each window, or the error in place of it, in the order of their days.
        left: The windows that were not exported, because the account has no exports left, by this client's count or
            the server's answer, or no requests within the timeout.
        again_at: From when on the account has exports again, in UTC, if windows are left; otherwise None.
        why_left: Which limit is the reason, if windows are left; otherwise empty.

    Example:
        >>> report = jobs.export_and_download(
        ...     "agency_action_listing", "{start:%Y-%m}.csv", split="month",
        ...     start_date="2026-04-01", end_date="2026-05-31",
        ... )
        >>> [file.path.name for file in report.files.values()], report.is_complete
        (['2026-04.csv', '2026-05.csv'], True)
    """

    outcomes: Mapping[ExportWindow, DownloadResult | JobsError]
    left: tuple[ExportWindow, ...] = ()
    again_at: datetime | None = None
    why_left: str = ""

    @property
    def files(self) -> dict[ExportWindow, DownloadResult]:
        """The files by window.

        Example:
            >>> days = {"start_date": "2026-05-01", "end_date": "2026-05-02"}
            >>> report = jobs.export_and_download("agency_action_listing", "{start}.csv", **days, split="day")
            >>> [str(file.path) for file in report.files.values()]
            ['2026-05-01.csv', '2026-05-02.csv']
        """
        return {window: found for window, found in self.outcomes.items() if not isinstance(found, JobsError)}

    @property
    def errors(self) -> dict[ExportWindow, JobsError]:
        """The errors of the windows without a file. Make the same call again to retry them.

        Example:
            >>> days = {"start_date": "2026-05-01", "end_date": "2026-05-02"}
            >>> report = jobs.export_and_download("agency_action_listing", "{start}.csv", **days, split="day")
            >>> for window, error in report.errors.items():
            ...     print(window, error)
        """
        return {window: found for window, found in self.outcomes.items() if isinstance(found, JobsError)}

    @property
    def is_complete(self) -> bool:
        """Whether every window has its file.

        Example:
            >>> days = {"start_date": "2026-05-01", "end_date": "2026-05-02"}
            >>> report = jobs.export_and_download("agency_action_listing", "{start}.csv", **days, split="day")
            >>> report.is_complete
            True
        """
        return not self.left and not self.errors


class ExportIncompleteError(JobsError):
    """Windows of an export are missing, so they were not joined. Those that are there are kept.

    What to do: make the same call again, once the account has exports again: it continues.

    Attributes:
        report: What is there, what failed, and what is left.

    Example:
        >>> days = {"start_date": "2026-04-01", "end_date": "2026-05-31"}
        >>> try:
        ...     jobs.export_and_download("agency_action_listing", "spring.csv", **days, split="month", join=True)
        ... except ExportIncompleteError as error:
        ...     print(len(error.report.files), len(error.report.errors))
        1 1
    """

    def __init__(self, report: ExportReport, *, report_id: str = "", advice: str = "") -> None:
        files, failures, left = report.files, report.errors, report.left
        parts = [f"{len(files)} of {len(report.outcomes) + len(left)} windows are there"]
        if failures:
            window, failure = next(iter(failures.items()))
            others = f", and {len(failures) - 1} more failed" if len(failures) > 1 else ""
            parts.append(f"{window} failed ({str(failure).rstrip('.')}){others}")
        if left:
            why = f"because {report.why_left or 'the account has no exports left'}"
            start = f" from {left[0].start} on" if left[0].start > date.min else ""  # of an export without days
            parts.append(f"{len(left)} left{start}, {why}")
        again = f" after {report.again_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if left and report.again_at else ""
        advice = advice or "Make the same call again{again}: it continues, and exports nothing twice."
        super().__init__(
            f"the export of report {report_id} is incomplete: {'; '.join(parts)}. {advice.replace('{again}', again)}"
        )
        self.report = report


class DownloadError(JobsError):
    """A result could not be downloaded. The target file was not changed.

    What to do: follow the message, then call again.

    Example:
        >>> try:
        ...     jobs.download(job_id, "actions.csv")
        ... except DownloadError as error:
        ...     print(error)
        download of job ...: the redirect to http://... was not followed: only https is safe. ...
    """


class ResultNotReadyError(DownloadError):
    """The job has no result yet. What to do: call `wait_and_download`, or try later.

    Attributes:
        job: The snapshot that the server returned instead of a result.

    Example:
        >>> try:
        ...     jobs.download(job_id, "actions.csv")
        ... except ResultNotReadyError as error:
        ...     print(error.job.percentage_complete)
        40
    """

    def __init__(self, job: Job) -> None:
        self.is_too_early: bool = job.status == "COMPLETED"
        hint = "download again in a minute" if self.is_too_early else "wait for it, then download"
        super().__init__(f"job {job.id} is {job.status} and has no result yet: {hint}.")
        self.job = job


class ResultExpiredError(DownloadError):
    """The storage refused a fresh link to the result.

    What to do: replay the job, because results are kept for 90 days; but if the error is `is_too_early`, the result was
    completed a moment ago: download again in a minute.

    Example:
        >>> try:
        ...     result = jobs.download(job_id, "actions.csv")
        ... except ResultExpiredError as error:
        ...     if not error.is_too_early:
        ...         result = jobs.wait_and_download(jobs.replay(job_id), "actions.csv")
    """


class IntegrityError(DownloadError):
    """The bytes do not match the stated length or checksum, and were discarded. What to do: download again.

    Example:
        >>> try:
        ...     result = jobs.download(job_id, "actions.csv")
        ... except IntegrityError:
        ...     result = jobs.download(job_id, "actions.csv")
    """


class DestinationExistsError(DownloadError):
    """The target exists, or another process is writing it. What to do: pass `overwrite=True` or another path.

    Example:
        >>> try:
        ...     result = jobs.download(job_id, "actions.csv")
        ... except DestinationExistsError:
        ...     result = jobs.download(job_id, "actions.csv", overwrite=True)
    """


class AlreadyRunningError(DestinationExistsError):
    """Another process or thread makes files in the same folder. What to do: let it finish.

    Example:
        >>> from impact_jobs.sync import Plan
        >>> report = Plan.load("reports.toml").run()
        >>> isinstance(report.failed[0].error, AlreadyRunningError)
        True
    """


class ConversionError(DownloadError):
    """A result does not fit the types that its report's metadata states. What to do: call `export_and_download`.

    Attributes:
        row: The number of the first row that does not fit, from 1 without the header, or None if it is not one row.
        column: The name of its column, or None if it is the whole row.

    Example:
        >>> try:
        ...     table = jobs.read_report("agency_action_listing", start_date="2026-05-01", end_date="2026-05-31")
        ... except ConversionError as error:
        ...     print(error.row, error.column)
        2 Sale_Amount
    """

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column
