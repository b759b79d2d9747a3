"""Every kind of account, and a brand of an agency by passthrough, through every verb and both clients."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from impact_agency_api.api.jobs import list_jobs
from impact_jobs import (
    AsyncJobsClient,
    ConfigurationError,
    JobFailedError,
    JobsClient,
    JobsError,
    Polling,
    ReplayUncertainError,
    ResultNotReadyError,
    Retry,
)
from impact_jobs._account_kinds import AccountKindName
from impact_jobs._transport import clock
from impact_jobs.sandbox import RecordedRequest, Sandbox

from tests.support.driving import AnyClient, clients
from tests.support.virtual_clock import NOON, VirtualClock

ADVERTISER = 2747168
QUARTER, HOUR, DAY = 900.0, 3600.0, 86_400.0
QUICK = Retry(attempts=3, base_delay=0.0)
SELDOM = Polling(minimum=60.0)  # so that hours of waiting take few requests
AT_ONCE = Polling(error_grace=timedelta(0))


@frozen(kw_only=True)
class Scope:
    """A kind of account, or one brand of an agency."""

    name: str
    account: AccountKindName = "agency"
    path: str
    version: str
    advertiser: int | None = None


SCOPES = {
    "agency": Scope(name="agency", path="/Agencies/{}", version="3"),
    "brand": Scope(name="brand", account="brand", path="/Advertisers/{}", version="14"),
    "partner": Scope(name="partner", account="partner", path="/Mediapartners/{}", version="16"),
    "passthrough": Scope(
        name="passthrough", path=f"/Agencies/{{}}/Advertisers/{ADVERTISER}", version="14", advertiser=ADVERTISER
    ),
}


@frozen(kw_only=True)
class Setting:
    """A sandbox that plays a scope, and a client of it."""

    scope: Scope
    sandbox: Sandbox
    jobs: AnyClient
    virtual: VirtualClock

    @property
    def is_agency(self) -> bool:
        return self.scope.name == "agency"

    @property
    def path(self) -> str:
        return self.scope.path.format(self.sandbox.account_sid)

    @property
    def requests(self) -> list[RecordedRequest]:
        return [request for request in self.sandbox.requests if request.origin == "api"]

    def add_job(self, **options: Any) -> str:
        return self.sandbox.add_job(advertiser=self.scope.advertiser, **options)

    def result_of(self, job_id: str) -> bytes:
        return b"".join(self.sandbox.result(job_id).read())

    def answer(self, method: str, path: str | re.Pattern[str], body: object, **options: Any) -> None:
        self.sandbox.answer_next(method, path, status=200, body=json.dumps(body), **options)


@pytest.fixture
def virtual() -> Iterator[VirtualClock]:
    virtual = VirtualClock()
    with clock.use(virtual):
        yield virtual


@pytest.fixture(params=SCOPES)
def scope(request: pytest.FixtureRequest) -> Scope:
    return SCOPES[request.param]


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def setting(request: pytest.FixtureRequest, scope: Scope, virtual: VirtualClock) -> Iterator[Setting]:
    with (
        Sandbox(account=scope.account, job_seconds=0, result_bytes=2_000, clock=virtual.time) as sandbox,
        asyncio.Runner() as runner,
        request.param(sandbox, runner, retry=QUICK, polling=SELDOM) as jobs,
    ):
        own = jobs if scope.advertiser is None else jobs.for_advertiser(scope.advertiser)
        yield Setting(scope=scope, sandbox=sandbox, jobs=own, virtual=virtual)


but_agencies = pytest.mark.parametrize("scope", [name for name in SCOPES if name != "agency"], indirect=True)


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def only(outcomes: dict[str, Any]) -> Any:
    (outcome,) = outcomes.values()
    if isinstance(outcome, JobsError):
        raise outcome
    return outcome


# Every verb


def test_every_verb_reaches_the_account_in_its_own_way(setting: Setting, tmp_path: Path) -> None:
    jobs, path = setting.jobs, setting.path
    job_id = setting.add_job(age=HOUR, seconds=60)
    if setting.scope.advertiser is not None:
        setting.sandbox.add_job()  # of the agency itself
    assert [job.id for job in jobs.list()] == [job_id]
    assert jobs.get(f"{path}/Jobs/{job_id}/Replay").result_uri == f"{path}/Jobs/{job_id}/Download"
    assert jobs.wait(job_id).status == "COMPLETED"
    content = setting.result_of(job_id)
    for mode in ("redirect", "stream"):
        assert jobs.download(job_id, tmp_path / mode, mode=mode).path.read_bytes() == content
    with jobs.stream(job_id) as stream:
        assert b"".join(stream) == content
    replayed = jobs.replay(job_id)
    assert (replayed.id != job_id) == setting.is_agency
    result = jobs.wait_and_download(replayed, tmp_path / "again")
    assert setting.virtual.now >= NOON + 60
    assert result.path.read_bytes() == setting.result_of(replayed.id) != content
    assert jobs.replay_if_replayable(replayed).status == "QUEUED"
    more = [setting.add_job(seconds=30) for _ in range(3)]
    assert set(jobs.wait_all(more)) == {job.id for job in jobs.as_completed(more)} == set(more)
    assert jobs.fetch_all(more, tmp_path / "all").is_complete
    exported = jobs.export_report("agency_action_listing", start_date="2026-05-01", end_date="2026-05-02")
    assert setting.requests[-1].path == f"{path}/ReportExport/agency_action_listing"
    lines = jobs.wait_and_download(exported, tmp_path / "export").path.read_bytes()
    assert lines == setting.result_of(exported.id)
    assert lines.count(b"\n") > 1
    assert "agency_action_listing" in {report.id for report in jobs.reports()}
    assert jobs.report_metadata("agency_action_listing").columns
    assert all(request.path.startswith(f"{path}/") for request in setting.requests)
    assert {request.headers["ir-version"] for request in setting.requests} == {setting.scope.version}


def test_one_call_lists_the_same_days_and_moments_of_every_kind(setting: Setting) -> None:
    """The days are the server's, five hours behind UTC."""
    jobs, now = setting.jobs, utc(setting.virtual.now)
    ids = [setting.add_job(age=days * DAY) for days in range(6)]
    for first, last in (
        (now - timedelta(days=4), now - timedelta(days=2)),
        (date(2026, 5, 25), date(2026, 5, 27)),
        ("25 May 2026", "2026-05-27"),
    ):
        assert {job.id for job in jobs.list(first, last)} == set(ids[2:5])
        assert {job.id for job in jobs.list(created_after=first)} == set(ids[:5])
        assert {job.id for job in jobs.list(created_before=last)} == set(ids[2:])
    second = timedelta(seconds=1)
    assert [job.id for job in jobs.list(now - timedelta(days=4) + second, now - timedelta(days=2) - second)] == [ids[3]]


