from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import (
    ApiError,
    AuthenticationError,
    FieldError,
    JobNotFoundError,
    JobStatus,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
)
from impact_jobs._api.responses import error_of, read_job, read_json, read_page

from tests.support.simulated import JOB_ID, answer, job_json

WHAT = f"get job {JOB_ID}"
OTHER_ID = "00000000-0000-4000-8000-000000000000"
JOBS = [job_json("RUNNING"), {"Id": OTHER_ID, "Status": "QUEUED"}]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
# JSON of the kinds that responses contain, in all the wrong places.
envelopes = st.dictionaries(
    st.sampled_from(["Id", "Status", "Message", "Errors", "Jobs", "@total", "@nextpageuri", "message", "request_id"]),
    json_values
    | st.sampled_from(["ERROR", JOB_ID, JOBS])
    | st.lists(st.dictionaries(st.sampled_from(["Id", "Status", "Field", "Message"]), json_values), max_size=2),
)
json_bodies = envelopes | st.lists(envelopes, max_size=3) | json_values
read_the_job = partial(read_job, job_id=JOB_ID)
bodies = st.binary() | json_bodies.map(lambda value: json.dumps(value).encode())


def test_a_job_is_parsed() -> None:
    assert read_job(answer(200, job_json("RUNNING")), WHAT, job_id=JOB_ID).status == JobStatus.RUNNING


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("padding", ["", "\r\n\t", " " * 1000])  # some gateways send spaces to keep a connection alive
def test_json_is_read_in_each_of_its_encodings_and_after_white_space(encoding: str, padding: str) -> None:
    body = (padding + json.dumps(job_json("RUNNING"))).encode(encoding)
    assert read_job(answer(200, body), WHAT, job_id=JOB_ID).id == JOB_ID


@pytest.mark.parametrize(
    ("body", "next_uri"),
    [
        (JOBS, None),
        ({"Jobs": JOBS}, None),
        ({"@page": "1", "@total": "2", "@nextpageuri": "", "Jobs": JOBS}, None),
        ({"@page": "1", "@nextpageuri": "/Agencies/IR1/Jobs?Page=2", "Jobs": JOBS}, "/Agencies/IR1/Jobs?Page=2"),
    ],
    ids=["bare array", "object", "last page", "page"],
)
def test_a_page_of_each_shape_is_read(body: object, next_uri: str | None) -> None:
    page = read_page(answer(200, body), "list jobs")
    assert [job.id for job in page.items] == [JOB_ID, OTHER_ID]
    assert page.next_uri == next_uri


@pytest.mark.parametrize("errors", [None, "", 7, [], {}, {"Error": None}, {"Error": []}, [[]], {"Other": 1}])
def test_errors_that_name_nothing_are_left_out(errors: Any) -> None:
    error = error_of(answer(400, {"Message": "No", "Errors": errors}), WHAT)
    assert (error.errors, str(error)) == ((), f"{WHAT}: HTTP 400: No.")


@pytest.mark.parametrize(
    "body", [[], {"Jobs": []}, {"Jobs": None}, {"@total": "0"}, {"Jobs": "", "@nextpageuri": None}]
)
def test_a_page_may_be_empty(body: object) -> None:
    page = read_page(answer(200, body), "list jobs")
    assert (page.items, page.keys, page.next_uri) == ((), (), None)


def test_a_single_object_is_a_list_of_one() -> None:
    assert [job.id for job in read_page(answer(200, {"Jobs": job_json("RUNNING")}), "list jobs").items] == [JOB_ID]


@pytest.mark.parametrize("name", ["@nextpageuri", "@nextPageUri", "@NextPageURI", "@nextpageruri", "@nextPagerUri"])
@pytest.mark.parametrize("total", ["@total", "@Total", "@TOTAL"])
@pytest.mark.parametrize("jobs", ["Jobs", "jobs"])
def test_the_fields_of_a_page_are_read_in_any_spelling_that_was_seen(name: str, total: str, jobs: str) -> None:
    page = read_page(answer(200, {total: "2", name: "/Jobs?Page=2", jobs: JOBS}), "list jobs")
    assert (len(page.items), page.next_uri, page.total) == (2, "/Jobs?Page=2", 2)


