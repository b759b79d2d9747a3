"""Exports through the API: requests, answers, results, and the daily limit."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox

from .conftest import Clock, connect

Start = Callable[..., tuple[Sandbox, httpx.Client]]

DAY = 86_400.0
LISTING = "/ReportExport/agency_action_listing"
MAY = {"START_DATE": "2026-05-01", "END_DATE": "2026-05-20"}


def exported(sandbox: Sandbox, api: httpx.Client, path: str = LISTING, **query: str) -> dict[str, Any]:
    """Export a report, and return its completed job; the sandbox's jobs take no time."""
    answer = api.get(path, params=query).json()
    job: dict[str, Any] = api.get(sandbox.base_url + answer["QueuedUri"]).json()
    assert job["Status"] == answer["Status"] == "COMPLETED"
    return job


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


@pytest.mark.parametrize(
    ("form", "extension", "begin"),
    [
        ({}, "csv", b"Action_Id,"),
        ({"ResultFormat": "csv"}, "csv", b"Action_Id,"),
        ({"ResultFormat": "JSON"}, "json", b'{"@page": "1"'),
        ({"ResultFormat": "XML"}, "xml", b"<?xml"),
    ],
)
def test_the_result_is_the_report(
    start: Start, storage: httpx.Client, form: dict[str, str], extension: str, begin: bytes
) -> None:
    sandbox, api = start(job_seconds=0, checksums=True)
    job = exported(sandbox, api, **MAY, **form)
    link = api.get(sandbox.base_url + job["ResultUri"]).headers["location"]
    file, expected = storage.get(link), sandbox.result(job["Id"])
    assert file.content.startswith(begin)
    assert file.content == b"".join(expected.read())
    assert file.headers["content-type"] == {"csv": "text/csv"}.get(extension, f"application/{extension}")
    assert file.headers["content-disposition"] == f'attachment; filename="report-{job["Id"][:8]}.{extension}"'
    assert file.headers["etag"] == expected.etag
    assert "x-amz-checksum-sha256" in file.headers
    assert storage.get(link, headers={"Range": "bytes=100-299"}).content == file.content[100:300]
    assert job["RecordsProcessed"] == expected.rows > 0
    streamed = api.get(f"/Jobs/{job['Id']}/Download", params={"Mode": "Stream"})
    assert streamed.content == file.content


def test_pages_of_a_json_result(start: Start, storage: httpx.Client) -> None:
    sandbox, api = start(job_seconds=0, json_shape="pages", json_page_rows=300)
    job = exported(sandbox, api, **MAY, ResultFormat="JSON")
    path, records = f"/Jobs/{job['Id']}/Download", []
    for number in ("1", "2", "3"):
        page = storage.get(api.get(path, params={"Page": number}).headers["location"]).json()
        assert (page["@page"], page["@numpages"], page["@total"]) == (number, "3", str(job["RecordsProcessed"]))
        assert api.get(path, params={"Page": number, "Mode": "Stream"}).json() == page
        records += page["Records"]
    assert len({record["Action_Id"] for record in records}) == job["RecordsProcessed"]
    for wrong in ("0", "4", "x"):
        assert api.get(path, params={"Page": wrong}).status_code == 400


def test_a_replay_days_later_brings_corrected_rows(start: Start, clock: Clock, storage: httpx.Client) -> None:
    sandbox, api = start(job_seconds=0)
    job = exported(sandbox, api, **MAY)
    again = api.put(f"/Jobs/{job['Id']}/Replay").json()
    assert sandbox.result(again["Id"]) == sandbox.result(job["Id"])  # on the same day
    clock.advance(40 * DAY)
    corrected = api.put(f"/Jobs/{job['Id']}/Replay").json()
    before, after = (rows_of(storage.get(sandbox.result_url(each["Id"])).content) for each in (job, corrected))
    assert "PENDING" in {row["Status"] for row in before}
    assert "PENDING" not in {row["Status"] for row in after}
    assert [row["Action_Id"] for row in before] == [row["Action_Id"] for row in after]
    assert exported(sandbox, api, **MAY)["Id"] == job["Id"]  # an equal request still gets the old data


