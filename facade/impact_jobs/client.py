"""The blocking client: one line a verb over the core."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from datetime import date
from io import BufferedReader
from itertools import chain
from os import PathLike
from types import TracebackType
from typing import Literal, Self, overload

from impact_jobs._account import DEFAULT_BASE_URL, Account, JobReference, setting
from impact_jobs._api import endpoints as listing
from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import AuthenticatedClient
from impact_jobs._dates import Window
from impact_jobs._download.options import DownloadOptions, Mode, OnProgress
from impact_jobs._operations import download as downloading
from impact_jobs._operations import fetch_all as collecting
from impact_jobs._operations import replay as replaying
from impact_jobs._operations import wait as waiting
from impact_jobs._operations import wait_many as gathering
from impact_jobs._operations.fetch_all import FetchReport
from impact_jobs._operations.stream import AsyncResultStream, ResultStream, open_file
from impact_jobs._operations.wait_many import Timeouts
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.retry import Retry
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs._transport.httpx_common import HttpClient
from impact_jobs._transport.run_sync import SyncIterator, run_sync
from impact_jobs.errors import JobsError
from impact_jobs.models import DownloadResult, Job


class JobsClient:
    """impact.com's Jobs API for one agency account: wait for jobs, download their results, replay them.

    One client serves any number of jobs and threads. Close it, or use it in a `with` block, to give its
    connections back. In every method a job is named by whatever is at hand: its id (text or UUID), a `Job`, the
    generated `Job`, or the path or URL of a job, such as the `QueuedUri` that scheduling a report answers.

    `AsyncJobsClient` has the same methods, to be awaited; its iterators and context managers are asynchronous,
    and its `close` is called `aclose`. It runs on asyncio.

    Args:
        account_sid: The Account SID, from the API settings page of the account.
        auth_token: The Auth Token from the same page. It is shown by no `repr`, log, error or pickle of ours.
        base_url: Where the API is. Plain http is refused except on this machine.
        request_timeout: Seconds for one exchange with the API as a whole; of a download, up to the head of an answer
            and for each read after it. Where a host has several addresses, each may be tried for that long.
        retry: How often a GET is tried, and how long to pause in between.
        polling: How often a wait asks; see docs/polling.md.
        http_client: An httpx client for the API, for a proxy or certificates of your own; you close it. Give it to us
            before you use it, for of connections that it has made already single reads are bounded, not exchanges.
        storage_client: An httpx client for the storage. Of its settings only the connection's are used: no
            header, cookie or credential of it, or of ours, is sent there. You close it.

    Raises:
        ConfigurationError: A value is missing or malformed. What to do: as the message says.

    Example:
        >>> from impact_jobs import JobsClient
        >>> with JobsClient.from_env() as jobs:
        ...     for job in jobs.list(created_after="2026-05-01"):
        ...         print(job.id, job.status)
        3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1 COMPLETED
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        request_timeout: float = 30.0,
        retry: Retry = Retry(),
        polling: Polling = Polling(),
        http_client: HttpClient | None = None,
        storage_client: HttpClient | None = None,
    ) -> None:
        token, url = Secret(auth_token), secret_url(str(base_url))
        del auth_token, base_url  # a traceback with locals must not show them
        account = Account.of(account_sid, token, url)
        self._transport = BlockingTransport(account, http_client=http_client, storage_client=storage_client)
        self._context = ClientContext(
            account=account,
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
        base_url: str | None = None,
        request_timeout: float = 30.0,
        retry: Retry = Retry(),
        polling: Polling = Polling(),
        http_client: HttpClient | None = None,
        storage_client: HttpClient | None = None,
    ) -> Self:
        """A client with what the environment says: the argument wins, then the variable, then the default.

        Args:
            account_sid: Instead of IMPACT_ACCOUNT_SID.
            auth_token: Instead of IMPACT_AUTH_TOKEN.
            base_url: Instead of IMPACT_BASE_URL, which is optional.
            request_timeout: Seconds, as for the class, like all that follow.
            retry: See the class.
            polling: See the class.
            http_client: See the class.
            storage_client: See the class.

        Raises:
            ConfigurationError: A variable is missing or malformed. What to do: export it.

        Example:
            >>> jobs = JobsClient.from_env(request_timeout=60.0)
        """
        return cls(
            setting("IMPACT_ACCOUNT_SID", account_sid),
            setting("IMPACT_AUTH_TOKEN", auth_token),
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
        """A client with other settings over the same connections; close only the original.

        Args:
            request_timeout: Seconds; None keeps it.
            retry: None keeps it.
            polling: None keeps it.

        Returns:
            The other client.

        Raises:
            ConfigurationError: A value is malformed. What to do: as the message says.

        Example:
            >>> patient = jobs.with_options(retry=Retry(attempts=8))
            >>> patient.get(job_id).status
            <JobStatus.COMPLETED: 'COMPLETED'>
        """
        other = copy(self)
        other._context = self._context.with_options(request_timeout=request_timeout, retry=retry, polling=polling)  # noqa: SLF001 - our own
        return other

    def list(self, created_after: date | str | None = None, created_before: date | str | None = None) -> Iterator[Job]:
        """The account's jobs, in the server's order, fetched page by page as you go.

        A job that cannot be read is skipped with a warning in the log; none comes twice.

        Args:
            created_after: The first day or moment, inclusive: a date, a datetime (without an offset: UTC), or
                a text such as "2026-05-29" or "29 May 2026". A day is understood by the server, in a time
                zone that it does not state; a moment is sifted here, exactly.
            created_before: The last day or moment, inclusive.

        Returns:
            An iterator. Nothing is requested before its first item.

        Raises:
            ConfigurationError: A date is none. What to do: see Args.
            JobsError: While iterating, what `get` raises, too.

        Example:
            >>> [job.id for job in jobs.list("2026-05-01", "2026-05-31") if job.replayable]
            ['3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1']

        Source: the vendor's "List all jobs"; that siblings answer pages is seen in public clients.
        """
        return chain.from_iterable(SyncIterator(listing.Pages(self._context, Window.of(created_after, created_before))))

    def get(self, job: JobReference) -> Job:
        """The job as it is now.

        Args:
            job: Its id, a `Job`, or its path or URL.

        Returns:
            The snapshot.

        Raises:
            ConfigurationError: `job` names none, or one of another host or account; nothing was requested.
            AuthenticationError: 401. What to do: check the credentials.
            PermissionDeniedError: 403. What to do: check the token's scope.
            JobNotFoundError: 404. What to do: check the id.
            RateLimitError: 429, after retries. What to do: wait `retry_after` seconds.
            ServerError: 5xx, after retries. What to do: try later.
            UnexpectedResponseError: What came is no job. What to do: check `base_url` and proxies.
            TransportError: Nothing came, after retries. What to do: check the network.

        Example:
            >>> jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1").status
            <JobStatus.COMPLETED: 'COMPLETED'>

        Source: the vendor's "Get a job".
        """
        return run_sync(listing.get(self._context, job))

    def wait(
        self,
        job: JobReference,
        timeout: float | None = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
    ) -> Job:
        """Wait until the job is completed.

        Transient failures of a question never end the wait. Ctrl-C or a cancelled task leaves the job alone, and
        the traceback says its id.

        Args:
            job: Its id, a `Job`, or its path or URL. A `Job` that has ended already is not asked for again; one that
                has just been scheduled is first asked for after a short pause.
            timeout: Seconds for the whole wait; None waits for ever, 0 asks once.
            polling: Instead of the client's.
            on_update: Called with every snapshot, the last one too.

        Returns:
            The job, COMPLETED.

        Raises:
            JobFailedError: It ended as FAILED or ERROR. What to do: read `error.job.status_message`.
            JobCancelledError: It was cancelled.
            WaitTimeoutError: It was not done in time. What to do: wait again; the job goes on.
            JobsError: What `get` raises, where asking again cannot help (401, 403, 404).

        Example:
            >>> done = jobs.wait(job_id, timeout=600, on_update=lambda job: print(job.percentage_complete, "%"))
            100 %

        Source: the vendor's "Get a job"; jobs take some 5 s on average, large ones hours.
        """
        return run_sync(waiting.wait(self._context, job, timeout=timeout, polling=polling, on_update=on_update))

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
        """Wait until all jobs are completed, with one list request a tick for all of them.

        Those that the list does not show are asked for one by one. With ids alone, one job is asked for first, for the
        date from which the list is read. What has ended stays so: called again with the same
        jobs, only the others are waited for, if you pass each `Job` that you have.

        Args:
            jobs: The jobs, each named as for `get`; one that is named twice counts once.
            timeout: Seconds for all of them together, or a mapping from every job's id to its own; None waits for ever,
                0 asks once.
            polling: Instead of the client's.
            on_update: Called with every snapshot of every job, the last ones too.
            return_exceptions: Whether a job that fails, vanishes or is not done in time is told as a value. Else the
                first of them is raised at once; the other jobs go on at the server.

        Returns:
            The jobs, COMPLETED, by id in the order given; with `return_exceptions`, the error in place of a job.

        Raises:
            ConfigurationError: A name names no job; nothing was requested.
            JobFailedError: One ended as FAILED or ERROR; JobCancelledError if it was cancelled; see `error.job_id`.
            WaitTimeoutError: One was not done in time. What to do: wait again; the job goes on.
            JobsError: What `get` raises, where asking again cannot help.

        Example:
            >>> done = jobs.wait_all([jobs.replay(job) for job in yesterday], timeout=7200)
            >>> [str(job.status) for job in done.values()]
            ['COMPLETED']

        Source: the vendor's "List all jobs".
        """
        group = gathering.JobBatch(self._context, jobs, timeout=timeout, polling=polling, on_update=on_update)
        return run_sync(gathering.wait_all(group, return_exceptions=return_exceptions))

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
        """The jobs in the order in which they complete, each as soon as that is seen.

        Args:
            jobs: As for `wait_all`, like all that follow.
            timeout: Seconds from now on, whenever you take the next one.
            polling: Instead of the client's.
            on_update: Called with every snapshot of every job.
            return_exceptions: Whether a failure is yielded, its `job_id` telling whose; else it is raised when its
                turn comes, and `next` goes on with the others.

        Returns:
            An iterator. Nothing is requested before its first item.

        Raises:
            JobsError: While iterating, what `wait_all` raises.

        Example:
            >>> for job in jobs.as_completed(queued_uris):
            ...     print(jobs.download(job, f"{job.id}.csv").path)
            3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1.csv

        Source: the vendor's "List all jobs".
        """
        group = gathering.JobBatch(self._context, jobs, timeout=timeout, polling=polling, on_update=on_update)
        return SyncIterator(gathering.AsCompleted(group, return_exceptions=return_exceptions))

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
        """Bring the result of a completed job to disk: whole under its name, or not at all.

        The bytes go to `<path>.part` in the same folder, then to disk, then get their name. When the connection
        breaks, or the link expires, the download goes on where it was; and when this call fails or its process
        dies, so does the next call with the same job and path, if the storage knows versions. A result that changed
        starts over. The link to the storage is followed without any credential.

        Args:
            job: Its id, a `Job`, or its path or URL.
            path: The file to write, or an existing folder: then the storage's name for it is used, made safe, or
                else the job's id.
            overwrite: Whether a file that is there may be replaced.
            resume: Whether to go on with what an earlier call has left in `<path>.part`.
            connections: How many to use at once, 1 to 64; None uses several where the first one proves slow and the
                file large. Storages that serve no parts get one.
            digest: Whether to compute the sha256 beside the writing. It costs about half of the CPU time; checksums
                that the storage states are verified in any case.
            mode: "redirect" fetches from the storage by the signed link; "stream" has the API pass the bytes
                on, for networks that reach only the API.
            on_progress: Called with the bytes done and the bytes in all (None where unknown); never backwards.
                With several connections it may be called from other threads, one at a time.

        Returns:
            Where the file is, its size and sha256 (None without `digest`).

        Raises:
            ConfigurationError: The path cannot be written to, or `job` names no job; nothing was requested.
            DestinationExistsError: The file is there. What to do: `overwrite=True`, or another path.
            ResultNotReadyError: The job has not ended. What to do: `wait_and_download`.
            JobFailedError: The job ended without a result; JobCancelledError if it was cancelled.
            ResultExpiredError: The storage no longer has it. What to do: `replay`.
            IntegrityError: What came is not what the storage announced, by length or checksum; it is gone. What
                to do: download again.
            DownloadError: The disk is full or the link is unsafe. What to do: as the message says.
            JobsError: What `get` raises, too.

        Example:
            >>> jobs.download(job, "actions.csv", overwrite=True).bytes_written
            52428800

        Source: the vendor's "Download a job result"; results are kept for 90 days.
        """
        options = DownloadOptions(
            overwrite=overwrite,
            resume=resume,
            connections=connections,
            digest=digest,
            mode=mode,
            on_progress=on_progress,
        )
        return run_sync(downloading.download(self._context, job, path, options))

    def stream(self, job: JobReference, *, mode: Mode = "redirect") -> ResultStream:
        """The bytes of a result as they arrive, with nothing on disk.

        A broken connection is resumed, where the storage knows versions.

        Args:
            job: Its id, a `Job`, or its path or URL.
            mode: As for `download`.

        Returns:
            A context manager over an iterator of bytes; its `bytes_total` is the size, or None.

        Raises:
            JobsError: On entering, what `download` raises but for the disk; while iterating, TransportError or
                DownloadError when the rest is not to be had. What to do: start over, or use `download`.

        Example:
            >>> with jobs.stream(job) as chunks:
            ...     sum(len(chunk) for chunk in chunks)
            52428800

        Source: the vendor's "Download a job result".
        """
        return ResultStream(AsyncResultStream(self._context, job, mode=mode))

    def open(self, job: JobReference, *, mode: Mode = "redirect") -> BufferedReader:
        """The result as a readable binary file, with nothing on disk: for pandas, polars, pyarrow, csv.

        Args:
            job: Its id, a `Job`, or its path or URL.
            mode: As for `download`.

        Returns:
            The file, to be read once from its beginning on; close it. From an `AsyncJobsClient` it blocks too: read
            it in a thread.

        Raises:
            JobsError: What `stream` raises, while reading as well.

        Example:
            >>> import csv, io
            >>> with io.TextIOWrapper(jobs.open(job), "utf-8") as file:
            ...     next(csv.reader(file))[:2]
            ['Action_Id', 'Action_Date']

        Source: the vendor's "Download a job result".
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
        """Wait until the job is completed, then bring its result to disk.

        Args:
            job: Its id, a `Job`, or its path or URL.
            path: As for `download`; it is checked before the wait begins.
            timeout: Seconds for the wait; the download may take as long as bytes keep coming. None waits for ever.
            polling: Instead of the client's.
            overwrite: Whether a file that is there may be replaced.
            resume: As for `download`.
            connections: How many, as for `download`.
            digest: As for `download`.
            mode: As for `download`.
            on_update: Called with every snapshot of the job.
            on_progress: Called with the bytes done and the bytes in all (None where unknown).

        Returns:
            Where the file is, its size and sha256 (None without `digest`).

        Raises:
            JobsError: What `wait` and `download` raise.

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
            downloading.wait_and_download(
                self._context, job, path, options, timeout=timeout, polling=polling, on_update=on_update
            )
        )

    def fetch_all(
        self,
        jobs: Iterable[JobReference],
        directory: str | PathLike[str],
        *,
        concurrency: int = 4,
        timeout: Timeouts = 3600.0,
        polling: Polling | None = None,
        connections: int | None = 1,
        digest: bool = True,
        mode: Mode = "redirect",
        on_update: Callable[[Job], object] | None = None,
    ) -> FetchReport:
        """Wait for many jobs and bring all their results into one folder; call it again to go on.

        The folder is all the state there is. A file is called by its job's id, with the extension that the storage
        suggests, and has that name only once it is whole: it is recognised the next time, and nothing is requested for
        it. What was begun is resumed. So whatever has happened - a failure, Ctrl-C, a crash - the same call ends the
        same. Several processes may share a folder. 429 and a result that is late are waited out, for an hour at most.
        Ctrl-C, a cancelled task or a failing `on_update` carry a note of what remains.

        Args:
            jobs: The jobs, each named as for `get`; one that is named twice counts once.
            directory: The folder; it is made if it is missing.
            concurrency: How many results to fetch at once, 1 to 64; times `connections`, of which None counts as 8, it
                is 64 at most.
            timeout: Seconds for the waiting, as for `wait_all`; a download may take as long as bytes keep coming.
            polling: Instead of the client's.
            connections: How many for each download, as for `download`.
            digest: Whether to compute the sha256 of each file, of those recognised too.
            mode: As for `download`.
            on_update: Called with every snapshot of every job; perhaps from other threads, one at a time.

        Returns:
            Every job's file with its size and sha256, or the error that it came to. One job's failure never stops the
            others.

        Raises:
            ConfigurationError: A name names no job, or the folder cannot be written to; nothing was requested.

        Example:
            >>> report = jobs.fetch_all(jobs.list(created_after="2026-05-28"), "reports")
            >>> report.is_complete
            True
            >>> for job_id, error in report.errors.items():
            ...     print(job_id, error)
        """
        options = DownloadOptions(connections=connections, digest=digest, mode=mode)
        return run_sync(
            collecting.fetch_all(
                self._context,
                jobs,
                directory,
                options,
                concurrency=concurrency,
                timeout=timeout,
                polling=polling,
                on_update=on_update,
            )
        )

    def replay(self, job: JobReference) -> Job:
        """Run a job once more with the same parameters, for fresh data.

        The request is sent once: it is repeated only where no byte of it can have left this machine. When its answer
        is lost, the list is read: exactly one new job of the same type and program is the answer.

        Every call makes a job of its own, also when several threads or tasks replay the same job at once. None of
        them takes for its own what another call of this process was told, or may still be told. Those of other
        processes and machines cannot be told from ours.

        Args:
            job: Its id, a `Job`, or its path or URL.

        Returns:
            The new job, with an id of its own (on brand-style accounts the same one, queued again).

        Raises:
            NotReplayableError: It has not ended, or cannot be replayed. What to do: wait, or schedule a new one.
            PermissionDeniedError: The token may not replay. What to do: check its scope.
            ReplayUncertainError: The answer was lost, and the list shows no new job that fits, or several. What to
                do: look at `error.candidates` before you try again.
            JobsError: What `get` raises, too.

        Example:
            >>> fresh = jobs.wait(jobs.replay(job))
            >>> fresh.id == job.id
            False

        Source: the vendor's "Replay a job".
        """
        return run_sync(replaying.replay(self._context, job))

    def replay_if_replayable(self, job: JobReference) -> Job | None:
        """Run a job once more, if the server lets it.

        Args:
            job: Its id, a `Job`, or its path or URL. Whatever is given, the server is asked for its state first.

        Returns:
            The new job; None when the server says that this one cannot be replayed.

        Raises:
            JobsError: What `replay` raises, but for NotReplayableError.

        Example:
            >>> fresh = jobs.replay_if_replayable(job) or job

        Source: the vendor's "Replay a job".
        """
        return run_sync(replaying.replay_if_replayable(self._context, job))

    @property
    def generated(self) -> AuthenticatedClient:
        """The generated client over the same connections, for what the facade lacks.

        Pass it to the functions of `impact_agency_api.api`. It adds the credentials, asks for JSON, and raises the
        errors of this library; it does not retry.

        Returns:
            The client. It holds no token; with `JobsClient` only the `sync` functions work on it, with
            `AsyncJobsClient` only the `asyncio` ones.

        Example:
            >>> from impact_agency_api.api.jobs import list_jobs
            >>> len(list_jobs.sync(account_sid, client=jobs.generated))
            1
        """
        from impact_jobs._api.generated import generated_client  # noqa: PLC0415 - rarely wanted, slow to load

        return generated_client(self._transport, request_timeout=self._context.request_timeout)

    def close(self) -> None:
        """Give the connections back; clients that were passed in stay open.

        Example:
            >>> jobs.close()
        """
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return shown(self)


def shown(client: object) -> str:
    """What a client's `repr` says: whose it is, and no token."""
    context: ClientContext | None = vars(client).get("_context")
    if context is None:  # as a traceback shows it, when __init__ refused its arguments
        return f"<{type(client).__name__}, refused>"
    return f"{type(client).__name__}({context.account.sid!r}, base_url={context.account.base_url!r})"
