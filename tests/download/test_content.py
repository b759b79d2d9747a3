"""A page in place of the storage's file, an empty result, and a JSON result that is its first page only."""

from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import (
    ApiError,
    JobCancelledError,
    JobFailedError,
    JobsError,
    ResultNotReadyError,
    Retry,
    UnexpectedResponseError,
)
from impact_jobs._download.content import Paging, is_data_by_name, page_in_place_of
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.raw_server import Reply, serving, storing

HTML = {
    "HTML": b"<html><title>Sign in</title>",
    "a document type": b"\xef\xbb\xbf\r\n<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'><HTML>",
    "XHTML": b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">',
    "a comment": b"<!-- proxy 7 --><!-- <b> -->\n<html>",
    "a script": b"<script>location='https://login.example/'</script>",
    "UTF-16": "\ufeff<html>".encode("utf-16-le"),
    "UTF-16 without a byte order mark": "<!DOCTYPE html>".encode("utf-16-be"),
    "much of it": b"<html>" + bytes(70_000),
}
ERROR_DOCUMENTS = {
    "S3": b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>',
    "S3 without a declaration": b"<Error><Code>SlowDown</Code></Error>",
    "a namespace": b'<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Code>AccessDenied</Code></Error>',
    "Azure": b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code></Error>',
    "a prefix": b'<?xml version="1.0"?><aws:Error xmlns:aws="http://s3.amazonaws.com/doc/2006-03-01/"/>',
    "Google": b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code></Error>",
    "Google's JSON": b'{"error": {"code": 404, "message": "No such object"}}',
    "a gateway's JSON": b'{"message": "Forbidden"}',
    "a gateway's JSON with more fields": b'\xef\xbb\xbf{"Status": 503, "error": "busy", "requestId": "7"}',
    "a problem document": b'{"type": "about:blank", "title": "Forbidden", "status": 403}',
    "JSON in UTF-16": '\ufeff{"message": "Forbidden"}'.encode("utf-16-le"),
    "the API's JSON": b'{"Status": "ERROR", "Message": "No"}',
    "the API's XML": b'<?xml version="1.0"?><ImpactRadiusResponse><Status>ERROR</Status><Message>No</Message>',
    "the API's XML, the other way round": b"<ImpactRadiusResponse><Message>No</Message><Status>ERROR</Status>",
}
PAGES = HTML | ERROR_DOCUMENTS
RESULTS = {
    "CSV": b"Id,Name\n7,<html>\n",
    "CSV of markup": b"<b>Name</b>,<i>Sum</i>\n",
    "JSON": b'{"@page": "1", "Records": [{"error": {"code": 1, "message": ""}}]}',
    "JSON with an error among other fields": b'{"error": {"code": 1, "message": ""}, "Records": []}',
    "JSON without a text": b'{"Status": "OK", "Code": 7}',
    "JSON lines": b'{"message": "a"}\n{"message": "b"}\n',
    "an empty object": b"{}",
    "JSON in UTF-16": '\ufeff{"Records": []}'.encode("utf-16-le"),
    "the API's XML": b"<ImpactRadiusResponse><Actions><Status>ERROR</Status></Actions></ImpactRadiusResponse>",
    "much CSV about pages": b"Id,Page\n" + b"7,<html><Error>\n" * 5000,
    "broken JSON": b'{"error": ',
    "XML": b"<?xml version='1.0'?><Actions><Error/></Actions>",
    "XML that begins like an error": b"<Errors><Error/></Errors>",
    "nothing": b"",
    "blanks": b" \r\n",
}
SERVED_AS_HTML = {
    "a heading": b"<h1>503 Service Unavailable</h1>",
    "an element": b"<center>, <div>\n<pre>proxy error</pre>",
    "much of it": b"<div>" + bytes(70_000),
    "a sentence": b"Service busy, please wait.\n",
    "half a line": b"busy,waiting",
}
DATA_SERVED_AS_HTML = {
    "CSV": b"\xef\xbb\xbfId,Name\r\n7,<html>\r\n",
    "a header alone": b"Id;Name\n",
    "a long header": b",".join(b"Column_%d" % number for number in range(10_000)),
    "tab-separated values": b"Id\tName\n",
    "JSON": b'{"Records": []}',
    "a JSON array": b"[]",
    "a compressed file": gzip.compress(b"Id\n7\n"),
    "nothing": b"",
}
QUICK = Retry(base_delay=0.0)
DOWNLOAD = re.compile("/Download")