def test_an_export_without_dates_covers_30_days(start: Start, clock: Clock) -> None:
    sandbox, api = start(job_seconds=0)
    job = exported(sandbox, api)
    assert [(each.start.isoformat(), each.end.isoformat()) for each in sandbox.exports] == [
        ("2026-04-29", "2026-05-28")
    ]
    clock.advance(2 * DAY)
    replayed = sandbox.result(api.put(f"/Jobs/{job['Id']}/Replay").json()["Id"])
    assert "2026-05-30" in b"".join(replayed.read()).decode()


def test_every_export_is_recorded(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    api.get(LISTING, params=MAY)
    clock.advance(5)
    api.get(LISTING, params=MAY)
    api.get("/ReportExport/nope", params=MAY)
    (first, second), (job_id,) = sandbox.exports, sandbox.job_ids
    assert (first.job_id, second.job_id) == (job_id, job_id)
    assert (first.is_new, second.is_new) == (True, False)
    assert second.time - first.time == 5
    assert (first.report_id, first.parameters) == ("agency_action_listing", MAY)
    assert (first.start.isoformat(), first.end.isoformat()) == ("2026-05-01", "2026-05-20")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"START_DATE": "2026-05-01T00:00:00.000Z"}, "Invalid value for START_DATE: expected YYYY-MM-DD"),
        ({"END_DATE": ""}, "Invalid value for END_DATE: expected YYYY-MM-DD"),
        ({"END_DATE": "2036-01-01"}, "Invalid value for END_DATE: too far in the future"),
        ({"NEW_CUSTOMER": "maybe"}, "Invalid value for NEW_CUSTOMER: expected Boolean"),
        ({"MINIMUM_AMOUNT": "1,5"}, "Invalid value for MINIMUM_AMOUNT: expected Decimal"),
        ({"MINIMUM_AMOUNT": "NaN"}, "Invalid value for MINIMUM_AMOUNT: expected Decimal"),
        ({"MINIMUM_QUANTITY": "1.0"}, "Invalid value for MINIMUM_QUANTITY: expected Integer"),
    ],
)
def test_an_invalid_value_is_named(sandbox: Sandbox, api: httpx.Client, query: dict[str, str], message: str) -> None:
    answer = api.get(LISTING, params=query)
    assert (answer.status_code, answer.json()) == (200, {"Status": "ERROR", "Message": message})
    assert sandbox.job_ids == ()


@pytest.mark.parametrize("report", ["sandbox_user_audit", "Program Overview", "nope"])
def test_a_report_of_the_web_application_cannot_be_exported(api: httpx.Client, report: str) -> None:
    assert api.get(f"/ReportExport/{report}").json()["Message"] == f"Not permitted to run report {report}"
    assert api.get(f"/Reports/{report}/MetaData").status_code == 404


def test_a_future_window_and_an_unknown_filter_are_accepted(start: Start) -> None:
    sandbox, api = start(job_seconds=0)
    job = exported(sandbox, api, START_DATE="2026-08-01", END_DATE="2026-08-31", COLOUR="blue")
    assert job["RecordsProcessed"] == 0
    assert b"".join(sandbox.result(job["Id"]).read()).count(b"\n") == 1


def test_the_daily_limit_counts_every_export_of_24_hours(start: Start, clock: Clock) -> None:
    sandbox, api = start(daily_exports=3, job_seconds=100_000)
    api.get(LISTING, params={"END_DATE": "yesterday"})  # is refused, and does not count
    for end in ("2026-05-01", "2026-05-01", "2026-05-02"):  # the second is an equal request
        assert api.get(LISTING, params={"END_DATE": end}).json()["Status"] == "QUEUED"
        clock.advance(3600)
    refused = api.get(LISTING, params={"END_DATE": "2026-05-03"})
    assert (refused.status_code, refused.json()["Status"]) == (429, "ERROR")
    assert refused.headers["retry-after"] == str(21 * 3600)
    assert api.get("/Reports").status_code == 200
    assert len(sandbox.exports) == 3
    clock.advance(21 * 3600 - 1)
    assert api.get(LISTING, params={"END_DATE": "2026-05-03"}).status_code == 429
    clock.advance(1)
    assert api.get(LISTING, params={"END_DATE": "2026-05-03"}).status_code == 200
    assert api.get(LISTING, params={"END_DATE": "2026-05-04"}).headers["retry-after"] == "3600"


def test_a_limit_of_none_or_zero(start: Start) -> None:
    _, api = start(daily_exports=0)
    assert api.get(LISTING).headers["retry-after"] == "86400"
    _, api = start(daily_exports=None, hourly_budget=None)
    assert {api.get(LISTING).status_code for _ in range(102)} == {200}


