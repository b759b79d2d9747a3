"""The fixtures, used by tests as users would use them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from impact_jobs import (
    AsyncJobsClient,
    JobsClient,
    JobsError,
    Polling,
    RateLimitError,
    Retry,
    WaitTimeoutError,
    pytest_plugin,
)
from impact_jobs._transport import clock
from impact_jobs.pytest_plugin import Arrange, ImpactClock, Sandbox
from impact_jobs.toolkit import use_clock

from tests.support.proxy import proxying
from tests.support.raw_server import Reply, serving

NAMES = ("IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN", "IMPACT_BASE_URL")


# The sandbox


def test_jobs_of_a_fresh_sandbox_complete_at_once(impact_sandbox: Sandbox, impact_jobs_client: JobsClient) -> None:
    assert impact_sandbox.job_ids == ()
    assert impact_jobs_client.get(impact_sandbox.add_job()).status == "COMPLETED"


@pytest.mark.impact_sandbox(job_seconds=600, result_bytes=7, seed=3)
class TestMarker:
    def test_it_sets_options_of_the_sandbox(self, impact_sandbox: Sandbox, impact_jobs_client: JobsClient) -> None:
        job_id = impact_sandbox.add_job()
        assert impact_jobs_client.get(job_id).status == "QUEUED"
        assert impact_sandbox.result(job_id).size == 7

    @pytest.mark.impact_sandbox(result_bytes=8)
    def test_the_options_of_a_test_win_over_those_of_its_class(self, impact_sandbox: Sandbox) -> None:
        with Sandbox(seed=3) as other:
            assert impact_sandbox.account_sid == other.account_sid
        assert impact_sandbox.result(impact_sandbox.add_job()).size == 8


def test_requests_to_the_sandbox_bypass_a_proxy(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with proxying() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "intranet.example")
        jobs: JobsClient = request.getfixturevalue("impact_jobs_client")
        sandbox: Sandbox = request.getfixturevalue("impact_sandbox")
        assert jobs.download(sandbox.add_job(), tmp_path / "a.csv").bytes_written == 100_000
        assert proxy.asked == []
        assert os.environ["NO_PROXY"] == "intranet.example,127.0.0.1"


# The environment


def test_the_sandbox_alone_does_not_change_the_environment(request: pytest.FixtureRequest) -> None:
    before = dict(os.environ)
    request.getfixturevalue("impact_jobs_client")
    assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == {**before, "PYTEST_CURRENT_TEST": ""}


def test_the_environment_points_at_the_sandbox(impact_environ: dict[str, str], impact_scenario: Arrange) -> None:
    assert {name: os.environ[name] for name in NAMES} == impact_environ
    job_id = impact_scenario("completed")
    with JobsClient.from_env() as jobs:
        assert [job.id for job in jobs.list()] == [job_id]


@pytest.mark.impact_sandbox(account="brand")
def test_the_marker_chooses_the_kind_of_the_account(
    impact_environ: dict[str, str], impact_jobs_client: JobsClient, impact_scenario: Arrange
) -> None:
    assert impact_environ["IMPACT_ACCOUNT_KIND"] == os.environ["IMPACT_ACCOUNT_KIND"] == "brand"
    job_id = impact_scenario("completed")
    with JobsClient.from_env() as jobs:
        for client in (jobs, impact_jobs_client):
            assert client.wait(job_id).id == job_id


def test_a_kind_of_account_in_the_environment_is_ignored(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPACT_ACCOUNT_KIND", "partner")
    request.getfixturevalue("impact_environ")
    with JobsClient.from_env() as jobs:
        assert list(jobs.list()) == []


def test_a_profile_in_the_environment_is_ignored(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("IMPACT_JOBS_PROFILE", "real")
    request.getfixturevalue("impact_environ")
    listed = subprocess.run(
        [sys.executable, "-m", "impact_jobs.cli", "list"], capture_output=True, text=True, check=False
    )
    assert (listed.returncode, listed.stdout) == (0, ""), listed.stderr


def test_the_environment_survives_an_undo_of_monkeypatch(
    monkeypatch: pytest.MonkeyPatch, impact_environ: dict[str, str]
) -> None:
    monkeypatch.undo()
    assert os.environ["IMPACT_BASE_URL"] == impact_environ["IMPACT_BASE_URL"]


# Virtual time


def test_a_wait_times_out_after_an_hour_of_virtual_time(
    impact_clock: ImpactClock, impact_scenario: Arrange, impact_jobs_client: JobsClient
) -> None:
    with pytest.raises(WaitTimeoutError):
        impact_jobs_client.wait(impact_scenario("stuck_at_99"), timeout=3600)
    assert impact_clock.elapsed == 3600


def test_a_job_created_before_the_clock_is_not_in_the_future(
    impact_scenario: Arrange, impact_jobs_client: JobsClient, request: pytest.FixtureRequest
) -> None:
    job_id = impact_scenario("completed")
    request.getfixturevalue("impact_clock")
    assert impact_jobs_client.get(job_id).status == "COMPLETED"


def test_an_asynchronous_wait_uses_virtual_time(
    impact_clock: ImpactClock, impact_scenario: Arrange, async_impact_jobs_client: AsyncJobsClient
) -> None:
    done = asyncio.run(async_impact_jobs_client.wait(impact_scenario("slow"), timeout=2 * 3600))
    assert done.status == "COMPLETED"
    assert 3600 <= impact_clock.elapsed < 3600 + Polling().maximum


def test_sleeps_add_up_exactly_and_the_shortest_one_counts(impact_clock: ImpactClock) -> None:
    for _ in range(7):
        impact_clock.sleep(1 / 7)
    assert impact_clock.elapsed == pytest.approx(1)
    so_far = impact_clock.elapsed
    impact_clock.advance(3600)
    assert impact_clock.elapsed == so_far + 3600
    impact_clock.sleep(1e-12)
    assert impact_clock.elapsed > so_far + 3600
    impact_clock.sleep(0)


# The worker that polls the stuck job moves the time on while the other downloads, so links must not expire.
@pytest.mark.impact_sandbox(link_seconds=7 * 24 * 3600)
def test_the_workers_of_fetch_all_share_virtual_time(
    impact_clock: ImpactClock, impact_scenario: Arrange, impact_jobs_client: JobsClient, tmp_path: Path
) -> None:
    slow, stuck, failed = impact_scenario("slow"), impact_scenario("stuck_at_99"), impact_scenario("failed")
    # Much longer than the slow job takes, because the stuck one may sleep many times between two of its polls.
    report = impact_jobs_client.fetch_all([slow, stuck, failed], tmp_path, timeout=12 * 3600)
    assert set(report.files) == {slow}
    assert {job_id: type(error).__name__ for job_id, error in report.errors.items()} == {
        stuck: "WaitTimeoutError",
        failed: "JobFailedError",
    }
    assert 12 * 3600 <= impact_clock.elapsed < 14 * 3600


@pytest.mark.usefixtures("impact_clock")
def test_polls_are_as_far_apart_as_in_real_time(
    impact_sandbox: Sandbox, impact_scenario: Arrange, impact_jobs_client: JobsClient
) -> None:
    impact_jobs_client.wait(impact_scenario("slow"), timeout=None)
    times = [request.time for request in impact_sandbox.requests]
    pauses = [after - before for before, after in pairwise(times)]
    assert all(Polling().minimum <= pause <= Polling().maximum for pause in pauses)


@pytest.mark.impact_sandbox(hourly_budget=3, budget_headers="epoch", link_seconds=60)
def test_advance_renews_the_budget_and_expires_links(
    impact_clock: ImpactClock, impact_sandbox: Sandbox, impact_scenario: Arrange, impact_jobs_client: JobsClient
) -> None:
    job_id, impatient = impact_scenario("completed"), impact_jobs_client.with_options(retry=Retry(attempts=1))
    for _ in range(3):
        impatient.get(job_id)
    with pytest.raises(RateLimitError):
        impatient.get(job_id)
    link = impact_sandbox.result_url(job_id)
    impact_sandbox.answer_next("GET", "/Download", status=302, headers={"Location": link})
    impact_clock.advance(3601)
    assert impatient.get(job_id).id == job_id
    with impatient.stream(job_id) as chunks:
        assert sum(map(len, chunks)) == 100_000
    assert [request.origin for request in impact_sandbox.requests[-4:]] == ["api", "storage", "api", "storage"]


def test_the_clock_has_the_functions_of_the_time_module(impact_clock: ImpactClock) -> None:
    moments = impact_clock.time(), impact_clock.monotonic(), impact_clock.now().timestamp()
    impact_clock.sleep(10)
    impact_clock.advance(20.5)
    later = impact_clock.time(), impact_clock.monotonic(), impact_clock.now().timestamp()
    assert [after - before for before, after in zip(moments, later, strict=True)] == [30.5] * 3
    assert abs(moments[0] - time.time()) < 3600, "it starts now, so jobs are created today"


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_negative_seconds_are_refused(impact_clock: ImpactClock, seconds: float) -> None:
    for move in (impact_clock.advance, impact_clock.sleep):
        with pytest.raises(ValueError, match="cannot go back"):
            move(seconds)
    assert impact_clock.elapsed == 0


@pytest.mark.usefixtures("impact_clock")
def test_an_endless_wait_fails_the_test(impact_scenario: Arrange, impact_jobs_client: JobsClient) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"slept for 7 days.*without a timeout"):
        impact_jobs_client.wait(
            impact_scenario("stuck_at_99"), timeout=None, polling=Polling(minimum=43200, maximum=86400)
        )


def test_time_is_real_again_after_the_test(request: pytest.FixtureRequest) -> None:
    with Sandbox(job_seconds=0.2) as sandbox, sandbox.client() as jobs:
        started = time.monotonic()
        jobs.wait(sandbox.add_job(), polling=Polling(minimum=0.05, maximum=0.05), timeout=60)
        assert time.monotonic() - started >= 0.2
    assert "impact_clock" not in request.fixturenames


def test_a_jump_of_the_clock_does_not_time_out_a_request(impact_clock: ImpactClock) -> None:
    """The sleep of another thread moves the clock while a response arrives."""
    whole = b'{"Id": "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", "Status": "RUNNING"}'

    def pieces() -> Iterator[bytes]:
        yield whole[:20]
        impact_clock.advance(3600)
        yield whole[20:]

    with (
        serving(lambda _: Reply(headers={"Content-Length": str(len(whole))}, body=pieces())) as api,
        JobsClient("IRsomebody", "token", base_url=api.url, retry=Retry(attempts=1)) as jobs,
    ):
        assert jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1").status == "RUNNING"


def test_the_inner_of_two_clocks_wins(impact_clock: ImpactClock) -> None:
    inner = ImpactClock()
    with use_clock(inner):
        inner.advance(100)
        assert clock.now() == inner.monotonic()
        assert clock.left_to_sleep(5.0) == 0.0
    assert (inner.elapsed, impact_clock.elapsed) == (105, 0)
    assert clock.utc() == impact_clock.now()


# No network


@pytest.mark.usefixtures("impact_offline")
class TestOffline:
    def test_a_client_of_the_real_api_fails_the_test(self) -> None:
        with (
            JobsClient("IRsomebody", "token") as jobs,
            pytest.raises(pytest.fail.Exception, match=r"'api\.impact\.com'.*impact_environ") as raised,
        ):
            jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
        assert not isinstance(raised.value, JobsError | Exception)

    def test_an_asynchronous_client_of_the_real_api_fails_the_test(self) -> None:
        async def ask() -> None:
            async with AsyncJobsClient("IRsomebody", "token") as jobs:
                await jobs.get("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")

        with pytest.raises(pytest.fail.Exception, match=r"api\.impact\.com"):
            asyncio.run(ask())

    @pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.com", b"example.com", "127.0.0.1.example"])
    def test_a_connection_to_another_machine_fails_the_test(self, host: str) -> None:
        with pytest.raises(pytest.fail.Exception, match="impact_offline"):
            socket.create_connection((host, 80))

    @pytest.mark.parametrize("name", ["gethostbyname", "gethostbyname_ex"])
    def test_resolving_another_machine_fails_the_test(self, name: str) -> None:
        with pytest.raises(pytest.fail.Exception, match="impact_offline"):
            getattr(socket, name)("example.com")

    def test_connecting_to_a_known_address_fails_the_test(self) -> None:
        with socket.socket() as plain, pytest.raises(pytest.fail.Exception, match="impact_offline"):
            plain.connect_ex(("192.0.2.1", 80))

    def test_this_machine_can_be_reached(
        self, impact_jobs_client: JobsClient, async_impact_jobs_client: AsyncJobsClient, impact_scenario: Arrange
    ) -> None:
        job_id = impact_scenario("completed")
        assert impact_jobs_client.get(job_id) == asyncio.run(async_impact_jobs_client.get(job_id))
        assert socket.getaddrinfo(host="localhost", port=80, family=socket.AF_INET)
        one, other = socket.socketpair()
        one.close()
        other.close()


# Public names


def test_every_public_name_exists() -> None:
    assert all(hasattr(pytest_plugin, name) for name in pytest_plugin.__all__)
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = pytest_plugin.NoSuchThing  # type: ignore[attr-defined]


# Side by side


def test_sleeps_of_threads_add_up(impact_clock: ImpactClock) -> None:
    threads = [threading.Thread(target=impact_clock.sleep, args=(1.0,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert impact_clock.elapsed == 50
