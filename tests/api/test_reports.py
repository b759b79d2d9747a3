"""The list of reports, a report's metadata, and the answer to an export, in every form that was seen."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import pytest
from impact_jobs import ApiError, ConfigurationError, DataType, Job, Report, Retry, UnexpectedResponseError
from impact_jobs._api.context import ClientContext
from impact_jobs._api.reports import (
    check_report_id,
    export_request,
    metadata_request,
    read_export,
    read_metadata,
    report_pages,
)
from impact_jobs._transport.base import Request, Response
from impact_jobs._transport.run_sync import SyncIterator

from tests.support.simulated import JOB_ID, Answer, answer, context

LISTING = {"Id": "agency_action_listing", "Name": "Action Listing", "Category": "Listing", "ApiAccessible": True}
LISTED = Report(id="agency_action_listing", name="Action Listing", category="Listing")
DATE = "Date (yyyy-MM-dd'T'HH:mm:ssZZ)"


def answering(pages: Mapping[str, Any]) -> ClientContext:
    """Return a context in which each path with its query has that body."""

    def script(_: float, request: Request) -> Answer:
        parts = urlsplit(request.url.reveal())
        return answer(200, pages[f"{parts.path}?{parts.query}" if parts.query else parts.path])

    return context(script, retry=Retry(attempts=1))


def listed(*bodies: Any) -> list[Report]:
    """Return the reports of a list whose pages are linked by number."""
    root = "/Agencies/IRtest/Reports"
    paths = [root, *(f"{root}?Page={number}" for number in range(2, len(bodies) + 1))]
    return list(chain.from_iterable(SyncIterator(report_pages(answering(dict(zip(paths, bodies, strict=True)))))))


@pytest.mark.parametrize(
    "body",
    [
        [LISTING],
        {"Reports": [LISTING]},
        {"reports": LISTING},
        {"Reports": {"Report": [LISTING]}},
        {"@page": "1", "@numpages": "1", "@total": "1", "@nextpageuri": "", "Reports": [LISTING]},
        {"@nextpageuri": "/Agencies/IRtest/Reports", "Reports": [LISTING]},
    ],
)
def test_a_list_may_have_any_shape(body: Any) -> None:
    assert listed(body) == [LISTED]


@pytest.mark.parametrize("body", [[], {"Reports": []}, {"Reports": None}, {"@total": "0"}])
def test_a_list_may_be_empty(body: Any) -> None:
    assert listed(body) == []


@pytest.mark.parametrize(
    "link", ["/Agencies/IRtest/Reports?Page=2", "Agencies/IRtest/Reports?Page=2", "/Reports?Page=2"]
)
def test_pages_are_followed_and_each_report_appears_once(link: str) -> None:
    second = {"Id": 7, "Name": "Seven", "ApiAccessible": "true"}
    pages = {"@nextpageuri": link, "Reports": [LISTING]}, {"@nextpageuri": link, "Reports": [LISTING, second, second]}
    assert [report.id for report in listed(*pages)] == ["agency_action_listing", "7"]


WEB_ONLY = {"Name": "Web only", "ApiAccessible": False}


@pytest.mark.parametrize("entries", [[WEB_ONLY], ["x"], WEB_ONLY])
def test_a_page_whose_entries_name_no_report_does_not_end_the_list(entries: Any) -> None:
    first = {"@nextpageuri": "/Reports?Page=2", "Reports": entries}
    assert listed(first, [LISTING]) == [LISTED]


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("https://elsewhere.example/Reports?token=canary", "is not the list of /Agencies/IRtest"),
        ("/Agencies/IRtest/Jobs?Page=2", "is not the list of /Agencies/IRtest"),
        ("/Agencies/IRtest/Reports", "only 1 of 2 reports have arrived"),
    ],
)
def test_a_list_that_cannot_be_completed_is_an_error_after_what_has_arrived(link: str, text: str) -> None:
    page = {"@nextpageuri": link, "@total": "2", "Reports": [LISTING]}
    pages = SyncIterator(report_pages(answering({"/Agencies/IRtest/Reports": page})))
    assert next(pages) == (LISTED,)
    with pytest.raises(UnexpectedResponseError, match=text) as raised:
        next(pages)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("body", [{}, {"Jobs": []}, {"Status": "QUEUED"}, {"Reports": 5}, {"Reports": "x"}])
def test_another_answer_is_not_a_list(body: Any) -> None:
    with pytest.raises(UnexpectedResponseError, match="not a list of reports"):
        listed(body)


@pytest.mark.parametrize(
    ("uris", "found"),
    [
        ({"DeferredApiRunUri": "/Agencies/IRtest/ReportExport/action_listing"}, ["action_listing"]),
        ({"DeferredApiRunUri": "/Agencies/IRtest/ReportExport/action_listing.json"}, ["action_listing"]),
        ({"MetaDataUri": "/Agencies/IRtest/Reports/a%20b/MetaData.json"}, ["a b"]),
        ({"ApiRunUri": "/Agencies/IRtest/Reports/17?START_DATE=&END_DATE="}, ["17"]),
        ({"RunUri": "/secure/agency/report.ihtml"}, []),
        ({"DeferredApiRunUri": None, "MetaDataUri": 7, "ApiRunUri": "/Agencies/IRtest/Reports/a%2Fb"}, []),
    ],
)
def test_the_id_may_stand_in_a_uri_only(uris: dict[str, Any], found: list[str]) -> None:
    for missing in ({}, {"Id": None}, {"Id": ""}, {"Id": "a/b"}):
        assert [report.id for report in listed([{"Name": "Web only", **missing, **uris}, LISTING])] == [
            *found,
            "agency_action_listing",
        ]


def test_an_entry_that_is_not_an_object_is_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert listed(["x", LISTING, None, [LISTING]]) == [LISTED]
    skipped = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert skipped == [
        "list reports: skipped entry 0: it is a str, not an object",
        "list reports: skipped entry 2: it is a NoneType, not an object",
        "list reports: skipped entry 3: it is a list, not an object",
    ]


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("true", True), (None, True), (False, False), ("False", False), ("0", True)]
)
def test_whether_a_report_can_be_exported(value: Any, *, expected: bool) -> None:
    (report,) = listed([{"Id": "17", "ApiAccessible": value}])
    assert (report.id, report.name, report.is_exportable) == ("17", "17", expected)


def metadata_of(body: Any) -> Any:
    return read_metadata(answer(200, body), "metadata of report r", report_id="r")


def test_metadata_has_filters_and_columns() -> None:
    found = metadata_of(
        {
            "Id": "agency_action_listing",
            "Name": "Action Listing",
            "Filters": [
                {"Name": "Start Date", "DataType": DATE, "Format": "yyyy-MM-dd"},
                {"Name": "Locking  Date ", "DataType": DATE, "Format": ""},
                {"Name": "Show Test Actions", "DataType": "boolean"},
                {"Name": "SUBAID", "DisplayName": "Program", "DataType": "Integer", "Format": None},
                {"Name": "New", "DataType": "Duration (ISO)"},
            ],
            "Attributes": [{"Name": "Payout", "DataType": "Decimal", "Description": "  "}, {"Name": "Id"}],
            "Columns": [{"Name": "ignored"}],
        }
    )
    assert (found.id, found.name, found.description) == ("agency_action_listing", "Action Listing", None)
    assert [(each.name, each.parameter, each.data_type, each.format) for each in found.filters] == [
        ("Start Date", "START_DATE", DataType.DATE, "yyyy-MM-dd"),
        ("Locking  Date", "LOCKING_DATE", DataType.DATE, "yyyy-MM-dd'T'HH:mm:ssZZ"),
        ("Show Test Actions", "SHOW_TEST_ACTIONS", DataType.BOOLEAN, None),
        ("Program", "SUBAID", DataType.INTEGER, None),
        ("New", "NEW", "Duration (ISO)", None),
    ]
    assert [(each.name, each.data_type, each.description) for each in found.columns] == [
        ("Payout", DataType.DECIMAL, None),
        ("Id", DataType.STRING, None),
    ]


def test_columns_may_have_the_other_name_and_entries_may_be_malformed(caplog: pytest.LogCaptureFixture) -> None:
    found = metadata_of({"Columns": [{"Name": "A"}, {"Name": ""}, "B", {"Name": "C", "DataType": 7}], "Filters": ""})
    assert (found.id, found.name, found.filters) == ("r", "r", ())
    assert [(each.name, each.data_type) for each in found.columns] == [("A", DataType.STRING), ("C", "7")]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("body", [{}, [], {"Jobs": []}, {"Name": "x"}])
def test_another_answer_is_not_metadata(body: Any) -> None:
    with pytest.raises(UnexpectedResponseError, match="not a report's metadata"):
        metadata_of(body)


@pytest.mark.parametrize(("given", "expected"), [("agency_action_listing", ""), (" a.b-c d ", "a.b-c d"), (17, "17")])
def test_an_id_is_text_or_a_number(given: Any, expected: str) -> None:
    assert check_report_id(given) == (expected or given)


@pytest.mark.parametrize(
    "given", [None, "", " ", "a/b", "a\\b", "..", ".", "a\nb", "\ud800", "x" * 201, 1.5, True, b"a"]
)
def test_anything_else_is_not_an_id(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not the id of a report"):
        check_report_id(given)


def test_ids_and_values_are_quoted() -> None:
    on = answering({})
    url = metadata_request(on, "a b?c#%2e").url.reveal()
    assert url == "https://api.impact.com/Agencies/IRtest/Reports/a%20b%3Fc%23%252e/MetaData"
    request = export_request(on, "r&s", result_format="XML", parameters={"NAME": "a&b=c é"})
    assert request.url.reveal() == (
        "https://api.impact.com/Agencies/IRtest/ReportExport/r%26s?ResultFormat=XML&NAME=a%26b%3Dc+%C3%A9"
    )
    assert request.method == "GET"


def exported(body: Any) -> Any:
    response: Response = answer(200, body)
    return read_export(response, "export of report r", context(lambda *_: response).account)


@pytest.mark.parametrize(
    ("status", "uris"),
    [
        ("QUEUED", {"QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}"}),
        ("COMPLETED", {"QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}.json"}),
        ("ERROR", {"QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}", "ReplayUri": ""}),
        ("RUNNING", {"QueuedUri": "/Agencies/IRtest/Other/x", "ResultUri": f"/Agencies/IRtest/Jobs/{JOB_ID}/Download"}),
        ("QUEUED", {"ReplayUri": f"/Agencies/IRtest/Jobs/{JOB_ID}/Replay.json"}),
    ],
)
def test_an_export_names_its_job(status: str, uris: dict[str, str]) -> None:
    job = exported({"Status": status, **uris})
    assert isinstance(job, Job)
    assert (job.id, job.status) == (JOB_ID, status)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("/Agencies/IRtest/ComplianceAPISubmissions/content_api_7", "content_api_7' does not name a job"),
        (f"/Agencies/IRother/Jobs/{JOB_ID}", "use JobsClient('IRother'"),
        (f"/Mediapartners/IRtest/Jobs/{JOB_ID}", "partner"),
        (f"https://elsewhere.example/Agencies/IRtest/Jobs/{JOB_ID}?sig=canary", "is not on https://api.impact.com"),
        (7, "its URI is 7"),
        ({"a": 1}, "its URI is {'a': 1}"),
    ],
)
def test_a_uri_that_names_no_job_is_told_as_such(uri: object, message: str) -> None:
    error = exported({"Status": "QUEUED", "QueuedUri": uri})
    assert isinstance(error, UnexpectedResponseError)
    assert message in str(error)
    assert "canary" not in str(error)
    assert error.status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, [], {"Status": "QUEUED"}, {"Status": "<", "QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}"}],
)
def test_an_answer_without_a_uri_cannot_be_read(body: Any) -> None:
    with pytest.raises(UnexpectedResponseError):
        exported(json.loads(json.dumps(body)))


@pytest.mark.parametrize(
    "body",
    [
        {"Message": "No such data"},
        {"message": "No such data", "request_id": "r1"},
        {"Status": "Error", "Message": "No such data"},
        {"Status": "ERROR", "Message": "No such data", "QueuedUri": ""},
    ],
)
def test_an_error_with_a_200_in_any_form_is_final(body: dict[str, str]) -> None:
    with pytest.raises(ApiError, match="HTTP 200: No such data"):
        exported(body)


def test_a_job_that_has_failed_at_once_has_the_servers_message() -> None:
    body = {"Status": "ERROR", "Message": "Too many rows", "QueuedUri": f"/Agencies/IRtest/Jobs/{JOB_ID}"}
    job = exported(body)
    assert isinstance(job, Job)
    assert (job.status, job.status_message, job.raw) == ("ERROR", "Too many rows", body)
