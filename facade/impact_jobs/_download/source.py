"""From a job to the open body of its result: the API's 202, 302 or 200, and what the storage returns."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from attrs import Factory, define, field

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._api.documents import BEGINNING_BYTES
from impact_jobs._api.endpoints import download_request, get_once
from impact_jobs._api.responses import check_result, may_be_no_result, read_job
from impact_jobs._download.content import is_data_by_name, is_html_type, page_in_place_of
from impact_jobs._download.destination import suggested_name
from impact_jobs._download.options import Mode
from impact_jobs._download.ranges import END
from impact_jobs._download.redirects import storage_url
from impact_jobs._policy.rate_limit_headers import retry_after_seconds, server_time
from impact_jobs._policy.retry import is_transient_status
from impact_jobs._redaction import Secret
from impact_jobs._transport.base import Head, Request, Response, Stream, read_all
from impact_jobs._transport.headers import Span, content_length
from impact_jobs.errors import (
    ApiError,
    DownloadError,
    JobsError,
    RateLimitError,
    ResultExpiredError,
    ResultNotReadyError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

_OK = 200
_ACCEPTED = 202
_NO_CONTENT = 204
_RESULTS = frozenset({_OK, _NO_CONTENT})  # of the API: the bytes, or an empty result
_BAD_REQUEST = 400
_TOO_MANY_REQUESTS = 429
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIRST_SERVER_ERROR = 500
# How storages refuse an expired link (S3 and Azure 403, GCS 400) or a deleted object (404 or 410).
_REFUSALS = frozenset({400, 401, 403, 404, 410})
_RANGE_STATUSES = frozenset({206, 416})  # only expected if the request has a Range
_SETTLING = timedelta(minutes=15)  # how long a refusal of a new result may pass: replication, and clocks that differ
_MAX_ERROR_BYTES = 64 * 1024
_LINKS_PER_ATTEMPT = 2
_MAX_REDIRECTS = 5
_RESULT_OF = re.compile(r"/Jobs/([0-9a-fA-F-]{36})(?:\.json)?/Download\b")
_NOT_ENCODED = {"Accept-Encoding": "identity"}
# JSON for the body of a 202, anything for the result.
_API_HEADERS = {"Accept": "application/json, */*;q=0.1", **_NOT_ENCODED}
_STORAGE_HEADERS = {"Accept": "*/*", "User-Agent": "impact-jobs", **_NOT_ENCODED}


@define
class ResultSource:
    """Opens the result of one job: by the link that the API returned last, or by a fresh one once that is refused."""

    context: ClientContext
    job_id: str
    mode: Mode
    what: str  # the call, for messages
    job: Job | None = None  # the last known snapshot
    target_name: str = ""  # of the file that the user has chosen
    page: int = 1  # of a JSON result in pages
    _url: Secret | None = field(default=None, init=False)
    _is_new: bool = field(default=False, init=False)  # whether the result was completed a moment ago
    retry_state: RetryState = field(
        default=Factory(lambda self: RetryState(self.context, self.what), takes_self=True), init=False
    )

    async def open(self, span: Span | None = None, *, validator: str | None = None) -> Stream:
        """Open the body once. The caller checks that it is the requested range, and closes it.

        `span` may end beyond the file; None means all of it. The storage may send the whole file nevertheless (200), or
        refuse the range (416, or 400 to a fresh link). It also sends the whole file if that is not the version that
        `validator` names.

        Raise ResultNotReadyError or JobFailedError if the job has no result, ResultExpiredError if the storage refuses
        a fresh link, too, DownloadError if a redirect is not safe to follow, or another JobsError.
        """
        links, asked_at = 0, None
        while True:
            url = self._url
            if url is None:
                links += 1
                stream = await self._ask_api()
                if stream.head.status_code in _RESULTS:
                    return await _checked(stream, self._check_answer)
                await stream.aclose()
                url = self._url = self._location(stream.head, self._api_request().url)
                asked_at = server_time(stream.head)
            stream = await self._ask_storage(url, _range_headers(span, validator))
            status = stream.head.status_code
            is_about_range = status == _BAD_REQUEST and span is not None
            # A 400 to a fresh link refuses the range: the file has shrunk.
            if status not in _REFUSALS or (is_about_range and links >= _LINKS_PER_ATTEMPT):
                return await _checked(stream, partial(self._check_file, link=url))
            await stream.aclose()
            logger.info("%s: the storage refused the link with HTTP %d", self.what, status)
            # Another connection may have fetched a fresh link meanwhile.
            self._url = None if self._url is url else self._url
            if asked_at and (links >= _LINKS_PER_ATTEMPT or (self._is_new and not is_about_range)):
                raise await self._refusal(status, now=asked_at)

    async def _refusal(self, status: int, *, now: datetime) -> ResultExpiredError:
        """Return the error for a refused fresh link, by the age of the result; `now` is by the server's clock."""
        try:
            job = await self._completed_job()
            dates = (job.completed_date, job.last_progress_update_date, job.created_date)
        except (TransportError, ApiError, UnexpectedResponseError) as unknown:
            logger.info("%s; so it is not known when the result was completed", unknown)
            dates = (None, None, None)
        age = next((now - date for date in dates if date is not None), _SETTLING)
        # The storage may not show a new file everywhere yet, and its clock may be behind that of the API.
        self._is_new = age < _SETTLING
        hint = "The result may be gone (they are kept for 90 days): replay the job."
        if self._is_new:
            seconds = max(age.total_seconds(), 0.0)
            hint = f"The result was completed only {seconds:.0f} s ago: download it again in a minute."
        error = ResultExpiredError(f"{self.what}: the storage refused a fresh link, too, with HTTP {status}. {hint}")
        error.is_too_early = self._is_new
        return error

    async def _completed_job(self) -> Job:
        """Return the job, by one request unless it is known; raise as for a 202 if it is not completed."""
        job = self.job
        may_be_old = self.context.recent_replays.holds(self.job_id, self.context.transport.now())
        if job is None or job.status != JobStatus.COMPLETED or may_be_old:
            job = self.job = await get_once(self.context, self.job_id)
        if job.status != JobStatus.COMPLETED:
            raise self._without_result(job)
        return job

    async def _ask_api(self) -> Stream:
        """Return the API's response if it is the result (200, or 204 for an empty one) or a redirect to it."""
        named = _RESULT_OF.search((self.job and self.job.result_uri) or "")
        if named and named[1].lower() != self.job_id.lower():
            raise DownloadError(
                f"{self.what}: its ResultUri names the result of job {named[1]}. Get the job again; if that does not "
                "help, ask your impact.com contact which of the two results is right."
            )
        request = self._api_request()
        await self.context.wait_for_quota()
        stream = await self.context.open(request)
        if stream.head.status_code in _RESULTS | _REDIRECTS:
            return stream
        response = await read_all(stream, request)
        if stream.head.status_code != _ACCEPTED:
            self.context.raise_for_status(response, self.what, job_id=self.job_id)
        raise await self._why_not_ready(self.context.redacted(response))

    def _api_request(self) -> Request:
        return download_request(
            self.context, self.job_id, is_stream=self.mode == "stream", headers=_API_HEADERS, page=self.page
        )

    async def _check_answer(self, stream: Stream) -> None:
        """Raise if the API's 200 is an error, the job itself, or a gateway's page, or if its 204 comes too early."""
        if stream.head.status_code == _NO_CONTENT:
            await self._completed_job()
            return
        response, is_whole = await _peek(stream)
        if is_whole:
            redacted = self.context.redacted(response)
            job = check_result(redacted, self.what, job_id=self.job_id, is_due=self.mode == "stream")
            if job is not None:
                raise self._without_result(job)
        await self._refuse_page(stream, "API")

    async def _check_file(self, stream: Stream, *, link: Secret) -> None:
        """Raise if the storage's 200 is a page."""
        if stream.head.status_code == _OK:
            await self._refuse_page(stream, "storage", path=urlsplit(link.reveal()).path)

    async def _refuse_page(self, stream: Stream, sender: str, *, path: str = "") -> None:
        """Raise for a page if the result is CSV or JSON by its name, the `path` of its link, or the target."""
        name = suggested_name(stream.head.headers.get("content-disposition"))
        if not is_data_by_name((name, path, self.target_name)):
            return
        content_type = stream.head.headers.get("content-type", "")
        response, _ = await _peek(stream, is_text=is_html_type(content_type))
        if page := page_in_place_of(response.body, content_type):
            raise UnexpectedResponseError(
                f"{self.what}: the {sender} answered HTTP {_OK}, but with {page} instead of the file. "
                "Check any proxy between, then download again.",
                status_code=_OK,
            )

    async def _why_not_ready(self, response: Response) -> JobsError:
        """Return what a 202 means: the API may return it forever if the job failed or was cancelled."""
        try:
            job = read_job(response, self.what, job_id=self.job_id)
        except UnexpectedResponseError:  # perhaps XML, but the job itself is always available as JSON
            job = await get_once(self.context, self.job_id)
        return self._without_result(job)

    def _without_result(self, job: Job) -> JobsError:
        """Return why there is no result, by the job that the API returned instead."""
        if self.context.is_final(job) and job.status != JobStatus.COMPLETED:
            return self.context.job_failed(job)
        return ResultNotReadyError(job)

    async def _ask_storage(self, url: Secret, headers: Mapping[str, str]) -> Stream:
        """Return the storage's response or refusal, after any redirects; no request carries anything of the account."""
        expected = _REFUSALS | {_OK} | (_RANGE_STATUSES if "Range" in headers else {_NO_CONTENT})
        for _ in range(_MAX_REDIRECTS):
            request = Request(
                method="GET",
                url=url,
                headers={**_STORAGE_HEADERS, **headers},
                timeout=self.context.request_timeout,
                to_storage=True,
                is_download=True,
            )
            stream = await self.context.transport.open(request)
            if stream.head.status_code in expected:
                return stream
            await stream.aclose()
            if stream.head.status_code not in _REDIRECTS:
                raise _storage_failure(stream.head, self.what)
            url = self._location(stream.head, url)
        raise DownloadError(f"{self.what}: more than {_MAX_REDIRECTS} redirects. Try again later.")

    def _location(self, redirect: Head, asked: Secret) -> Secret:
        return storage_url(redirect.location, asked=asked, account=self.context.account, what=self.what)


