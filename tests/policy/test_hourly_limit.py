"""The hourly limit in use: fifty waits in virtual time, and every form of the headers over sockets."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest
from attrs import define, evolve, field
from impact_jobs import JobsClient, RateLimitError, Retry
from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get, get_once
from impact_jobs._download.source import ResultSource, open_whole
from impact_jobs._operations.replay import replay
from impact_jobs._redaction import secret_url
from impact_jobs._transport.base import Head, Request, Response
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._auth import BudgetHeaders

from tests.support.interleaved import InterleavedTransport, Timeline
from tests.support.simulated import EPOCH, JOB_ID, answer, context, job_json, transport_of

START = 1000.0
HOUR = 3600.0
FORMS: list[BudgetHeaders] = ["plain", "hour", "epoch", "none"]


@define
class Account:
    """A server that grants a number of requests per hour; its first hour may be partly over."""

    form: BudgetHeaders = "plain"
    limit: int = 1000
    resets_at: float = START + HOUR
    used: int = 0
    granted: list[float] = field(factory=list)
    refused: list[float] = field(factory=list)

    def __call__(self, now: float, request: Request) -> Response:
        if request.to_storage:
            return answer(200, b"a,b\n")
        while now >= self.resets_at:
            self.resets_at, self.used = self.resets_at + HOUR, 0
        if self.used >= self.limit:
            self.refused.append(now)
            return answer(429, {}, headers={**self.headers(now), "retry-after": f"{math.ceil(self.resets_at - now)}"})
        self.used += 1
        self.granted.append(now)
        if "Download" in request.url.reveal():
            location = secret_url("https://storage.example/file.csv")
            return Response(
                head=Head(status_code=302, headers=self.headers(now), location=location, received_at=EPOCH), body=b""
            )
        return answer(200, job_json("RUNNING"), headers=self.headers(now))

    def headers(self, now: float) -> dict[str, str]:
        if self.form == "none":
            return {}
        suffix = "-hour" if self.form == "hour" else ""
        seconds = self.resets_at - now + (EPOCH.timestamp() + now if self.form == "epoch" else 0)
        return {
            f"x-ratelimit-limit{suffix}": str(self.limit),
            f"x-ratelimit-remaining{suffix}": str(self.limit - self.used),
            "ratelimit-reset" if suffix else "x-ratelimit-reset": f"{math.ceil(seconds)}",
        }

    def between(self, start: float, stop: float) -> list[float]:
        return [moment for moment in self.granted if start <= moment < stop]


def client_of(account: Account) -> tuple[ClientContext, Timeline]:
    """Return a client of the account and its timeline."""
    transport = InterleavedTransport(account)
    return evolve(context(account), transport=transport), Timeline(transport)


async def polling(context: ClientContext, pause: float = 5.0) -> None:
    """Poll without end."""
    while True:
        await get_once(context, JOB_ID)
        await context.pause_to_poll(pause)


async def downloading(context: ClientContext, results: list[bytes]) -> None:
    stream = await open_whole(ResultSource(context, JOB_ID, "redirect", "download"))
    results.append(await stream.read())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("resets_after", [HOUR, 1200.0])
def test_fifty_waits_use_the_hourly_limit_and_leave_room_for_downloads(
    form: BudgetHeaders, resets_after: float
) -> None:
    account = Account(form, resets_at=START + resets_after)
    client, timeline = client_of(account)
    results: list[bytes] = []
    for _ in range(50):
        timeline.start(polling(client))
    for moment in range(0, 3 * 3600, 60):
        timeline.start(downloading(client, results), at=START + moment)
    timeline.run(until=START + 3 * HOUR)
    timeline.cancel()
    assert not account.refused
    assert results == [b"a,b\n"] * 180
    for hour in range(1, 3):
        # Polls use everything except the reserve and the downloads.
        assert 800 <= len(account.between(START + hour * HOUR, START + (hour + 1) * HOUR)) <= 1000
    # At first there are fifty polls every five seconds, later they are evenly spaced.
    assert len(account.between(START, START + 40)) >= 400
    late = account.between(START + HOUR - 600, START + HOUR) if resets_after == HOUR else []
    assert all(later - earlier < 60 for earlier, later in pairwise(late))


def test_cancelled_waits_release_their_reservations() -> None:
    client, timeline = client_of(Account(used=850))
    for _ in range(40):
        timeline.start(polling(client))
    timeline.run(until=START + 10)
    assert client.rate_limiter.pace(START + 10) > 300
    timeline.cancel()
    assert client.rate_limiter.reserve(START + 10).delay < 80  # right after the last poll


def test_a_429_to_one_wait_blocks_all_waits() -> None:
    account = Account("none")
    client, timeline = client_of(account)
    for _ in range(20):
        timeline.start(polling(client))
    timeline.run(until=START + 2)
    client.rate_limiter.on_response(
        answer(429, headers={"retry-after": "600"}).head, START + 2
    )  # a response to another client
    timeline.run(until=START + 1000)
    timeline.cancel()
    assert not account.between(START + 2, START + 602)
    back = account.between(START + 602, START + 650)
    assert len(back) > 10
    assert back[1] - back[0] == pytest.approx(3.6), "evenly spaced"


def test_a_deadline_ends_the_longest_pause() -> None:
    client, timeline = client_of(Account(used=1000))
    client.rate_limiter.on_response(answer(200, headers={"x-ratelimit-remaining": "0"}).head, START)
    results_of_pause: list[bool] = []

    async def pausing() -> None:
        results_of_pause.append(await client.pause_to_poll(1.0, deadline=START + 90))

    timeline.start(pausing())
    timeline.run(until=START + 89)
    assert timeline.transport.clock == START
    timeline.run(until=START + 91)
    assert timeline.transport.clock == START + 90
    assert results_of_pause == [False]


def test_pauses_are_not_extended_while_plenty_is_left() -> None:
    simulated = context(Account())
    assert run_sync(simulated.pause_to_poll(7.0))
    assert transport_of(simulated).clock == START + 7.0
    run_sync(simulated.pause_to_poll(0.0))
    run_sync(simulated.pause_to_poll(7.0, deadline=START))
    assert transport_of(simulated).clock == START + 7.0


@pytest.mark.parametrize(
    "verb", [get, replay, lambda context, _: downloading(context, [])], ids=["get", "replay", "download"]
)
def test_calls_wait_for_a_reset_that_is_near(verb: Callable[..., object]) -> None:
    account = Account(used=999, resets_at=START + 40)
    simulated = client_of(account)[0]
    run_sync(get_once(simulated, JOB_ID))
    timeline = Timeline(simulated.transport)  # type: ignore[arg-type]
    timeline.start(verb(simulated, JOB_ID))  # type: ignore[arg-type]
    timeline.run(until=START + 100)
    assert not account.refused
    assert account.granted == [START, START + 41.0]


@pytest.mark.parametrize("retry_after", [True, False])
def test_calls_do_not_wait_for_a_reset_that_is_far(retry_after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    account = Account(used=999, resets_at=START + 1800)

    def script(now: float, request: Request) -> Response:
        response = account(now, request)
        headers = {name: text for name, text in response.head.headers.items() if retry_after or name != "retry-after"}
        return Response(head=evolve(response.head, headers=headers), body=response.body)

    simulated = context(script, retry=Retry(attempts=1))
    run_sync(get(simulated, JOB_ID))
    with pytest.raises(RateLimitError) as raised:
        run_sync(get(simulated, JOB_ID))
    assert raised.value.retry_after == 1800
    assert account.refused == [START]


# Over sockets

CLOCK = 1_780_000_000.0  # fixed, and far from this machine's clock


@pytest.fixture(params=FORMS)
def limited(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Start a sandbox that grants twenty requests."""
    with Sandbox(job_seconds=0, hourly_budget=20, budget_headers=request.param, clock=lambda: CLOCK) as sandbox:
        sandbox.add_job()
        yield sandbox


