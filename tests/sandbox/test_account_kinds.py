"""What differs between the kinds of account, and the brands of an agency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._account_rules import RULES

from .conftest import Clock, connect

Start = Callable[..., tuple[Sandbox, httpx.Client]]

DAY = 86_400.0
KINDS = ("agency", "brand", "partner")
BRAND_ID = 2747168
WINDOWS = {
    "agency": {"START_DATE": "2026-05-01", "END_DATE": "2026-05-20"},
    "brand": {"StartDate": "2026-05-01T00:00:00-05:00", "EndDate": "2026-05-20T23:59:59-05:00"},
    "partner": {"START_DATE": "2026-05-01", "END_DATE": "2026-05-20"},
}
LISTING = "/ReportExport/agency_action_listing"


@pytest.fixture
def brand(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client of a brand, with the credentials of its agency."""
    with connect(sandbox, advertiser=BRAND_ID) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_own_paths(start: Start, kind: str) -> None:
    sandbox, api = start(account=kind, job_seconds=0)
    job_id = sandbox.add_job()
    job = api.get(f"/Jobs/{job_id}").json()
    assert job["ResultUri"] == f"/{RULES[sandbox.account].collection}/{sandbox.account_sid}/Jobs/{job_id}/Download"
    assert api.get(sandbox.base_url + job["ResultUri"]).status_code == 302
    for other in KINDS:
        path = f"/{RULES[other].collection}/{sandbox.account_sid}/Jobs"  # type: ignore[index]
        assert api.get(sandbox.base_url + path).status_code == (200 if other == kind else 403)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_exports_of_all_kinds_have_equal_results(start: Start, kind: str) -> None:
    sandbox, api = start(account=kind, job_seconds=0)
    agency, api_of_agency = start(job_seconds=0)
    answer = api.get(LISTING, params=WINDOWS[kind]).json()
    api_of_agency.get(LISTING, params=WINDOWS["agency"])
    job = api.get(sandbox.base_url + answer["QueuedUri"]).json()
    assert sandbox.result(job["Id"]).sha256 == agency.result(agency.job_ids[0]).sha256
    assert job["RecordsProcessed"] == sandbox.result(job["Id"]).rows > 0
    (record,) = sandbox.exports
    assert (record.start.isoformat(), record.end.isoformat()) == ("2026-05-01", "2026-05-20")


@pytest.mark.parametrize(
    ("kind", "options", "wrapped"),
    [("agency", {}, False), ("brand", {}, True), ("partner", {}, True), ("brand", {"list_shape": "array"}, False)],
)
def test_the_list_has_the_shape_of_its_kind(start: Start, kind: str, options: Any, wrapped: bool) -> None:  # noqa: FBT001
    _, api = start(account=kind, **options)
    assert api.get("/Jobs").json() == ({"Jobs": []} if wrapped else [])