@pytest.mark.parametrize("body", PAGES.values(), ids=PAGES)
def test_a_page_is_recognised(body: bytes) -> None:
    assert page_in_place_of(body) == ("an HTML page" if body in HTML.values() else "an error document")


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_the_type_tells_what_else_is_html(content_type: str) -> None:
    for body in SERVED_AS_HTML.values():
        assert page_in_place_of(body, content_type) == "an HTML page"
        assert page_in_place_of(body, "text/csv") == ""
    assert [name for name, body in DATA_SERVED_AS_HTML.items() if page_in_place_of(body, content_type)] == []


def test_a_result_is_no_page() -> None:
    assert [name for name, body in RESULTS.items() if page_in_place_of(body)] == []


@given(st.lists(st.sampled_from([b"<!--", b"-->", b"<?xml", b"?>", b">", b" ", b"<html", b"<Error", b"{", b'"error"'])))
def test_any_beginning_is_judged_quickly(pieces: list[bytes]) -> None:
    page_in_place_of(b"".join(pieces) * 50)
    Paging.of(b"".join(pieces) * 50)


@pytest.mark.parametrize(
    ("names", "is_data"),
    [
        (("report.csv", "/a.xml", ""), True),
        (("report.xml", "/a.csv", "a.csv"), False),
        ((None, "/results/a.CSV", ""), True),
        ((None, "/results/a", "a.json"), True),
        ((None, "/a.csv.gz", ""), True),
        ((None, "/a.php", "a.jsonl"), True),
        ((None, "/a.csv/b", "a.html"), False),
        ((None, "/a", "csv"), False),
        ((None, "", ""), False),
    ],
)
def test_the_first_telling_name_decides(names: tuple[str | None, ...], *, is_data: bool) -> None:
    assert is_data_by_name(names) == is_data


def read(jobs: AnyClient, job_id: str) -> bytes:
    with jobs.stream(job_id) as chunks:
        return b"".join(chunks)


def read_file(jobs: AnyClient, job_id: str) -> bytes:
    with jobs.open(job_id) as file:
        found: bytes = file.read()
        return found


def fetch(jobs: AnyClient, job_id: str, folder: Path) -> bytes:
    (outcome,) = jobs.fetch_all([job_id], folder).outcomes.values()
    if isinstance(outcome, JobsError):
        raise outcome
    found: bytes = outcome.path.read_bytes()
    outcome.path.unlink()
    return found


USES: dict[str, Callable[[AnyClient, str, Path], bytes]] = {
    "download": lambda jobs, job_id, folder: jobs.download(job_id, folder / "a", overwrite=True).path.read_bytes(),
    "several connections": lambda jobs, job_id, folder: jobs.download(
        job_id, folder / "a", overwrite=True, connections=3
    ).path.read_bytes(),
    "stream": lambda jobs, job_id, _: read(jobs, job_id),
    "open": lambda jobs, job_id, _: read_file(jobs, job_id),
    "fetch_all": fetch,
}
each_use = pytest.mark.parametrize("use", USES)


