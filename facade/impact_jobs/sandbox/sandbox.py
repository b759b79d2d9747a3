"""The sandbox itself: options in, two origins running, and the handles that tests pull."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from impact_jobs.sandbox import api
from impact_jobs.sandbox.auth import BudgetHeaders
from impact_jobs.sandbox.fault_middleware import Front
from impact_jobs.sandbox.faults import CannedAnswer, RecordedRequest
from impact_jobs.sandbox.jobs import Job
from impact_jobs.sandbox.result_file import ResultFile
from impact_jobs.sandbox.server import BackgroundServer, listen_twice, origin_of
from impact_jobs.sandbox.state import ListShape, Settings, World
from impact_jobs.sandbox.storage import Storage

if TYPE_CHECKING:
    from impact_jobs import AsyncJobsClient, JobsClient


class Sandbox:
    """A stand-in for the Jobs API and its file storage, on two loopback ports of this machine.

    It schedules, runs, lists, replays and serves jobs the way the real API does, fast and on command, and
    it can be told what to do wrong. Equal options and equal calls give equal job ids, credentials and
    result files. All methods may be called from any thread, and several sandboxes may run at once.

    Args:
        seed: Decides credentials, job ids and result contents.
        job_seconds: How long a job takes from creation to its end; a fifth of that it is queued.
        result_bytes: The size of a result file.
        link_seconds: How long a signed link is good for.
        hourly_budget: Requests an hour before the API answers 429; None for no limit.
        budget_headers: Which headers tell what is left, ``"plain"``, ``"epoch"``, ``"hour"`` or ``"none"``.
        list_shape: ``"array"`` for the documented bare array, ``"jobs"`` for ``{"Jobs": [...]}``, ``"pages"``
            for the envelope with ``@nextpageuri`` and its kin. Jobs come oldest first in each.
        page_size: Jobs on a page, when the request does not say.
        stringly: Numbers and booleans of jobs arrive as strings.
        replay_same_id: A replay queues the same job again, as brand accounts see it, instead of making one.
        checksums: The storage states each file's ``x-amz-checksum-sha256``.
        port: The API's port; 0 for a free one.
        storage_port: The storage's port; 0 for a free one.
        clock: Gives the epoch seconds; your own function drives everything through virtual time.

    Raises:
        ValueError: An option is out of its bounds.

    Attributes:
        account_sid: The one account's SID.
        auth_token: Its token.
        read_only_token: A second token of it, which may not replay jobs or run reports.

    Example:
        >>> with Sandbox(job_seconds=0) as sandbox:
        ...     job_id = sandbox.add_job(result_bytes=2_000)
        ...     sandbox.result(job_id).size
        2000
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        job_seconds: float = 2.0,
        result_bytes: int = 1_000_000,
        link_seconds: float = 300.0,
        hourly_budget: int | None = 1000,
        budget_headers: BudgetHeaders = "plain",
        list_shape: ListShape = "array",
        page_size: int = 100,
        stringly: bool = False,
        replay_same_id: bool = False,
        checksums: bool = False,
        port: int = 0,
        storage_port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = Settings(
            seed=seed,
            job_seconds=job_seconds,
            result_bytes=result_bytes,
            link_seconds=link_seconds,
            hourly_budget=hourly_budget,
            budget_headers=budget_headers,
            list_shape=list_shape,
            page_size=page_size,
            stringly=stringly,
            replay_same_id=replay_same_id,
            checksums=checksums,
            port=port,
            storage_port=storage_port,
        )
        self._world = World(settings, clock=clock)
        self._base_url = ""
        self._server: BackgroundServer | None = None
        self.account_sid: str = self._world.credentials.account_sid
        self.auth_token: str = self._world.credentials.auth_token
        self.read_only_token: str = self._world.credentials.read_only_token

    def __repr__(self) -> str:
        return f"<Sandbox {self._base_url or 'not started'}>"

    # Running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Open both ports and answer requests, from a thread of its own; ``with`` does it for you.

        Raises:
            OSError: A port is taken. What to do: choose another, or 0 for a free one.
            RuntimeError: The sandbox runs already. What to do: make another one.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.start()
            >>> sandbox.close()
        """
        if self._server is not None:
            raise RuntimeError("this sandbox runs already; make another one for another server")
        settings = self._world.settings
        api_socket, storage_socket = listen_twice(settings.port, settings.storage_port)
        self._base_url, self._world.storage_url = origin_of(api_socket), origin_of(storage_socket)
        jobs_api = Front(api.build(self._world), origin="api", world=self._world)
        storage = Front(Storage(self._world), origin="storage", world=self._world)
        self._server = BackgroundServer([(api_socket, jobs_api), (storage_socket, storage)], clock=self._world.clock)
        self._server.start()

    def close(self) -> None:
        """Drop every connection, free both ports and end the thread; closing twice does no harm.

        Jobs and the record of requests stay readable.

        Example:
            >>> with Sandbox() as sandbox:  # which closes it
            ...     _ = sandbox.add_job()
            >>> len(sandbox.job_ids)
            1
        """
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @property
    def base_url(self) -> str:
        """The API's origin, such as ``http://127.0.0.1:40123``.

        Raises:
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.
        """
        if not self._base_url:
            raise RuntimeError("the sandbox has no address before it is started: use it in a `with` statement")
        return self._base_url

    @property
    def storage_url(self) -> str:
        """The storage's origin, where signed links lead.

        Raises:
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.
        """
        return self._world.storage_url if self.base_url else ""

    @property
    def environ(self) -> dict[str, str]:
        """The three environment variables that point the client, and its command line, at this sandbox.

        Raises:
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.

        Example:
            >>> with Sandbox() as sandbox:
            ...     sorted(sandbox.environ)
            ['IMPACT_ACCOUNT_SID', 'IMPACT_AUTH_TOKEN', 'IMPACT_BASE_URL']
        """
        return {
            "IMPACT_ACCOUNT_SID": self.account_sid,
            "IMPACT_AUTH_TOKEN": self.auth_token,
            "IMPACT_BASE_URL": self.base_url,
        }

    def client(self, **options: Any) -> JobsClient:  # noqa: ANN401 - JobsClient's own options
        """Make a client of this sandbox.

        Args:
            **options: Options of `impact_jobs.JobsClient`, any of which may replace what is filled in.

        Returns:
            A client; closing it is yours to do.

        Raises:
            RuntimeError: The sandbox was never started, and there is no ``base_url`` among the options.
            ConfigurationError: An option is malformed.

        Example:
            >>> with Sandbox() as sandbox, sandbox.client() as jobs:
            ...     list(jobs.list())
            []
        """
        from impact_jobs import JobsClient  # noqa: PLC0415 - the sandbox needs the client here only

        return JobsClient(**(self._client_options() | options))

    def async_client(self, **options: Any) -> AsyncJobsClient:  # noqa: ANN401 - AsyncJobsClient's own options
        """Make an asynchronous client of this sandbox.

        Args:
            **options: Options of `impact_jobs.AsyncJobsClient`, any of which may replace what is filled in.

        Returns:
            A client; closing it is yours to do.

        Raises:
            RuntimeError: The sandbox was never started, and there is no ``base_url`` among the options.
            ConfigurationError: An option is malformed.

        Example:
            >>> import asyncio
            >>> async def ask(sandbox):
            ...     async with sandbox.async_client() as jobs:
            ...         return [job async for job in jobs.list()]
            >>> with Sandbox() as sandbox:
            ...     asyncio.run(ask(sandbox))
            []
        """
        from impact_jobs import AsyncJobsClient  # noqa: PLC0415 - the sandbox needs the client here only

        return AsyncJobsClient(**(self._client_options() | options))

    def _client_options(self) -> dict[str, Any]:
        return {"account_sid": self.account_sid, "auth_token": self.auth_token, "base_url": self.base_url}

    # Jobs

    def add_job(
        self,
        *,
        type: str = "ApiReport",  # noqa: A002 - the API's word
        status: str = "COMPLETED",
        seconds: float | None = None,
        message: str = "",
        result_bytes: int | None = None,
        result_seed: int | None = None,
        replayable: bool = True,
        program_id: str = "",
        stuck_at: int | None = None,
        recovers_after: float | None = None,
        age: float = 0.0,
        fields: Mapping[str, object] | None = None,
    ) -> str:
        """Put a job on the account's list.

        Args:
            type: The job's type; any text.
            status: What becomes of the job. One that is to be ``"QUEUED"`` or ``"RUNNING"`` never ends; a text
                that is no documented status is shown all the same.
            seconds: How long it takes; 0 has it ended at once. The sandbox's ``job_seconds`` by default.
            message: Its ``StatusMessage`` once it has ended; "" for a sentence that fits the status.
            result_bytes: The size of its result. The sandbox's ``result_bytes`` by default.
            result_seed: Decides the result's contents; one of its own by default.
            replayable: False for a job that can never be replayed.
            program_id: Its ``ProgramId``.
            stuck_at: A percentage that it never passes, running for ever.
            recovers_after: With ``status="ERROR"``: so many seconds after the error it is COMPLETED, as on
                accounts where the server tries again by itself.
            age: How many seconds ago it was created.
            fields: Raw JSON fields that are added to the job, or replace its own, whatever they hold.

        Returns:
            The job's id.

        Raises:
            ValueError: A time or a size is negative. What to do: as the message says.

        Example:
            >>> sandbox = Sandbox()
            >>> job_id = sandbox.add_job(status="FAILED", seconds=30, message="Out of memory")
        """
        made = self._world.new_job(type=type, program_id=program_id)
        job = evolve(
            made,
            created=made.created - age,
            seconds=made.seconds if seconds is None else seconds,
            final_status=status,
            message=message,
            replayable=replayable,
            stuck_at=stuck_at,
            recovers_after=recovers_after,
            result=made.result.changed(size=result_bytes, seed=result_seed),
            fields=dict(fields or {}),
        )
        return self._world.store.put(job).id

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of all jobs, oldest first. Those added, exported and replayed are among them."""
        return tuple(job.id for job in self._world.store.all())

    def result(self, job_id: str) -> ResultFile:
        """Give the file that a job's download consists of, whether or not the job has ended.

        Args:
            job_id: The job.

        Returns:
            The file, which knows its bytes, size, SHA-256 and entity tag.

        Raises:
            KeyError: There is no such job.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.result(sandbox.add_job(result_bytes=2_000)).size
            2000
        """
        return self._job(job_id).result

    def replace_result(
        self, job_id: str, *, result_bytes: int | None = None, result_seed: int | None = None
    ) -> ResultFile:
        """Put another file behind a job, and behind the links to it that are out already.

        Args:
            job_id: The job.
            result_bytes: The new size; the old one by default.
            result_seed: Decides the new contents; a fresh one by default.

        Returns:
            The new file, whose entity tag differs from the old one's.

        Raises:
            KeyError: There is no such job.
            ValueError: The size is negative.

        Example:
            >>> sandbox = Sandbox()
            >>> job_id = sandbox.add_job()
            >>> sandbox.replace_result(job_id, result_bytes=3_000) == sandbox.result(job_id)
            True
        """
        _, fresh = self._world.store.draw()
        job = self._job(job_id)
        seed = fresh if result_seed is None else result_seed
        return self._world.store.put(evolve(job, result=job.result.changed(size=result_bytes, seed=seed))).result

    def result_url(self, job_id: str) -> str:
        """Sign a link to a job's file, as the download's redirect does.

        Args:
            job_id: The job.

        Returns:
            A URL on the storage, good for ``link_seconds``.

        Raises:
            KeyError: There is no such job.
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.

        Example:
            >>> with Sandbox() as sandbox:
            ...     sandbox.result_url(sandbox.add_job()).startswith(sandbox.storage_url)
            True
        """
        return self.storage_url + self._world.result_link(self._job(job_id))

    def _job(self, job_id: str) -> Job:
        job = self._world.store.get(job_id)
        if job is None:
            raise KeyError(job_id)
        return job

    # Faults and the record

    def answer_next(
        self,
        method: str,
        path: str | re.Pattern[str],
        *,
        status: int | None,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        times: int = 1,
        delay: float = 0.0,
        perform: bool = False,
    ) -> None:
        """Answer the next matching request, of either origin, with these very bytes.

        Such an answer comes before credentials and budget, like a gateway's. Answers that match the same
        request are used in the order they were queued.

        Args:
            method: The request's method.
            path: What the request's path ends with, or a compiled pattern to search for in path and query.
            status: The answer's status, from 200 to 599; None to close the connection without an answer.
            body: The answer's body.
            headers: Further headers. A ``Content-Length`` above the body's length has the connection drop
                where the body ends.
            content_type: The answer's Content-Type; "" for none.
            times: How many requests are answered so.
            delay: Seconds, by the wall clock, to wait before answering.
            perform: Do what was asked first, and then give this answer instead of the true one.

        Raises:
            ValueError: The status is out of bounds.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.answer_next("GET", "/Jobs", status=502, body="<h1>No</h1>", content_type="text/html")
            >>> sandbox.answer_next("PUT", "/Replay", status=None, perform=True)  # done, but nobody hears of it
        """
        answer = CannedAnswer(
            method=method,
            path=path,
            status=status,
            body=body.encode() if isinstance(body, str) else body,
            headers=({"content-type": content_type} if content_type else {}) | dict(headers or {}),
            delay=delay,
            perform=perform,
        )
        self._world.faults.queue(answer, times=times)

    def cut_next_download(self, after_bytes: int) -> None:
        """Drop the connection in the middle of the next result body, from the storage or by ``Mode=Stream``.

        Calls add up: each cuts one more download. A body with fewer bytes arrives whole.

        Args:
            after_bytes: How many of the body's bytes arrive.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.cut_next_download(10_000)
        """
        self._world.faults.queue_cut(after_bytes)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests to both origins so far, oldest first; of very many, the newest hundred thousand."""
        return self._world.log.all()

    def forget_requests(self) -> None:
        """Empty the record of requests.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.forget_requests()
            >>> sandbox.requests
            ()
        """
        self._world.log.clear()
