"""The storage: signatures, refused credentials, ranges, conditions."""

from __future__ import annotations

import base64
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._ranges import RangeNotSatisfiableError, Span, if_range_matches, parse_range

from .conftest import Clock

Start = Callable[..., tuple[Sandbox, httpx.Client]]

SIZE = 5_000


@pytest.fixture
def link(sandbox: Sandbox) -> str:
    return sandbox.result_url(sandbox.add_job(seconds=0, result_bytes=SIZE))


@pytest.fixture
def content(sandbox: Sandbox, link: str) -> bytes:
    assert link
    return b"".join(sandbox.result(sandbox.job_ids[0]).read())


def code_of(answer: httpx.Response, status: int) -> str | None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/xml"
    root = ET.fromstring(answer.content)  # noqa: S314 - trusted
    assert root.tag == "Error"
    assert root.findtext("Message")
    return root.findtext("Code")


# Access


def test_a_signed_link_returns_the_file(
    sandbox: Sandbox, storage: httpx.Client, link: str, content: bytes, clock: Clock
) -> None:
    (job_id,) = sandbox.job_ids
    answer = storage.get(link)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == sandbox.result(job_id).etag
    assert answer.headers["content-disposition"] == f'attachment; filename="report-{job_id[:8]}.csv"'
    assert parsedate_to_datetime(answer.headers["last-modified"]).timestamp() == clock.now
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == clock.now


def test_head_returns_the_headers_of_get(storage: httpx.Client, link: str) -> None:
    head = storage.head(link)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == storage.get(link).headers


def test_a_link_expires(storage: httpx.Client, link: str, clock: Clock) -> None:
    clock.advance(299.9)
    assert storage.get(link).status_code == 200
    clock.advance(0.2)
    answer = storage.get(link)
    assert code_of(answer, 403) == "AccessDenied"
    assert "expired" in answer.text


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("X-Sandbox-Expires=1", "X-Sandbox-Expires=2"),
        ("X-Sandbox-Signature=", "X-Sandbox-Signature=0"),
        ("/results/", "/results/0"),
    ],
)
def test_a_modified_link_is_refused(storage: httpx.Client, link: str, part: str, other: str) -> None:
    assert part in link
    assert code_of(storage.get(link.replace(part, other)), 403) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("query", ["", "?X-Sandbox-Expires=9999999999", "?X-Sandbox-Signature=00", "?a=b"])
def test_a_link_without_a_signature_is_refused(storage: httpx.Client, link: str, query: str) -> None:
    assert code_of(storage.get(link.partition("?")[0] + query), 403) == "AccessDenied"


def test_a_link_of_another_sandbox_is_refused(start: Start, storage: httpx.Client, link: str) -> None:
    other, _ = start(seed=1)
    assert code_of(storage.get(link.replace(link.partition("/results")[0], other.storage_url)), 403)