@pytest.mark.parametrize(
    ("kind", "query", "ages"),
    [
        ("partner", {"CreatedAfter": "2026-05-26"}, [1, 0]),  # the 26th itself is left out
        ("partner", {"CreatedBefore": "2026-05-27"}, [3, 2]),
        ("brand", {"CreatedAfter": "2026-05-26T15:26:40-05:00"}, [1, 0]),
        ("brand", {"CreatedAfter": "2026-05-26T20:26:39Z"}, [2, 1, 0]),
        ("brand", {"CreatedBefore": "2026-05-27T15:26:40"}, [3, 2]),
        ("brand", {"CreatedBefore": "2026-05-27T15:26:41", "CreatedAfter": "2026-05-26T00:00:00"}, [2, 1]),
    ],
)
def test_bounds_of_brands_and_partners_are_exclusive(
    start: Start, kind: str, query: dict[str, str], ages: list[int]
) -> None:
    sandbox, api = start(account=kind)
    jobs = {age: sandbox.add_job(age=age * DAY) for age in (3, 2, 1, 0)}
    assert [job["Id"] for job in api.get("/Jobs", params=query).json()["Jobs"]] == [jobs[age] for age in ages]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("brand", "2026-05-01"),
        ("brand", "2026-05-01T00:00:00.000Z"),
        ("brand", "2026-05-01T25:00:00Z"),
        ("partner", "2026-05-01T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("name", ["CreatedAfter", "CreatedBefore"])
def test_400_for_a_date_in_the_form_of_another_kind(start: Start, kind: str, value: str, name: str) -> None:
    _, api = start(account=kind)
    answer = api.get("/Jobs", params={name: value})
    assert (answer.status_code, answer.json()["Errors"][0]["Field"]) == (400, name)


@pytest.mark.parametrize(
    ("kind", "options", "in_place"),
    [
        ("agency", {}, False),
        ("brand", {}, True),
        ("partner", {}, True),
        ("brand", {"replay_same_id": False}, False),
    ],
)
def test_a_replay_queues_the_same_job_or_a_new_one(start: Start, kind: str, options: Any, in_place: bool) -> None:  # noqa: FBT001
    sandbox, api = start(account=kind, **options)
    job_id = sandbox.add_job(seconds=0)
    assert (api.put(f"/Jobs/{job_id}/Replay").json()["Id"] == job_id) is in_place


@pytest.mark.parametrize("kind", ["brand", "partner"])
def test_a_job_in_error_is_retried_every_15_minutes_and_fails_after_five_retries(
    start: Start, kind: str, clock: Clock
) -> None:
    sandbox, api = start(account=kind)
    job_id = sandbox.add_job(status="ERROR", seconds=100, message="Later.")

    def status_after(seconds: float) -> str:
        clock.advance(seconds)
        return str(api.get(f"/Jobs/{job_id}").json()["Status"])

    seen = [status_after(100)]
    for _ in range(5):
        seen += [status_after(899), status_after(2), status_after(79)]
    assert seen == ["ERROR", *["ERROR", "RUNNING", "ERROR"] * 4, "ERROR", "RUNNING", "FAILED"]
    job = api.get(f"/Jobs/{job_id}").json()
    assert (job["StatusMessage"], job["FailedDate"]) == ("Later.", "2026-05-28T16:50:00-05:00")
    assert status_after(DAY) == "FAILED"


def test_a_retry_can_complete_the_job(start: Start, clock: Clock) -> None:
    sandbox, api = start(account="brand")
    job_id = sandbox.add_job(status="ERROR", seconds=0, recovers_after=1800)
    clock.advance(900)
    assert api.get(f"/Jobs/{job_id}").json()["Status"] == "ERROR"
    clock.advance(900)
    assert api.get(f"/Jobs/{job_id}").json()["Status"] == "COMPLETED"


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_of_another_kind_is_refused(start: Start, kind: str) -> None:
    sandbox, api = start(account=kind)
    own = RULES[sandbox.account].api_version
    for version in ("3", "14", "16", "x"):
        answer = api.get("/Jobs", headers={"IR-Version": version})
        assert answer.status_code == (200 if version == own else 400)
    assert answer.json()["Errors"] == [{"Field": "IR-Version", "Message": f"Expected {own}"}]
    assert sandbox.requests[0].headers["ir-version"] == "3"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"StartDate": "2026-05-01"}, "StartDate"),
        ({"EndDate": "2026-05-01T00:00:00.000Z"}, "EndDate"),
        ({"StartDate": "2026-05-02T00:00:00Z", "EndDate": "2026-05-01T00:00:00Z"}, "must not be after"),
    ],
)
def test_a_brand_exports_by_moment(start: Start, query: dict[str, str], message: str) -> None:
    _, api = start(account="brand")
    answer = api.get(LISTING, params=query)
    assert (answer.status_code, answer.json()["Status"]) == (200, "ERROR")
    assert message in answer.json()["Message"]


def test_the_end_of_a_brands_export_is_a_moment(start: Start) -> None:
    sandbox, api = start(account="brand", job_seconds=0)
    api.get(LISTING, params=WINDOWS["brand"] | {"EndDate": "2026-05-20T00:00:00-05:00"})
    days = {line[5:11] for line in b"".join(sandbox.result(sandbox.job_ids[0]).read()).decode().splitlines()}
    assert str(date(2026, 5, 19).toordinal()) in days
    assert str(date(2026, 5, 20).toordinal()) not in days  # midnight is the end, not the day
    assert [each["Format"] for each in api.get("/Reports/4123/MetaData").json()["Filters"][:2]] == ["", ""]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({}, ["START_DATE"]),
        ({"START_DATE": "2026-05-01"}, ["END_DATE"]),
        (WINDOWS["partner"] | {"ResultFormat": "PDF"}, ["ResultFormat"]),
        ({"START_DATE": "2026-05-02", "END_DATE": "2026-05-01"}, ["START_DATE"]),
    ],
)
def test_a_partner_must_give_both_dates(start: Start, query: dict[str, str], fields: list[str]) -> None:
    sandbox, api = start(account="partner")
    answer = api.get(LISTING, params=query)
    assert (answer.status_code, [error["Field"] for error in answer.json()["Errors"]]) == (400, fields)
    assert sandbox.job_ids == ()


