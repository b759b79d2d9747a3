from __future__ import annotations

import gc
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs._account import Account
from impact_jobs._policy.rate_limiter import RATE_LIMITERS, RateLimiter
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.base import Head

from tests.support.simulated import EPOCH

START = 1000.0


def head(
    *, left: int | None = None, limit: int = 1000, reset: float | None = None, status: int = 200, **more: str
) -> Head:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if left is not None:
        headers |= {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(left)}
    if reset is not None:
        headers["x-ratelimit-reset"] = str(reset)
    return Head(status_code=status, headers=headers, received_at=EPOCH)


def limiter_with(*, left: int, reset: float | None = 1799, limit: int = 1000) -> RateLimiter:
    """Return a limiter with that many requests left; one second is added to the reset for rounding."""
    rate_limiter = RateLimiter()
    rate_limiter.on_response(head(left=left, limit=limit, reset=reset), START)
    return rate_limiter


def test_polls_are_not_slowed_down_while_plenty_is_left() -> None:
    for rate_limiter in (RateLimiter(), limiter_with(left=1000), limiter_with(left=510)):
        assert rate_limiter.pace(START) == 0.0
        assert [rate_limiter.reserve(START).delay for _ in range(5)] == [0.0] * 5
        assert rate_limiter.blocked_for(START) == 0.0


@pytest.mark.parametrize(("left", "pace"), [(500, 1800 / 400), (300, 1800 / 200), (101, 1800), (100, 1800), (0, 1800)])
def test_the_remaining_requests_last_until_the_reset_except_for_the_reserve(left: int, pace: float) -> None:
    assert limiter_with(left=left).pace(START) == pytest.approx(pace)


def test_the_pace_eases_while_no_requests_are_sent() -> None:
    rate_limiter = limiter_with(left=200)
    paces = [rate_limiter.pace(START + seconds) for seconds in range(0, 1801, 60)]
    assert paces == sorted(paces, reverse=True)
    assert paces[-1] == 0.0


def test_own_requests_count_until_the_server_states_a_new_number() -> None:
    rate_limiter = limiter_with(left=501)
    for _ in range(101):
        rate_limiter.on_request(START)
    assert rate_limiter.pace(START) == pytest.approx(1800 / 300)
    rate_limiter.on_response(head(left=900, reset=1799), START)  # the server's number replaces the own count
    assert rate_limiter.pace(START) == 0.0


def test_reservations_are_evenly_spaced() -> None:
    rate_limiter = limiter_with(left=300)
    delays = [rate_limiter.reserve(START).delay for _ in range(20)]
    assert delays == pytest.approx([9.0 * turn for turn in range(20)])


def test_reservations_after_the_reset_use_the_pace_of_a_full_hour() -> None:
    rate_limiter = limiter_with(left=102)
    delays = [rate_limiter.reserve(START).delay for _ in range(6)]
    assert delays[:2] == pytest.approx([0.0, 900.0])
    assert delays[2:] == pytest.approx([1800.0, 1803.6, 1807.2, 1810.8])


def test_a_released_reservation_is_available_again() -> None:
    rate_limiter = limiter_with(left=300)
    kept = rate_limiter.reserve(START)
    reservations = [
        rate_limiter.reserve(START) for _ in range(250)
    ]  # some of them lie after the reset, close to each other
    for reservation in reservations:
        rate_limiter.release(reservation, START)
    rate_limiter.release(kept, START)
    assert [rate_limiter.reserve(START).delay for _ in range(2)] == pytest.approx([0.0, 9.0])


def test_reservations_count_as_spent_until_they_are_committed() -> None:
    rate_limiter = limiter_with(left=600)
    reservations = [rate_limiter.reserve(START) for _ in range(200)]  # of waits that are still pausing
    delays = [reservation.delay for reservation in reservations]
    assert delays[:101] == [0.0] * 101
    assert delays[101:] == pytest.approx([1800 / 400 * turn for turn in range(1, 100)])
    for reservation in reservations:
        rate_limiter.commit(reservation)
        rate_limiter.on_request(START + 1800 / 4)
    assert rate_limiter.pace(START + 1800 / 4) == pytest.approx(1800 / 400)