@pytest.mark.parametrize("total", ["many", "", None, -1, 1.5, "1" * 5000, [], True])
def test_a_total_that_is_no_number_is_passed_over(total: Any) -> None:
    page = read_page(answer(200, {"@total": total, "Jobs": JOBS}), "list jobs")
    assert (len(page.items), page.total) == (2, None)


def test_a_page_that_counts_jobs_but_has_none_is_refused() -> None:
    with pytest.raises(UnexpectedResponseError, match="not a list of jobs"):
        read_page(answer(200, {"@total": "5"}), "list jobs")


def test_a_malformed_job_does_not_lose_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    bad: list[Any] = [None, 7, {"Id": "12", "CreatedDate": "2026-05-29", "Status": "RUNNING"}, {"Id": OTHER_ID}]
    page = read_page(answer(200, [*bad, job_json("RUNNING")]), "list jobs")
    assert [job.id for job in page.items] == [JOB_ID]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 4
    messages = [record.getMessage() for record in caplog.records]
    assert messages[2] == "list jobs: skipped entry 2 (Id '12', created '2026-05-29'): its Id is '12', not a UUID"
    assert OTHER_ID in messages[3]
    assert "its Status is None" in messages[3]


def test_a_huge_malformed_job_is_skipped_in_a_short_line(caplog: pytest.LogCaptureFixture) -> None:
    entry = {"Id": "x" * 1_000_000, "CreatedDate": ["y" * 1_000_000]}
    assert read_page(answer(200, [entry]), "list jobs").items == ()
    assert len(caplog.text) < 1000


def test_a_deeply_nested_id_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """At depths that the JSON parser just accepts and `repr` does not."""
    read = 0
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit()):
        body = b'[{"Id":%s},%s]' % (b"[" * depth + b"]" * depth, json.dumps(job_json("RUNNING")).encode())
        try:
            page = read_page(answer(200, body), "list jobs")
        except UnexpectedResponseError:
            break
        read += len(page.items)
    assert read == len(caplog.records) > 0


def test_many_malformed_jobs_cause_a_limited_number_of_warnings(caplog: pytest.LogCaptureFixture) -> None:
    page = read_page(answer(200, [0] * 5000 + [job_json("RUNNING")]), "list jobs")
    assert (len(page.items), len(page.keys)) == (1, 5001)
    assert len(caplog.records) == 101
    assert caplog.records[-1].getMessage() == "list jobs: skipped 4900 more entries like these"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is empty"),
        (b" \r\n" * 1000, "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"<ImpactRadiusResponse><Status>OK</Status></ImpactRadiusResponse>", "is XML"),
        (b"\n<?xml version='1.0'?>", "is XML"),
        (b"<!DOCTYPE html><p>Bad gateway", "is HTML"),
        (b"<HTML><body>Sign in", "is HTML"),
        (b'{"Id": ', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b'{"Id": "\xe9"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[" + b"1" * 5000 + b"]", "is not JSON"),
        (b"null", "is a single NoneType"),
        (b'"QUEUED"', "is a single str"),
        (b"NaN", "is a single float"),
    ],
    ids=lambda value: ascii(value[:20]) if isinstance(value, bytes) else None,
)
def test_the_error_for_a_body_without_json_says_what_the_body_is(body: bytes, problem: str) -> None:
    for read in (read_the_job, read_page, read_json):
        with pytest.raises(UnexpectedResponseError) as raised:
            read(answer(200, body), WHAT)
        assert str(raised.value).startswith(f"{WHAT}: HTTP 200, but the response {problem}")
        assert str(raised.value).endswith("Check base_url and any proxy between.")
        assert raised.value.status_code == 200


