"""Every parser of foreign bytes, as a function of bytes that raises if the parser breaks a promise."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from attrs import evolve
from impact_jobs import ConfigurationError, DownloadError, JobsError, ResultNotReadyError, Retry
from impact_jobs._account import Account, is_job_id, is_loopback
from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get
from impact_jobs._api.generated import _exchange
from impact_jobs._api.pages import job_pages
from impact_jobs._api.responses import check_result, error_of, may_be_no_result
from impact_jobs._dates import Window
from impact_jobs._download.checksums import Digester, is_digest, stated_checksums
from impact_jobs._download.destination import suggested_name
from impact_jobs._download.journal import Journal
from impact_jobs._download.ranges import Representation, range_mismatch
from impact_jobs._download.redirects import storage_url
from impact_jobs._download.source import ResultSource
from impact_jobs._policy.rate_limit_headers import RateLimitHeaders, retry_after_seconds, server_time
from impact_jobs._policy.rate_limiter import RateLimiter
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.base import Head, Request, Response
from impact_jobs._transport.blocking import BlockingTransport
from impact_jobs._transport.gzip import GzipDecoder
from impact_jobs._transport.headers import LARGEST, Span, content_range, framed_length
from impact_jobs._transport.httpx_common import FAILURES, RequestBuilder
from impact_jobs._transport.httpx_common import head_of as head_of_response
from impact_jobs._transport.run_sync import SyncIterator, run_sync
from impact_jobs.errors import JobFailedError, TransportError, UnexpectedResponseError, WaitTimeoutError
from impact_jobs.models import Job
from spec.documents import Problem, SpecError
from spec.importing.plan import plan_import
from spec.trees import read_files

from tests.fuzzing.invariants import check_error, check_job, check_limits, check_message, check_moment, check_name
from tests.support.simulated import EPOCH, JOB_ID, SimulatedTransport, answer, context

_STATUSES: Final = (200, 202, 206, 400, 401, 403, 404, 416, 429, 500, 503, 999)
_FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzzing-")
_BEYOND_ANY_LENGTH: Final = 10**20
_LONGEST_JOURNAL: Final = 64 * 1024
_ACCOUNT: Final = context(lambda *_: answer(200)).account
_WIRE: Final = RequestBuilder(account=_ACCOUNT)
_CLIENT: Final = httpx.Client()
_LOCATIONS: Final[list[bytes]] = []
_REDIRECTING: Final = BlockingTransport(
    _ACCOUNT,
    http_client=httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(302, headers=[(b"Location", _LOCATIONS.pop())]))
    ),
    storage_client=_CLIENT,
)
_ONCE: Final = Retry(attempts=1)
_SUFFIXES: Final = (".md", ".json", ".yaml", "")


def text_of(data: bytes) -> str:
    """Decode bytes as httpx decodes header fields."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def head_of(data: bytes) -> Head:
    """Parse a head: the first byte chooses the status, and each line is `name: value`."""
    lines = (line.partition(":") for line in text_of(data[1:]).splitlines())
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    return Head(status_code=_status(data), headers=headers, received_at=EPOCH)


def _status(data: bytes) -> int:
    return _STATUSES[data[0] % len(_STATUSES)] if data else _STATUSES[0]


def _server(status: int, *bodies: bytes) -> ClientContext:
    """Simulate a server that answers with these bodies in turn, and then with an empty list."""
    left = iter(bodies)
    return context(lambda _, request: _answer(status, next(left, b"[]"), request), retry=_ONCE)


def _answer(status: int, body: bytes, request: Request) -> Response:
    with suppress(*FAILURES):  # the transports turn these into errors
        _WIRE.build(_CLIENT, request)
    return answer(status, body)


def job(data: bytes) -> None:
    try:
        check_job(run_sync(get(_server(200, data), JOB_ID)))
    except JobsError as error:
        check_error(error)


def list_of_jobs(data: bytes) -> None:
    pages = job_pages(_server(200, *data.split(b"\0")), Window())
    try:
        for page in SyncIterator(pages):
            for found in page:
                check_job(found)
    except JobsError as error:
        check_error(error)
    assert pages.entries >= 0