def test_a_poll_of_several_requests_delays_the_next_one_accordingly() -> None:
    rate_limiter = limiter_with(left=300)
    several = rate_limiter.reserve(START, 10)
    assert (several.delay, several.spacing) == pytest.approx((0.0, 90.0))
    assert rate_limiter.reserve(START).delay == pytest.approx(90.0)
    rate_limiter.release(several, START)
    assert limiter_with(left=105).reserve(START, 10).delay == pytest.approx(1800.0), "polls may not use the reserve"
    assert limiter_with(left=105, limit=20).reserve(START, 1000).delay <= 3600.0


def test_threads_never_share_a_reservation() -> None:
    rate_limiter = limiter_with(left=400)
    with ThreadPoolExecutor(8) as threads:
        delays = sorted(threads.map(lambda _: rate_limiter.reserve(START).delay, range(200)))
    assert delays == pytest.approx([6.0 * turn for turn in range(200)])


def test_the_count_restarts_at_the_reset() -> None:
    rate_limiter = limiter_with(left=0)
    for _ in range(900):
        rate_limiter.on_request(START)
    assert rate_limiter.pace(START + 1799) == pytest.approx(3.6)
    assert rate_limiter.pace(START + 1800) == 0.0


def test_a_count_without_a_reset_is_assumed_to_last_an_hour() -> None:
    rate_limiter = limiter_with(left=300, reset=None)
    assert rate_limiter.pace(START) == pytest.approx(3600 / 200)
    rate_limiter.on_response(head(left=200), START + 1800)
    assert rate_limiter.pace(START + 1800) == pytest.approx(1800 / 100)
    rate_limiter.on_response(head(left=400), START + 1860)  # more than before, so a new hour has begun
    assert rate_limiter.pace(START + 1860) == pytest.approx(3600 / 300)


def test_without_headers_the_own_requests_of_the_last_hour_count() -> None:
    rate_limiter = RateLimiter()
    for second in range(0, 3600, 6):
        rate_limiter.on_request(second)
        rate_limiter.on_response(head(), second)
        assert len(rate_limiter._sent) <= 61
    assert 0 < rate_limiter.pace(3600) < 6.0, "600 requests an hour leave some"
    for _ in range(290):
        rate_limiter.on_request(3600)
    # No period of 3,600 seconds may use the reserve.
    assert rate_limiter.pace(3600) >= 6.0
    for _ in range(15):
        rate_limiter.on_request(3600)
    assert rate_limiter.pace(3600) == 60.0, "then the first minute is an hour ago"
    assert rate_limiter.pace(7260) == 0.0


def test_a_429_blocks_all_polls_and_then_lets_them_resume_one_by_one() -> None:
    rate_limiter = limiter_with(left=900)
    rate_limiter.on_response(head(status=429, retry_after="300"), START)
    assert rate_limiter.blocked_for(START) == rate_limiter.pace(START) == 300.0
    assert [rate_limiter.reserve(START).delay for _ in range(3)] == pytest.approx([300.0, 303.6, 307.2])
    assert rate_limiter.blocked_for(START + 300) == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        head(status=429, retry_after="86400"),  # for example, a limit of exports per day
        head(status=429, left=900, reset=1799, retry_after="1800"),
        head(status=503, retry_after="300"),
        head(status=429),
    ],
)
def test_responses_about_other_limits_block_nothing(answer: Head) -> None:
    rate_limiter = limiter_with(left=900)
    rate_limiter.on_response(answer, START)
    assert rate_limiter.blocked_for(START) == rate_limiter.pace(START) == 0.0