def test_a_test_decides_how_the_next_export_runs(sandbox: Sandbox, api: httpx.Client, clock: Clock) -> None:
    sandbox.prepare_export(status="FAILED", seconds=3, message="Too many rows.", fields={"New": 1})
    sandbox.prepare_export(seconds=0, content=b"a,b\n1,2\n")
    failing, prepared, plain = (api.get(LISTING, params={"SUBAID": each}).json() for each in "abc")
    assert (failing["Status"], prepared["Status"], plain["Status"]) == ("QUEUED", "COMPLETED", "QUEUED")
    clock.advance(3)
    failed = api.get(sandbox.base_url + failing["QueuedUri"]).json()
    assert (failed["Status"], failed["StatusMessage"], failed["New"]) == ("FAILED", "Too many rows.", 1)
    result = sandbox.result(prepared["QueuedUri"].rpartition("/")[2])
    assert (list(result.read()), result.rows) == ([b"a,b\n1,2\n"], 1)
    replayed = api.put(sandbox.base_url + failing["ReplayUri"]).json()
    assert sandbox.result(replayed["Id"]).extension == "csv"


def test_a_result_can_have_any_content(sandbox: Sandbox, api: httpx.Client, storage: httpx.Client) -> None:
    job_id = sandbox.add_job(seconds=0, content=b"x" * 600_000)
    assert storage.get(sandbox.result_url(job_id)).content == b"x" * 600_000
    assert sandbox.replace_result(job_id, content=b"").size == 0
    api.get(LISTING, params=MAY | {"ResultFormat": "JSON"})
    exported_id = sandbox.job_ids[-1]
    sandbox.replace_result(exported_id, content=b"[]")
    assert storage.get(sandbox.result_url(exported_id)).headers["content-type"] == "application/json"


# The catalogue


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_reports_list_their_filters_and_columns(sandbox: Sandbox, api: httpx.Client, suffix: str) -> None:
    reports = api.get(f"/Reports{suffix}").json()
    exportable = [report for report in reports if report["ApiAccessible"]]
    assert exportable[0]["Name"] == "Action Listing"
    assert any(report["Id"].isdigit() for report in exportable)
    web_only = [report for report in reports if not report["ApiAccessible"]]
    assert {("Id" in report, "RunUri" in report) for report in web_only} == {(True, True), (False, True)}
    for report in exportable:
        about = api.get(sandbox.base_url + report["MetaDataUri"]).json()
        assert (about["Id"], about["Name"], about["Uri"]) == (report["Id"], report["Name"], report["MetaDataUri"])
        scheduled = api.get(sandbox.base_url + report["DeferredApiRunUri"]).json()
        assert scheduled["Status"] == "QUEUED"
        assert scheduled["ResultUri"].endswith(f"/Download{suffix}")
        assert [each["Name"] for each in about["Filters"][:3]] == ["Start Date", "End Date", "SubAid"]
        assert {each["Format"] for each in about["Filters"][:2]} == {"yyyy-MM-dd"}
        assert about["Attributes"]
        assert all(each["DataType"] for each in about["Attributes"] + about["Filters"])


@pytest.mark.parametrize(("shape", "numbers"), [("reports", []), ("pages", ["1", "3", "2", "6"])])
def test_the_list_of_reports_can_be_wrapped(start: Start, shape: str, numbers: list[str]) -> None:
    sandbox, api = start(report_list=shape, page_size=2)
    page = api.get("/Reports").json()
    names = ("@page", "@numpages", "@pagesize", "@total")
    assert [page[name] for name in names if name in page] == numbers
    reports = page["Reports"]
    while page.get("@nextpageuri"):
        page = api.get(sandbox.base_url + page["@nextpageuri"]).json()
        reports += page["Reports"]
    assert [report["ApiAccessible"] for report in reports] == [False, True, True, True, True, False]


def test_a_read_only_token_may_look_at_reports_but_not_export(sandbox: Sandbox) -> None:
    with connect(sandbox, token=sandbox.read_only_token) as reader:
        assert reader.get("/Reports").status_code == 200
        assert reader.get("/Reports/4123/MetaData").status_code == 200
        assert reader.get("/ReportExport/4123").status_code == 403
    assert sandbox.exports == ()
