"""The blocking client. Each method runs the operation of its name, in `_operations`, to its end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from datetime import date, timedelta
from io import BufferedReader
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Literal, Self, overload

from impact_jobs._account import DEFAULT_BASE_URL, Account, JobReference, kind_setting, setting
from impact_jobs._account_kinds import AGENCY, AccountKindName, account_kind
from impact_jobs._api import endpoints
from impact_jobs._api.context import ClientContext
from impact_jobs._api.pages import job_pages
from impact_jobs._dates import Window
from impact_jobs._download.options import DownloadOptions, Mode, OnProgress
from impact_jobs._operations import download, replay, wait, wait_many
from impact_jobs._operations.export_options import ExportOptions, OnWindow
from impact_jobs._operations.stream import AsyncResultStream, ResultStream, open_file
from impact_jobs._operations.wait_many import Timeouts
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.retry import Retry
from impact_jobs._policy.windows import Split
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs._transport.httpx_common import HttpClient
from impact_jobs._transport.run_sync import SyncIterator, run_sync
from impact_jobs.errors import ExportReport, JobsError
from impact_jobs.models import DownloadResult, Job
from impact_jobs.report_models import Report, ReportMetadata

if TYPE_CHECKING:
    import pyarrow  # noqa: ICN001 - the name that users read in signatures

    from impact_jobs._operations.fetch_all import FetchReport

__all__ = ["JobsClient"]


class JobsClient:
    """A client for the Jobs API of one impact.com account: wait for jobs, download results, replay jobs.

    One client serves any number of jobs and threads. Use it in a `with` block, or call `close`, to close its
    connections. Every method accepts a job as its id (a string or UUID), a `Job`, the generated `Job`, or the job's
    path or URL, such as the `QueuedUri` of a scheduled report. `AsyncJobsClient` has the same methods for asyncio.

    Args:
        account_sid: The Account SID, from the account's API settings page.
        auth_token: The Auth Token, from the same page. It never appears in a `repr`, log record, error or pickle.
        account: The kind of the account: "agency", "brand" (an advertiser) or "partner" (a publisher). Their paths and
            some rules differ; see docs/account-kinds.md.
        base_url: The API's URL. It may have a path, such as that of a gateway; the token is sent to no URL outside of
            it. Plain http is accepted for this machine only.
        request_timeout: Seconds for one whole exchange with the API. A download may take that many seconds until the
            response starts, and for each read. If a host has several addresses, each gets the full time.
        retry: How often a GET is tried, and the pauses in between.
        polling: How often a wait polls; see docs/polling.md.
        http_client: An httpx client for the API, for your own proxy or certificates. You close it. Pass it in unused:
            on connections that it already holds, only single reads time out, not the whole exchange.
        storage_client: An httpx client for the storage. You close it. Only its connection settings are used: the
            storage receives no header, cookie or credential of either client.

    Raises:
        ConfigurationError: A value is missing or malformed. The message says which.

    Example:
        >>> from impact_jobs import JobsClient
        >>> with JobsClient.from_env() as jobs:
        ...     for job in jobs.list(created_after="2026-05-01"):
        ...         print(job.id, job.status)
        3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 COMPLETED

    Source: the vendor's pages "List all jobs" (for `list` and waits for many jobs), "Get a job" (for `get` and `wait`),
    "Download a job result" and "Replay a job".
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        account: AccountKindName = "agency",
        base_url: str = DEFAULT_BASE_URL,
        request_timeout: float = 30.0,
        retry: Retry = Retry(),
        polling: Polling = Polling(),
        http_client: HttpClient | None = None,
        storage_client: HttpClient | None = None,
    ) -> None:
        token, url = Secret(auth_token), secret_url(str(base_url))
        del auth_token, base_url  # a traceback with locals must not show them
        checked = Account.create(account_sid, token, url, kind=account_kind(account))
        self._transport = BlockingTransport(checked, http_client=http_client, storage_client=storage_client)
        self._context = ClientContext(
            account=checked,
            transport=self._transport,
            retry=retry,
            polling=polling,
            request_timeout=request_timeout,
            random=random.random,
        )

    @classmethod
    def from_env(
        cls,
        account_sid: str | None = None,
        auth_token: str | None = None,
        *,
        account: AccountKindName | None = None,
        base_url: str | None = None,
        request_timeout: float = 30.0,
        retry: Retry = Retry(),
        polling: Polling = Polling(),
        http_client: HttpClient | None = None,
        storage_client: HttpClient | None = None,
    ) -> Self:
        """Create a client from the environment. An argument wins over its variable, a variable over the default.

        Args:
            account_sid: Replaces IMPACT_ACCOUNT_SID.
            auth_token: Replaces IMPACT_AUTH_TOKEN.
            account: Replaces IMPACT_ACCOUNT_KIND, which is optional.
            base_url: Replaces IMPACT_BASE_URL, which is optional.
            request_timeout, retry, polling, http_client, storage_client: As for the class.

        Raises:
            ConfigurationError: A variable is missing or malformed. Export it, or pass the argument.

        Example:
            >>> jobs = JobsClient.from_env(request_timeout=60.0)
        """
        return cls(
            setting("IMPACT_ACCOUNT_SID", account_sid),
            setting("IMPACT_AUTH_TOKEN", auth_token),
            account=kind_setting(account),
            base_url=setting("IMPACT_BASE_URL", base_url, default=DEFAULT_BASE_URL),
            request_timeout=request_timeout,
            retry=retry,
            polling=polling,
            http_client=http_client,
            storage_client=storage_client,
        )

    def with_options(
        self, *, request_timeout: float | None = None, retry: Retry | None = None, polling: Polling | None = None
    ) -> Self:
        """Return a client with other settings that shares this client's connections. Close only the original.

        Args:
            request_timeout, retry, polling: As for the class; None keeps the setting.

        Raises:
            ConfigurationError: A value is malformed.

        Example:
            >>> patient = jobs.with_options(retry=Retry(attempts=8))
            >>> job = patient.get(job_id)
        """
        other = copy(self)
        other._context = self._context.with_options(request_timeout=request_timeout, retry=retry, polling=polling)  # noqa: SLF001 - our own
        return other

    def for_advertiser(self, advertiser_id: int | str) -> Self:
        """Return a client for one brand of this agency, over this client's connections. Close only the original.

        It reaches the brand's jobs by passthrough, with the agency's credentials and within its hourly budget. The
        rules of a brand's account hold, as docs/account-kinds.md lists them.

        Args:
            advertiser_id: The number of the brand's account, such as 2747168. Its Account SID is not accepted.

        Raises:
            ConfigurationError: The id is not a number, or this client is not an agency's.

        Example:
            >>> brand = jobs.for_advertiser(2747168)
            >>> [job.id for job in brand.list()]
            []
        """
        other = copy(self)
        other._context = self._context.for_advertiser(advertiser_id)  # noqa: SLF001 - our own
        return other

    def list(self, created_after: date | str | None = None, created_before: date | str | None = None) -> Iterator[Job]:
        """Iterate over the account's jobs in the server's order. Each page is fetched when its first job is needed.

        Each job is yielded at most once. A job that cannot be parsed is skipped with a warning in the log. A page that
        brings nothing new ends the list.

        Args:
            created_after: The first day or moment, inclusive: a date, a datetime (UTC if it has no offset), or text
                such as "2026-05-29" or "29 May 2026". A day is the server's, whose time zone is not documented. A
                moment is compared exactly, by this client, and so are the days of brand and partner accounts.
            created_before: The last day or moment, inclusive.

        Raises:
            ConfigurationError: A date could not be parsed; see Args.
            UnexpectedResponseError: While iterating, after the jobs that have arrived: the link to the next page leads
                elsewhere, or the pages end before the total that they state.
            JobsError: While iterating, as for `get`.

        Example:
            >>> [job.id for job in jobs.list("2026-05-01", "2026-05-31") if job.replayable]
            ['3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1']
        """
        window = Window.create(created_after, created_before, self._context.account.kind)
        return chain.from_iterable(SyncIterator(job_pages(self._context, window)))

    def get(self, job: JobReference) -> Job:
        """Return the job's current state.

        Args:
            job: The job's id, a `Job`, or the job's path or URL.

        Raises:
            ConfigurationError: `job` is not a job reference, or names another host, account or brand; the message
                names the client that takes it. No request was sent.
            AuthenticationError: 401. Check the credentials.
            PermissionDeniedError: 403. Check the token's scope.
            JobNotFoundError: 404. Check the id.
            RateLimitError: 429 after all retries. Wait `retry_after` seconds.
            ServerError: 5xx after all retries. Try again later.
            UnexpectedResponseError: The response is not that job. Check `base_url` and your proxy.
            TransportError: No response after all retries. Check the network.

        Example:
            >>> job = jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
            >>> job.status
            <JobStatus.COMPLETED: 'COMPLETED'>
        """
        return run_sync(endpoints.get(self._context, job))

    def wait(
        self,
        job: JobReference,
        timeout: float | None = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
    ) -> Job:
        """Wait until the job has completed, and return it.

        A poll that fails for a transient reason does not end the wait. Ctrl-C or a cancelled task leaves the job
        running on the server and adds its id to the traceback. According to the vendor, a job takes about 5 s on
        average, and a large one may take hours.

        Args:
            job: As for `get`. No request is sent for a `Job` that has already ended; one that has just been scheduled
                is first polled after a short pause.
            timeout: Seconds for the whole wait. None means no limit, 0 means one poll.
            polling: Replaces the client's policy.
            on_update: Called with every snapshot of the job, including the last.

        Raises:
            JobFailedError: The job ended as FAILED or ERROR. Read `error.job.status_message`. On brand and partner
                accounts, whose servers run a job in ERROR again, that takes as long as `Polling.error_grace` says.
            JobCancelledError: The job was cancelled.
            WaitTimeoutError: The job did not complete in time. It continues on the server: wait again.
            JobsError: As for `get`, if polling again cannot help (401, 403, 404).

        Example:
            >>> done = jobs.wait(job_id, timeout=600, on_update=lambda job: print(job.percentage_complete, "%"))
            100 %
        """
        return run_sync(wait.wait(self._context, job, timeout=timeout, polling=polling, on_update=on_update))

    @overload
    def wait_all(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: Literal[False] = ...,
    ) -> dict[str, Job]: ...

    @overload
    def wait_all(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: bool,
    ) -> dict[str, Job | JobsError]: ...

    def wait_all(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
        return_exceptions: bool = False,
    ) -> Mapping[str, Job | JobsError]:
        """Wait until all jobs have completed, and poll them together by reading the list of jobs.

        Jobs that the list does not show are requested one by one. If you pass only ids, one job is requested first,
        because its date limits the list. Pass `Job` objects if you have them: those that have ended cost no request.

        Args:
            jobs: The jobs, each as for `get`. A job that appears twice counts once.
            timeout: Seconds for all jobs together, or a mapping from every job's id to its own seconds. None means no
                limit, 0 means one poll.
            polling: Replaces the client's policy.
            on_update: Called with every snapshot of every job, including the last ones.
            return_exceptions: Whether to return the error of a job that fails, vanishes or does not complete in time.
                Otherwise the first error is raised at once, and the other jobs continue on the server.

        Returns:
            The completed jobs by id, in the order given; with `return_exceptions`, jobs or errors.

        Raises:
            ConfigurationError: One of `jobs` is not a job reference. No request was sent.
            JobsError: As for `wait`. The error's `job_id` names the job.

        Example:
            >>> done = jobs.wait_all([jobs.replay(job) for job in yesterday], timeout=7200)
            >>> [str(job.status) for job in done.values()]
            ['COMPLETED']
        """
        group = wait_many.JobBatch(self._context, jobs, timeout=timeout, polling=polling, on_update=on_update)
        return run_sync(wait_many.wait_all(group, return_exceptions=return_exceptions))

    @overload
    def as_completed(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: Literal[False] = ...,
    ) -> Iterator[Job]: ...

    @overload
    def as_completed(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: bool,
    ) -> Iterator[Job | JobsError]: ...

    def as_completed(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[Job | JobsError]:
        """Iterate over the jobs in the order in which they complete. Requests start with the first item.

        Args:
            jobs, polling, on_update: As for `wait_all`.
            timeout: Seconds as for `wait_all`, counted from this call.
            return_exceptions: Whether to yield the error of a job, with its `job_id`. Otherwise the error is raised;
                iterate again to continue with the other jobs.

        Raises:
            JobsError: While iterating, as for `wait_all`.

        Example:
            >>> for job in jobs.as_completed(queued_uris):
            ...     result = jobs.download(job, f"{job.id}.csv")
            ...     print(result.path)
            3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1.csv
        """
        group = wait_many.JobBatch(self._context, jobs, timeout=timeout, polling=polling, on_update=on_update)
        return SyncIterator(wait_many.AsCompleted(group, return_exceptions=return_exceptions))

    def download(
        self,
        job: JobReference,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        resume: bool = True,
        connections: int | None = None,
        digest: bool = True,
        mode: Mode = "redirect",
        on_progress: OnProgress | None = None,
    ) -> DownloadResult:
        """Download the result of a completed job to a file. The file appears whole under its name, or not at all.

        The bytes are written to `<path>.part` in the same folder, synced to disk and renamed. A `.part` file that is
        not ours is left alone. A replaced file keeps its mode and group. The file's modification time is the job's
        `completed_date`, if that is known.

        If the connection breaks or the link expires, the download resumes. If this call fails or its process dies, the
        next call with the same job and path resumes, provided that the storage sends entity tags. If the result has
        changed, the download starts over. The storage never receives the account's credentials, and keeps a result for
        90 days.

        Args:
            job: As for `get`.
            path: The file to write, or an existing folder; a path that ends in a slash must be one. A relative path is
                resolved once, when the call begins. In a folder, the file gets the name that the storage suggests,
                made safe, or else the job's id; it ends in `.gz` and the like only if the bytes are compressed.
            overwrite: Whether to replace an existing file.
            resume: Whether to continue from the `<path>.part` of an earlier call.
            connections: How many connections to use at once, 1 to 64. None opens several if the first one is slow and
                the file is large. If the storage does not support range requests, one is used.
            digest: Whether to compute the sha256 while writing, which takes about half of the CPU time. Checksums
                that the storage states are verified in any case.
            mode: "redirect" downloads from the storage through a signed link; "stream" downloads through the API, for
                networks that reach only the API.
            on_progress: Called with the number of bytes done, which never decreases, and the total, which is None if
                unknown. With several connections, it may be called from other threads, one at a time.

        Raises:
            ConfigurationError: The path is not writable, or `job` is not a job reference. No request was sent.
            DestinationExistsError: The file exists. Pass `overwrite=True` or another path.
            ResultNotReadyError: The job has not ended, or its result is not there yet. Call `wait_and_download`.
            JobFailedError: The job ended without a result. If it was cancelled, the error is a JobCancelledError.
            ResultExpiredError: The storage no longer has the result. Call `replay`, unless the error is `is_too_early`.
            UnexpectedResponseError: A gateway sent a page in place of the result. Check your proxy.
            IntegrityError: Length or checksum do not match; the bytes were discarded. Download again.
            DownloadError: The disk is full, or the link is unsafe. The message says what to do.
            JobsError: As for `get`.

        Example:
            >>> result = jobs.download(job, "actions.csv", overwrite=True)
            >>> result.bytes_written
            52428800
        """
        options = DownloadOptions(
            overwrite=overwrite,
            resume=resume,
            connections=connections,
            digest=digest,
            mode=mode,
            on_progress=on_progress,
        )
        return run_sync(download.download(self._context, job, path, options))

    def stream(self, job: JobReference, *, mode: Mode = "redirect") -> ResultStream:
        """Stream the bytes of a result without writing to disk. A broken connection is resumed as in `download`.

        Args:
            job: As for `get`.
            mode: As for `download`.

        Returns:
            A context manager and iterator of bytes. Its `bytes_total` is the size in bytes, or None if unknown.

        Raises:
            JobsError: On entering, as for `download`, except for disk errors; while iterating, TransportError or
                DownloadError if the rest cannot be fetched. Start over, or use `download`.

        Example:
            >>> with jobs.stream(job) as stream:
            ...     sum([len(chunk) for chunk in stream])
            52428800
        """
        return ResultStream(AsyncResultStream(self._context, job, mode=mode))

    def open(self, job: JobReference, *, mode: Mode = "redirect") -> BufferedReader:
        """Open the result as a binary file for pandas, polars, pyarrow or csv, without writing to disk.

        Read the file once, from start to end, and close it. Reading blocks, with `AsyncJobsClient` too: use a thread.

        Args:
            job: As for `get`.
            mode: As for `download`.

        Raises:
            JobsError: As for `stream`, also while reading.

        Example:
            >>> import csv, io
            >>> with io.TextIOWrapper(jobs.open(job), "utf-8") as file:
            ...     next(csv.reader(file))[:2]
            ['Action_Id', 'Action_Date']
        """
        return open_file(self._context, job, mode=mode)

    def wait_and_download(
        self,
        job: JobReference,
        path: str | PathLike[str],
        *,
        timeout: float | None = 3600.0,
        polling: Polling | None = None,
        overwrite: bool = False,
        resume: bool = True,
        connections: int | None = None,
        digest: bool = True,
        mode: Mode = "redirect",
        on_update: Callable[[Job], object] | None = None,
        on_progress: OnProgress | None = None,
    ) -> DownloadResult:
        """Wait until the job has completed, then download its result to a file.

        Args:
            job, polling, on_update: As for `wait`.
            path: As for `download`. It is checked before the wait starts.
            timeout: Seconds for the wait, None for no limit. The download continues as long as bytes arrive.
            overwrite, resume, connections, digest, mode, on_progress: As for `download`.

        Raises:
            JobsError: As for `wait` and `download`.

        Example:
            >>> result = jobs.wait_and_download(queued_uri, "actions.csv", timeout=1800)
            >>> print(result.path, result.bytes_written)
            actions.csv 52428800
        """
        options = DownloadOptions(
            overwrite=overwrite,
            resume=resume,
            connections=connections,
            digest=digest,
            mode=mode,
            on_progress=on_progress,
        )
        return run_sync(
            download.wait_and_download(
                self._context, job, path, options, timeout=timeout, polling=polling, on_update=on_update
            )
        )

    def fetch_all(
        self,
        jobs: Iterable[JobReference],
        directory: str | PathLike[str],
        *,
        name: str | None = None,
        concurrency: int = 4,
        timeout: Timeouts = 3600.0,
        polling: Polling | None = None,
        connections: int | None = 1,
        digest: bool = True,
        mode: Mode = "redirect",
        on_update: Callable[[Job], object] | None = None,
    ) -> FetchReport:
        """Wait for many jobs and download all results into one folder. Call it again to continue.

        The folder is the only state. A file is named by its job's id and the extension that the storage suggests, and
        has that name only once it is complete: the next call recognises it without a request, and resumes incomplete
        files. If you pass a `Job` that has completed again since its file was written, the file is replaced; a `Job`
        that is running again is waited for first. So after an error, Ctrl-C or a crash, repeat the call. Several
        processes may share a folder. If a download gets a 429, or a result is late, the call tries again for up to an
        hour. After Ctrl-C, a cancelled task or an error in `on_update`, a note in the traceback lists what remains.

        With a `name`, files get readable names, and `manifest.jsonl` in the folder says which job each one belongs to,
        with its dates, rows and sha256: the next call recognises them by that. See docs/howto/file-names.md.

        Args:
            jobs: The jobs, each as for `get`. A job that appears twice counts once.
            directory: The folder. It is created if it is missing.
            name: A template of the names, such as "{type}_{created:%Y-%m-%d}_{id}", with the fields `id`, `type`,
                `program`, and the dates `created` and `completed`. The extension is added. A slash leads to a folder
                below `directory`. None names files by id, without a manifest.
            concurrency: How many results to download at once, 1 to 64. `concurrency` times `connections` (None counts
                as 8) is limited to 64.
            timeout: Seconds for the wait, as for `wait_all`. A download continues as long as bytes arrive.
            polling: Replaces the client's policy.
            connections, mode: As for `download`, for each of the downloads.
            digest: Whether to compute the sha256 of each file, including recognised ones.
            on_update: Called with every snapshot of every job, perhaps from other threads, one at a time.

        Returns:
            Each job's file, or its error. The failure of one job does not stop the others.

        Raises:
            ConfigurationError: One of `jobs` is not a job reference, the folder is not writable, or `name` has another
                field, or is the same for two of `jobs`. Nothing was sent.

        Example:
            >>> recent = [job for job in jobs.list(created_after="2026-05-28")]
            >>> report = jobs.fetch_all(recent, "reports")
            >>> report.is_complete, report.errors
            (True, {})
            >>> named = jobs.fetch_all(recent, "named", name="{type}_{id}")
            >>> [file.path.name for file in named.files.values()]
            ['ApiReport_3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1.csv']
        """
        from impact_jobs._operations import fetch_all  # noqa: PLC0415 - many programs do not need it

        options = DownloadOptions(connections=connections, digest=digest, mode=mode)
        return run_sync(
            fetch_all.fetch_all(
                self._context,
                jobs,
                directory,
                options,
                name=name,
                concurrency=concurrency,
                timeout=timeout,
                polling=polling,
                on_update=on_update,
            )
        )

    def replay(self, job: JobReference) -> Job:
        """Run a job again with the same parameters, for fresh data, and return the new job.

        The request is sent again only if no byte of it can have left this machine. If its response is lost, the
        account's jobs are listed: if exactly one new job has the same type and program, it is the result. On brand and
        partner accounts, a replay returns the same job, queued again. Every call creates one job, even if several
        threads or tasks replay the same job at once, and no call returns a job that another call of this process may
        have created. Jobs that other processes create meanwhile cannot be told apart from this call's.

        Args:
            job: As for `get`.

        Raises:
            NotReplayableError: The job has not ended, or cannot be replayed. Wait for it, or schedule a new one.
            PermissionDeniedError: The token may not replay jobs. Check its scope.
            ReplayUncertainError: The response was lost, and none or several of the listed jobs match. Look at
                `error.candidates` before you replay again.
            JobsError: As for `get`.

        Example:
            >>> fresh = jobs.wait(jobs.replay(job))
            >>> fresh.id == job.id
            False
        """
        return run_sync(replay.replay(self._context, job))

    def replay_if_replayable(self, job: JobReference) -> Job | None:
        """Run a job again if the server allows it, and return the new job, or None. Its state is requested first.

        Args:
            job: As for `get`.

        Raises:
            JobsError: As for `replay`, except for NotReplayableError.

        Example:
            >>> fresh = jobs.replay_if_replayable(job) or job
        """
        return run_sync(replay.replay_if_replayable(self._context, job))

    def reports(self) -> Iterator[Report]:
        """Iterate over the reports of the account in the server's order.

        Each page is fetched when its first report is needed, and each report is yielded at most once. An entry that
        names no report is skipped.

        Raises:
            JobsError: While iterating, after the reports that have arrived, as for `list`.

        Example:
            >>> [report.id for report in jobs.reports()][0]
            'agency_action_listing'
        """
        from impact_jobs._api.reports import report_pages  # noqa: PLC0415 - many programs do not need it

        return chain.from_iterable(SyncIterator(report_pages(self._context)))

    def report_metadata(self, report_id: str) -> ReportMetadata:
        """Return the filters and columns of a report.

        Args:
            report_id: The report's id, as `reports` lists it.

        Raises:
            ConfigurationError: `report_id` is not the id of a report. No request was sent.
            ReportNotFoundError: The account has no such report. Choose one of `reports`.
            JobsError: As for `get`.

        Example:
            >>> metadata = jobs.report_metadata("agency_action_listing")
            >>> [each.parameter for each in metadata.filters][:2]
            ['START_DATE', 'END_DATE']
        """
        from impact_jobs._operations import report_metadata  # noqa: PLC0415 - many programs do not need it

        return run_sync(report_metadata.report_metadata(self._context, report_id))

    def export_report(
        self,
        report_id: str,
        *,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        result_format: str = "CSV",
        filters: Mapping[str, object] | None = None,
    ) -> Job:
        """Schedule the export of a report, and return its job.

        An export that equals an earlier one returns the existing job, which may have ended long ago; `replay` makes a
        new one. If the response is lost, the job is looked for in the list of jobs: if exactly one new job is that of
        a report, with the same program or none, it is the result. If the list leaves it open, the request is sent
        again, which returns the same job if the first request was accepted. No call returns a job that another call of
        this process may have created. If the response is lost, a job that another process creates in the same seconds
        cannot be told apart from this call's, unless the list shows that others export.

        Args:
            report_id: The report's id, as `reports` lists it.
            start_date: The first day, inclusive: a date, a datetime (whose day counts), or text such as "2026-05-01".
                Most reports need both days, and a partner account's always do.
            end_date: The last day, inclusive.
            result_format: "CSV", "JSON" or "XML". A large JSON result may be cut off after its first page.
            filters: Values by the filter's name, such as "Program", or its parameter, such as "SUBAID": text, numbers,
                booleans and dates. They are checked against the report's metadata, which is then requested, once an
                hour.

        Raises:
            ConfigurationError: An argument is malformed, a day is out of range, or a filter does not exist or has
                another type. No export was requested.
            ReportNotFoundError: The account has no such report. Choose one of `reports`.
            PermissionDeniedError: The account or the token may not export it.
            InvalidParameterError: The server refused a date or a filter. Correct what the message names.
            RateLimitError: 429, and the server asks for a longer pause than `Retry.max_delay`, or the retries are used
                up. Exports are limited to 100 a day as well.
            ExportUncertainError: The response was lost, and the list of jobs could not settle the matter, or the second
                request was refused. Call again.
            JobsError: As for `get`.

        Example:
            >>> job = jobs.export_report("agency_action_listing", start_date="2026-05-01", end_date="2026-05-31")
            >>> result = jobs.wait_and_download(job, "may.csv")
        """
        from impact_jobs._operations import export  # noqa: PLC0415 - many programs do not need it
        from impact_jobs._operations.export import ExportArguments  # noqa: PLC0415 - many programs do not need it

        given = ExportArguments(
            report_id=report_id,
            start_date=start_date,
            end_date=end_date,
            result_format=result_format,
            filters=filters,
        )
        return run_sync(export.export_report(self._context, given))

    @overload
    def export_and_download(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        result_format: str = ...,
        filters: Mapping[str, object] | None = ...,
        split: None = ...,
        join: bool = ...,
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        resume: bool = ...,
        connections: int | None = ...,
        digest: bool = ...,
        mode: Mode = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
        on_progress: OnProgress | None = ...,
    ) -> DownloadResult: ...

    @overload
    def export_and_download(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        result_format: str = ...,
        filters: Mapping[str, object] | None = ...,
        split: Split,
        join: Literal[True],
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        resume: bool = ...,
        connections: int | None = ...,
        digest: bool = ...,
        mode: Mode = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
        on_progress: OnProgress | None = ...,
    ) -> DownloadResult: ...

    @overload
    def export_and_download(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        result_format: str = ...,
        filters: Mapping[str, object] | None = ...,
        split: Split,
        join: Literal[False] = ...,
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        resume: bool = ...,
        connections: int | None = ...,
        digest: bool = ...,
        mode: Mode = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
        on_progress: OnProgress | None = ...,
    ) -> ExportReport: ...

    @overload
    def export_and_download(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        result_format: str = ...,
        filters: Mapping[str, object] | None = ...,
        split: Split | None,
        join: bool,
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        resume: bool = ...,
        connections: int | None = ...,
        digest: bool = ...,
        mode: Mode = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
        on_progress: OnProgress | None = ...,
    ) -> DownloadResult | ExportReport: ...

    def export_and_download(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        result_format: str = "CSV",
        filters: Mapping[str, object] | None = None,
        split: Split | None = None,
        join: bool = False,
        max_age: timedelta | None = None,
        timeout: float | None = 3600.0,
        polling: Polling | None = None,
        overwrite: bool = False,
        resume: bool = True,
        connections: int | None = None,
        digest: bool = True,
        mode: Mode = "redirect",
        on_update: Callable[[Job], object] | None = None,
        on_window: OnWindow | None = None,
        on_progress: OnProgress | None = None,
    ) -> DownloadResult | ExportReport:
        """Export a report and download its result to a file: from a report's name to its data in one call.

        An export that equals an earlier one returns the existing job. With `max_age`, a result that is older is
        replayed first. If the server refuses that, or if its response is lost, the older result is used. The result's
        `fresh` says whether the data are as new as `max_age` demands.

        With `split`, a long range becomes one export for each window. They are sent one after another, within the limit
        of 100 a day; their jobs are waited for together, and each result is downloaded once it is there. A window whose
        job fails is replayed or exported again, alone and at most twice. Each step is recorded in a folder beside the
        files, whose name ends in `.windows`, so that after an error, Ctrl-C, a crash or a used-up day, the same call
        continues and exports nothing twice. The folder is removed once everything is complete.

        Without `join`, each window has a file of its own, and the `manifest.jsonl` beside it says what it is: the same
        call on another day exports only the windows without a file, and with `max_age`, those whose result is older.
        With `join`, the windows become one file: CSV with one header, or JSON lines. It appears whole, or not at all.

        Args:
            report_id, start_date, end_date, result_format, filters: As for `export_report`.
            path: As for `download`, or a template, such as "{report}/{start:%Y-%m}.csv", whose folders are created. Its
                fields are `report`, `start`, `end` and `account`. It is checked before the export. If it ends in
                `.jsonl` or `.ndjson`, a JSON result becomes JSON lines with the records of all its pages.
            split: "day", "week" (from Monday), "month", or a timedelta of whole days. The first and the last window may
                be shorter. None for a single export.
            join: Whether to join the windows into one file, in order. XML is not joined.
            max_age: How old a result may be. None accepts any; but a file of a window that was not over when it was
                made is made again.
            timeout: Seconds for the wait, None for no limit. The downloads continue as long as bytes arrive. With
                `split`, the hourly limit of requests is waited for within it.
            polling, on_update: As for `wait`. With `split`, `on_update` is called with the snapshots of all jobs.
            on_window: Called with a window and its news, perhaps from other threads, one at a time: each snapshot of
                its job, then its file or its error. Without `split`, the whole range is the window.
            overwrite: Whether to replace existing files. With `split`, it exports windows again that have a file.
                Without it, a file of the same request is replaced as well if its window has grown since.
            resume, connections, digest, mode: As for `download`; with `split`, for each of the downloads, of which
                there are up to four at once.
            on_progress: As for `download`; with `split`, it is called with the bytes of all windows and None.

        Returns:
            The file; with `split` and without `join`, an `ExportReport`: the file or the error of each window, and the
            windows that are left because the account has no exports left, by this client's count or the server's
            answer.

        Raises:
            ConfigurationError: As for `export_report` and `download`, or windows would have the same name.
            ExportIncompleteError: With `join`, windows are missing. Make the same call again: it continues.
            DestinationExistsError: A file exists that this call has not made, or another process works on the same
                files. Pass `overwrite=True`, or choose another path.
            JobsError: As for `export_report`, `wait` and `download`; with `split`, only if all windows are affected.

        Example:
            >>> result = jobs.export_and_download(
            ...     "agency_action_listing", "2026.csv", start_date="2026-01-01", end_date="2026-05-31",
            ...     split="month", join=True,
            ... )
            >>> result.path
            PosixPath('2026.csv')
        """
        from impact_jobs._operations import export_and_download  # noqa: PLC0415 - many programs do not need it
        from impact_jobs._operations.export import ExportArguments  # noqa: PLC0415 - many programs do not need it

        options = DownloadOptions(
            overwrite=overwrite,
            resume=resume,
            connections=connections,
            digest=digest,
            mode=mode,
            on_progress=on_progress,
        )
        export_options = ExportOptions(
            split=split,
            join=join,
            max_age=max_age,
            timeout=timeout,
            polling=polling,
            on_update=on_update,
            on_window=on_window,
        )
        given = ExportArguments(
            report_id=report_id,
            start_date=start_date,
            end_date=end_date,
            result_format=result_format,
            filters=filters,
        )
        return run_sync(export_and_download.export_and_download(self._context, path, options, given, export_options))

    def read_report(
        self,
        report_id: str,
        *,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        filters: Mapping[str, object] | None = None,
        split: Split | None = None,
        max_age: timedelta | None = None,
        timeout: float | None = 3600.0,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
    ) -> pyarrow.Table:
        """Export a report and return its rows as an Arrow table, typed by the report's metadata.

        A Decimal becomes decimal128(38, 18), which is exact; an Integer int64; a Boolean bool; a Date a timestamp in
        UTC, and one without an offset is taken as UTC. Ids stay text, even if the metadata calls them numbers, and so
        does everything else. An empty value is null, but "" in a column of text. The columns have the order of the
        file. One that only the metadata names is null, with a warning in the log. pandas and polars take the table over
        without parsing anything again; see docs/howto/dataframes.md.

        The table is held in memory; `to_parquet` is for reports that are larger, and for ranges of more windows than
        the account may export in a day, because it continues where it stopped. The results are first downloaded to a
        temporary folder, which is removed in the end. Needs the extra `frames`.

        Args:
            report_id, start_date, end_date, filters: As for `export_report`.
            split, max_age: As for `export_and_download`; the rows of all windows are one table, in their order.
            timeout: Seconds for the wait, None for no limit. The downloads continue as long as bytes arrive.
            polling, on_update: As for `wait`. With `split`, `on_update` is called with the snapshots of all jobs.

        Raises:
            ConfigurationError: As for `export_report`, or pyarrow is not installed. Nothing was sent.
            ConversionError: A value does not fit its column. The error names its row and column.
            DownloadError: The windows have different columns. Replay the job of the older one.
            ExportIncompleteError: Windows are missing. Call `to_parquet`.
            JobsError: As for `export_and_download`.

        Example:
            >>> table = jobs.read_report("agency_action_listing", start_date="2026-05-01", end_date="2026-05-02")
            >>> str(table.schema.field("Action_Date").type)
            'timestamp[us, tz=UTC]'
        """
        from impact_jobs._operations import read_report  # noqa: PLC0415 - many programs do not need it
        from impact_jobs._operations.export import ExportArguments  # noqa: PLC0415 - many programs do not need it

        export_options = ExportOptions(
            split=split, join=True, max_age=max_age, timeout=timeout, polling=polling, on_update=on_update
        )
        given = ExportArguments(
            report_id=report_id,
            start_date=start_date,
            end_date=end_date,
            filters=filters,
        )
        return run_sync(read_report.read_report(self._context, given, export_options))

    @overload
    def to_parquet(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        filters: Mapping[str, object] | None = ...,
        split: Split | None = ...,
        join: Literal[True] = ...,
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
    ) -> DownloadResult: ...

    @overload
    def to_parquet(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        filters: Mapping[str, object] | None = ...,
        split: None = ...,
        join: bool,
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
    ) -> DownloadResult: ...

    @overload
    def to_parquet(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        filters: Mapping[str, object] | None = ...,
        split: Split,
        join: Literal[False],
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
    ) -> ExportReport: ...

    @overload
    def to_parquet(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = ...,
        end_date: date | str | None = ...,
        filters: Mapping[str, object] | None = ...,
        split: Split | None,
        join: bool,
        max_age: timedelta | None = ...,
        timeout: float | None = ...,
        polling: Polling | None = ...,
        overwrite: bool = ...,
        on_update: Callable[[Job], object] | None = ...,
        on_window: OnWindow | None = ...,
    ) -> DownloadResult | ExportReport: ...

    def to_parquet(
        self,
        report_id: str,
        path: str | PathLike[str],
        *,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        filters: Mapping[str, object] | None = None,
        split: Split | None = None,
        join: bool = True,
        max_age: timedelta | None = None,
        timeout: float | None = 3600.0,
        polling: Polling | None = None,
        overwrite: bool = False,
        on_update: Callable[[Job], object] | None = None,
        on_window: OnWindow | None = None,
    ) -> DownloadResult | ExportReport:
        """Export a report to a Parquet file, with the types of `read_report` and in bounded memory.

        The file appears whole, or not at all. The results that it is made from are in a folder beside it, whose name
        ends in `.windows`, until it is complete; as for `export_and_download`, the same call continues what an earlier
        one has begun. Needs the extra `frames`.

        Args:
            report_id, start_date, end_date, filters: As for `export_report`.
            path: As for `export_and_download`, such as "{report}/{start:%Y-%m}.parquet".
            split, max_age, on_window: As for `export_and_download`.
            join: Whether the windows become one file, in order. With False, each has a file of its own.
            timeout: Seconds for the wait, None for no limit. The downloads continue as long as bytes arrive.
            polling, on_update: As for `wait`. With `split`, `on_update` is called with the snapshots of all jobs.
            overwrite: Whether to replace existing files.

        Returns:
            The file; with `split` and without `join`, an `ExportReport`.

        Raises:
            ConfigurationError: As for `export_and_download`, pyarrow is not installed, or the path has the ending of
                another format, such as ".csv". Nothing was sent.
            ConversionError: A value does not fit its column. The error names its row and column.
            DownloadError: The windows have different columns. Replay the job of the older one, or pass `join=False`.
            ExportIncompleteError: Windows are missing. Make the same call again: it continues.
            JobsError: As for `export_and_download`.

        Example:
            >>> result = jobs.to_parquet(
            ...     "agency_action_listing", "2026.parquet", start_date="2026-01-01", end_date="2026-05-31",
            ...     split="month",
            ... )
            >>> result.path
            PosixPath('2026.parquet')
        """
        from impact_jobs._operations import to_parquet  # noqa: PLC0415 - many programs do not need it
        from impact_jobs._operations.export import ExportArguments  # noqa: PLC0415 - many programs do not need it

        export_options = ExportOptions(
            split=split,
            join=join,
            max_age=max_age,
            timeout=timeout,
            polling=polling,
            on_update=on_update,
            on_window=on_window,
        )
        given, options = (
            ExportArguments(
                report_id=report_id,
                start_date=start_date,
                end_date=end_date,
                filters=filters,
            ),
            DownloadOptions(overwrite=overwrite),
        )
        return run_sync(to_parquet.to_parquet(self._context, path, options, given, export_options))

    @property
    def generated(self) -> endpoints.AuthenticatedClient:
        """The generated client over the same connections, for operations that this client lacks.

        Pass it to the functions of `impact_agency_api.api`: to the `sync` ones from a `JobsClient`, to the `asyncio`
        ones from an `AsyncJobsClient`. It adds the credentials, which it does not hold itself, requests JSON, and
        raises this library's errors. It does not retry.

        The operations are those of an agency. On the client of a brand or partner, or of one brand of an agency, they
        raise ConfigurationError; request paths below the account's by `generated.get_httpx_client()` there.

        Example:
            >>> from impact_agency_api.api.jobs import list_jobs
            >>> len(list_jobs.sync(account_sid, client=jobs.generated))
            1
        """
        from impact_jobs._api.generated import generated_client  # noqa: PLC0415 - rarely wanted, slow to load

        context = self._context
        return generated_client(self._transport, context.account, request_timeout=context.request_timeout)

    def close(self) -> None:
        """Close the connections. Clients that you passed in stay open.

        Example:
            >>> jobs.close()
        """
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return describe(self)


def describe(client: object) -> str:
    """Return a client's `repr`, with its account and without its token."""
    context: ClientContext | None = vars(client).get("_context")
    if context is None:  # __init__ refused its arguments, and a traceback shows the object
        return f"<{type(client).__name__}, refused>"
    account = context.account
    if account.advertiser is not None:
        kind, call = "", f".for_advertiser({account.advertiser})"
    else:
        kind, call = "" if account.kind == AGENCY else f"account={account.kind.name!r}, ", ""
    return f"{type(client).__name__}({account.sid!r}, {kind}base_url={account.base_url!r}){call}"