def source_of(context: ClientContext, reference: JobReference, mode: Mode, call: str) -> ResultSource:
    """Return the source of a job's result; `call` is its name in messages."""
    job_id = context.account.job_id(reference)
    snapshot = reference if isinstance(reference, Job) else None
    return ResultSource(context, job_id, mode, f"{call} of job {job_id}", snapshot)


async def open_whole(source: ResultSource) -> Stream:
    """Open the body from its beginning, with retries."""
    while True:
        try:
            return await source.open()
        except JobsError as error:
            await source.retry_state.pause_after(error)


async def _checked(stream: Stream, check: Callable[[Stream], Coroutine[Any, Any, None]]) -> Stream:
    """Return `stream`, whose beginning has been checked; close it if `check` raises."""
    try:
        await check(stream)
    except BaseException:
        await stream.aclose()
        raise
    return stream


async def _peek(stream: Stream, *, is_text: bool = False) -> tuple[Response, bool]:
    """Return the beginning of a response, and whether that is all of it; what was read is put back.

    All of it is read if it is short, and `is_text` or may be no result. Tracebacks do not show the body of a Response.
    """
    length = content_length(stream.head.headers)
    limit = _MAX_ERROR_BYTES if length is None or length <= _MAX_ERROR_BYTES else BEGINNING_BYTES
    start = b""
    while data := await stream.read():
        start += data
        if len(start) > limit or not (is_text or may_be_no_result(start)):
            break
    stream.unread(start)
    return Response(head=stream.head, body=start), not data


def _range_headers(span: Span | None, validator: str | None) -> dict[str, str]:
    if span is None:
        return {}
    last = "" if span.stop >= END else span.stop - 1
    return {"Range": f"bytes={span.start}-{last}"} | ({"If-Range": validator} if validator else {})


def _storage_failure(head: Head, what: str) -> JobsError:
    # Without the body, because storages repeat signatures in it.
    status, retry_after = head.status_code, retry_after_seconds(head)
    when = f"in {retry_after:.0f} s" if retry_after else "later"
    text = f"{what}: the storage answered HTTP {status}. Try again {when}."
    if not is_transient_status(status):
        return DownloadError(text)
    other = ServerError if status >= _FIRST_SERVER_ERROR else ApiError
    error = (RateLimitError if status == _TOO_MANY_REQUESTS else other)(text, status_code=status)
    error.retry_after, error.is_from_storage = retry_after, True
    return error