@pytest.mark.parametrize("body", [[], {}, [job_json("RUNNING")], {"Id": JOB_ID}, {"Job": job_json("RUNNING")}])
def test_json_without_a_job_is_refused(body: object) -> None:
    with pytest.raises(UnexpectedResponseError, match="the response is not a job: "):
        read_job(answer(200, body), WHAT, job_id=JOB_ID)


@pytest.mark.parametrize(
    "body", [{}, job_json("RUNNING"), {"Jobs": "x"}, {"@nextpageuri": "/Jobs?Page=2"}, {"@total": ""}]
)
def test_json_without_a_list_is_refused(body: object) -> None:
    with pytest.raises(UnexpectedResponseError, match="the response is not a list of jobs"):
        read_page(answer(200, body), WHAT)


@pytest.mark.parametrize("extra", [{}, {"Id": None}, {"Id": ""}])
def test_an_error_object_with_status_200_is_an_error(extra: dict[str, Any]) -> None:
    body = {"Status": "ERROR", "Message": "Not permitted to run report x.", **extra}
    for read in (read_the_job, read_page, read_json):
        with pytest.raises(ApiError, match=r"HTTP 200: Not permitted to run report x\.$") as raised:
            read(answer(200, body), WHAT)
        assert type(raised.value) is ApiError


def test_a_job_with_the_status_error_is_a_job() -> None:
    assert read_job(answer(200, job_json("ERROR", Message="of the job")), WHAT, job_id=JOB_ID).status == JobStatus.ERROR


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (401, AuthenticationError),
        (402, ApiError),
        (403, PermissionDeniedError),
        (404, JobNotFoundError),
        (405, ApiError),
        (418, ApiError),
        (429, RateLimitError),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (599, ServerError),
        (999, ServerError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[ApiError]) -> None:
    error = error_of(answer(status, {"Status": "ERROR", "Message": "Because."}, headers={"retry-after": "7"}), WHAT)
    assert type(error) is kind
    assert error.status_code == status
    assert error.message == "Because."
    assert str(error).startswith(f"{WHAT}: HTTP {status}: Because.")
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, ""),
        (401, "Check Account SID and Auth Token."),
        (402, "The account does not include this; ask your impact.com contact."),
        (403, "Check that the token is active, has the Jobs scope and belongs to this account."),
        (404, "Check the id and that the job belongs to this account."),
        (429, "The account has no requests left this hour: wait, and poll less often."),
        (500, "The server or a gateway failed; try again later."),
    ],
)
def test_each_message_ends_with_what_to_do(status: int, hint: str) -> None:
    assert str(error_of(answer(status, b""), WHAT)) == f"{WHAT}: HTTP {status}: no message. {hint}".rstrip()


def test_an_error_keeps_the_server_s_messages_and_request_id() -> None:
    body = {
        "Status": "ERROR",
        "Message": "Validation Failed",
        "Errors": [
            {"Field": "AccountId", "Message": "Not a numeric value"},
            {"Message": "Both"},
            {"Field": "X"},
            7,
        ],
    }
    error = error_of(answer(400, body, headers={"x-request-id": "abc"}), WHAT)
    assert error.errors == (
        FieldError("AccountId", "Not a numeric value"),
        FieldError("", "Both"),
        FieldError("X", ""),
    )
    assert str(error) == f"{WHAT}: HTTP 400: Validation Failed (AccountId: Not a numeric value; Both; X)."
    assert error.request_id == "abc"
    assert json.loads(error.body) == body


ENTRY = {"Field": "Context", "Message": "is expected"}


@pytest.mark.parametrize(
    "errors",
    [
        [ENTRY],
        ENTRY,
        {"Error": ENTRY},
        {"Error": [ENTRY]},
        [ENTRY, {}],
        [{"Error": ENTRY}],
        {"Errors": [ENTRY]},
        {"error": {"field": "Context", "message": "is expected"}},
    ],
)
def test_an_object_of_errors_is_read_like_a_list(errors: Any) -> None:
    body = {"Status": "ERROR", "Message": "Validation Errors", "Errors": errors}
    error = error_of(answer(400, body), WHAT)
    assert error.errors == (FieldError("Context", "is expected"),)
    assert str(error) == f"{WHAT}: HTTP 400: Validation Errors (Context: is expected)."


