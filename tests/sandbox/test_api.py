"""The API: credentials, formats, errors, lists, reports, budget."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._responses import accepts_json, to_xml

from .conftest import NO_TLS, Clock, connect

Start = Callable[..., tuple[Sandbox, httpx.Client]]

NOWHERE = "00000000-0000-4000-8000-000000000000"


def envelope(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the error envelope of a response, which must be one."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body["Status"] == "ERROR"
    assert body["Message"]
    return body


# Credentials


WRONG = {
    "none": "",
    "wrong token": "{sid}:wrong",
    "wrong account": "IRWRONG:{token}",
    "swapped": "{token}:{sid}",
    "no colon": "{sid}",
    "another scheme": "Bearer {token}",
    "not base64": "Basic ***",
    "not ASCII": "Basic \xfc",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("path", ["/Jobs", "/Jobs/" + NOWHERE, "/Nothing", "/Reports"])
def test_401_for_wrong_credentials(sandbox: Sandbox, wrong: str, path: str) -> None:
    value = wrong.format(sid=sandbox.account_sid, token=sandbox.auth_token).encode("latin-1")
    if b" " not in value:
        value = b"Basic " + base64.b64encode(value)
    url = f"{sandbox.base_url}/Agencies/{sandbox.account_sid}{path}"
    headers = [(b"Accept", b"application/json"), (b"Authorization", value)]
    answer = httpx.get(url, headers=headers if wrong else headers[:1], verify=NO_TLS, trust_env=False)
    envelope(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("account", ["IRSOMEONEELSE", "a%2Fb", "%20", ""])
def test_403_for_another_account(sandbox: Sandbox, api: httpx.Client, account: str) -> None:
    body = envelope(api.get(f"{sandbox.base_url}/Agencies/{account}/Jobs"), 403)
    assert "permission" in body["Message"]


def test_a_read_only_token_may_only_read(sandbox: Sandbox) -> None:
    job_id = sandbox.add_job(seconds=0)
    with connect(sandbox, token=sandbox.read_only_token) as reader:
        assert reader.get("/Jobs").status_code == 200
        assert reader.get(f"/Jobs/{job_id}").status_code == 200
        assert reader.get(f"/Jobs/{job_id}/Download").status_code == 302
        for refused in (reader.put(f"/Jobs/{job_id}/Replay"), reader.get("/ReportExport/agency_action_listing")):
            assert "permission" in envelope(refused, 403)["Message"]
    assert sandbox.job_ids == (job_id,)


# Formats


@pytest.mark.parametrize("accept", ["*/*", "application/xml", "text/html", "application/json;q=0", ""])
@pytest.mark.parametrize(
    ("path", "status", "below_root"),
    [
        ("/Jobs", 200, ["Jobs"]),
        ("/Jobs/{job}", 200, ["Job"]),
        ("/Jobs/{running}/Download", 202, ["Job"]),
        ("/Reports", 200, ["Reports"]),
        ("/Jobs/" + NOWHERE, 404, ["Status", "Message"]),
        ("/Jobs?CreatedAfter=x", 400, ["Status", "Message", "Errors"]),
    ],
)
def test_xml_is_the_default(sandbox: Sandbox, accept: str, path: str, status: int, below_root: list[str]) -> None:
    paths = {"job": sandbox.add_job(seconds=0), "running": sandbox.add_job()}
    with connect(sandbox, accept=accept) as client:
        answer = client.get(path.format(**paths))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/xml"
    root = ET.fromstring(answer.content)  # noqa: S314 - trusted
    assert root.tag == "ImpactRadiusResponse"
    assert [child.tag for child in root] == below_root


def test_xml_has_the_same_fields_as_json(sandbox: Sandbox, api: httpx.Client) -> None:
    sandbox.add_job(seconds=0, message="<a> & 'b' \x00\ufffe \"c\" é")
    job = api.get("/Jobs").json()[0]
    with connect(sandbox, accept="*/*") as client:
        root = ET.fromstring(client.get("/Jobs").content)  # noqa: S314 - trusted
    shown = {child.tag: child.text or "" for child in root[0][0]}
    expected = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in job.items()}
    expected["StatusMessage"] = "<a> & 'b'  \"c\" é"  # characters that XML forbids are removed
    assert shown == expected


def test_page_numbers_are_attributes_in_xml() -> None:
    page = {"@page": "1", "@nextpageuri": '/a?b=1&c="', "Jobs": [{"Id": None}]}
    root = ET.fromstring(to_xml(page))  # noqa: S314 - trusted
    assert root[0].attrib == {"page": "1", "nextpageuri": '/a?b=1&c="'}
    assert [(child.tag, child[0].tag, child[0].text) for child in root[0]] == [("Job", "Id", None)]


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json, */*", True),
        ("text/html, application/json;q=0.1", True),
        ("application/json, application/xml", True),
        ("application/json;q=0.5, application/xml", False),
        ("application/json;q=0.5, text/xml;q=0.4", True),
        ("application/*", False),
        ("application/json5", False),
    ],
)
def test_the_accept_header_selects_json(accept: str, is_json: bool) -> None:  # noqa: FBT001 - a test parameter
    assert accepts_json(accept) is is_json


@pytest.mark.parametrize("path", ["/Jobs.json", "/Jobs/{job}.json", "/Reports.json", "/Nothing.json"])
def test_a_json_suffix_selects_json(sandbox: Sandbox, path: str) -> None:
    job_id = sandbox.add_job()
    with connect(sandbox, accept="application/xml") as client:
        assert client.get(path.format(job=job_id)).headers["content-type"] == "application/json"


# Errors


@pytest.mark.parametrize("job_id", [NOWHERE, "x", "1", "%00", "..%2F..", "a b", "é", NOWHERE + "%2F"])
@pytest.mark.parametrize("path", ["/Jobs/{}", "/Jobs/{}/Download"])
def test_404_for_unknown_job_ids(api: httpx.Client, job_id: str, path: str) -> None:
    envelope(api.get(path.format(job_id)), 404)


def test_404_on_replay(api: httpx.Client) -> None:
    envelope(api.put(f"/Jobs/{NOWHERE}/Replay"), 404)


def test_ids_are_case_insensitive(sandbox: Sandbox, api: httpx.Client) -> None:
    job_id = sandbox.add_job()
    assert api.get(f"/Jobs/{job_id.upper()}").json()["Id"] == job_id


@pytest.mark.parametrize("path", ["/Nothing", "/Jobs/", "/", "/Jobs/a/b/c", "/Reports/nope/MetaData"])
def test_404_for_unknown_paths(api: httpx.Client, path: str) -> None:
    envelope(api.get(path), 404)


def test_404_outside_the_accounts(sandbox: Sandbox, api: httpx.Client) -> None:
    envelope(api.get(f"{sandbox.base_url}/Elsewhere"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/Jobs", "GET, HEAD"),
        ("POST", "/Jobs/" + NOWHERE, "GET, HEAD"),
        ("GET", f"/Jobs/{NOWHERE}/Replay", "PUT"),
        ("OPTIONS", f"/Jobs/{NOWHERE}/Download", "GET, HEAD"),
    ],
)
def test_405_lists_the_allowed_methods(api: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = api.request(method, path)
    envelope(answer, 405)
    assert answer.headers["allow"] == allow


# Lists


def test_the_list_is_empty_at_first(api: httpx.Client) -> None:
    assert api.get("/Jobs").json() == []


@pytest.mark.parametrize(
    ("query", "ages"),
    [
        ({}, [3, 2, 1, 0]),
        ({"CreatedAfter": "2026-05-27"}, [1, 0]),
        ({"CreatedBefore": "2026-05-27"}, [3, 2, 1]),
        ({"CreatedAfter": "2026-05-26", "CreatedBefore": "2026-05-27"}, [2, 1]),
        ({"CreatedAfter": "2026-05-28", "CreatedBefore": "2026-05-27"}, []),
        ({"CreatedAfter": "0001-01-01", "CreatedBefore": "9999-12-31", "Other": "x"}, [3, 2, 1, 0]),
    ],
)
def test_date_filters_include_both_days(
    sandbox: Sandbox, api: httpx.Client, query: dict[str, str], ages: list[int]
) -> None:
    jobs = {age: sandbox.add_job(age=age * 86_400) for age in (3, 2, 1, 0)}
    found = api.get("/Jobs", params=query).json()
    assert [job["Id"] for job in found] == [jobs[age] for age in ages]


def test_days_end_at_midnight_of_the_shown_offset(start: Start, clock: Clock) -> None:
    sandbox, api = start()
    clock.now = 1_779_942_600.0  # 2026-05-28T04:30:00Z is still the 27th at -05:00
    sandbox.add_job()
    assert len(api.get("/Jobs?CreatedBefore=2026-05-27").json()) == 1
    assert api.get("/Jobs?CreatedAfter=2026-05-28").json() == []


@pytest.mark.parametrize("name", ["CreatedAfter", "CreatedBefore"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "2026-02-30",
        "2026-5-1",
        "20260501",
        "2026-05-01T00:00:00",
        "2026-W01-1",
        "2026-05-0\N{ARABIC-INDIC DIGIT ONE}",
        "null",
    ],
)
def test_400_for_an_invalid_date(api: httpx.Client, name: str, value: str) -> None:
    body = envelope(api.get("/Jobs", params={name: value}), 400)
    assert [error["Field"] for error in body["Errors"]] == [name]


def test_the_list_can_be_wrapped_in_an_object(start: Start) -> None:
    sandbox, api = start(list_shape="jobs")
    job_id = sandbox.add_job()
    body = api.get("/Jobs").json()
    assert list(body) == ["Jobs"]
    assert [job["Id"] for job in body["Jobs"]] == [job_id]


def test_each_page_links_to_the_next(start: Start) -> None:
    sandbox, api = start(list_shape="pages", page_size=3)
    jobs = [sandbox.add_job() for _ in range(7)]
    path, found, pages = f"/Agencies/{sandbox.account_sid}/Jobs?CreatedAfter=2026-01-01", [], []
    while path:
        page = api.get(sandbox.base_url + path).json()
        found += [job["Id"] for job in page.pop("Jobs")]
        path = page["@nextpageuri"]
        pages.append(page)
    assert found == jobs
    assert [(page["@page"], page["@numpages"], page["@pagesize"], page["@total"]) for page in pages] == [
        (number, "3", "3", "7") for number in ("1", "2", "3")
    ]
    assert pages[0]["@nextpageuri"] == (
        f"/Agencies/{sandbox.account_sid}/Jobs?CreatedAfter=2026-01-01&Page=2&PageSize=3"
    )
    assert pages[-1]["@nextpageuri"] == ""


def test_the_next_page_keeps_the_format_and_the_brand(start: Start) -> None:
    sandbox, api = start(list_shape="pages", page_size=1)
    sandbox.add_job(advertiser=2747168)
    sandbox.add_job(advertiser=2747168)
    path = f"/Agencies/{sandbox.account_sid}/Advertisers/2747168/Jobs.json"
    page = api.get(sandbox.base_url + path).json()
    assert page["@nextpageuri"].startswith(path + "?")


def test_an_empty_list_is_one_empty_page(start: Start) -> None:
    _, api = start(list_shape="pages")
    page = api.get("/Jobs").json()
    assert (page["@numpages"], page["@total"], page["@nextpageuri"], page["Jobs"]) == ("1", "0", "", [])


@pytest.mark.parametrize("query", [{"Page": "/Agencies/x/Jobs?Page=2"}, {"Page": "0"}, {"PageSize": "20001"}])
def test_400_for_invalid_page_numbers(start: Start, query: dict[str, str]) -> None:
    _, api = start(list_shape="pages")
    envelope(api.get("/Jobs", params=query), 400)


# Reports


def test_an_export_schedules_a_job(sandbox: Sandbox, api: httpx.Client) -> None:
    answer = api.get("/ReportExport/agency_action_listing", params={"START_DATE": "2026-05-01", "SUBAID": "99"})
    (job_id,) = sandbox.job_ids
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{job_id}"
    assert answer.json() == {
        "Status": "QUEUED",
        "QueuedUri": uri,
        "ResultUri": f"{uri}/Download",
        "ReplayUri": f"{uri}/Replay",
    }
    job = api.get(sandbox.base_url + uri).json()
    assert (job["Type"], job["ProgramId"], job["Status"]) == ("ApiReport", "99", "QUEUED")


def test_an_equal_export_returns_the_same_job(sandbox: Sandbox, api: httpx.Client) -> None:
    path, query = "/ReportExport/agency_action_listing", {"START_DATE": "2026-05-01", "END_DATE": "2026-05-02"}
    first = api.get(path, params=query).json()
    assert api.get(path, params=dict(reversed(query.items()))).json() == first
    assert len(sandbox.job_ids) == 1
    assert api.get(path, params=query | {"END_DATE": "2026-05-03"}).json() != first
    assert len(sandbox.job_ids) == 2


@pytest.mark.parametrize(
    ("report", "query", "message"),
    [
        ("nope", {}, "Not permitted to run report nope"),
        ("agency_action_listing", {"START_DATE": "yesterday"}, "START_DATE"),
        ("agency_action_listing", {"END_DATE": "2026-02-30"}, "END_DATE"),
        ("agency_action_listing", {"START_DATE": "2026-05-02", "END_DATE": "2026-05-01"}, "must not be after"),
        ("agency_action_listing", {"ResultFormat": "PDF"}, "ResultFormat"),
    ],
)
def test_an_invalid_export_is_an_error_with_status_200(
    sandbox: Sandbox, api: httpx.Client, report: str, query: dict[str, str], message: str
) -> None:
    answer = api.get(f"/ReportExport/{report}", params=query)
    assert message in envelope(answer, 200)["Message"]
    assert sandbox.job_ids == ()


# Budget


def test_the_budget_runs_out_and_is_renewed_after_an_hour(start: Start, clock: Clock) -> None:
    _, api = start(hourly_budget=2)
    left = []
    for _ in range(2):
        answer = api.get("/Jobs")
        left.append((answer.status_code, answer.headers["x-ratelimit-remaining"]))
        assert answer.headers["x-ratelimit-limit"] == "2"
        clock.advance(0.5)
    assert left == [(200, "1"), (200, "0")]
    refused = api.get("/Jobs")
    envelope(refused, 429)
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"] == "3599"
    clock.advance(3598.5)
    assert api.get("/Jobs").status_code == 429
    clock.advance(0.5)
    assert api.get("/Jobs").headers["x-ratelimit-remaining"] == "1"


def test_a_request_after_retry_after_is_allowed(start: Start, clock: Clock) -> None:
    _, api = start(hourly_budget=1)
    api.get("/Jobs")
    clock.advance(0.123)
    clock.advance(float(api.get("/Jobs").headers["retry-after"]))
    assert api.get("/Jobs").status_code == 200


def test_errors_count_against_the_budget_but_unauthorized_requests_do_not(start: Start) -> None:
    sandbox, api = start(hourly_budget=2)
    with connect(sandbox, token="wrong") as unauthorized:
        assert "x-ratelimit-limit" not in unauthorized.get("/Jobs").headers
    assert api.get("/Nothing").headers["x-ratelimit-remaining"] == "1"
    assert api.get("/Jobs?CreatedAfter=x").headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    ("form", "stated"),
    [
        ("plain", {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "4", "x-ratelimit-reset": "3600"}),
        ("hour", {"x-ratelimit-limit-hour": "5", "x-ratelimit-remaining-hour": "4", "ratelimit-reset": "3600"}),
        ("epoch", {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "4", "x-ratelimit-reset": "1780003600"}),
        ("none", {}),
    ],
)
def test_the_budget_is_stated_in_every_documented_form(start: Start, form: str, stated: dict[str, str]) -> None:
    _, api = start(hourly_budget=5, budget_headers=form)
    headers = api.get("/Jobs").headers
    assert {name: text for name, text in headers.items() if "ratelimit" in name} == stated
    for _ in range(4):
        assert "retry-after" not in api.get("/Jobs").headers
    assert api.get("/Jobs").headers["retry-after"] == "3600"


def test_no_limit_means_no_headers(start: Start) -> None:
    _, api = start(hourly_budget=None)
    assert not [name for name in api.get("/Jobs").headers if name.startswith("x-ratelimit")]
