"""What a user's program may write, and the types it gets. Type checkers read this file; it never runs.

`tests/package/test_types.py` runs mypy, pyright and ty on it, against the installed wheel. All imports are public.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Any, assert_type
from uuid import UUID

import httpx
import impact_jobs
from impact_agency_api import AuthenticatedClient
from impact_agency_api.models import Job as GeneratedJob
from impact_jobs import (
    ApiError,
    AsyncJobsClient,
    AsyncResultStream,
    ConfigurationError,
    DownloadResult,
    ExportReport,
    ExportWindow,
    FetchReport,
    FieldError,
    Job,
    JobFailedError,
    JobReference,
    JobsClient,
    JobsError,
    JobStatus,
    JobType,
    Mode,
    OnProgress,
    Polling,
    RateLimitError,
    ReplayUncertainError,
    Report,
    ReportFilter,
    ReportMetadata,
    ResultNotReadyError,
    ResultStream,
    Retry,
    ServerError,
    Split,
    Timeouts,
    TransportError,
    UnexpectedResponseError,
    WaitTimeoutError,
)
from impact_jobs.sandbox import RecordedExport, RecordedRequest, ResultFile, Sandbox


def making() -> None:
    jobs = JobsClient(
        "sid",
        "token",
        account="brand",
        base_url="https://api.impact.com",
        request_timeout=30,
        retry=Retry(attempts=1, base_delay=0, max_delay=0.5),
        polling=Polling(minimum=1, maximum=60, request_cost=2, error_grace=timedelta(minutes=20)),
        http_client=httpx.Client(),
        storage_client=httpx.Client(),
    )
    assert_type(JobsClient.from_env(), JobsClient)
    assert_type(JobsClient.from_env("sid", "token", base_url=None, http_client=None), JobsClient)
    assert_type(JobsClient.from_env(account="partner"), JobsClient)
    assert_type(jobs.with_options(request_timeout=5, retry=Retry(), polling=None), JobsClient)
    assert_type(jobs.for_advertiser(2747168), JobsClient)
    assert_type(jobs.for_advertiser("2747168"), JobsClient)
    assert_type(jobs.generated, AuthenticatedClient)
    with jobs as entered:
        assert_type(entered, JobsClient)
    jobs.close()


class OurClient(JobsClient):
    """A subclass, which `from_env` and `with_options` return as well."""


def subclassing() -> None:
    assert_type(OurClient.from_env(), OurClient)
    assert_type(OurClient.from_env().with_options(), OurClient)
    assert_type(OurClient.from_env().for_advertiser(2747168), OurClient)
    with OurClient.from_env() as entered:
        assert_type(entered, OurClient)


def naming(jobs: JobsClient, job: Job, generated: GeneratedJob) -> None:
    for name in ("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", UUID(int=1), job, generated):
        assert_type(jobs.get(name), Job)


def reading(jobs: JobsClient) -> None:
    assert_type(jobs.list(), Iterator[Job])
    jobs.list("2026-05-01", created_before=date(2026, 5, 31))
    jobs.list(created_after=datetime(2026, 5, 1, tzinfo=UTC), created_before=None)
    assert_type(next(jobs.list()), Job)


def waiting(jobs: JobsClient, job: Job, updates: list[Job]) -> None:
    assert_type(jobs.wait(job), Job)
    assert_type(jobs.wait(job, 60), Job)
    assert_type(jobs.wait(job, timeout=None, polling=Polling(), on_update=updates.append), Job)
    jobs.wait(job, on_update=lambda seen: seen.percentage_complete)


def waiting_for_many(jobs: JobsClient, each: list[Job], ids: tuple[str, ...], wish: bool) -> None:  # noqa: FBT001 - not a literal
    assert_type(jobs.wait_all(each), dict[str, Job])
    assert_type(jobs.wait_all(jobs.list(), 60.0, return_exceptions=False), dict[str, Job])
    assert_type(jobs.wait_all(ids, {"id": 60.0, "other": None}, return_exceptions=True), dict[str, Job | JobsError])
    assert_type(jobs.wait_all(each, None, polling=Polling(), return_exceptions=wish), dict[str, Job | JobsError])
    assert_type(jobs.as_completed(each), Iterator[Job])
    assert_type(jobs.as_completed(ids, 0, on_update=print, return_exceptions=False), Iterator[Job])
    assert_type(jobs.as_completed(ids, return_exceptions=True), Iterator[Job | JobsError])
    for found in jobs.as_completed(each, return_exceptions=wish):
        assert_type(found, Job | JobsError)
        if isinstance(found, JobsError):
            assert_type(found.job_id, str | None)


def downloading(jobs: JobsClient, job: Job, report: Callable[[int, int | None], None]) -> None:
    assert_type(jobs.download(job, "report.csv"), DownloadResult)
    jobs.download(job, Path("reports"), overwrite=True, resume=False, connections=8, digest=False, mode="stream")
    jobs.download(job, "report.csv", connections=None, mode="redirect", on_progress=report)
    jobs.download(job, "report.csv", on_progress=lambda done, whole: done / (whole or 1))
    assert_type(
        jobs.wait_and_download(job, "report.csv", timeout=None, on_update=print, on_progress=report), DownloadResult
    )
    assert_type(jobs.fetch_all(jobs.list(), "reports"), FetchReport)
    jobs.fetch_all([job], Path("reports"), concurrency=2, timeout={job.id: 60.0}, connections=None, on_update=print)


def without_a_file(jobs: JobsClient, job: Job) -> None:
    assert_type(jobs.stream(job), ResultStream)
    with jobs.stream(job, mode="stream") as stream:
        assert_type(stream.bytes_total, int | None)
        for chunk in stream:
            assert_type(chunk, bytes)
    with jobs.open(job) as file:
        assert_type(file, BufferedReader)
        assert_type(file.read(10), bytes)


def replaying(jobs: JobsClient, job: Job) -> None:
    assert_type(jobs.replay(job), Job)
    assert_type(jobs.replay_if_replayable(job), Job | None)


def reading_tables(jobs: JobsClient, split: timedelta | None, join: bool) -> None:  # noqa: FBT001
    # pyarrow has no types of its own.
    jobs.read_report("listing", start_date="2026-05-01", split="month")  # pyright: ignore[reportUnknownMemberType]
    assert_type(jobs.to_parquet("listing", "2026.parquet"), DownloadResult)
    assert_type(jobs.to_parquet("listing", Path("2026.parquet"), split="week", join=True), DownloadResult)
    assert_type(jobs.to_parquet("listing", "2026.parquet", join=join), DownloadResult)
    assert_type(jobs.to_parquet("listing", "{start}.parquet", split=timedelta(7), join=False), ExportReport)
    assert_type(jobs.to_parquet("listing", "{start}.parquet", split=split, join=join), DownloadResult | ExportReport)


def exporting(jobs: JobsClient) -> None:
    assert_type(jobs.reports(), Iterator[Report])
    assert_type(jobs.report_metadata("r").filters, tuple[ReportFilter, ...])
    assert_type(jobs.export_report("r"), Job)
    days = {"Start Date": date(2026, 5, 1), "New": True, "Amount": Decimal("1.5")}
    assert_type(jobs.export_report("r", end_date="2026-05-01", result_format="JSON", filters=days), Job)
    assert_type(jobs.export_and_download("r", "may.csv", filters=days, max_age=timedelta(hours=6)), DownloadResult)


def exporting_in_windows(jobs: JobsClient, split: Split | None, *, join: bool) -> None:
    assert_type(jobs.export_and_download("r", "2026.csv", split="month", join=True), DownloadResult)
    assert_type(jobs.export_and_download("r", "{start}.csv", split=timedelta(days=10)), ExportReport)
    assert_type(jobs.export_and_download("r", "{start}.csv", split=split, join=join), DownloadResult | ExportReport)
    report = jobs.export_and_download("r", "{start}.csv", split="week", join=False)
    assert_type(report.files, dict[ExportWindow, DownloadResult])
    assert_type(report.errors, dict[ExportWindow, JobsError])
    assert_type(report.left, tuple[ExportWindow, ...])
    assert_type(report.again_at, datetime | None)


def annotating(
    jobs: JobsClient, job: JobReference, mode: Mode, timeouts: Timeouts, on_progress: OnProgress | None
) -> DownloadResult:
    """A wrapper of the user's own, annotated with the types of the signatures."""
    jobs.wait_all([job], timeouts)
    return jobs.download(job, "report.csv", mode=mode, on_progress=on_progress)