def test_pages_are_followed_within_the_scope_only(setting: Setting) -> None:
    ids = [f"3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b{digit}" for digit in range(3)]
    links = [f"{setting.path}/Jobs?Page=2", f"{setting.path[1:]}/Jobs.json?Page=3", ""]
    if setting.scope.name == "passthrough":
        links[0] = "/Advertisers/IRbrand/Jobs?Page=2"  # as the brand's own account has it
    for job_id, link in zip(ids, links, strict=True):
        page = {"Jobs": [{"Id": job_id, "Status": "COMPLETED"}], "@nextpageuri": link}
        setting.answer("GET", re.compile("/Jobs"), page)
    assert [job.id for job in setting.jobs.list()] == ids
    assert {(request.path, request.query) for request in setting.requests[1:]} == {
        (f"{setting.path}/Jobs", "Page=2"),
        (f"{setting.path}/Jobs.json", "Page=3"),
    }
    for other in SCOPES.values():
        if other is setting.scope or (other.name, setting.scope.name) == ("brand", "passthrough"):
            continue
        setting.sandbox.forget_requests()
        link = f"{other.path.format(setting.sandbox.account_sid)}/Jobs?Page=2"
        setting.answer("GET", "/Jobs", {"Jobs": [{"Id": ids[0], "Status": "COMPLETED"}], "@nextpageuri": link})
        with pytest.raises(JobsError, match=f"is not the list of {setting.path} below"):
            list(setting.jobs.list())
        assert len(setting.requests) == 1