@pytest.mark.parametrize("errors", ["No.", ["No."], {"Error": "No."}, {"Error": ["No."]}, [{"Error": ["No."]}]])
def test_an_error_of_text_alone_is_kept(errors: Any) -> None:
    error = error_of(answer(400, {"Message": "Validation Errors", "Errors": errors}), WHAT)
    assert error.errors == (FieldError("", "No."),)


def test_errors_are_read_to_a_limited_depth_and_number() -> None:
    for errors in (json.loads("[" * 500 + '"deep"' + "]" * 500), [["x"] * 5000] * 50):
        assert len(error_of(answer(400, {"Errors": errors}), WHAT).errors) in {0, 100}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no message"),
        (b" \n", "no message"),
        (b"<html>Bad gateway</html>", "no readable message"),
        (b"\xff\xfe\x00", "no readable message"),
        (b'{"message": "no Route matched", "request_id": "r1"}', "no Route matched"),
        (b'{"Message": "", "message": "lower"}', "lower"),
        (b'{"Message": {"en": "x"}, "Errors": {"Field": 1}}', "no readable message"),
        (b'{"Message": "Denied", "Errors": [{"Field": {}, "Message": null}]}', "Denied"),
        (b"<ImpactRadiusResponse><Message>Denied</Message></ImpactRadiusResponse>", "Denied"),
        (b"[" * 100_000, "no readable message"),
    ],
    ids=lambda value: ascii(value[:20]) if isinstance(value, bytes) else None,
)
def test_the_message_of_a_gateway_is_found(body: bytes, message: str) -> None:
    error = error_of(answer(502, body), WHAT)
    assert str(error).startswith(f"{WHAT}: HTTP 502: {message}")
    assert error.request_id == ("r1" if b"r1" in body else None)


def test_an_error_keeps_4096_characters_of_the_body() -> None:
    assert error_of(answer(500, b"x" * 4097), WHAT).body == "x" * 4096
    assert error_of(answer(500, ("é" * 4097).encode()), WHAT).body == "é" * 4096


def test_an_error_contains_no_query_and_no_credentials() -> None:
    url = "https://user:pass@storage.example/a'b?X-Sig=SECRET'SECRET&more=SECRET"
    body = {"Message": f"see {url}", "Errors": [{"Field": "Url", "Message": url}], "Other": url}
    error = error_of(answer(400, body), WHAT)
    text = f"{error} {error!r} {vars(error)}"
    assert "SECRET" not in text
    assert "pass" not in text
    assert "storage.example" in text


def test_an_error_is_short_and_printable_whatever_the_server_sent() -> None:
    body = {
        "Message": "\ud800\x1b[2J",
        "Errors": [{"Field": "https://h.example/?sig=canary", "Message": "\udfff"}] * 5000,
        "request_id": "y" * 9000,
    }
    error = error_of(answer(400, body), WHAT)
    assert str(error).isprintable()
    assert str(error).encode()
    assert "canary" not in repr(vars(error))
    assert len(str(error)) < 1500
    assert len(error.errors) == 100
    assert len(error.request_id or "") == 4096


@given(bodies, st.integers(100, 999))
def test_any_body_gives_a_value_or_a_documented_error(body: bytes, status: int) -> None:
    response = answer(status, body)
    for read in (read_the_job, read_page):
        with suppress(ApiError, UnexpectedResponseError):
            read(response, WHAT)
    error = error_of(response, WHAT)
    assert str(error).startswith(f"{WHAT}: HTTP {status}: ")
    assert all(isinstance(text, str) for one in error.errors for text in (one.field, one.message))
