"""The public class `Sandbox`: options, servers, jobs and faults."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from impact_jobs.sandbox._account_rules import AccountKind, ListShape
from impact_jobs.sandbox._auth import BudgetHeaders
from impact_jobs.sandbox._background_server import BackgroundServer
from impact_jobs.sandbox._exports import RecordedExport
from impact_jobs.sandbox._faults import CannedResponse, RecordedRequest
from impact_jobs.sandbox._numbers import positive
from impact_jobs.sandbox._report_result import JsonShape
from impact_jobs.sandbox._result import FixedResult, Result
from impact_jobs.sandbox._servers import start_servers
from impact_jobs.sandbox._state import ReportListShape, SandboxState, Settings

if TYPE_CHECKING:
    from impact_jobs import AsyncJobsClient, JobsClient


class Sandbox:
    """A stand-in for the Jobs API and its file storage, on two loopback ports of this machine.

    It schedules, runs, lists, replays and serves jobs as the real API does, only faster, and simulates faults on
    request. Equal options and calls give equal job ids, credentials and result files. All methods may be called from
    any thread, and several sandboxes may run at once.

    Its one account is an agency, a brand or a partner, with the paths and rules of that kind. An agency has brands,
    each with its own jobs, below ``/Agencies/{SID}/Advertisers/{id}``.

    The result of an export is the data of its report, window and filters. Equal windows have equal rows, except that
    an action is PENDING at first, and gets its final status and amounts within 30 days; a later export or replay shows
    them.

    Args:
        account: The kind of the account: ``"agency"``, ``"brand"`` or ``"partner"``.
        advertisers: The numbers of an agency's brands.
        seed: Decides credentials, job ids and result contents.
        job_seconds: How long a job takes from its creation to its end; it is queued for a fifth of that.
        result_bytes: The size of the result file of a job that no export created.
        link_seconds: How long a signed link is valid.
        hourly_budget: Requests an hour before the API answers 429; None for no limit.
        budget_headers: Which headers state the remaining budget: ``"plain"``, ``"epoch"``, ``"hour"`` or ``"none"``.
        daily_exports: How many exports in any 24 hours before the API answers 429; None for no limit.
        rows_per_day: The average number of rows of a report for each day; below a few thousand, the sandbox stays fast.
        json_shape: How the records of a JSON result are wrapped: ``"records"`` for ``{"Records": [...]}``, ``"array"``
            for a bare array, ``"pages"`` for ``{"Records": [...]}`` in pages, which a download asks for by ``Page``.
        json_page_rows: How many records are on a page of ``"pages"``.
        report_list: How the list of reports is wrapped: ``"array"``, ``"reports"`` for ``{"Reports": [...]}`` or
            ``"pages"``.
        list_shape: How the list of jobs, oldest first, is wrapped: ``"array"`` for the bare array of agencies,
            ``"jobs"`` for ``{"Jobs": [...]}``, ``"pages"`` for an envelope with ``@nextpageuri`` and page numbers; None
            for that of the kind of account.
        page_size: Jobs or reports on a page, unless the request has a ``PageSize``.
        stringly: Whether numbers and booleans of jobs are sent as strings.
        replay_same_id: Whether a replay queues the same job again, as for brands and partners, instead of creating one;
            None for what the kind of account does.
        checksums: Whether the storage states each file's ``x-amz-checksum-sha256``.
        port: The API's port; 0 for a free one.
        storage_port: The storage's port; 0 for a free one.
        clock: Returns epoch seconds; pass your own function to run the sandbox in virtual time.

    Raises:
        ValueError: An option is out of bounds.

    Attributes:
        account: The kind of its account.
        account_sid: The SID of its only account.
        auth_token: The account's token.
        read_only_token: A second token, which may not replay jobs or run reports.

    Example:
        >>> with Sandbox(job_seconds=0) as sandbox:
        ...     job_id = sandbox.add_job(result_bytes=2_000)
        ...     sandbox.result(job_id).size
        2000
    """

    def __init__(
        self,
        *,
        account: AccountKind = "agency",
        advertisers: Collection[int] = (2747168,),
        seed: int = 0,
        job_seconds: float = 2.0,
        result_bytes: int = 1_000_000,
        link_seconds: float = 300.0,
        hourly_budget: int | None = 1000,
        budget_headers: BudgetHeaders = "plain",
        daily_exports: int | None = 100,
        rows_per_day: int = 40,
        json_shape: JsonShape = "records",
        json_page_rows: int = 1000,
        report_list: ReportListShape = "array",
        list_shape: ListShape | None = None,
        page_size: int = 100,
        stringly: bool = False,
        replay_same_id: bool | None = None,
        checksums: bool = False,
        port: int = 0,
        storage_port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = Settings(
            account=account,
            advertisers=tuple(advertisers),
            daily_exports=daily_exports,
            rows_per_day=rows_per_day,
            json_shape=json_shape,
            json_page_rows=json_page_rows,
            report_list=report_list,
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
        self._state = SandboxState(settings, clock=clock)
        self._server: BackgroundServer | None = None
        self.account: AccountKind = account
        self.account_sid: str = self._state.credentials.account_sid
        self.auth_token: str = self._state.credentials.auth_token
        self.read_only_token: str = self._state.credentials.read_only_token

    def __repr__(self) -> str:
        return f"<Sandbox {self._state.base_url or 'not started'}>"

    # Running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def start(self) -> None:
        """Open both ports, and serve requests from a background thread. ``with`` calls it for you.

        Raises:
            OSError: A port is taken. What to do: choose another, or 0 for a free one.
            RuntimeError: The sandbox is running already. What to do: create another one.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.start()
            >>> sandbox.close()
        """
        if self._server is not None:
            raise RuntimeError("this sandbox is running already; create another one for another server")
        self._server = start_servers(self._state)

    def close(self) -> None:
        """Drop every connection, free both ports and end the thread; jobs and requests stay readable.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.close()  # a second call, or one before the start, does nothing
        """
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @property
    def base_url(self) -> str:
        """The URL of the API, such as ``http://127.0.0.1:40123``; raises RuntimeError before the first start."""
        if not self._state.base_url:
            raise RuntimeError("the sandbox has no address before it is started: use it in a `with` statement")
        return self._state.base_url

    @property
    def storage_url(self) -> str:
        """The URL of the storage, to which signed links lead; raises RuntimeError before the first start."""
        return self._state.storage_url if self.base_url else ""

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that point the client and its command line at this sandbox.

        They are IMPACT_ACCOUNT_SID, IMPACT_AUTH_TOKEN and IMPACT_BASE_URL, and IMPACT_ACCOUNT_KIND if the account is
        not an agency. Raises RuntimeError before the first start.
        """
        environ = {
            "IMPACT_ACCOUNT_SID": self.account_sid,
            "IMPACT_AUTH_TOKEN": self.auth_token,
            "IMPACT_BASE_URL": self.base_url,
        }
        return environ if self.account == "agency" else environ | {"IMPACT_ACCOUNT_KIND": self.account}

    def client(self, **options: Any) -> JobsClient:  # noqa: ANN401 - JobsClient's own options
        """Create a client of this sandbox.

        Args:
            **options: Options of `impact_jobs.JobsClient`; they win over the sandbox's credentials and URL.

        Returns:
            The client, which you must close.

        Raises:
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.
            ConfigurationError: An option is malformed.

        Example:
            >>> with Sandbox() as sandbox, sandbox.client() as jobs:
            ...     list(jobs.list())
            []
        """
        from impact_jobs import JobsClient  # noqa: PLC0415 - the server needs no client

        return JobsClient(**(self._client_options() | options))

    def async_client(self, **options: Any) -> AsyncJobsClient:  # noqa: ANN401 - AsyncJobsClient's own options
        """Create an asynchronous client of this sandbox.

        Args:
            **options: Options of `impact_jobs.AsyncJobsClient`; they win over the sandbox's credentials and URL.

        Returns:
            The client, which you must close.

        Raises:
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.
            ConfigurationError: An option is malformed.

        Example:
            >>> import asyncio
            >>> async def main(sandbox):
            ...     async with sandbox.async_client() as jobs:
            ...         return [job async for job in jobs.list()]
            >>> with Sandbox() as sandbox:
            ...     asyncio.run(main(sandbox))
            []
        """
        from impact_jobs import AsyncJobsClient  # noqa: PLC0415 - the server needs no client

        return AsyncJobsClient(**(self._client_options() | options))

    def _client_options(self) -> dict[str, Any]:
        options = {"account_sid": self.account_sid, "auth_token": self.auth_token, "base_url": self.base_url}
        return options if self.account == "agency" else options | {"account": self.account}

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
        content: bytes | None = None,
        advertiser: int | None = None,
    ) -> str:
        """Add a job to the account.

        Args:
            type: The job's type; any text.
            status: The status in which it ends; any text. With ``"QUEUED"`` or ``"RUNNING"`` it never ends.
            seconds: How long it takes; with 0 it ends at once. The sandbox's ``job_seconds`` by default.
            message: Its ``StatusMessage`` once it has ended; "" for a sentence that fits the status.
            result_bytes: The size of its result. The sandbox's ``result_bytes`` by default.
            result_seed: Decides the contents of its result; unique by default.
            replayable: Whether it can be replayed once it has ended.
            program_id: Its ``ProgramId``.
            stuck_at: A percentage at which it stays RUNNING forever.
            recovers_after: With ``status="ERROR"``, seconds until a retry by the server completes the job.
            age: How many seconds ago it was created.
            fields: Raw JSON fields to add to the job, or to replace its own; any value is allowed.
            content: The bytes of its result, instead of generated ones.
            advertiser: The number of the agency's brand to which the job belongs; None for the agency itself.

        Returns:
            The job's id.

        Raises:
            ValueError: A time or a size is negative, or the agency has no such brand.

        Example:
            >>> sandbox = Sandbox()
            >>> job_id = sandbox.add_job(status="FAILED", seconds=30, message="Out of memory")
        """
        if advertiser is not None and advertiser not in self._state.settings.advertisers:
            raise ValueError(f"the agency has no brand {advertiser}: name it in Sandbox(advertisers=...)")
        template = self._state.new_job(
            type=type, program_id=program_id, advertiser=advertiser, size=result_bytes, seed=result_seed
        )
        job = evolve(
            template,
            created=template.created - positive(age),
            seconds=template.seconds if seconds is None else seconds,
            final_status=status,
            message=message,
            replayable=replayable,
            stuck_at=stuck_at,
            recovers_after=recovers_after,
            result=template.result if content is None else FixedResult(content),
            fields=dict(fields or {}),
        )
        return self._state.store.put(job).id

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of all jobs, oldest first, including those that were exported or replayed."""
        return tuple(job.id for job in self._state.store.all())

    def result(self, job_id: str) -> Result:
        """Return the result file of a job, even if the job has not ended.

        Args:
            job_id: The job.

        Returns:
            The file, with its ``size``, ``rows``, ``sha256`` and ``etag``, and its bytes from ``read()``. If no export
            created the job, it is a `ResultFile`.

        Raises:
            KeyError: There is no such job.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.result(sandbox.add_job(result_bytes=2_000)).size
            2000
        """
        return self._state.store[job_id].result

    def replace_result(
        self,
        job_id: str,
        *,
        result_bytes: int | None = None,
        result_seed: int | None = None,
        content: bytes | None = None,
    ) -> Result:
        """Replace the result file of a job; existing links lead to the new file.

        Args:
            job_id: The job.
            result_bytes: The new size; unchanged by default.
            result_seed: Decides the new contents; unique by default.
            content: The new bytes, instead of generated ones.

        Returns:
            The new file, which has another entity tag.

        Raises:
            KeyError: There is no such job.
            ValueError: The size is negative.

        Example:
            >>> sandbox = Sandbox()
            >>> job_id = sandbox.add_job()
            >>> sandbox.replace_result(job_id, result_bytes=3_000) == sandbox.result(job_id)
            True
        """
        return self._state.store.replace_result(job_id, size=result_bytes, seed=result_seed, content=content)

    def result_url(self, job_id: str) -> str:
        """Sign a link to the result file of a job, as the redirect of a download does.

        Args:
            job_id: The job.

        Returns:
            A URL on the storage, valid for ``link_seconds``.

        Raises:
            KeyError: There is no such job.
            RuntimeError: The sandbox was never started. What to do: use it in a ``with`` statement.

        Example:
            >>> with Sandbox() as sandbox:
            ...     sandbox.result_url(sandbox.add_job()).startswith(sandbox.storage_url)
            True
        """
        return self.storage_url + self._state.result_link(self._state.store[job_id])

    # Exports

    @property
    def exports(self) -> tuple[RecordedExport, ...]:
        """The requests for exports that were answered with a job, oldest first; at most the last 100,000."""
        return self._state.exports.all()

    def prepare_export(
        self,
        *,
        status: str = "COMPLETED",
        seconds: float | None = None,
        message: str = "",
        stuck_at: int | None = None,
        recovers_after: float | None = None,
        replayable: bool = True,
        fields: Mapping[str, object] | None = None,
        content: bytes | None = None,
    ) -> None:
        """Decide how the job of the next new export runs; each call is for one more export.

        Args:
            status: The status in which it ends.
            seconds: How long it takes. The sandbox's ``job_seconds`` by default.
            message: Its ``StatusMessage`` once it has ended.
            stuck_at: A percentage at which it stays RUNNING forever.
            recovers_after: With ``status="ERROR"``, seconds until a retry by the server completes the job.
            replayable: Whether it can be replayed once it has ended.
            fields: Raw JSON fields to add to the job, or to replace its own.
            content: The bytes of its result, instead of the report.

        Raises:
            ValueError: A time is negative.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.prepare_export(status="FAILED", message="Out of memory")
        """
        changes: dict[str, Any] = {
            "final_status": status,
            "message": message,
            "stuck_at": stuck_at,
            "recovers_after": recovers_after,
            "replayable": replayable,
            "fields": dict(fields or {}),
            "content": content,
        }
        if seconds is not None:
            changes["seconds"] = positive(seconds)
        self._state.exports.prepare(changes)

    # Faults and recorded requests

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
        """Answer the next matching request, to the API or the storage, with exactly this response.

        It precedes the checks of credentials and budget. Responses that match the same request are sent in order.

        Args:
            method: The request's method.
            path: The end of the request's path, or a compiled pattern to search for in path and query.
            status: The status, from 200 to 599; None to close the connection without a response.
            body: The body.
            headers: Further headers; a ``Content-Length`` above the length of the body cuts the response there.
            content_type: The Content-Type; "" for none.
            times: How many requests to answer like this.
            delay: Real seconds to wait before answering.
            perform: Whether to carry out the request first, and then send this response instead of the real one.

        Raises:
            ValueError: The status is out of bounds, a header cannot be sent, or a number is negative.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.answer_next("GET", "/Jobs", status=502, body="<h1>No</h1>", content_type="text/html")
            >>> sandbox.answer_next("PUT", "/Replay", status=None, perform=True)  # replays, but sends no response
        """
        canned = CannedResponse(
            method=method,
            path=path,
            status=status,
            body=body.encode() if isinstance(body, str) else body,
            headers=({"content-type": content_type} if content_type else {})
            | {name: _header_value(value) for name, value in (headers or {}).items()},
            delay=delay,
            perform=perform,
        )
        self._state.faults.add(canned, times=times)

    def cut_next_download(self, after_bytes: int) -> None:
        """Drop the connection in the middle of the next result body, from the storage or with ``Mode=Stream``.

        Each call cuts one more download. A shorter body arrives complete.

        Args:
            after_bytes: How many bytes of the body arrive.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.cut_next_download(10_000)
        """
        self._state.faults.add_cut(after_bytes)

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The requests to the API and the storage, oldest first; at most the last 100,000."""
        return self._state.log.all()

    def forget_requests(self) -> None:
        """Empty the record of requests.

        Example:
            >>> sandbox = Sandbox()
            >>> sandbox.forget_requests()
        """
        self._state.log.clear()


def _header_value(value: object) -> str:
    text = str(value)
    if any(character in "\r\n\0" or character > "\xff" for character in text):
        raise ValueError(f"{text!r} cannot be the value of a header.")
    return text
