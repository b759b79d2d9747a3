"""The pages of a list: how one leads to the next, and where they end."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from impact_jobs import JobsError, Retry, TransportError, UnexpectedResponseError
from impact_jobs._api.parsing import parse_job
from impact_jobs._operations.wait_many import JobBatch, wait_all
from impact_jobs._transport.base import Request, Response
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient, MakeClient, clients
from tests.support.raw_server import Asked, RawServer, Reply, serving
from tests.support.simulated import answer, context

IDS = [f"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b{digit}" for digit in range(8)]
SID = "IRtest"
DAY = "2026-05-29T04:33:50-05:00"
LIST = f"/Agencies/{SID}/Jobs"

with_each_client = pytest.mark.parametrize("make", clients, ids=lambda make: make.__name__)


def page(*ids: str, link: Any = "", **fields: Any) -> dict[str, Any]:
    return {"Jobs": [{"Id": job_id, "Status": "COMPLETED"} for job_id in ids], "@nextpageuri": link, **fields}


def send(sandbox: Sandbox, *pages: Any) -> None:
    for each in pages:
        sandbox.answer_next("GET", "/Jobs", status=200, body=json.dumps(each))


def read(jobs: AnyClient) -> tuple[list[str], JobsError | None]:
    """Return the ids that arrive, and the error that ends the list."""
    found: list[str] = []
    try:
        found.extend(job.id for job in jobs.list())
    except JobsError as error:
        return found, error
    return found, None


def second_page(sandbox: Sandbox, number: int = 2) -> str:
    return f"/Agencies/{sandbox.account_sid}/Jobs?Page={number}"


def test_each_job_is_yielded_at_most_once(jobs: AnyClient, sandbox: Sandbox) -> None:
    send(sandbox, page(IDS[0], link=second_page(sandbox)), page(IDS[0].upper(), IDS[1]))
    assert read(jobs) == (IDS[:2], None)
    assert sandbox.requests[-1].query == "Page=2"


# How a link ends


LINKS = {
    "another host": "https://elsewhere.example/Jobs?page=2",
    "another host by its name alone": "//elsewhere.example/x",
    "an internal address": "http://169.254.169.254/Agencies/{sid}/Jobs?Page=2",
    "another port": "http://127.0.0.1:1/Agencies/{sid}/Jobs?Page=2",
    "another scheme": "https://{host}/Agencies/{sid}/Jobs?Page=2",
    "credentials": "http://user:pw@{host}/Agencies/{sid}/Jobs?Page=2",
    "another account": "/Agencies/IRother/Jobs?Page=2",
    "another account by dots": "/Agencies/{sid}/Jobs/../../IRother/Jobs?Page=2",
    "a brand of the account": "/Agencies/{sid}/Advertisers/2747168/Jobs?Page=2",
    "another kind of account": "/Advertisers/{sid}/Jobs?Page=2",
    "another resource": "/Agencies/{sid}/Actions?Page=2",
    "one job": "/Agencies/{sid}/Jobs/3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1",
    "brackets without an address": "//[",
    "half of a surrogate pair": "/Jobs?\ud800",
    "brackets in a host": "//[::1]x/",
    "a port that is none": "http://127.0.0.1:x/Jobs",
    "a number": 2,
    "an object": {"Uri": "/Jobs?Page=2"},
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_a_link_that_is_not_the_accounts_list_is_refused_once_the_jobs_before_it_are_handed_on(
    link: Any, jobs: AnyClient, sandbox: Sandbox
) -> None:
    host = sandbox.base_url.partition("//")[2]
    if isinstance(link, str):
        link = link.format(sid=sandbox.account_sid, host=host)
    send(sandbox, page(IDS[0], IDS[1], link=link, **{"@total": "2"}))
    found, error = read(jobs)
    assert found == IDS[:2]
    assert isinstance(error, UnexpectedResponseError)
    assert "the next page" in str(error)
    assert "so it was not requested" in str(error)
    assert "pw" not in str(error)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("query", ["\x7f", "2" * 70_000], ids=["odd", "long"])
def test_a_link_that_httpx_refuses_raises(query: str, jobs: AnyClient, sandbox: Sandbox) -> None:
    send(sandbox, page(IDS[0], link=f"/Jobs.json?Page={query}"))
    found, error = read(jobs.with_options(retry=Retry(attempts=1)))
    assert found == IDS[:1]
    assert isinstance(error, TransportError)


# Lists without an end


def test_a_last_page_that_names_itself_ends_the_list(
    jobs: AnyClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    link = second_page(sandbox)
    for link_of_last in (link, f"{sandbox.base_url}{link}", "?Page=2", "Jobs?Page=2#top", f"{link}#{'x' * 9}"):
        caplog.clear()
        sandbox.forget_requests()
        pages = [page(*IDS[:2], link=link), page(*IDS[2:4], link=link_of_last)]
        send(sandbox, *[each | {"@total": "4"} for each in pages])
        assert read(jobs) == (IDS[:4], None)
        assert len(sandbox.requests) == 2
        assert caplog.messages == []


def test_a_page_that_brings_nothing_new_ends_the_list_with_a_line_in_the_log(
    jobs: AnyClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    links = [second_page(sandbox, number) for number in range(2, 100)]
    for pages in (
        [page(IDS[0], link=links[0]), page(IDS[0], link=links[1])],
        [page(IDS[0], link=links[0]), page(IDS[0].upper(), IDS[0], link=links[1])],
        [page(IDS[0], link=links[0]), page(link=links[1])],
        [page(IDS[0], link=links[0]), page(link=links[0])],
    ):
        caplog.clear()
        sandbox.forget_requests()
        send(sandbox, *pages)
        found = list(jobs.list())
        assert [job.id for job in found] == IDS[:1]
        assert len(sandbox.requests) == 2
        assert caplog.messages == ["list jobs: the next page brings nothing new, so the list ends with 1 jobs"]


def test_a_list_that_lacks_jobs_never_looks_complete(jobs: AnyClient, sandbox: Sandbox) -> None:
    link = second_page(sandbox)
    for pages in (
        [page(IDS[0], link=link), page(IDS[1], link=link)],
        [page(IDS[0], IDS[1], link=link), page(IDS[0], IDS[1], link=second_page(sandbox, 3))],
        [page(IDS[0], IDS[1], link=link), page(link=second_page(sandbox, 3))],
    ):
        send(sandbox, *[each | {"@Total": 5} for each in pages])
        found, error = read(jobs)
        assert found == IDS[:2]
        assert isinstance(error, UnexpectedResponseError)
        assert "only 2 of 5 jobs have arrived" in str(error)


def test_an_entry_that_cannot_be_read_is_something_new(
    jobs: AnyClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """One malformed job never loses the rest of a list, even if it is alone on its page."""
    odd: list[Any] = [{"Id": IDS[1], "Status": 7}, {"Status": "RUNNING"}, None, "odd", 7]
    pages = [page(IDS[0], link=second_page(sandbox))]
    pages += [page(link=second_page(sandbox, number)) | {"Jobs": [entry]} for number, entry in enumerate(odd, start=3)]
    send(sandbox, *pages, page(IDS[1], IDS[2]))
    assert read(jobs) == (IDS[:3], None)
    assert len(caplog.messages) == len(odd)


def waited_for(script: Callable[[str], Any]) -> tuple[dict[str, Any], list[str]]:
    """Wait for three jobs in virtual time; return how they ended, and the targets that were requested."""
    asked: list[str] = []

    def respond(_: float, request: Request) -> Response:
        asked.append(request.url.reveal().removeprefix("https://api.impact.com"))
        return answer(200, script(asked[-1]))

    jobs = [parse_job({"Id": job_id, "Status": "RUNNING", "CreatedDate": DAY}) for job_id in IDS[:3]]
    batch = JobBatch(context(respond), jobs, timeout=600.0, polling=None, on_update=None)
    return dict(run_sync(wait_all(batch, return_exceptions=True))), asked


@pytest.mark.parametrize("total", [{}, {"@total": "4"}, {"@total": "400"}])
def test_cursors_without_end_are_noticed_in_a_wait_for_many(total: dict[str, Any]) -> None:
    """The wait drops the jobs of others, so that every page is empty to it."""
    pages = itertools.count(2)

    def script(target: str) -> Any:
        is_list = "/Jobs?" in target
        link = f"{LIST}?Page={next(pages)}"
        return page(*IDS[4:], link=link, **total) if is_list else {"Id": target[-36:], "Status": "COMPLETED"}

    outcomes, asked = waited_for(script)
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    further = ["?Page=" in target for target in asked]
    assert any(further)
    assert (True, True) not in itertools.pairwise(further), "no third page of a list"


@pytest.mark.parametrize("link", ["https://elsewhere.example/Jobs", 7])
def test_a_wait_for_many_uses_what_arrived_before_a_bad_link(link: Any) -> None:
    outcomes, asked = waited_for(
        lambda target: page(*IDS[:2], link=link) if "/Jobs?" in target else {"Id": target[-36:], "Status": "COMPLETED"}
    )
    assert {outcome.status for outcome in outcomes.values()} == {"COMPLETED"}
    assert [target[-36:] for target in asked if "/Jobs?" not in target] == [IDS[2]]


# A gateway


def serving_pages(*bodies: Any) -> Callable[[Asked], Reply]:
    left = iter(bodies)

    def answer(_: Asked) -> Reply:
        body = json.dumps(next(left)).encode()
        return Reply(headers={"Content-Length": str(len(body))}, body=body)

    return answer


@contextmanager
def gateway(make: MakeClient, path: str, *bodies: Any) -> Iterator[tuple[AnyClient, RawServer]]:
    with Sandbox() as sandbox, serving(serving_pages(*bodies)) as server, asyncio.Runner() as runner:
        options = {"account_sid": SID, "base_url": server.url + path, "retry": Retry(attempts=1)}
        with make(sandbox, runner, **options) as jobs:
            yield jobs, server


@with_each_client
@pytest.mark.parametrize(
    "link",
    [
        f"{LIST}?Page=2",
        f" {LIST}?Page=2\n",
        "/impact/v1/Agencies/IRtest/Jobs?Page=2",
        "/Jobs?Page=2",
        "/impact/v1/Jobs?Page=2",
        "?Page=2",
        "Jobs?Page=2",
        "./Jobs?Page=2",
        "Agencies/IRtest/Jobs?Page=2",
        "{base}/Agencies/IRtest/Jobs?Page=2",
        "{base}/Jobs?Page=2",
        "{base}/x/../Agencies/IRtest/./Jobs/?Page=2#top",
    ],
)
@pytest.mark.parametrize("path", ["", "/impact/v1"])
def test_each_form_of_a_link_leads_below_the_base_url(make: MakeClient, link: str, path: str) -> None:
    if not path:
        link = link.replace("/impact/v1", "")
    bodies = [page(IDS[0], link=link), page(IDS[1])]
    with gateway(make, path, *bodies) as (jobs, server):
        bodies[0]["@nextpageuri"] = link.format(base=f"{server.url}{path}")
        assert read(jobs) == (IDS[:2], None)
        assert [asked.target for asked in server.asked] == [f"{path}{LIST}", f"{path}{LIST}?Page=2"]


@with_each_client
@pytest.mark.parametrize(
    "link",
    [
        "https://api.impact.com/Agencies/IRtest/Jobs?Page=2",
        "{server}/Agencies/IRtest/Jobs?Page=2",
        "{server}/impact/v10/Agencies/IRtest/Jobs?Page=2",
        "{server}/impact/v1/../Agencies/IRtest/Jobs?Page=2",
        "{server}/impact/v1/%2e%2e/Agencies/IRtest/Jobs?Page=2",
        "{server}/impact/v1/..\\Agencies/IRtest/Jobs?Page=2",
        "../../../Agencies/IRtest/Jobs?Page=2",
    ],
)
def test_a_link_beside_the_path_of_the_gateway_is_not_requested(make: MakeClient, link: str) -> None:
    bodies = [page(IDS[0], link=link), page(IDS[1])]
    with gateway(make, "/impact/v1", *bodies) as (jobs, server):
        bodies[0]["@nextpageuri"] = link.format(server=server.url)
        found, error = read(jobs)
        assert found == IDS[:1]
        assert all(asked.target.startswith(f"/impact/v1{LIST}") for asked in server.asked)
        if len(server.asked) == 1:
            assert f"below {server.url}/impact/v1, so it was not requested" in str(error)
