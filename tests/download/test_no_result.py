"""The body of the API's 200 is the result, unless it cannot be one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import (
    ApiError,
    JobCancelledError,
    JobsError,
    ResultNotReadyError,
    Retry,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Answer, Asked, Reply, serving

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
OTHER_ID = "00000000-0000-4000-8000-000000000000"
TOKEN = "canary-token-6d1f"
MORE_THAN_IS_CHECKED = 200_000
MODES = ("redirect", "stream")
in_each_mode = pytest.mark.parametrize("mode", MODES)
with_each_client = pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)

RESULTS = {
    "CSV": b"Id,Status\n7,ERROR\n",
    "JSON": b'{"Records": [{"Id": "7", "Status": "ERROR", "Message": "as the record says"}]}',
    "a JSON array": b'[{"Status": "ERROR", "Message": "as the record says"}]',
    "an empty JSON object": b"{}",
    "JSON with a field that no error has": b'{"Status": "ERROR", "Message": "of the report", "Records": []}',
    "JSON lines": b'{"Id": "7", "Status": "COMPLETED"}\n{"Id": "8", "Status": "COMPLETED"}\n',
    "JSON in Latin-1": '{"Name": "Müller"}'.encode("latin-1"),
    "JSON with an id and a status": b'{"Id": "00000000-0000-4000-8000-000000000000", "Status": "COMPLETED", "Sum": 7}',
    "JSON lines with ids": b'{"Id": "00000000-0000-4000-8000-000000000000", "Status": "COMPLETED"}\n' * 2,
    "JSON about no job": b'{"Id": 7, "Status": "COMPLETED"}',
    "JSON with a line end in a text": b'{"Name": "a\nb"}',
    "JSON after a byte order mark": b'\xef\xbb\xbf{"Records": []}',
    "XML": b'<?xml version="1.0"?>\n<ImpactRadiusResponse><Actions><Status>ERROR</Status></Actions>'
    b"</ImpactRadiusResponse>",
    "XML with a document type": b'<!DOCTYPE report SYSTEM "report.dtd"><report/>',
    "CSV whose fields are in braces": b"{3F2504E0-4F89-11D3-9A0C-0305E82C3301},7\n",
    "CSV of markup": b"<b>Name</b>,<i>Sum</i>\n",
    "large JSON that broke off": b'{"Records": ["' + bytes(MORE_THAN_IS_CHECKED),
    "a large page": b"<html>" + bytes(MORE_THAN_IS_CHECKED),
    "bytes": bytes(range(256)) * 1000,
}
ERRORS = {
    "JSON": b'{"Status": "ERROR", "Message": "Not permitted", "Errors": [{"Field": "%s"}]}' % TOKEN.encode(),
    "JSON, the other way round": b' {"Message":"Not permitted","Status":"ERROR"}\n',
    "XML": b'<?xml version="1.0" encoding="UTF-8"?>\n<ImpactRadiusResponse>\n <Status>ERROR</Status>\n'
    b" <Message>Not permitted</Message>\n</ImpactRadiusResponse>",
}
PAGES = {
    "HTML": b"<html><title>Sign in</title>",
    "HTML with a document type": b"\n<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0'>",
    "XHTML": b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">',
    "nothing": b"",
    "blanks": b" \r\n",
    "half an object": b'{"Status": "ERR',
}


def responding(body: bytes, *, in_pieces: bool) -> Answer:
    """Return a 200 with a stated length, or chunked."""

    def chunks() -> Iterator[bytes]:
        for at in range(0, len(body), max(len(body) // 3, 1)):
            piece = body[at : at + max(len(body) // 3, 1)]
            yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        yield b"0\r\n\r\n"

    if in_pieces:
        return lambda _: Reply(headers={"Transfer-Encoding": "chunked"}, body=chunks())
    return lambda _: Reply(headers={"Content-Length": str(len(body))}, body=body)


@contextmanager
def client_of(make: MakeClient, answer: Answer) -> Iterator[AnyClient]:
    with Sandbox() as sandbox, serving(answer) as api, asyncio.Runner() as runner:
        options = {"base_url": api.url, "auth_token": TOKEN, "retry": Retry(attempts=2, base_delay=0.0)}
        with make(sandbox, runner, **options) as jobs:
            yield jobs


def both(jobs: AnyClient, folder: Path, mode: Any) -> tuple[bytes, bytes]:
    """Return the bytes of `download` and of `stream`."""
    downloaded = jobs.download(JOB_ID, folder / "a", mode=mode, overwrite=True).path.read_bytes()
    with jobs.stream(JOB_ID, mode=mode) as chunks:
        return downloaded, b"".join(chunks)


def fetch(make: MakeClient, answer: Answer, folder: Path, mode: Any) -> tuple[bytes, bytes]:
    with client_of(make, answer) as jobs:
        return both(jobs, folder, mode)


@with_each_client
@in_each_mode
def test_a_body_that_can_be_a_result_is_returned_unchanged(make: MakeClient, mode: str, tmp_path: Path) -> None:
    current: list[Answer] = []

    def answer(asked: Asked) -> Reply:
        return current[-1](asked)

    with client_of(make, answer) as jobs:
        for name, body in RESULTS.items():
            for in_pieces in (False, True):
                current.append(responding(body, in_pieces=in_pieces))
                assert both(jobs, tmp_path, mode) == (body, body), name


@with_each_client
@in_each_mode
@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_the_error_object_of_the_api_is_raised(make: MakeClient, mode: str, body: bytes, tmp_path: Path) -> None:
    for in_pieces in (False, True):
        with pytest.raises(ApiError, match="HTTP 200: Not permitted") as raised:
            fetch(make, responding(body, in_pieces=in_pieces), tmp_path, mode)
        assert raised.value.message == "Not permitted"
        assert TOKEN not in f"{raised.value} {vars(raised.value)}"
    assert list(tmp_path.iterdir()) == []


@with_each_client
@pytest.mark.parametrize("body", PAGES.values(), ids=PAGES)
def test_a_page_is_refused_if_a_redirect_was_expected(make: MakeClient, body: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnexpectedResponseError, match="instead of a redirect to the result") as raised:
        fetch(make, responding(body, in_pieces=False), tmp_path, "redirect")
    assert raised.value.status_code == 200
    assert list(tmp_path.iterdir()) == []


@with_each_client
@pytest.mark.parametrize("body", PAGES.values(), ids=PAGES)
def test_a_page_is_the_result_if_the_api_was_asked_to_stream_it(make: MakeClient, body: bytes, tmp_path: Path) -> None:
    assert fetch(make, responding(body, in_pieces=False), tmp_path, "stream") == (body, body)


@with_each_client
@in_each_mode
@pytest.mark.parametrize(
    ("status", "error"),
    [("RUNNING", ResultNotReadyError), ("COMPLETED", ResultNotReadyError), ("CANCELLED", JobCancelledError)],
)
def test_the_job_is_not_mistaken_for_its_result(
    make: MakeClient, mode: str, status: str, error: type[JobsError], tmp_path: Path
) -> None:
    body = f'{{"Id": "{JOB_ID}", "Status": "{status}", "PercentageComplete": "40"}}'.encode()
    with pytest.raises(error):
        fetch(make, responding(body, in_pieces=False), tmp_path, mode)
    assert list(tmp_path.iterdir()) == []


@with_each_client
@in_each_mode
def test_the_job_is_recognised_by_its_id_in_any_case(make: MakeClient, mode: str, tmp_path: Path) -> None:
    for told in (JOB_ID, JOB_ID.upper()):
        body = f'{{"Id": "{told}", "Status": "RUNNING", "NewField": 1}}'.encode()
        with client_of(make, responding(body, in_pieces=False)) as jobs:
            for asked in (JOB_ID, JOB_ID.upper()):
                with pytest.raises(ResultNotReadyError):
                    jobs.download(asked, tmp_path / "a", mode=mode)
    assert list(tmp_path.iterdir()) == []


@with_each_client
@in_each_mode
@pytest.mark.parametrize("field", ["", ', "PercentageComplete": 40', ', "Replayable": true, "NewField": 1'])
def test_another_job_is_not_mistaken_for_the_result(make: MakeClient, mode: str, field: str, tmp_path: Path) -> None:
    body = f'{{"Id": "{OTHER_ID}", "Status": "COMPLETED"{field}}}\n'.encode()
    with pytest.raises(UnexpectedResponseError, match=f"about job {OTHER_ID} instead of {JOB_ID}"):
        fetch(make, responding(body, in_pieces=False), tmp_path, mode)
    assert list(tmp_path.iterdir()) == []


@with_each_client
def test_a_body_that_breaks_off_during_the_check_is_requested_again(make: MakeClient, tmp_path: Path) -> None:
    replies = iter([Reply(headers={"Content-Length": "99"}, body=b'{"Records"', ends=True)] * 2)

    def answer(asked: Asked) -> Reply:
        return next(replies, None) or responding(RESULTS["JSON"], in_pieces=False)(asked)

    with pytest.raises(TransportError):
        fetch(make, answer, tmp_path, "redirect")
    (tmp_path / "again").mkdir()
    assert fetch(make, answer, tmp_path / "again", "redirect") == (RESULTS["JSON"], RESULTS["JSON"])
