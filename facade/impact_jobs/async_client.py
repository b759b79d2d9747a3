"""The asynchronous client: the same verbs, awaited.

The docstrings stand at `JobsClient`, once; a test holds names, parameters, defaults and docstrings equal.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from copy import copy
from datetime import date
from io import BufferedReader
from os import PathLike
from types import TracebackType
from typing import Literal, Self, TypeVar, overload

from attrs import evolve

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
from impact_jobs._operations.stream import AsyncResultStream, open_file
from impact_jobs._operations.wait_many import Timeouts
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.retry import Retry
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.asynchronous import AsyncTransport
from impact_jobs._transport.httpx_common import AsyncHttpClient
from impact_jobs.client import JobsClient, shown
from impact_jobs.errors import JobsError
from impact_jobs.models import DownloadResult, Job

D = TypeVar("D")


def _documented_as(original: object) -> Callable[[D], D]:
    def take_over(documented: D) -> D:
        documented.__doc__ = original.__doc__
        return documented

    return take_over


@_documented_as(JobsClient)
class AsyncJobsClient:
    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        request_timeout: float = 30.0,
        retry: Retry = Retry(),
        polling: Polling = Polling(),
        http_client: AsyncHttpClient | None = None,
        storage_client: AsyncHttpClient | None = None,
    ) -> None:
        token, url = Secret(auth_token), secret_url(str(base_url))
        del auth_token, base_url  # a traceback with locals must not show them
        account = Account.of(account_sid, token, url)
        self._transport = AsyncTransport(account, http_client=http_client, storage_client=storage_client)
        self._context = ClientContext(
            account=account,
            transport=self._transport,
            retry=retry,
            polling=polling,
            request_timeout=request_timeout,
            random=random.random,
        )

    @classmethod
    @_documented_as(JobsClient.from_env)
    def from_env(
        cls,
        account_sid: str | None = None,
        auth_token: str | None = None,
        *,
        base_url: str | None = None,
        request_timeout: float = 30.0,
        retry: Retry = Retry(),
        polling: Polling = Polling(),
        http_client: AsyncHttpClient | None = None,
        storage_client: AsyncHttpClient | None = None,
    ) -> Self:
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

    @_documented_as(JobsClient.with_options)
    def with_options(
        self, *, request_timeout: float | None = None, retry: Retry | None = None, polling: Polling | None = None
    ) -> Self:
        other = copy(self)
        other._context = self._context.with_options(request_timeout=request_timeout, retry=retry, polling=polling)  # noqa: SLF001 - our own
        return other

    @_documented_as(JobsClient.list)
    def list(
        self, created_after: date | str | None = None, created_before: date | str | None = None
    ) -> AsyncIterator[Job]:
        return listing.Flat(listing.Pages(self._context, Window.of(created_after, created_before)))

    @_documented_as(JobsClient.get)
    async def get(self, job: JobReference) -> Job:
        return await listing.get(self._context, job)

    @_documented_as(JobsClient.wait)
    async def wait(
        self,
        job: JobReference,
        timeout: float | None = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
    ) -> Job:
        return await waiting.wait(self._context, job, timeout=timeout, polling=polling, on_update=on_update)

    @overload
    async def wait_all(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: Literal[False] = ...,
    ) -> dict[str, Job]: ...

    @overload
    async def wait_all(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: bool,
    ) -> dict[str, Job | JobsError]: ...

    @_documented_as(JobsClient.wait_all)
    async def wait_all(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
        return_exceptions: bool = False,
    ) -> Mapping[str, Job | JobsError]:
        group = gathering.JobBatch(self._context, jobs, timeout=timeout, polling=polling, on_update=on_update)
        return await gathering.wait_all(group, return_exceptions=return_exceptions)

    @overload
    def as_completed(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: Literal[False] = ...,
    ) -> AsyncIterator[Job]: ...

    @overload
    def as_completed(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = ...,
        *,
        polling: Polling | None = ...,
        on_update: Callable[[Job], object] | None = ...,
        return_exceptions: bool,
    ) -> AsyncIterator[Job | JobsError]: ...

    @_documented_as(JobsClient.as_completed)
    def as_completed(
        self,
        jobs: Iterable[JobReference],
        timeout: Timeouts = 3600.0,
        *,
        polling: Polling | None = None,
        on_update: Callable[[Job], object] | None = None,
        return_exceptions: bool = False,
    ) -> AsyncIterator[Job | JobsError]:
        group = gathering.JobBatch(self._context, jobs, timeout=timeout, polling=polling, on_update=on_update)
        return gathering.AsCompleted(group, return_exceptions=return_exceptions)

    @_documented_as(JobsClient.download)
    async def download(
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
        options = DownloadOptions(
            overwrite=overwrite,
            resume=resume,
            connections=connections,
            digest=digest,
            mode=mode,
            on_progress=on_progress,
        )
        return await downloading.download(self._context, job, path, options)

    @_documented_as(JobsClient.stream)
    def stream(self, job: JobReference, *, mode: Mode = "redirect") -> AsyncResultStream:
        return AsyncResultStream(self._context, job, mode=mode)

    @_documented_as(JobsClient.open)
    def open(self, job: JobReference, *, mode: Mode = "redirect") -> BufferedReader:
        return open_file(evolve(self._context, transport=self._transport.for_files()), job, mode=mode)

    @_documented_as(JobsClient.wait_and_download)
    async def wait_and_download(
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
        options = DownloadOptions(
            overwrite=overwrite,
            resume=resume,
            connections=connections,
            digest=digest,
            mode=mode,
            on_progress=on_progress,
        )
        return await downloading.wait_and_download(
            self._context, job, path, options, timeout=timeout, polling=polling, on_update=on_update
        )

    @_documented_as(JobsClient.fetch_all)
    async def fetch_all(
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
        options = DownloadOptions(connections=connections, digest=digest, mode=mode)
        return await collecting.fetch_all(
            self._context,
            jobs,
            directory,
            options,
            concurrency=concurrency,
            timeout=timeout,
            polling=polling,
            on_update=on_update,
        )

    @_documented_as(JobsClient.replay)
    async def replay(self, job: JobReference) -> Job:
        return await replaying.replay(self._context, job)

    @_documented_as(JobsClient.replay_if_replayable)
    async def replay_if_replayable(self, job: JobReference) -> Job | None:
        return await replaying.replay_if_replayable(self._context, job)

    @property
    @_documented_as(JobsClient.generated)
    def generated(self) -> AuthenticatedClient:
        from impact_jobs._api.generated import generated_client  # noqa: PLC0415 - rarely wanted, slow to load

        return generated_client(self._transport, request_timeout=self._context.request_timeout)

    @_documented_as(JobsClient.close)
    async def aclose(self) -> None:
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return shown(self)