def pace_of(client: JobsClient) -> float:
    rate_limiter, now = client._context.rate_limiter, client._transport.now()
    return rate_limiter.pace(now)


def test_clients_of_one_account_share_the_rate_limit(limited: Sandbox) -> None:
    with ExitStack() as stack:
        one, other = (stack.enter_context(limited.client(retry=Retry(attempts=1))) for _ in range(2))
        job_id = limited.job_ids[0]
        for _ in range(12):
            one.get(job_id)
        silent = limited._state.settings.budget_headers == "none"
        # Eight are left, two of them in reserve. Without headers, a limit of a thousand is assumed.
        expected = 0.0 if silent else HOUR / 6
        copy = other.with_options(request_timeout=3.0)
        assert [pace_of(client) for client in (one, other, copy)] == [pytest.approx(expected, rel=0.01)] * 3
        for _ in range(8):
            other.get(job_id)
        with pytest.raises(RateLimitError) as raised:
            one.get(job_id)
        assert raised.value.retry_after == HOUR
        assert pace_of(other) == pytest.approx(HOUR, rel=0.01)


def test_an_asynchronous_client_shares_the_rate_limit_and_counts_downloads(limited: Sandbox, tmp_path: object) -> None:
    async def spend() -> None:
        async with limited.async_client() as jobs:
            assert jobs._context.rate_limiter is client._context.rate_limiter
            for turn in range(11):
                await jobs.download(limited.job_ids[0], f"{tmp_path}/{turn}.csv")

    with limited.client() as client:
        asyncio.run(spend())
        assert client._context.rate_limiter._remaining in {9.0, None}
        assert client._context.rate_limiter._sent.total() == 11