def error_body(data: bytes) -> None:
    error = error_of(evolve(answer(_status(data), data[1:]), redact=_ACCOUNT.redact), "get job 7")
    check_error(error)
    assert str(error).startswith(f"get job 7: HTTP {_status(data)}: ")


def accepted(data: bytes) -> None:
    """Parse the body of a 202 response to a download."""
    source = ResultSource(_server(200, data), JOB_ID, "redirect", "download")
    try:
        error: JobsError = run_sync(source._why_not_ready(answer(202, data)))
    except JobsError as raised:
        error = raised
    found: Job | None = getattr(error, "job", None)
    if found is None:
        check_error(error)
        return
    assert isinstance(error, JobFailedError | ResultNotReadyError)
    for described in (error, WaitTimeoutError(found, timeout=1.0), JobFailedError.of(found)):
        check_message(str(described))
    check_job(found)


def direct(data: bytes) -> None:
    """Parse the body of a 200 response to a download; the first byte chooses whether one was expected."""
    body, is_due = data[1:], bool(data[:1] < b"\x80")
    try:
        found = check_result(answer(200, body), "download", job_id=JOB_ID, is_due=is_due)
    except JobsError as error:
        check_error(error)
    else:
        assert found is None or found.id.lower() == JOB_ID
        return
    assert may_be_no_result(body), "a body was refused that should have been accepted"


def generated(data: bytes) -> None:
    """Prepare a response for generated code: the first byte chooses the status; a header value and the body follow."""
    value, _, body = data[1:].partition(b"\n")
    request = Request(
        method="GET", url=secret_url(f"https://api.impact.com/Agencies/IRtest/Jobs/{JOB_ID}"), timeout=1.0
    )
    sent = httpx.Response(_status(data), headers=[(b"X-Odd", value)])
    transport = SimulatedTransport(lambda *_: Response(head=head_of_response(sent), body=body))
    try:
        found = run_sync(_exchange(transport, _ACCOUNT, request))
    except JobsError as error:
        check_error(error)
        return
    assert (found.status_code, found.content) == (_status(data), body)
    assert found.headers["X-Odd"] == sent.headers["X-Odd"]
    assert not found.is_success or isinstance(found.json(), dict | list)


def content_disposition(data: bytes) -> None:
    name = suggested_name(text_of(data))
    if name is not None:
        check_name(name, Path(_FOLDER.name))


def content_ranges(data: bytes) -> None:
    found = content_range({"content-range": text_of(data)})
    if found is not None:
        assert 0 <= found.span.start < found.span.stop <= (found.total or LARGEST) <= LARGEST


def rate_limits(data: bytes) -> None:
    head = head_of(data)
    check_limits(RateLimitHeaders.from_head(head))
    wait = retry_after_seconds(head)
    assert wait is None or 0 <= wait < 1e9
    rate_limiter = RateLimiter()
    rate_limiter.on_request(1000.0)
    rate_limiter.on_response(head, 1000.0)
    assert 0 <= rate_limiter.reserve(1000.0).delay < 1e9
    assert 0 <= rate_limiter.blocked_for(1000.0) < 1e9


def date(data: bytes) -> None:
    check_moment(server_time(Head(status_code=200, headers={"date": text_of(data)}, received_at=EPOCH)))


def location(data: bytes) -> None:
    _LOCATIONS.append(data)
    try:
        redirected = Request(method="GET", url=secret_url("https://api.impact.com/"), timeout=1.0)
        target = run_sync(_REDIRECTING.open(redirected)).head.location
    except TransportError as error:
        check_error(error)
        target = secret_url(text_of(data))
    for api_host in ("api.impact.com", "127.0.0.1"):
        base_url = secret_url(f"https://{api_host}")
        account = Account.create("IRtest", Secret("token"), base_url)
        asked = secret_url(f"{base_url}/Agencies/IRtest/Jobs/7/Download")
        try:
            url = storage_url(target, asked=asked, account=account, what="download of job 7")
        except DownloadError as error:
            check_error(error)
            continue
        check_message(str(url))
        with suppress(*FAILURES):  # the transports turn these into errors
            request = _WIRE.build(_CLIENT, Request(method="GET", url=url, timeout=1.0, to_storage=True))
            assert request.url.scheme == "https" or is_loopback(request.url.host)
            assert not request.url.userinfo