async def making_async() -> None:
    jobs = AsyncJobsClient(
        "sid", "token", http_client=httpx.AsyncClient(), storage_client=None, retry=Retry(), polling=Polling()
    )
    assert_type(AsyncJobsClient.from_env(), AsyncJobsClient)
    assert_type(jobs.with_options(), AsyncJobsClient)
    assert_type(jobs.for_advertiser(2747168), AsyncJobsClient)
    assert_type(jobs.generated, AuthenticatedClient)
    async with jobs as entered:
        assert_type(entered, AsyncJobsClient)
    await jobs.aclose()


async def every_method_awaited(jobs: AsyncJobsClient, job: Job, report: Callable[[int, int | None], None]) -> None:
    assert_type(jobs.list("2026-05-01"), AsyncIterator[Job])
    assert_type(await jobs.get(job), Job)
    assert_type(await jobs.wait(job, timeout=None, on_update=print), Job)
    assert_type(await jobs.wait_all([job]), dict[str, Job])
    assert_type(await jobs.wait_all([job], {job.id: 1.0}, return_exceptions=True), dict[str, Job | JobsError])
    assert_type(jobs.as_completed([job]), AsyncIterator[Job])
    assert_type(jobs.as_completed([job], return_exceptions=True), AsyncIterator[Job | JobsError])
    assert_type(await jobs.download(job, "report.csv", mode="stream", on_progress=report), DownloadResult)
    assert_type(await jobs.wait_and_download(job, Path("report.csv"), on_progress=report), DownloadResult)
    assert_type(await jobs.fetch_all([job], "reports"), FetchReport)
    assert_type(jobs.stream(job), AsyncResultStream)
    async with jobs.stream(job) as stream:
        assert_type(stream.bytes_total, int | None)
        async for chunk in stream:
            assert_type(chunk, bytes)
    assert_type(jobs.open(job), BufferedReader)
    assert_type(await jobs.replay(job), Job)
    assert_type(await jobs.replay_if_replayable(job), Job | None)
    await jobs.read_report("listing", filters={"New Customer": True})  # pyright: ignore[reportUnknownMemberType]
    assert_type(await jobs.to_parquet("listing", "2026.parquet", split="month"), DownloadResult)
    assert_type(await jobs.to_parquet("listing", "{start}.parquet", split="month", join=False), ExportReport)
    assert_type(jobs.reports(), AsyncIterator[Report])
    assert_type(await jobs.report_metadata("r"), ReportMetadata)
    assert_type(await jobs.export_report("r", start_date=date(2026, 5, 1)), Job)
    assert_type(await jobs.export_and_download("r", "may.csv"), DownloadResult)
    assert_type(await jobs.export_and_download("r", "2026.csv", split="month", join=True), DownloadResult)
    assert_type(await jobs.export_and_download("r", "{start}.csv", split="month"), ExportReport)


