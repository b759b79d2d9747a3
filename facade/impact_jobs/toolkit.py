"""What the command line, the plans, the pytest plugin and the provider for Airflow need besides public names.

docs/stability.md lists these names; they may change in any release.
"""

from __future__ import annotations

from datetime import datetime
from os import PathLike

from impact_jobs._account import DEFAULT_BASE_URL, Account, JobReference, is_loopback, kind_setting
from impact_jobs._account_kinds import account_kind
from impact_jobs._download.filesystem import examine_folder
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.planned_files.values import PlannedFile
from impact_jobs._operations.probe import Probe, send_probe
from impact_jobs._policy.daily_exports import DAILY_LIMIT
from impact_jobs._policy.windows import split_range
from impact_jobs._transport.clock import epoch as epoch_seconds
from impact_jobs._transport.clock import use as use_clock
from impact_jobs._transport.heartbeat import heartbeat_url, send_heartbeat
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.client import JobsClient
from impact_jobs.errors import ConfigurationError, RateLimitError
from impact_jobs.models import DownloadResult, Job

__all__ = [
    "DAILY_LIMIT",
    "DEFAULT_BASE_URL",
    "Account",
    "Probe",
    "account_kind",
    "epoch_seconds",
    "examine_folder",
    "find_lost_replay",
    "heartbeat_url",
    "is_current",
    "is_loopback",
    "is_out_of_exports",
    "kind_setting",
    "probe",
    "quota_resets_at",
    "save_planned_file",
    "save_result",
    "send_heartbeat",
    "split_range",
    "use_clock",
]


def probe(client: JobsClient | None, *, base_url: str = DEFAULT_BASE_URL, timeout: float = 10.0) -> Probe:
    """Send the API one request, for today's jobs, without retries; report what the response shows.

    With no client, request `base_url` itself, without credentials. `timeout` is in seconds. An error is part of the
    result, not raised.
    """
    try:
        used = JobsClient("-", "-", base_url=base_url) if client is None else client
    except ConfigurationError as error:
        return Probe(error=error)
    context = used._context.with_options(request_timeout=timeout, retry=None, polling=None)  # noqa: SLF001 - our own
    return run_sync(send_probe(context, used._transport, has_credentials=client is not None, timeout=timeout))  # noqa: SLF001 - our own


def save_result(
    client: JobsClient,
    job: JobReference,
    path: str | PathLike[str],
    *,
    result_format: str = "CSV",
    overwrite: bool = False,
    timeout: float = 600.0,
) -> DownloadResult:
    """Save the result of a completed job as `export_and_download` does once its job has completed.

    Of a JSON result, all pages become one file if `path` ends in ".jsonl" or ".ndjson". Like `download`, an interrupted
    call is continued by the next one.

    Args:
        client: The client.
        job: As for `JobsClient.get`. A `Job` in COMPLETED costs no request of its own.
        path: A file in an existing folder, or an existing folder.
        result_format: The format that was exported: "CSV", "JSON" or "XML".
        overwrite: Whether to replace an existing file.
        timeout: Seconds to wait for a result that the download endpoint does not have yet.

    Returns:
        The file, with its `rows` if it is CSV or JSON lines.

    Raises:
        ResultNotReadyError: The job is still active: wait for it.
        WaitTimeoutError: The job is completed, but its result is late: try again in a minute.
        JobsError: As for `JobsClient.wait_and_download`.

    Example:
        >>> save_result(jobs, job_id, "actions.csv").rows
        340
    """
    from impact_jobs._operations import export_and_download  # noqa: PLC0415 - many programs do not need it

    options = DownloadOptions(overwrite=overwrite)
    context = client._context  # noqa: SLF001 - our own
    return run_sync(
        export_and_download.save_result(context, job, path, options, result_format=result_format, timeout=timeout)
    )


