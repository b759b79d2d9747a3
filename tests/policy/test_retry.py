from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import (
    ApiError,
    ConfigurationError,
    IntegrityError,
    JobNotFoundError,
    JobsError,
    RateLimitError,
    RequestTimeoutError,
    Retry,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs._policy.retry import is_transient

NOT_SENT, SENT = TransportError("refused", request_sent=False), TransportError("cut", request_sent=True)
TIMED_OUT = RequestTimeoutError("nothing came")


def server_error(status: int, retry_after: float | None = None) -> ServerError:
    error = ServerError("x", status_code=status)
    error.retry_after = retry_after
    return error


def rate_limit(retry_after: float | None = None) -> RateLimitError:
    error = RateLimitError("x", status_code=429)
    error.retry_after = retry_after
    return error


def storage_limit(retry_after: float) -> RateLimitError:
    error = rate_limit(retry_after)
    error.is_from_storage = True
    return error


def highest() -> float:
    return 1.0


def lowest() -> float:
    return 0.0


finite = st.floats(0, 1e308)
fractions = st.floats(0, 1)
retries = st.builds(Retry, attempts=st.integers(1, 50), base_delay=finite, max_delay=finite)
retry_afters = st.none() | st.floats(0, 1e9)
refusals = st.builds(rate_limit, retry_afters) | st.builds(server_error, st.just(503), retry_afters)
failures = st.sampled_from([NOT_SENT, SENT, TIMED_OUT]) | refusals


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (NOT_SENT, True),
        (SENT, True),
        (TIMED_OUT, True),
        (rate_limit(), True),
        *((server_error(status), True) for status in (500, 501, 502, 503, 504, 505, 520, 599)),
        *((ApiError("x", status_code=status), True) for status in (408, 425)),
        *((ApiError("x", status_code=status), False) for status in (200, 400, 401, 402, 403, 405)),
        (JobNotFoundError("x", status_code=404), False),
        (UnexpectedResponseError("x", status_code=503), False),
        (ConfigurationError("x"), False),
        (IntegrityError("x"), False),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'status_code', '')}",
)
def test_a_get_is_retried_only_after_transient_errors(error: JobsError, *, transient: bool) -> None:
    assert is_transient(error) == transient
    delay = Retry().delay(error, 1, random=highest)
    assert delay == (0.5 if transient else None)


@pytest.mark.parametrize(
    ("error", "again"),
    [(NOT_SENT, True), (SENT, False), (TIMED_OUT, False), (rate_limit(1), False), (server_error(503, 1), False)],
)
def test_a_replay_is_retried_only_if_no_byte_was_sent(error: JobsError, *, again: bool) -> None:
    delay = Retry().delay(error, 1, random=highest, repeatable=False)
    assert (delay is not None) == again


@pytest.mark.parametrize("attempts", [1, 2, 4, 10])
def test_attempts_include_the_first_try(attempts: int) -> None:
    tries = 1
    while Retry(attempts=attempts).delay(SENT, tries, random=lowest) is not None:
        tries += 1
    assert tries == attempts


def test_the_pause_doubles_up_to_its_maximum_less_at_most_half() -> None:
    retry = Retry(attempts=99, base_delay=0.5, max_delay=10)
    assert [retry.delay(SENT, attempt, random=highest) for attempt in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert [retry.delay(SENT, attempt, random=lowest) for attempt in range(1, 8)] == [0.25, 0.5, 1, 2, 4, 5, 5]


@pytest.mark.parametrize("make", [rate_limit, lambda retry_after: server_error(503, retry_after)], ids=["429", "503"])
@pytest.mark.parametrize(("retry_after", "pause"), [(0, 0), (7.5, 7.5), (60, 60), (3600, 60)])
def test_retry_after_is_honoured_without_jitter_up_to_the_maximum(make: Any, retry_after: float, pause: float) -> None:
    for random in (lowest, highest):
        assert Retry().delay(make(retry_after), 3, random=random) == pause


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (rate_limit(60.5), None), (rate_limit(60), 60), (rate_limit(None), 2), (server_error(503, 3600), 60),
        (storage_limit(3600), 60),
    ],
)  # fmt: skip
def test_a_quota_that_is_reset_too_late_ends_the_tries_on_request(error: JobsError, pause: float | None) -> None:
    assert Retry(stops_at_quota=True).delay(error, 3, random=highest) == pause


@given(retries, failures, st.integers(1, 10_000), fractions, st.booleans())
def test_no_pause_exceeds_the_maximum_or_is_negative(
    retry: Retry,
    error: JobsError,
    attempt: int,
    fraction: float,
    repeatable: bool,  # noqa: FBT001 - hypothesis
) -> None:
    delay = retry.delay(error, attempt, random=lambda: fraction, repeatable=repeatable)
    assert delay is None or (0 <= delay <= retry.max_delay and attempt < retry.attempts)
    assert 0 <= retry.pause(error, attempt, random=lambda: fraction) <= retry.max_delay


@given(finite, finite, fractions)
def test_without_retry_after_the_first_pause_never_exceeds_the_base_delay(
    base: float, maximum: float, fraction: float
) -> None:
    retry = Retry(base_delay=base, max_delay=maximum)
    first = retry.pause(SENT, 1, random=lambda: fraction)
    assert min(base, maximum) / 2 <= first <= min(base, maximum)


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": True},
        {"attempts": "3"},
        {"attempts": None},
        {"base_delay": -0.1},
        {"base_delay": float("nan")},
        {"max_delay": float("inf")},
        {"max_delay": "60"},
    ],
)
def test_a_setting_out_of_range_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"Retry\\({next(iter(changes))}="):
        Retry(**changes)


def test_it_is_a_frozen_value() -> None:
    retry = Retry(attempts=2)
    assert retry == evolve(Retry(), attempts=2)
    assert hash(retry) == hash(Retry(attempts=2))
    assert repr(retry) == "Retry(attempts=2, base_delay=0.5, max_delay=60.0, stops_at_quota=False)"
    with pytest.raises(FrozenInstanceError):
        retry.attempts = 3  # type: ignore[misc]