def test_an_unknown_report_of_a_partner_is_404(start: Start) -> None:
    _, api = start(account="partner")
    assert api.get("/ReportExport/nope", params=WINDOWS["partner"]).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_names_the_kind_unless_it_is_an_agency(start: Start, kind: str) -> None:
    sandbox, _ = start(account=kind)
    assert sandbox.environ.get("IMPACT_ACCOUNT_KIND") == (None if kind == "agency" else kind)


@pytest.mark.parametrize("wrong", [{"account": "publisher"}, {"rows_per_day": -1}, {"advertisers": ["x"]}])
def test_invalid_options_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"account|rows_per_day|'x'"):
        Sandbox(**wrong)


# Brands of an agency


def test_a_brand_of_an_agency_has_its_own_jobs(sandbox: Sandbox, api: httpx.Client, brand: httpx.Client) -> None:
    of_agency, of_brand = sandbox.add_job(seconds=0), sandbox.add_job(seconds=0, advertiser=BRAND_ID)
    assert [job["Id"] for job in api.get("/Jobs").json()] == [of_agency]
    (job,) = brand.get("/Jobs").json()["Jobs"]
    assert job["ResultUri"] == f"/Agencies/{sandbox.account_sid}/Advertisers/{BRAND_ID}/Jobs/{of_brand}/Download"
    assert brand.get(f"/Jobs/{of_brand}/Download").status_code == 302
    for client, foreign in ((api, of_brand), (brand, of_agency)):
        assert client.get(f"/Jobs/{foreign}").status_code == 404
        assert client.put(f"/Jobs/{foreign}/Replay").status_code == 404
    assert brand.put(f"/Jobs/{of_brand}/Replay").json()["Id"] == of_brand
    assert sandbox.job_ids == (of_agency, of_brand)


def test_a_brand_of_an_agency_exports_as_a_brand(sandbox: Sandbox, api: httpx.Client, brand: httpx.Client) -> None:
    answer = brand.get(LISTING, params=WINDOWS["brand"]).json()
    assert answer["QueuedUri"].startswith(f"/Agencies/{sandbox.account_sid}/Advertisers/{BRAND_ID}/Jobs/")
    api.get(LISTING, params=WINDOWS["agency"])
    of_brand, of_agency = sandbox.exports
    assert (of_brand.advertiser, of_agency.advertiser) == (BRAND_ID, None)
    assert sandbox.result(of_brand.job_id).sha256 != sandbox.result(of_agency.job_id).sha256
    answers = [brand.get("/Jobs", headers={"IR-Version": version}).status_code for version in ("3", "14", "16")]
    assert answers == [200, 200, 400]


def test_a_brand_of_an_agency_shares_its_budgets(start: Start) -> None:
    sandbox, api = start(hourly_budget=3, daily_exports=1)
    assert api.get(LISTING).status_code == 200
    with connect(sandbox, advertiser=BRAND_ID) as brand:
        refused = brand.get(LISTING)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (429, "1")


@pytest.mark.parametrize("advertiser", ["1234", "02747168", "x", "%20"])
def test_403_for_a_brand_of_another_agency(sandbox: Sandbox, api: httpx.Client, advertiser: str) -> None:
    answer = api.get(f"{sandbox.base_url}/Agencies/{sandbox.account_sid}/Advertisers/{advertiser}/Jobs")
    assert (answer.status_code, "permission" in answer.json()["Message"]) == (403, True)


def test_only_agencies_have_brands(start: Start) -> None:
    sandbox, api = start(account="brand")
    assert api.get(f"/Advertisers/{BRAND_ID}/Jobs").status_code == 404
    with pytest.raises(ValueError, match="no brand 5"):
        sandbox.add_job(advertiser=5)