def find_lost_replay(client: JobsClient, source: JobReference, sent_at: datetime) -> Job | None:
    """Find the job of a replay whose process ended before it recorded the response.

    If the list shows none, it is read again until a minute after `sent_at`, because it may lag.

    Args:
        client: The client.
        source: The job that was replayed, once it had ended. Pass the `Job` as it was before, if you have it: on
            accounts where a replay keeps the job, its dates show whether it has run since.
        sent_at: When the replay was about to be sent, by the clock of its machine; aware. That clock and this machine's
            may differ by 2 seconds.

    Returns:
        The job: the only one of the source's type and program within ten minutes of `sent_at`, created no more than ten
        seconds after it; or the source itself, if it was queued again. None if there is no such job, so that the replay
        was not accepted.

    Raises:
        ReplayUncertainError: The list leaves it open. Look at the `candidates`.
        JobsError: As for `JobsClient.get` and `JobsClient.list`: call again later.

    Example:
        >>> find_lost_replay(jobs, job_id, sent_at) or jobs.replay(job_id)
    """
    from impact_jobs._operations import lost_requests  # noqa: PLC0415 - many programs do not need it

    return run_sync(lost_requests.find_lost_replay(client._context, source, sent_at))  # noqa: SLF001 - our own


def quota_resets_at(client: JobsClient, error: RateLimitError) -> datetime:
    """Return from when on the account has requests or exports again, after a call that was refused with `error`.

    Args:
        client: The client that was refused.
        error: The error that it raised: the hourly limit of requests, or the daily one of exports.

    Returns:
        A moment in UTC, by this machine's clock. If neither the server nor this process's count of exports says more,
        it is in an hour.

    Example:
        >>> quota_resets_at(jobs, error)
        datetime.datetime(2026, 5, 29, 13, 0, tzinfo=datetime.timezone.utc)
    """
    from impact_jobs._operations import quota_reset  # noqa: PLC0415 - many programs do not need it

    return quota_reset.quota_resets_at(client._context, error)  # noqa: SLF001 - our own


def is_current(file: PlannedFile, job: Job, *, now: datetime) -> bool:
    """Return whether a job has rows as new as a plan demands of a file.

    Args:
        file: The file.
        job: A snapshot of its completed job.
        now: The moment, with a time zone.

    Example:
        >>> is_current(file, jobs.get(job_id), now=datetime.now(UTC))
        True
    """
    from impact_jobs._operations.planned_files import steps  # noqa: PLC0415 - many programs do not need it

    return steps.is_current(file, job, now)


def is_out_of_exports(client: JobsClient, error: RateLimitError) -> bool:
    """Return whether the daily limit of exports was the reason for an error, and not the hourly one of requests.

    Args:
        client: The client that was refused.
        error: The error that it raised.

    Example:
        >>> is_out_of_exports(jobs, error)
        False
    """
    from impact_jobs._operations import quota_reset  # noqa: PLC0415 - many programs do not need it

    return not quota_reset.hourly_pause(client._context, error)  # noqa: SLF001 - our own


def save_planned_file(
    client: JobsClient, file: PlannedFile, job: JobReference, *, timeout: float = 600.0
) -> DownloadResult:
    """Save the result of a completed job as a file of a plan, and list it in the manifest, as a run of the plan does.

    The job must have the days and the filters of the file. Nothing is exported. An interrupted call may be repeated.

    Args:
        client: A client of the file's account.
        file: The file.
        job: As for `JobsClient.get`. A `Job` in COMPLETED costs no request of its own.
        timeout: Seconds to wait for a result that the download endpoint does not have yet.

    Returns:
        The file, with its `rows`; `unchanged` compares it with the one that the plan had there before.

    Raises:
        DestinationExistsError: A file of another origin is in its place: move it or delete it.
        ResultNotReadyError: The job is still active: wait for it.
        JobFailedError: The job has ended without a result: replay it, or export again.
        WaitTimeoutError: The job is completed, but its result is late: try again in a minute.
        JobsError: As for `JobsClient.wait_and_download`.

    Example:
        >>> save_planned_file(jobs, file, job_id).rows
        340
    """
    from impact_jobs._operations.planned_files import save  # noqa: PLC0415 - many programs do not need it

    return run_sync(save.save_planned_file(client._context, file, job, timeout=timeout))  # noqa: SLF001 - our own