# ERROR, which some servers run again

WAITS: dict[str, Callable[[AnyClient, str, Path], Any]] = {
    "wait": lambda jobs, job_id, _: jobs.wait(job_id),
    "wait of a snapshot": lambda jobs, job_id, _: jobs.wait(jobs.get(job_id)),
    "wait_all": lambda jobs, job_id, _: jobs.wait_all([job_id]),
    "wait_all of a snapshot": lambda jobs, job_id, _: jobs.wait_all([jobs.get(job_id)]),
    "as_completed": lambda jobs, job_id, _: next(iter(jobs.as_completed([job_id]))),
    "wait_and_download": lambda jobs, job_id, folder: jobs.wait_and_download(job_id, folder / job_id),
    "fetch_all": lambda jobs, job_id, folder: only(jobs.fetch_all([job_id], folder).outcomes),
}


def test_a_wait_outlasts_an_error_that_the_server_runs_again(setting: Setting, tmp_path: Path) -> None:
    for wait in WAITS.values():
        job_id, begun = setting.add_job(status="ERROR", recovers_after=QUARTER), setting.virtual.now
        if setting.is_agency:
            with pytest.raises(JobFailedError, match="ERROR"):
                wait(setting.jobs, job_id, tmp_path)
            assert setting.virtual.now == begun
            continue
        wait(setting.jobs, job_id, tmp_path)
        assert setting.virtual.now >= begun + QUARTER


def test_no_wait_outlasts_it_with_a_grace_of_zero(setting: Setting, tmp_path: Path) -> None:
    jobs = setting.jobs.with_options(polling=AT_ONCE)
    for wait in WAITS.values():
        with pytest.raises(JobFailedError, match="ERROR"):
            wait(jobs, setting.add_job(status="ERROR", recovers_after=QUARTER), tmp_path)
    assert setting.virtual.now == NOON


def test_the_users_own_grace_counts_on_every_account(setting: Setting) -> None:
    job_id = setting.add_job(status="ERROR", recovers_after=3 * HOUR)
    polling = Polling(minimum=300.0, error_grace=timedelta(hours=4))
    assert setting.jobs.wait(job_id, timeout=None, polling=polling).status == "COMPLETED"
    assert setting.virtual.now >= NOON + 3 * HOUR


@but_agencies
def test_an_error_that_outlasts_all_tries_of_the_server_ends_a_wait(setting: Setting) -> None:
    with pytest.raises(JobFailedError):
        setting.jobs.wait(setting.add_job(status="ERROR", recovers_after=DAY), timeout=None)
    assert NOON + 5 * QUARTER < setting.virtual.now < NOON + 2 * HOUR


def test_a_download_says_whether_a_job_in_error_may_still_have_a_result(setting: Setting, tmp_path: Path) -> None:
    job_id = setting.add_job(status="ERROR", recovers_after=QUARTER)
    with pytest.raises(JobFailedError if setting.is_agency else ResultNotReadyError, match="ERROR"):
        setting.jobs.download(job_id, tmp_path / "a")
    with pytest.raises(JobFailedError):
        setting.jobs.with_options(polling=AT_ONCE).download(job_id, tmp_path / "a")


# A replay in place


def test_a_replay_without_an_answer_is_found_for_every_kind(setting: Setting) -> None:
    for seconds, lost in ((60, {"status": None}), (60, {"status": 502}), (0, {"status": 204})):
        job_id, begun, before = setting.add_job(age=HOUR, seconds=seconds), setting.virtual.now, setting.sandbox.job_ids
        setting.sandbox.answer_next("PUT", "/Replay", perform=True, **lost)
        job = setting.jobs.replay(job_id)
        assert (job.id == job_id) != setting.is_agency
        assert len(setting.sandbox.job_ids) == len(before) + setting.is_agency
        assert setting.jobs.wait(job).completed_date >= utc(begun + seconds).replace(microsecond=0)
        setting.virtual.now += HOUR  # so that the candidates of one replay are not those of the next


