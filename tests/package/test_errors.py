from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import impact_jobs
import pytest
from attrs import evolve
from impact_jobs import errors as module
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
from impact_jobs.models import Job, JobStatus
from impact_jobs.report_models import ExportWindow

from tests.support.simulated import JOB_ID

OTHER_ID = "00000000-0000-4000-8000-000000000000"
PARENTS: dict[type[JobsError], tuple[type[BaseException], ...]] = {
    JobsError: (Exception,),
    ConfigurationError: (JobsError,),
    TransportError: (JobsError,),
    RequestTimeoutError: (TransportError,),
    ApiError: (JobsError,),
    AuthenticationError: (ApiError,),
    PermissionDeniedError: (ApiError,),
    NotReplayableError: (ApiError,),
    JobNotFoundError: (ApiError,),
    RateLimitError: (ApiError,),
    ReportNotFoundError: (ApiError,),
    InvalidParameterError: (ApiError,),
    ServerError: (ApiError,),
    UnexpectedResponseError: (JobsError,),
    JobFailedError: (JobsError,),
    JobCancelledError: (JobFailedError,),
    WaitTimeoutError: (JobsError, TimeoutError),
    ReplayUncertainError: (JobsError,),
    ExportIncompleteError: (JobsError,),
    ExportUncertainError: (JobsError,),
    DownloadError: (JobsError,),
    ResultNotReadyError: (DownloadError,),
    ResultExpiredError: (DownloadError,),
    IntegrityError: (DownloadError,),
    DestinationExistsError: (DownloadError,),
    AlreadyRunningError: (DestinationExistsError,),
    ConversionError: (DownloadError,),
}


def job(status: JobStatus | str = JobStatus.FAILED, **fields: Any) -> Job:
    return Job(id=JOB_ID, status=status, created_date=datetime(2026, 5, 29, tzinfo=UTC), raw={"Id": JOB_ID}, **fields)


def incomplete(*failures: JobsError) -> ExportReport:
    january, february = (ExportWindow(date(2026, month, 1), date(2026, month, 28)) for month in (1, 2))
    return ExportReport(
        outcomes=dict.fromkeys([january], *failures) if failures else {},
        left=(february,),
        again_at=datetime(2026, 5, 30, 4, 33, tzinfo=UTC),
    )


def example(kind: type[JobsError]) -> JobsError:
    """Return an error of that class with all attributes set."""
    if issubclass(kind, ApiError):
        error = kind(
            "get job: HTTP 429: Slow down.",
            status_code=429,
            message="Slow down",
            errors=[FieldError("Page", "Too large")],
            request_id="r1",
            body='{"Message": "Slow down"}',
        )
        if isinstance(error, RateLimitError | ServerError):
            error.retry_after = 7.5
        return error
    if issubclass(kind, TransportError):
        return kind("GET https://x: refused.", request_sent=False)
    special: dict[type[JobsError], Callable[[], JobsError]] = {
        UnexpectedResponseError: lambda: UnexpectedResponseError("it is XML", status_code=200),
        JobFailedError: lambda: JobFailedError(job()),
        JobCancelledError: lambda: JobCancelledError(job(JobStatus.CANCELLED)),
        WaitTimeoutError: lambda: WaitTimeoutError(job(JobStatus.RUNNING), timeout=5.0),
        ExportIncompleteError: lambda: ExportIncompleteError(incomplete(), report_id="agency_action_listing"),
        ExportUncertainError: lambda: ExportUncertainError("agency_action_listing", cause="cut"),
        ReplayUncertainError: lambda: ReplayUncertainError(JOB_ID, [job(JobStatus.QUEUED)], cause="cut"),
        ConversionError: lambda: ConversionError("it is not a number", row=2, column="Sale_Amount"),
        ResultNotReadyError: lambda: ResultNotReadyError(job(JobStatus.QUEUED)),
    }
    return special[kind]() if kind in special else kind("what happened")


def test_an_incomplete_export_states_the_time_in_utc() -> None:
    report = evolve(incomplete(), again_at=datetime(2026, 5, 29, 23, 33, tzinfo=timezone(timedelta(hours=-5))))
    for error in (ExportIncompleteError(report), ExportIncompleteError(report, advice="Call to_parquet{again}.")):
        assert " after 2026-05-30 04:33 UTC" in str(error)


def test_the_tree_is_complete_and_public() -> None:
    defined = {
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == module.__name__
    }
    assert defined == set(PARENTS)
    public = {getattr(impact_jobs, name) for name in impact_jobs.__all__}
    assert defined | {FieldError} <= public
    assert {kind for kind in public if inspect.isclass(kind) and issubclass(kind, BaseException)} == defined


@pytest.mark.parametrize("kind", PARENTS, ids=lambda kind: kind.__name__)
def test_an_error_has_the_documented_parents(kind: type[JobsError]) -> None:
    assert kind.__bases__ == PARENTS[kind]
    assert kind.__name__ in (module.__doc__ or "")


