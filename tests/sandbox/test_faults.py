"""Canned responses, cut downloads, and the record of requests."""

from __future__ import annotations

import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox

from .conftest import Clock, connect

# Canned responses


def test_a_canned_response_is_sent_once(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.answer_next("GET", "/Jobs", status=502, body="<h1>Bad Gateway</h1>", content_type="text/html")
    answer = api.get("/Jobs")
    assert (answer.status_code, answer.text) == (502, "<h1>Bad Gateway</h1>")
    assert answer.headers["content-type"] == "text/html"
    assert api.get("/Jobs").json() == []


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (500, b"<html>", "text/html"),
        (520, b"", ""),
        (200, b"<ImpactRadiusResponse/>", "application/xml"),
        (200, b"", "application/json"),
        (200, b'{"Id": "ada1', "application/json"),
        (299, b"\x00\xff", "application/octet-stream"),
        (599, "é".encode("latin-1"), "text/plain"),
    ],
)
def test_any_status_and_body_can_be_sent(
    sandbox: Sandbox, api: httpx.Client, status: int, body: bytes, content_type: str
) -> None:
    sandbox.answer_next("GET", "/Jobs", status=status, body=body, content_type=content_type)
    answer = api.get("/Jobs")
    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers.get("content-type", "") == content_type


def test_headers_can_be_set(sandbox: Sandbox, api: httpx.Client) -> None:
    headers = {"Retry-After": "7", "Content-Type": "text/odd"}
    sandbox.answer_next("GET", "/Jobs", status=429, headers={**headers, "content-type": "text/odd"})
    answer = api.get("/Jobs")
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("7", "text/odd")


def test_canned_responses_repeat_and_keep_their_order(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.answer_next("GET", "/Jobs", status=503, times=2)
    sandbox.answer_next("GET", "/Jobs", status=504)
    assert [api.get("/Jobs").status_code for _ in range(4)] == [503, 503, 504, 200]


def test_only_matching_requests_get_a_canned_response(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0)
    sandbox.answer_next("put", "/Replay", status=500)
    sandbox.answer_next("GET", re.compile(rf"{job_id}/Download\?.*Mode=Stream"), status=501)
    assert api.get("/Jobs").status_code == 200
    assert api.get(f"/Jobs/{job_id}/Download").status_code == 302
    assert api.get(f"/Jobs/{job_id}/Download?Mode=Stream").status_code == 501
    assert api.put(f"/Jobs/{job_id}/Replay").status_code == 500
    assert sandbox.job_ids == (job_id,)


def test_the_storage_sends_canned_responses_too(sandbox: Sandbox, storage: httpx.Client) -> None:
    link = sandbox.result_url(sandbox.add_job(seconds=0))
    sandbox.answer_next("GET", ".csv", status=302, headers={"Location": "http://elsewhere.invalid/"})
    assert storage.get(link).headers["location"] == "http://elsewhere.invalid/"
    assert storage.get(link).status_code == 200


def test_a_canned_response_precedes_credentials_and_budget(sandbox: Sandbox) -> None:
    sandbox.answer_next("GET", "/Jobs", status=200, body="[]")
    with connect(sandbox, token="wrong") as unauthorized:
        answer = unauthorized.get("/Jobs")
    assert (answer.status_code, answer.text) == (200, "[]")
    assert "x-ratelimit-remaining" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"[{"])
def test_a_length_above_the_body_truncates_the_response(sandbox: Sandbox, api: httpx.Client, body: bytes) -> None:
    sandbox.answer_next("GET", "/Jobs", status=200, body=body, headers={"Content-Length": "1000"})
    with pytest.raises(httpx.RemoteProtocolError, match=f"received {len(body)} bytes, expected 1000"):
        api.get("/Jobs")
    assert api.get("/Jobs").status_code == 200