def checksums(data: bytes) -> None:
    found = stated_checksums(head_of(data).headers)
    assert all(is_digest(name, value) for name, value in found.items())
    Digester(0, set(found))


def version(data: bytes) -> None:
    head = head_of(data)
    found = Representation.from_headers(head.headers)
    assert found.length is None or 0 <= found.length < _BEYOND_ANY_LENGTH  # the disk refuses larger files
    assert -1 <= framed_length(head.headers) < _BEYOND_ANY_LENGTH
    assert isinstance(range_mismatch(head, 7, Representation(length=100, validator='"v1"')), str)
    if found.is_resumable and found.validator is not None:
        httpx.Request("GET", "https://storage.example/", headers={"If-Range": found.validator})


def journal(data: bytes) -> None:
    path = Path(_FOLDER.name, "journal")
    path.write_bytes(data)
    try:
        found = Journal.load(path)
        if found is None:
            return
        assert found.representation.length is not None
        assert 0 <= found.representation.length <= LARGEST
        assert found.coverage.fits(found.representation.length)
        edges = [edge for span in found.coverage.spans for edge in span]
        assert edges == sorted(set(edges))
        assert all(isinstance(span, Span) for span in found.coverage.spans)
        Digester(0, set(found.checksums))
        found.save(path)
        if path.stat().st_size < _LONGEST_JOURNAL:
            assert Journal.load(path) == found
    finally:
        path.unlink()


def job_reference(data: bytes) -> None:
    try:
        assert is_job_id(_ACCOUNT.job_id(text_of(data)))
    except ConfigurationError as error:
        check_error(error)


def window(data: bytes) -> None:
    after, _, before = text_of(data).partition("|")
    now = datetime.now(UTC)
    try:
        found = Window.create(after or None, before or None)
    except ConfigurationError as error:
        check_error(error)
        return
    assert found.holds(None)
    assert isinstance(found.holds(now), bool)
    for day in (found.after, found.before):
        assert day is None or len(day.isoformat()) == len("2026-05-29")


def gzipped(data: bytes) -> None:
    """Decode a body in chunks whose size is the first byte."""
    head = Head(status_code=200, headers={"content-encoding": "gzip"}, received_at=EPOCH)
    decoder = GzipDecoder.for_response(
        head, Request(method="GET", url=secret_url("https://api.impact.com/?a=b"), timeout=1.0)
    )
    assert decoder is not None
    size = data[0] + 1 if data else 1
    pieces = [data[at : at + size] for at in range(1, len(data), size)]
    try:
        for decoded in decoder.decode(iter(pieces)):
            assert len(decoded) <= 256 * 1024
    except (TransportError, UnexpectedResponseError) as error:
        check_error(error)


def page(data: bytes) -> None:
    """Import a published page into an empty tree; the first byte chooses its suffix."""
    suffix = _SUFFIXES[data[0] % len(_SUFFIXES)] if data else ""
    published, openapi = Path(_FOLDER.name, f"page{suffix}"), Path(_FOLDER.name, "openapi")
    published.write_bytes(data[1:])
    problems: tuple[Problem | str, ...] = ()
    try:
        plan_import([published], openapi).apply()
        again = plan_import([published], openapi)
        assert (again.written, again.removed) == ({}, ())
        assert read_files(openapi).keys() >= {"page/source.json"}
        shutil.rmtree(openapi)
    except SpecError as error:
        problems = error.problems
        assert problems, error  # noqa: PT017 - either outcome is right
    finally:
        published.unlink()
    assert not openapi.exists()
    assert all(isinstance(problem, Problem) and str(problem).encode() for problem in problems)


Target = Callable[[bytes], None]

TARGETS: Final[dict[str, Target]] = {
    "job": job,
    "list": list_of_jobs,
    "error": error_body,
    "accepted": accepted,
    "direct": direct,
    "generated": generated,
    "content-disposition": content_disposition,
    "content-range": content_ranges,
    "rate-limits": rate_limits,
    "date": date,
    "location": location,
    "checksums": checksums,
    "version": version,
    "journal": journal,
    "gzip": gzipped,
    "job-reference": job_reference,
    "window": window,
    "page": page,
}