@but_agencies
def test_a_new_job_of_somebody_else_is_not_taken_for_a_replay_in_place(setting: Setting) -> None:
    job_id, other = setting.add_job(age=HOUR), setting.add_job()
    setting.sandbox.answer_next("PUT", "/Replay", status=None)
    with pytest.raises(ReplayUncertainError) as raised:
        setting.jobs.replay(job_id)
    assert [job.id for job in raised.value.candidates] == [other]


@but_agencies
def test_each_of_several_replays_in_place_is_found(setting: Setting) -> None:
    job = setting.jobs.get(setting.add_job(age=HOUR, seconds=60))
    for number in range(4):
        before = job
        if number % 2:
            setting.sandbox.answer_next("PUT", "/Replay", status=None, perform=True)
        job = setting.jobs.wait(setting.jobs.replay(job))
        assert job.completed_date > before.completed_date


@but_agencies
def test_a_rerun_is_recognised_by_what_the_server_keeps_or_the_user_knows(setting: Setting) -> None:
    """The job may keep its creation date, so that a job which never left the queue looks alike."""
    for keeps_ends, has_snapshot in ((True, False), (False, True), (False, False)):
        before = setting.jobs.get(setting.add_job(age=HOUR))
        kept = before.raw if keeps_ends else {"Id": before.id, "CreatedDate": before.raw["CreatedDate"]}
        setting.sandbox.answer_next("PUT", "/Replay", status=None)
        times = 1 if keeps_ends or has_snapshot else QUICK.attempts
        setting.answer("GET", f"/Jobs/{before.id}", {**kept, "Status": "QUEUED"}, times=times)
        if keeps_ends or has_snapshot:
            assert setting.jobs.replay(before if has_snapshot else before.id).status == "QUEUED"
        else:
            with pytest.raises(ReplayUncertainError):
                setting.jobs.replay(before.id)


@but_agencies
def test_a_run_that_began_before_the_replay_is_not_taken_for_it(setting: Setting) -> None:
    """Somebody else has replayed the job, so the server has refused this replay."""
    before = setting.jobs.get(setting.add_job(age=HOUR))
    started = (utc(NOON) - timedelta(minutes=10)).isoformat()
    setting.sandbox.answer_next("PUT", "/Replay", status=None)
    running = {**before.raw, "Status": "RUNNING", "StartedDate": started}
    setting.answer("GET", f"/Jobs/{before.id}", running, times=QUICK.attempts)
    with pytest.raises(ReplayUncertainError):
        setting.jobs.replay(before)


@but_agencies
def test_the_end_of_the_run_before_is_not_believed_even_if_it_was_in_the_second_of_the_replay(setting: Setting) -> None:
    job = setting.jobs.get(setting.add_job(age=20, seconds=20))
    for is_answer_stale in (False, True):
        before, begun = job, setting.virtual.now
        if is_answer_stale:
            setting.answer("PUT", "/Replay", before.raw, perform=True)
        replayed = setting.jobs.replay(before)
        setting.answer("GET", f"/Jobs/{before.id}", before.raw, times=2)
        job = setting.jobs.wait(replayed, polling=Polling())
        assert setting.virtual.now >= begun + 20
        assert job.completed_date > before.completed_date


# The clients


def test_options_keep_the_kind_and_the_repr_shows_it(setting: Setting) -> None:
    jobs, sandbox = setting.jobs.with_options(request_timeout=5.0), setting.sandbox
    assert jobs.get(setting.add_job()).status == "COMPLETED"
    for cls in (JobsClient, AsyncJobsClient):
        client: Any = cls(sandbox.account_sid, "token", account=setting.scope.account, base_url=sandbox.base_url)
        scoped = client if setting.scope.advertiser is None else client.for_advertiser(setting.scope.advertiser)
        kind = f"account={setting.scope.account!r}, " if setting.scope.account != "agency" else ""
        call = f".for_advertiser({ADVERTISER})" if setting.scope.advertiser else ""
        assert repr(scoped.with_options(retry=QUICK)) == (
            f"{cls.__name__}({sandbox.account_sid!r}, {kind}base_url={sandbox.base_url!r}){call}"
        )