def fields_of_a_job(job: Job) -> None:
    assert_type(job.id, str)
    assert_type(job.type, JobType | str | None)
    assert_type(job.status, JobStatus | str)
    assert_type(job.program_id, str | None)
    assert_type(job.created_by, str | None)
    assert_type(job.created_date, datetime | None)
    assert_type(job.started_date, datetime | None)
    assert_type(job.completed_date, datetime | None)
    assert_type(job.abandoned_date, datetime | None)
    assert_type(job.cancelled_date, datetime | None)
    assert_type(job.failed_date, datetime | None)
    assert_type(job.last_progress_update_date, datetime | None)
    assert_type(job.status_message, str | None)
    assert_type(job.records_processed, int | None)
    assert_type(job.percentage_complete, int | None)
    assert_type(job.replayable, bool)
    assert_type(job.result_uri, str | None)
    assert_type(job.raw, Mapping[str, Any])
    assert_type(job.is_terminal, bool)
    Job(id="1", status=JobStatus.RUNNING)
    Job(id="1", status="A_NEW_STATUS", type=JobType.APIREPORT, raw={})


def fields_of_a_result(result: DownloadResult) -> None:
    assert_type(result.path, Path)
    assert_type(result.job_id, str)
    assert_type(result.job, Job | None)
    assert_type(result.bytes_written, int)
    assert_type(result.sha256, str | None)
    assert_type(result.content_type, str | None)
    assert_type(result.filename, str | None)
    assert_type(result.resumed_from, int)
    assert_type(result.connections, int)
    assert_type(result.seconds, float)
    assert_type(result.pages_total, int | None)
    assert_type(result.rows, int | None)
    assert_type(result.fresh, bool | None)
    assert_type(result.unchanged, bool | None)


