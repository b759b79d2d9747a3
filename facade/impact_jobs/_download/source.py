"""From a job to the open body of its result: the API's 202, 302 or 200, and what the storage returns."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from attrs import Factory, define, field

from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._api.endpoints import download_request, get_once
from impact_jobs._api.responses import check_result, error_of, may_be_no_result, read_job
from impact_jobs._download.options import Mode
from impact_jobs._download.ranges import END
from impact_jobs._download.redirects import storage_url
from impact_jobs._redaction import Secret
from impact_jobs._transport.base import Head, Request, Response, Stream, read_all
from impact_jobs._transport.headers import Span, content_length
from impact_jobs.errors import (
    DownloadError,
    JobsError,
    ResultExpiredError,
    ResultNotReadyError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job, JobStatus

logger: logging.Logger = logging.getLogger("impact_jobs")

_OK = 200
_ACCEPTED = 202
_BAD_REQUEST = 400
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIRST_SERVER_ERROR = 500
# How storages refuse an expired link (S3 and Azure 403, GCS 400) or a deleted object (404 or 410).
_REFUSALS = frozenset({400, 401, 403, 404, 410})
_RANGE_STATUSES = frozenset({206, 416})  # only expected if the request has a Range
_MAX_ERROR_BYTES = 64 * 1024
_LINKS_PER_ATTEMPT = 2
_MAX_REDIRECTS = 5
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
    _url: Secret | None = None
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
        links = 0
        while True:
            if self._url is None:
                links += 1
                stream = await self._ask_api()
                if stream.head.status_code == _OK:
                    try:
                        await self._check_beginning(stream)
                    except BaseException:
                        await stream.aclose()
                        raise
                    return stream
                await stream.aclose()
                self._url = self._location(stream.head, self._api_request().url)
            url = self._url
            stream = await self._ask_storage(url, _range_headers(span, validator))
            status = stream.head.status_code
            # A 400 to a fresh link refuses the range: the file has shrunk.
            is_past_the_end = status == _BAD_REQUEST and span is not None and links >= _LINKS_PER_ATTEMPT
            if status not in _REFUSALS or is_past_the_end:
                return stream
            await stream.aclose()
            # Another connection may have fetched a fresh link meanwhile.
            self._url = None if self._url is url else self._url
            logger.info("%s: the storage refused the link with HTTP %d", self.what, status)
            if links >= _LINKS_PER_ATTEMPT:
                raise ResultExpiredError(
                    f"{self.what}: the storage refused a fresh link, too, with HTTP {status}. "
                    "The result may be gone (they are kept for 90 days): replay the job."
                )

    async def _ask_api(self) -> Stream:
        """Return the API's response if it is the result (200) or a redirect to it."""
        request = self._api_request()
        await self.context.wait_for_quota()
        stream = await self.context.open(request)
        if stream.head.status_code == _OK or stream.head.status_code in _REDIRECTS:
            return stream
        response = await read_all(stream, request)
        if stream.head.status_code != _ACCEPTED:
            self.context.raise_for_status(response, self.what)
        raise await self._why_not_ready(self.context.redacted(response))

    def _api_request(self) -> Request:
        return download_request(self.context, self.job_id, is_stream=self.mode == "stream", headers=_API_HEADERS)

    async def _check_beginning(self, stream: Stream) -> None:
        """Raise if the body of the API's 200 is an error, the job itself, or the page of a gateway."""
        length = content_length(stream.head.headers)
        if length is not None and length > _MAX_ERROR_BYTES:
            return
        response = await _short_response(stream)
        if response is None:
            return
        redacted = self.context.redacted(response)
        job = check_result(redacted, self.what, job_id=self.job_id, is_due=self.mode == "stream")
        if job is not None:
            raise self._without_result(job)
        stream.unread(response.body)

    async def _why_not_ready(self, response: Response) -> JobsError:
        """Return what a 202 means: the API may return it forever if the job failed or was cancelled."""
        try:
            job = read_job(response, self.what, job_id=self.job_id)
        except UnexpectedResponseError:  # perhaps XML, but the job itself is always available as JSON
            job = await get_once(self.context, self.job_id)
        return self._without_result(job)

    def _without_result(self, job: Job) -> JobsError:
        """Return why there is no result, by the job that the API returned instead."""
        if job.is_terminal and job.status != JobStatus.COMPLETED:
            return self.context.job_failed(job)
        return ResultNotReadyError(job)

    async def _ask_storage(self, url: Secret, headers: Mapping[str, str]) -> Stream:
        """Return the storage's response or refusal, after any redirects; no request carries anything of the account."""
        expected = _REFUSALS | {_OK} | (_RANGE_STATUSES if "Range" in headers else frozenset())
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


async def open_whole(source: ResultSource) -> Stream:
    """Open the body from its beginning, with retries."""
    while True:
        try:
            return await source.open()
        except JobsError as error:
            await source.retry_state.pause_after(error)


async def _short_response(stream: Stream) -> Response | None:
    """Return the whole response if it is short and may be no result; otherwise put back what was read of its body."""
    start = b""
    while data := await stream.read():
        start += data
        if len(start) > _MAX_ERROR_BYTES or not may_be_no_result(start):
            stream.unread(start)
            return None
    return Response(head=stream.head, body=start)


def _range_headers(span: Span | None, validator: str | None) -> dict[str, str]:
    if span is None:
        return {}
    last = "" if span.stop >= END else span.stop - 1
    return {"Range": f"bytes={span.start}-{last}"} | ({"If-Range": validator} if validator else {})


def _storage_failure(head: Head, what: str) -> JobsError:
    # Without the body, because storages repeat signatures in it.
    if head.status_code >= _FIRST_SERVER_ERROR:
        return error_of(Response(head=head, body=b""), f"{what} from the storage")
    return DownloadError(f"{what}: the storage answered HTTP {head.status_code}. Try again later.")