@each_use
def test_a_page_in_place_of_the_file_is_refused(use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for name, body in PAGES.items():
        packed, coding = (gzip.compress(body), "gzip") if name == "HTML" else (body, "identity")
        job_id = sandbox.add_job()  # its link ends in .csv
        sandbox.answer_next("GET", ".csv", status=200, body=packed, headers={"Content-Encoding": coding})
        with pytest.raises(UnexpectedResponseError, match=r"the storage answered HTTP 200, but with an .* instead"):
            USES[use](jobs, job_id, tmp_path)
    assert list(tmp_path.iterdir()) == []


@each_use
def test_what_may_be_the_result_is_left_alone(use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    as_xml = {"Content-Disposition": 'attachment; filename="report.xml"'}
    results: list[tuple[bytes, dict[str, str]]] = [(body, {}) for body in RESULTS.values()] + [
        (body, as_xml) for body in PAGES.values()
    ]
    for body, headers in results:
        sandbox.answer_next("GET", ".csv", status=200, body=body, headers=headers)
        assert USES[use](jobs, sandbox.add_job(), tmp_path) == body


@pytest.mark.parametrize("mode", ["redirect", "stream"])
def test_a_page_of_the_api_is_refused_by_the_name_of_the_result(
    mode: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    as_html = [(body, "text/html") for body in SERVED_AS_HTML.values()]
    as_json = {"Content-Disposition": "attachment; filename=a.json"}
    for body, content_type in [*((body, "application/octet-stream") for body in PAGES.values()), *as_html]:
        for target, headers in ((tmp_path / "a.csv", {}), (tmp_path, as_json)):
            sandbox.answer_next("GET", DOWNLOAD, status=200, body=body, headers=headers, content_type=content_type)
            with pytest.raises((UnexpectedResponseError, ApiError), match="HTTP 200"):
                jobs.download(sandbox.add_job(), target, mode=mode)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.xml", "a.html", "a"])
def test_a_streamed_page_may_be_the_result_if_its_name_allows_it(
    name: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    for body in (*HTML.values(), *SERVED_AS_HTML.values()):
        sandbox.answer_next("GET", DOWNLOAD, status=200, body=body, content_type="text/html")
        assert jobs.download(sandbox.add_job(), tmp_path / name, mode="stream", overwrite=True).bytes_written == len(
            body
        )


@each_use
def test_data_is_left_alone_whatever_its_type(use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for body in DATA_SERVED_AS_HTML.values():
        sandbox.answer_next("GET", ".csv", status=200, body=body, content_type="text/html")
        assert USES[use](jobs, sandbox.add_job(), tmp_path) == body


def test_the_name_of_the_target_tells_as_well(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    page = HTML["HTML"]
    with serving(lambda _: Reply(headers={"Content-Length": str(len(page))}, body=page)) as storage:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"}, times=3)
        for name in ("a.csv", "a.json"):
            with pytest.raises(UnexpectedResponseError, match="HTML page"):
                jobs.download(sandbox.add_job(), tmp_path / name)
        assert jobs.download(sandbox.add_job(), tmp_path / "a.html").path.read_bytes() == page
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize("use", ["download", "stream"])
def test_a_page_while_resuming_is_not_appended(use: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    whole = bytes(range(256)) * 1000
    replies = iter([half_of(whole), Reply(headers={"Content-Length": "6"}, body=b"<html>")])
    with serving(lambda _: next(replies)) as storage:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a.csv"})
        with pytest.raises(UnexpectedResponseError, match="HTML page"):
            USES[use](jobs.with_options(retry=QUICK), sandbox.add_job(), tmp_path)
    if use == "download":
        assert (tmp_path / "a.part").read_bytes()[:100_000] == whole[:100_000]


def half_of(data: bytes) -> Reply:
    headers = {"Content-Length": str(len(data)), "ETag": '"v1"', "Accept-Ranges": "bytes"}
    return Reply(headers=headers, body=data[:100_000], ends=True)


# 204


@each_use
@pytest.mark.parametrize("place", ["/Download", ".csv"], ids=["the API", "the storage"])
def test_a_204_is_an_empty_result(use: str, place: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.answer_next("GET", place, status=204)
    assert USES[use](jobs, sandbox.add_job(), tmp_path) == b""


@pytest.mark.parametrize("mode", ["redirect", "stream"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"seconds": 3600}, ResultNotReadyError),
        ({"status": "FAILED"}, JobFailedError),
        ({"status": "CANCELLED"}, JobCancelledError),
    ],
)
def test_a_204_of_a_job_that_is_not_completed_is_no_result(  # noqa: PLR0917 - fixtures
    options: dict[str, Any], error: type[JobsError], mode: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    job_id = sandbox.add_job(**options)
    sandbox.answer_next("GET", "/Download", status=204, times=2)
    with pytest.raises(error):
        jobs.download(job_id, tmp_path / "a.csv", mode=mode)
    with pytest.raises(error):
        read(jobs, job_id)
    assert list(tmp_path.iterdir()) == []


def test_a_completed_job_that_was_passed_in_is_not_asked_for(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job = jobs.get(sandbox.add_job())
    sandbox.answer_next("GET", "/Download", status=204)
    sandbox.forget_requests()
    assert jobs.download(job, tmp_path / "a.csv").bytes_written == 0
    assert len(sandbox.requests) == 1


# The first of several pages


def envelope(pages: object, **more: object) -> bytes:
    return json.dumps({"@page": "1", "@numpages": pages, "@pagesize": "2", **more, "Records": [{"Id": "7"}]}).encode()


@pytest.mark.parametrize(
    ("body", "pages"),
    [
        (envelope("3"), 3),
        (envelope(3), 3),
        (envelope("1"), 1),
        (b"\xef\xbb\xbf" + envelope("12", **{"@total": "23"}), 12),
        (b' {\n  "@numpages" : "2" , "Clicks" : [', 2),
        (envelope("many"), None),
        (envelope(None), None),
        (b'{"Records": [{"@numpages": "3"}]}', None),
        (b'{"Report": {"@numpages": "3"}}', None),
        (b'[{"@numpages": "3"}]', None),
        (b'"@numpages": "3"', None),
        (b'{"Note": "' + bytes(5000) + b'", "@numpages": "3"}', None),
        (b"Id,@numpages\n", None),
        (b"", None),
    ],
)
def test_the_pages_are_those_that_the_envelope_states(body: bytes, pages: int | None) -> None:
    assert Paging.of(body).pages_total == pages


RECORDS = b'"Records": [{"Id": "7"}]'


@pytest.mark.parametrize(
    ("body", "what", "total"),
    [
        (b'{%s, "@page": "1", "@numpages": "3"}' % RECORDS, "page 1 of 3 only", 3),
        (b'{"@page": 1, %s, "@Numpages": 3\n}\n' % RECORDS, "page 1 of 3 only", 3),
        (b'{"Report": {}, "@numpages": "3", %s}' % RECORDS, "", None),
        (b'{"@numpages": "3", "@page": "2", %s}' % RECORDS, "page 2 of 3 only", 3),
        (b'{%s, "@numpages": "3", "@page": "3"}' % RECORDS, "", None),
        (b'{"@numpages": "3", "@page": "3", "@nextpageuri": "/x", %s}' % RECORDS, "", None),
        (b'{"@page": "1", "@nextpageuri": "/x?Page=2", %s}' % RECORDS, "page 1 only", None),
        (b'{%s, "@nextpageruri": "/x?Page=2"}' % RECORDS, "page 1 only", None),
        (b'{"@page": "1", "@nextpageuri": "", %s}' % RECORDS, "", None),
        (b'{"@page": "1", "@nextpageuri": null, %s}' % RECORDS, "", None),
        (b'{"@numpages": "1", "@nextpageuri": "/x", %s}' % RECORDS, "", 1),
        (b'{"Id": "7"}\n{"Tags": [], "@numpages": "3"', "", None),
        (b'[{"Tags": [], "@numpages": "3"}]', "", None),
        (b'Id,Note\n7,"[x], ""@numpages"": 3}', "", None),
    ],
)
def test_the_fields_count_on_either_side_of_the_records(
    body: bytes, what: str, total: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "a"
    for records in (body, body.replace(RECORDS, b'"Records": [' + b" " * 9000 + b"]")):
        file.write_bytes(records)
        found = Paging.of_file(file)
        assert (found.warning.partition(";")[0].removeprefix("the JSON result is "), found.pages_total) == (what, total)
    assert Paging.of_file(tmp_path / "missing") == Paging()


@pytest.mark.parametrize("pages", ["3", "1"])
@pytest.mark.parametrize("is_first", [True, False])
@each_use
def test_a_first_page_is_named_as_such(  # noqa: PLR0917 - fixtures
    use: str,
    is_first: bool,  # noqa: FBT001 - a parameter of the test
    pages: str,
    jobs: AnyClient,
    sandbox: Sandbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = (
        envelope(pages) + b" " * 100_000
        if is_first
        else b'{"Records": [%s], "@numpages": "%s"}' % (b" " * 1_000_000, pages.encode())
    )
    with serving(storing(body)) as storage:
        sandbox.answer_next("GET", "/Download", status=302, headers={"Location": f"{storage.url}/a"})
        with caplog.at_level(logging.WARNING, "impact_jobs"):
            assert USES[use](jobs, sandbox.add_job(), tmp_path) == body, "it is not altered"
    is_seen = is_first or use not in {"stream", "open"}  # those see the first bytes only
    assert [record.message.partition(": ")[2] for record in caplog.records] == (pages == "3" and is_seen) * [
        (
            f"the JSON result is page 1 of {pages} only; to get all of it in one file, "
            "call export_and_download(…, join=True), or schedule it as CSV"
        )
    ]


def test_the_result_of_a_download_states_the_pages(jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for body, pages in ((envelope("3"), 3), (envelope("1"), 1), (b"Id\n7\n", None)):
        job_id = sandbox.add_job()
        sandbox.answer_next("GET", ".csv", status=200, body=body, times=2)
        assert jobs.download(job_id, tmp_path / "a.json", overwrite=True).pages_total == pages
        for _ in range(2):  # the second call finds the file
            assert jobs.fetch_all([job_id], tmp_path).files[job_id].pages_total == pages