def test_the_environment_names_the_kind_and_an_argument_wins(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in setting.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    kind = setting.scope.account
    for cls in (JobsClient, AsyncJobsClient):
        assert (f"account={kind!r}" in repr(cls.from_env())) == (kind != "agency")
        assert "account='partner'" in repr(cls.from_env(account="partner"))
    monkeypatch.setenv("IMPACT_ACCOUNT_KIND", "Brand")
    with pytest.raises(ConfigurationError, match=r"IMPACT_ACCOUNT_KIND='Brand' .* Did you mean 'brand'\?"):
        JobsClient.from_env()
    monkeypatch.setenv("IMPACT_ACCOUNT_KIND", "")
    assert "account=" not in repr(JobsClient.from_env())


@pytest.mark.parametrize("scope", ["agency"], indirect=True)
def test_the_client_of_a_brand_shares_connections_and_the_hourly_limit(setting: Setting) -> None:
    agency, sandbox = setting.jobs, setting.sandbox
    brand = agency.for_advertiser(ADVERTISER)
    own, of_brand = sandbox.add_job(), sandbox.add_job(advertiser=ADVERTISER)
    assert ([job.id for job in agency.list()], [job.id for job in brand.list()]) == ([own], [of_brand])
    inner: list[Any] = [getattr(each, "_inner", each) for each in (agency, brand)]
    agency_context, context = (each._context for each in inner)
    assert context.transport is agency_context.transport
    for shared in ("rate_limiter", "replay_claims", "recent_replays"):
        assert getattr(context, shared) is getattr(agency_context, shared)
    prefix = f"/Agencies/{sandbox.account_sid}/Advertisers/{ADVERTISER}"
    for path, hint in (
        (f"{prefix}/Jobs/{of_brand}", rf"jobs\.for_advertiser\({ADVERTISER}"),
        (f"/Advertisers/IRx/Jobs/{of_brand}", r"JobsClient\('IRx', …, account='brand'\)"),
    ):
        sandbox.forget_requests()
        with pytest.raises(ConfigurationError, match=hint):
            agency.get(path)
        assert sandbox.requests == ()


@but_agencies
def test_only_an_agency_gives_clients_for_brands(setting: Setting) -> None:
    with pytest.raises(ConfigurationError, match="for_advertiser needs the client of an agency"):
        setting.jobs.for_advertiser(7)
    assert setting.sandbox.requests == ()


def test_the_generated_operations_are_an_agencys_and_its_connections_serve_every_kind(setting: Setting) -> None:
    """Requests of any path, such as those of a brand by an agency, go through the httpx client."""
    job_id = setting.add_job()
    inner: Any = getattr(setting.jobs, "_inner", setting.jobs)
    is_blocking = isinstance(inner, JobsClient)

    def request(path: str) -> Any:
        if is_blocking:
            return inner.generated.get_httpx_client().get(path)
        return setting.jobs._blocking(inner.generated.get_async_httpx_client().get(path))

    def generated() -> Any:
        call = list_jobs.sync if is_blocking else list_jobs.asyncio
        found = call(setting.sandbox.account_sid, client=inner.generated)
        return found if is_blocking else setting.jobs._blocking(found)

    assert request(f"{setting.path}/Jobs/{job_id}").json()["Id"] == job_id
    assert setting.requests[-1].headers["ir-version"] == setting.scope.version
    if setting.is_agency:
        assert [str(job.id) for job in generated()] == [job_id]
        setting.sandbox.add_job(advertiser=ADVERTISER)
        assert len(request(f"{setting.path}/Advertisers/{ADVERTISER}/Jobs").json()["Jobs"]) == 1
        return
    with pytest.raises(ConfigurationError, match=rf"are those of an agency: request .*'{setting.path}/Jobs' by jobs"):
        generated()
    assert len(setting.requests) == 1