@pytest.mark.parametrize("header", [{"Authorization": "Basic eDp5"}, {"Cookie": "session=1"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_credentials_with_a_signature_are_refused(
    storage: httpx.Client, link: str, header: dict[str, str], method: str
) -> None:
    assert storage.request(method, link, headers=header).status_code == 400
    assert code_of(storage.get(link, headers=header), 400) == "InvalidArgument"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS"])
def test_405_for_methods_other_than_get_and_head(storage: httpx.Client, link: str, method: str) -> None:
    answer = storage.request(method, link)
    assert code_of(answer, 405) == "MethodNotAllowed"
    assert answer.headers["allow"] == "GET, HEAD"


def test_404_for_a_signed_link_to_no_file(sandbox: Sandbox, storage: httpx.Client) -> None:
    signed = sandbox._state.signer.sign("/results/nothing.csv")
    assert code_of(storage.get(sandbox.storage_url + signed), 404) == "NoSuchKey"


def test_the_record_includes_requests_to_the_storage(
    sandbox: Sandbox, api: httpx.Client, storage: httpx.Client
) -> None:
    job_id = sandbox.add_job(seconds=0)
    storage.get(api.get(f"/Jobs/{job_id}/Download").headers["location"])
    asked, fetched = sandbox.requests
    assert (asked.origin, fetched.origin) == ("api", "storage")
    assert "authorization" in asked.headers
    assert not {"authorization", "cookie"} & set(fetched.headers)


# Ranges


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-", range(SIZE)),
        ("bytes=0-0", range(1)),
        ("bytes=100-199", range(100, 200)),
        ("bytes=4999-", range(4999, SIZE)),
        ("bytes=4000-999999", range(4000, SIZE)),
        ("bytes=-1", range(4999, SIZE)),
        ("bytes=-5000", range(SIZE)),
        ("bytes=-999999", range(SIZE)),
        ("BYTES = 7-8", range(7, 9)),
    ],
)
def test_206_for_a_range(storage: httpx.Client, link: str, content: bytes, header: str, span: range) -> None:
    answer = storage.get(link, headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == content[span.start : span.stop]
    assert answer.headers["content-range"] == f"bytes {span.start}-{span.stop - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(len(span))


@pytest.mark.parametrize("header", ["bytes=5000-", "bytes=5000-6000", "bytes=99999999999999999999-", "bytes=-0"])
def test_416(storage: httpx.Client, link: str, header: str) -> None:
    answer = storage.get(link, headers={"Range": header})
    assert code_of(answer, 416) == "InvalidRange"
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-5"])
def test_416_for_any_range_of_an_empty_file(sandbox: Sandbox, storage: httpx.Client, header: str) -> None:
    empty = sandbox.result_url(sandbox.add_job(seconds=0, result_bytes=0))
    answer = storage.get(empty, headers={"Range": header})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */0")


@pytest.mark.parametrize(
    "header", ["bytes=0-1,5-6", "lines=0-1", "bytes=5-3", "bytes=-", "bytes=a-b", "0-1", "bytes=1-2-3", "bytes=+1-2"]
)
def test_an_invalid_or_multiple_range_returns_the_whole_file(storage: httpx.Client, link: str, header: str) -> None:
    answer = storage.get(link, headers={"Range": header})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)
    assert "content-range" not in answer.headers


def test_head_ignores_a_range(storage: httpx.Client, link: str) -> None:
    answer = storage.head(link, headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(SIZE))


@pytest.mark.parametrize("validator", ["etag", "last-modified"])
def test_a_matching_if_range_returns_the_range(storage: httpx.Client, link: str, validator: str) -> None:
    known = storage.get(link).headers[validator]
    answer = storage.get(link, headers={"Range": "bytes=10-", "If-Range": known})
    assert (answer.status_code, len(answer.content)) == (206, SIZE - 10)


@pytest.mark.parametrize("validator", ['"another"', "W/{etag}", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense"])
@pytest.mark.parametrize("range_header", ["bytes=10-", "bytes=9999-"])
def test_another_if_range_returns_the_whole_file(
    storage: httpx.Client, link: str, validator: str, range_header: str
) -> None:
    known = validator.format(etag=storage.get(link).headers["etag"])
    answer = storage.get(link, headers={"Range": range_header, "If-Range": known})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


def test_a_replaced_file_has_another_entity_tag(sandbox: Sandbox, storage: httpx.Client, link: str) -> None:
    (job_id,) = sandbox.job_ids
    old = storage.get(link)
    new = sandbox.replace_result(job_id)
    answer = storage.get(link, headers={"Range": "bytes=10-", "If-Range": old.headers["etag"]})
    assert (answer.status_code, answer.headers["etag"]) == (200, new.etag)
    assert len(answer.content) == SIZE
    assert answer.content != old.content
    assert sandbox.replace_result(job_id, result_bytes=10).size == 10


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    size=st.integers(min_value=0, max_value=50),
    first=st.none() | st.integers(min_value=0, max_value=60),
    last=st.none() | st.integers(min_value=0, max_value=60),
)
def test_a_range_selects_the_same_bytes_as_a_slice(size: int, first: int | None, last: int | None) -> None:
    positions = list(range(size))
    if first is None and last is not None:
        wanted = positions[max(0, size - last) :]
    elif first is None or (last is not None and last < first):
        assert parse_range(f"bytes={_text(first)}-{_text(last)}", size) is None
        return
    else:
        wanted = positions[first : None if last is None else last + 1]
    try:
        span = parse_range(f"bytes={_text(first)}-{_text(last)}", size)
    except RangeNotSatisfiableError:
        assert wanted == []
    else:
        assert span == Span(wanted[0], wanted[-1] + 1)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


@settings(derandomize=True, max_examples=60)
@given(header=st.text(alphabet="bytes=-0123456789, ", max_size=14), size=st.integers(min_value=0, max_value=99))
def test_any_header_can_be_parsed(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except RangeNotSatisfiableError:
        return
    assert span is None or 0 <= span.start < span.stop <= size


def test_an_absent_if_range_matches() -> None:
    assert if_range_matches("", etag='"a"', last_modified="now")


def test_the_last_bytes_of_three_terabytes_are_served_at_once(sandbox: Sandbox, storage: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0, result_bytes=3 * 10**12)
    answer = storage.get(sandbox.result_url(job_id), headers={"Range": "bytes=-1000"})
    assert answer.headers["content-range"] == "bytes 2999999999000-2999999999999/3000000000000"
    assert answer.content == b"".join(sandbox.result(job_id).read(3 * 10**12 - 1000))


# Checksums


def test_the_stated_checksum_is_that_of_the_whole_file(start: Start, storage: httpx.Client) -> None:
    sandbox, _ = start(checksums=True)
    link = sandbox.result_url(sandbox.add_job(seconds=0))
    answer = storage.get(link)
    stated = base64.b64decode(answer.headers["x-amz-checksum-sha256"])
    assert stated == hashlib.sha256(answer.content).digest()
    part = storage.get(link, headers={"Range": "bytes=0-9"})
    assert part.headers["x-amz-checksum-sha256"] == answer.headers["x-amz-checksum-sha256"]


def test_no_checksum_is_stated_by_default(storage: httpx.Client, link: str) -> None:
    assert not [name for name in storage.get(link).headers if "checksum" in name]