def test_a_short_retry_after_blocks_even_if_requests_are_left() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.on_response(head(status=429, left=900, reset=1799, retry_after="5"), START)
    assert rate_limiter.blocked_for(START) == 5.0


def test_other_requests_are_blocked_only_when_nothing_is_left() -> None:
    assert limiter_with(left=1).blocked_for(START) == 0.0
    assert limiter_with(left=0).blocked_for(START) == 1800.0
    spent = limiter_with(left=1)
    spent.on_request(START)
    assert spent.blocked_for(START) == 1800.0
    assert spent.blocked_for(START + 1800) == 0.0


def test_the_start_of_pacing_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    rate_limiter = limiter_with(left=300)
    with caplog.at_level(logging.INFO, "impact_jobs"):
        for _ in range(100):
            rate_limiter.reserve(START)
        rate_limiter.reserve(START + 1800)
        assert [record.message for record in caplog.records] == [
            "300 of 1000 requests left for the next 1800 s: polls slow down"
        ]
        rate_limiter.on_response(head(left=200, reset=3599), START + 1801)
        rate_limiter.reserve(START + 1801)
    assert len(caplog.records) == 2


numbers = st.integers(-10, 2000) | st.floats() | st.integers(10**8, 10**14)
values = numbers.map(str) | st.text(max_size=8) | st.sampled_from(["1000, 1000", "Fri, 29 May 2026 00:30:00 GMT", "-0"])
names = st.sampled_from(
    [
        *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-limit", "ratelimit-remaining"),
        *("x-ratelimit-limit-hour", "x-ratelimit-remaining-hour", "ratelimit-reset", "retry-after", "date"),
    ]
)
heads = st.builds(
    Head,
    status_code=st.sampled_from([200, 404, 429, 503]),
    headers=st.dictionaries(names, values),
    received_at=st.just(EPOCH),
)
events = st.tuples(st.floats(0, 7200), heads, st.integers(0, 300), st.integers(0, 5))


@settings(max_examples=50)
@given(st.lists(events, max_size=10))
def test_no_sequence_of_responses_causes_a_pause_of_more_than_an_hour(
    history: list[tuple[float, Head, int, int]],
) -> None:
    rate_limiter, now = RateLimiter(), START
    for elapsed, answer, requests, reservations in history:
        now += elapsed
        for _ in range(requests):
            rate_limiter.on_request(now)
        rate_limiter.on_response(answer, now)
        for pause in (
            rate_limiter.pace(now),
            rate_limiter.blocked_for(now),
            *(rate_limiter.reserve(now).delay for _ in range(reservations)),
        ):
            assert 0.0 <= pause <= 3600.0


def account(sid: str = "IRbudget", base_url: str = "https://api.impact.com") -> Account:
    return Account.create(sid, Secret("token"), secret_url(base_url))


def test_clients_of_one_account_share_a_limiter() -> None:
    rate_limiter = RATE_LIMITERS.get(account())
    assert RATE_LIMITERS.get(account(base_url="https://API.impact.com/")) is rate_limiter
    assert RATE_LIMITERS.get(account(sid="IRother")) is not rate_limiter
    assert RATE_LIMITERS.get(account(base_url="https://api.example.com")) is not rate_limiter


def test_a_limiter_is_dropped_with_its_last_client() -> None:
    kept = RATE_LIMITERS.get(account())
    kept.on_response(head(left=0), START)
    del kept
    gc.collect()
    assert RATE_LIMITERS.get(account()).pace(START) == 0.0


def test_a_forked_process_has_its_own_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    rate_limiter = RATE_LIMITERS.get(account())
    lock, _ = RATE_LIMITERS._by_process[os.getpid()]
    with lock, monkeypatch.context() as patch:  # as if another thread had held it during the fork
        patch.setattr(os, "getpid", lambda: -1)
        assert RATE_LIMITERS.get(account()) is not rate_limiter
    del RATE_LIMITERS._by_process[-1]
