"""From a job to the open body of its result: 202, 302 or 200, and what the storage says."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from attrs import Factory, define, field

from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._api.endpoints import download_request, get_once
from impact_jobs._api.responses import check_result, error_of, may_be_no_result, read_job
from impact_jobs._download.options import Mode
from impact_jobs._download.ranges import END
from impact_jobs._download.redirects import storage_url
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.base import Head, Request, Response, Stream, Write
from impact_jobs._transport.headers import Span, content_length
from impact_jobs.errors import (
    DownloadError,
    JobFailedError,
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
# How the storages say that a link has expired or its object is gone: S3 403, GCS 400, Azure 403, any 404 or 410.
_REFUSALS = frozenset({400, 401, 403, 404, 410})
_OF_PARTS = frozenset({206, 416})  # to one who asks for the whole they are no answers
_ANSWERS = _REFUSALS | _OF_PARTS | {_OK}
_LONGEST_ERROR_BYTES = 64 * 1024
_LINKS_PER_TRY = 2
_MOST_HOPS = 5
_NOT_ENCODED = {"Accept-Encoding": "identity"}


@define
class ResultSource:
    """Where the bytes of one job's result come from: the API's link, as long as it holds, then a fresh one.

    Attributes:
        what: What it is for, for messages.
        tries: The tries of the whole call, for all its stages but the further connections.
    """

    context: ClientContext
    job_id: str
    mode: Mode
    what: str
    _url: Secret | None = None
    retry_state: RetryState = field(
        default=Factory(lambda self: RetryState(self.context, self.what), takes_self=True), init=False
    )

    async def open(self, span: Span | None = None, *, validator: str | None = None) -> Stream:
        """The open body, asked for once; the caller closes it and looks whether it is what was asked for.

        Args:
            span: The bytes wanted, to an end that may lie past the file's; None for all. An answer may hold the
                whole file nevertheless (200), or refuse (416, or 400 to a fresh link).
            validator: The version that they are to be of; another one comes whole.

        Raises:
            ResultNotReadyError: The job has not ended.
            JobFailedError: It has, without a result.
            UnexpectedResponseError: The API's answer is neither a result nor the way to one.
            ResultExpiredError: The storage refused a link, and a fresh one too.
            DownloadError: A redirect leads where no result may be fetched from.
            JobsError: What else can go wrong in an exchange.
        """
        links = 0
        while True:
            if self._url is None:
                links += 1
                stream = await self._ask_api()
                if stream.head.status_code == _OK:
                    return await self._unless_no_result(stream)
                await stream.aclose()
                self._url = self._location(stream.head, secret_url(self.context.account.base_url))
            url = self._url
            stream = await self._ask_storage(url, _range_headers(span, validator))
            status = stream.head.status_code
            # Where a fresh link is refused like that, it is the range that is wrong: the file has shrunk.
            is_past_the_end = status == _BAD_REQUEST and span is not None and links >= _LINKS_PER_TRY
            if status not in _REFUSALS or is_past_the_end:
                return stream
            await stream.aclose()
            # Another connection may have fetched a fresh link meanwhile.
            self._url = None if self._url is url else self._url
            logger.info("%s: the storage refused the link with HTTP %d", self.what, status)
            if links >= _LINKS_PER_TRY:
                raise ResultExpiredError(
                    f"{self.what}: the storage refused a fresh link, too, with HTTP {status}. "
                    "The result may be gone (they are kept for 90 days): replay the job."
                )

    async def _ask_api(self) -> Stream:
        """The API's answer when it is the result (200) or the way to it (a redirect)."""
        # JSON for the 202, anything for the result.
        headers = {"Accept": "application/json, */*;q=0.1", **_NOT_ENCODED}
        request = download_request(self.context, self.job_id, is_stream=self.mode == "stream", headers=headers)
        await self.context.wait_for_quota()
        stream = await self.context.stream(request)
        if stream.head.status_code == _OK or stream.head.status_code in _REDIRECTS:
            return stream
        response = self.context.redacted(await self.context.transport.whole(stream, request))
        if stream.head.status_code != _ACCEPTED:
            self.context.raise_for_status(response, self.what)
        raise await self._why_not_ready(response)

    async def _unless_no_result(self, stream: Stream) -> Stream:
        """The answer to a 200 of the API, unless it is an error, or the job itself, or a page of a gateway."""
        length = content_length(stream.head.headers)
        if length is not None and length > _LONGEST_ERROR_BYTES:
            return stream
        begun, is_result = PeekedStream(stream, self.context.transport.run), False
        try:
            if await begun.is_all(_LONGEST_ERROR_BYTES, may_be_no_result):
                job = check_result(
                    self.context.redacted(begun.so_far), self.what, job_id=self.job_id, is_due=self.mode == "stream"
                )
                if job is not None:
                    raise _without_result(job)
            is_result = True
        finally:
            if not is_result:
                await stream.aclose()
        return begun

    async def _why_not_ready(self, response: Response) -> JobsError:
        """What a 202 means: jobs that failed or were cancelled may be answered with it for ever."""
        try:
            job = read_job(response, self.what)
        except UnexpectedResponseError:  # XML, perhaps; the job itself is always to be had as JSON
            job = await get_once(self.context, self.job_id)
        return _without_result(job)

    async def _ask_storage(self, url: Secret, headers: Mapping[str, str]) -> Stream:
        """The storage's answer, be it a unusable_error; nothing of the account goes along on any hop."""
        for _ in range(_MOST_HOPS):
            request = Request(
                method="GET",
                url=url,
                headers={"Accept": "*/*", "User-Agent": "impact-jobs", **_NOT_ENCODED, **headers},
                timeout=self.context.request_timeout,
                to_storage=True,
            )
            stream = await self.context.transport.stream(request)
            if stream.head.status_code in _ANSWERS and ("Range" in headers or stream.head.status_code not in _OF_PARTS):
                return stream
            await stream.aclose()
            if stream.head.status_code not in _REDIRECTS:
                raise _storage_failure(stream.head, self.what)
            url = self._location(stream.head, url)
        raise DownloadError(f"{self.what}: more than {_MOST_HOPS} redirects. Try again later.")

    def _location(self, redirect: Head, base: Secret) -> Secret:
        api_host = urlsplit(self.context.account.base_url).hostname
        return storage_url(redirect.location, base=base, api_host=api_host, what=self.what)