@pytest.mark.parametrize("kind", PARENTS, ids=lambda kind: kind.__name__)
def test_every_docstring_says_what_to_do(kind: type[JobsError]) -> None:
    assert kind is JobsError or "What to do:" in (kind.__doc__ or "")


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol=protocol))  # noqa: S301 - our own


ROUND_TRIPS = [copy.copy, copy.deepcopy, *map(pickled, range(pickle.HIGHEST_PROTOCOL + 1))]


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
@pytest.mark.parametrize("kind", PARENTS, ids=lambda kind: kind.__name__)
def test_an_error_survives_copy_and_pickle(kind: type[JobsError], round_trip: Callable[[Any], Any]) -> None:
    error = example(kind)
    error.add_note("a note")
    again = round_trip(error)
    assert type(again) is kind
    assert again is not error
    assert again.args == error.args
    assert str(again) == str(error) != ""
    assert repr(again) == repr(error)
    assert vars(again) == vars(error)
    with pytest.raises(kind):
        raise again


def test_a_pickled_error_keeps_its_job() -> None:
    again = pickled(pickle.DEFAULT_PROTOCOL)(WaitTimeoutError(job(), timeout=60))
    assert again.job == job()
    assert again.job.raw == {"Id": JOB_ID}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            JobFailedError(job(status_message="Out of memory.")),
            f"job {JOB_ID} ended as FAILED: Out of memory. It has no result; schedule a new one if you need one.",
        ),
        (
            JobFailedError(job(JobStatus.ERROR, replayable=True)),
            f"job {JOB_ID} ended as ERROR: the server gave no reason. It has no result; replay it if you need one.",
        ),
        (
            WaitTimeoutError(job(JobStatus.RUNNING, percentage_complete=40), timeout=3600),
            (
                f"job {JOB_ID} did not complete in 3600 s (last seen RUNNING at 40 %). "
                "It continues on the server: wait for it again, with a longer timeout."
            ),
        ),
        (
            WaitTimeoutError(None, job_id=JOB_ID, timeout=0.5, cause="HTTP 503"),
            (
                f"job {JOB_ID} did not complete in 0.5 s (never seen; the last request failed: HTTP 503). "
                "It continues on the server: wait for it again, with a longer timeout."
            ),
        ),
        (
            ReplayUncertainError(OTHER_ID, [job()], cause="the connection broke"),
            (
                f"the replay of job {OTHER_ID} may or may not have been accepted (the connection broke); "
                f"candidates: {JOB_ID}. List the newest jobs before you replay it again."
            ),
        ),
        (
            ReplayUncertainError(JOB_ID),
            (
                f"the replay of job {JOB_ID} may or may not have been accepted (no readable response); "
                "candidates: none. List the newest jobs before you replay it again."
            ),
        ),
        (
            ExportIncompleteError(
                incomplete(JobFailedError(job(status_message="Out of memory."))), report_id="agency_action_listing"
            ),
            (
                "the export of report agency_action_listing is incomplete: 0 of 2 windows are there; "
                f"2026-01-01 to 2026-01-28 failed (job {JOB_ID} ended as FAILED: Out of memory. "
                "It has no result; schedule a new one if you need one); 1 left from 2026-02-01 on, because the account "
                "has no exports left. Make the same call again after "
                "2026-05-30 04:33 UTC: it continues, and exports nothing twice."
            ),
        ),
        (
            ResultNotReadyError(job("PAUSED")),
            f"job {JOB_ID} is PAUSED and has no result yet: wait for it, then download.",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, JobsError) else "",
)
def test_a_message_says_what_happened_to_which_job_and_what_to_do(error: JobsError, message: str) -> None:
    assert str(error) == message


@pytest.mark.parametrize("status", list(JobStatus))
def test_the_class_of_a_failure_follows_from_the_status(status: JobStatus) -> None:
    error = JobFailedError.of(job(status))
    assert type(error) is (JobCancelledError if status == "CANCELLED" else JobFailedError)
    assert error.job == job(status)


def test_the_message_of_a_failure_contains_no_signed_url() -> None:
    error = JobFailedError(job(status_message="cannot write https://u:pw1@s.example/a?sig=SECRET"))
    assert "SECRET" not in str(error)
    assert "pw1" not in str(error)
    assert "s.example/a" in str(error)


def test_an_error_copies_the_lists_it_is_given() -> None:
    fields, jobs = [FieldError("a", "b")], [job()]
    api, uncertain = ApiError("x", status_code=400, errors=fields), ReplayUncertainError(JOB_ID, jobs)
    fields.clear()
    jobs.clear()
    assert api.errors == (FieldError("a", "b"),)
    assert uncertain.candidates == (job(),)
    assert uncertain.source == JOB_ID


def test_unknown_attributes_have_plain_defaults() -> None:
    bare = ApiError("x", status_code=400)
    assert (bare.message, bare.errors, bare.request_id, bare.body) == ("", (), None, "")
    assert RateLimitError("x", status_code=429).retry_after is None
    assert ServerError("x", status_code=500).retry_after is None
    assert TransportError("x").request_sent, "the safe assumption: the request is not repeated"
    assert UnexpectedResponseError("x").status_code is None