def fields_of_a_report(report: FetchReport) -> None:
    assert_type(report.directory, Path)
    assert_type(report.outcomes, Mapping[str, DownloadResult | JobsError])
    assert_type(report.files, dict[str, DownloadResult])
    assert_type(report.errors, dict[str, JobsError])
    assert_type(report.is_complete, bool)


def settings(jobs: JobsClient, retry: Retry, polling: Polling) -> None:
    assert_type(retry.attempts, int)
    assert_type(retry.base_delay, float)
    assert_type(retry.max_delay, float)
    assert_type(retry.stops_at_quota, bool)
    assert_type(polling.minimum, float)
    assert_type(polling.maximum, float)
    assert_type(polling.request_cost, float)
    assert_type(polling.error_grace, timedelta | None)
    Polling(history=jobs.list(created_after="2026-05-01"))
    Polling(history=[])


def error_responses(jobs: JobsClient) -> None:
    try:
        jobs.get("1")
    except (RateLimitError, ServerError) as error:
        assert_type(error.retry_after, float | None)
    except ApiError as error:
        assert_type(error.status_code, int)
        assert_type(error.message, str)
        assert_type(error.errors, tuple[FieldError, ...])
        assert_type([(entry.field, entry.message) for entry in error.errors], list[tuple[str, str]])
        assert_type(error.request_id, str | None)
        assert_type(error.body, str)
        assert_type(error.is_from_storage, bool)
        assert_type(error.is_too_early, bool)


def other_errors(jobs: JobsClient) -> None:
    try:
        jobs.get("1")
    except TransportError as error:
        assert_type(error.request_sent, bool)
    except UnexpectedResponseError as error:
        assert_type(error.status_code, int | None)
    except (ResultNotReadyError, JobFailedError) as error:
        assert_type(error.job, Job)
    except WaitTimeoutError as error:
        assert_type(error.job, Job | None)
    except ReplayUncertainError as error:
        assert_type(error.source, str)
        assert_type(error.candidates, tuple[Job, ...])
    except (ConfigurationError, JobsError) as error:
        assert_type(error.job_id, str | None)


def a_wait_timeout_is_a_timeout_error(error: WaitTimeoutError) -> TimeoutError:
    return error


def names_of_the_package() -> None:
    assert_type(impact_jobs.JobsClient.from_env(), JobsClient)
    assert_type(impact_jobs.Polling().history is None, bool)


def a_sandbox(hours: float) -> None:
    with Sandbox(seed=1, job_seconds=0, hourly_budget=None, list_shape="pages", clock=lambda: hours * 3600) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.client(request_timeout=5), JobsClient)
        assert_type(sandbox.async_client(), AsyncJobsClient)
        assert_type(sandbox.add_job(status="FAILED", fields={"Status": 7}), str)
        assert_type(sandbox.job_ids, tuple[str, ...])
        assert_type(sandbox.result("1").size, int)
        assert_type(sandbox.result("1").sha256, str)
        assert_type(sandbox.result("1").read(), Iterator[bytes])
        assert_type(sandbox.replace_result("1", content=b"a,b").rows, int)
        assert_type(sandbox.exports, tuple[RecordedExport, ...])
        assert_type(ResultFile(1, 2).size, int)
        assert_type(sandbox.requests, tuple[RecordedRequest, ...])
        assert_type(sandbox.requests[0].headers, Mapping[str, str])
        assert_type(sandbox.environ, dict[str, str])