def test_a_request_can_get_no_response(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.answer_next("GET", "/Jobs", status=None)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        api.get("/Jobs")
    assert api.get("/Jobs").status_code == 200


def test_a_request_is_carried_out_though_its_response_is_lost(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0)
    sandbox.answer_next("PUT", "/Replay", status=None, perform=True)
    with pytest.raises(httpx.RemoteProtocolError):
        api.put(f"/Jobs/{job_id}/Replay")
    assert len(sandbox.job_ids) == 2
    sandbox.answer_next("PUT", "/Replay", status=504, perform=True)
    assert api.put(f"/Jobs/{job_id}/Replay").status_code == 504
    assert len(sandbox.job_ids) == 3


def test_a_slow_response_does_not_block_other_requests(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.answer_next("GET", "/Reports", status=200, delay=30)
    with connect(sandbox) as other, ThreadPoolExecutor() as pool:
        waiting = pool.submit(other.get, "/Reports", timeout=0.2)
        assert api.get("/Jobs").status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            waiting.result()


def test_a_delayed_response_arrives(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.answer_next("GET", "/Jobs", status=418, delay=0.05)
    started = time.monotonic()
    assert api.get("/Jobs").status_code == 418
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize("status", [0, 100, 600])
def test_an_invalid_status_is_refused(sandbox: Sandbox, status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        sandbox.answer_next("GET", "/Jobs", status=status)


# Cut downloads


def collect(answer: httpx.Response, into: bytearray) -> None:
    for chunk in answer.iter_raw():
        into += chunk


@pytest.mark.parametrize("after", [0, 1, 999, 300_000, 999_999])
def test_a_download_is_cut_and_can_be_resumed(sandbox: Sandbox, storage: httpx.Client, after: int) -> None:
    job_id = sandbox.add_job(seconds=0, result_bytes=1_000_000)
    link = sandbox.result_url(job_id)
    sandbox.cut_next_download(after)
    got = bytearray()
    with storage.stream("GET", link) as answer:
        message = f"received {after} bytes, expected 1000000"
        with pytest.raises(httpx.RemoteProtocolError, match=message):
            collect(answer, got)
    assert len(got) == after
    rest = storage.get(link, headers={"Range": f"bytes={after}-", "If-Range": answer.headers["etag"]})
    assert rest.status_code == 206
    assert got + rest.content == b"".join(sandbox.result(job_id).read())


def test_a_stream_is_cut_before_its_last_chunk(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0, result_bytes=1_000)
    sandbox.cut_next_download(1_000)
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        api.get(f"/Jobs/{job_id}/Download?Mode=Stream")
    assert len(api.get(f"/Jobs/{job_id}/Download?Mode=Stream").content) == 1_000


def test_each_call_cuts_one_download(sandbox: Sandbox, storage: httpx.Client) -> None:
    link = sandbox.result_url(sandbox.add_job(seconds=0))
    sandbox.cut_next_download(100)
    sandbox.cut_next_download(200)
    for after in (100, 200):
        with pytest.raises(httpx.RemoteProtocolError, match=f"received {after} bytes"):
            storage.get(link)
    assert storage.get(link).status_code == 200


def test_a_body_shorter_than_the_cut_arrives_complete(sandbox: Sandbox, storage: httpx.Client) -> None:
    link = sandbox.result_url(sandbox.add_job(seconds=0))
    sandbox.cut_next_download(100)
    assert len(storage.get(link, headers={"Range": "bytes=0-9"}).content) == 10
    assert len(storage.get(link).content) == 5_000


# The record


def test_a_record_holds_all_parts_of_a_request(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    api.get("/Jobs", params={"CreatedAfter": "2026-05-01"}, headers=[("X-Twice", "1"), ("X-Twice", "2")])
    clock.advance(5)
    api.put("/Jobs/x y/Replay")
    first, second = sandbox.requests
    assert (first.origin, first.method, first.time) == ("api", "GET", clock.now - 5)
    assert first.path == f"/Agencies/{sandbox.account_sid}/Jobs"
    assert first.query == "CreatedAfter=2026-05-01"
    assert first.target == f"{first.path}?CreatedAfter=2026-05-01"
    assert first.headers["x-twice"] == "1, 2"
    assert first.headers["accept"] == "application/json"
    assert (second.method, second.time) == ("PUT", clock.now)
    assert second.path.endswith("/Jobs/x y/Replay")
    assert second.target == second.path
    assert second.headers["content-length"] == "0"


def test_the_record_is_a_copy_and_can_be_emptied(sandbox: Sandbox, api: httpx.Client) -> None:
    before = sandbox.requests
    api.get("/Jobs")
    assert (len(before), len(sandbox.requests)) == (0, 1)
    sandbox.forget_requests()
    assert sandbox.requests == ()


def test_requests_with_canned_responses_are_recorded_too(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.answer_next("GET", "/Jobs", status=500)
    api.get("/Jobs")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"times": -1}, {"delay": -1.0}, {"delay": math.nan}, {"headers": {"X": "a\nb"}}, {"headers": {"X": "\u20ac"}}],
)
def test_a_response_that_cannot_be_sent_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is negative|is not a number|cannot be the value of a header"):
        Sandbox().answer_next("GET", "/Jobs", status=200, **wrong)


@pytest.mark.parametrize("age", [-1.0, math.nan])
def test_a_job_of_the_future_is_refused(age: float) -> None:
    with pytest.raises(ValueError, match=r"is negative|is not a number"):
        Sandbox().add_job(age=age)