@define(eq=False)
class PeekedStream:
    """An open answer of whose body the beginning was looked at."""

    _rest: Stream
    _run: Callable[[Callable[[], None]], Awaitable[None]]
    _begin: bytearray = field(factory=bytearray, repr=False)  # a gateway may echo what it was sent

    async def is_all(self, most_bytes: int, goes_on: Callable[[bytes], bool]) -> bool:
        """Look at the body for as long as its beginning makes one doubt; whether that was all of it."""
        while chunk := await self._rest.read():
            self._begin += chunk
            if len(self._begin) > most_bytes or not goes_on(bytes(self._begin)):
                return False
        return True

    @property
    def so_far(self) -> Response:
        """The answer, with what of its body was looked at."""
        return Response(head=self.head, body=bytes(self._begin))

    @property
    def head(self) -> Head:
        """Status and headers."""
        return self._rest.head

    @property
    def deadline(self) -> float:
        """When it would have to have ended, were it to be read whole."""
        return self._rest.deadline

    async def read(self) -> bytes:
        """See `Stream`."""
        return self._taken() or await self._rest.read()

    async def copy_to(self, write: Write, limit: int) -> int:
        """See `Stream`."""
        begin = self._taken()
        if not begin:
            return await self._rest.copy_to(write, limit)
        await self._run(lambda: write(begin))
        return len(begin)

    def _taken(self) -> bytes:
        begin = bytes(self._begin)
        self._begin.clear()
        return begin

    def abort(self) -> None:
        """See `Stream`."""
        self._rest.abort()

    async def aclose(self) -> None:
        """See `Stream`."""
        await self._rest.aclose()


async def open_whole(source: ResultSource) -> Stream:
    """The open body from its beginning, with retries."""
    while True:
        try:
            return await source.open()
        except JobsError as error:
            await source.retry_state.pause_after(error)


def _without_result(job: Job) -> JobsError:
    """Why there is none, as the job says that came in its place."""
    if job.is_terminal and job.status != JobStatus.COMPLETED:
        return JobFailedError.of(job)
    return ResultNotReadyError(job)


def _range_headers(span: Span | None, validator: str | None) -> dict[str, str]:
    if span is None:
        return {}
    last = "" if span.stop >= END else span.stop - 1
    return {"Range": f"bytes={span.start}-{last}"} | ({"If-Range": validator} if validator else {})


def _storage_failure(head: Head, what: str) -> JobsError:
    # Without the body, in which storages repeat signatures.
    if head.status_code >= _FIRST_SERVER_ERROR:
        return error_of(Response(head=head, body=b""), f"{what} from the storage")
    return DownloadError(f"{what}: the storage answered HTTP {head.status_code}. Try again later.")
