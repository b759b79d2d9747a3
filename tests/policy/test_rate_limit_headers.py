from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs._policy.rate_limit_headers import RateLimitHeaders, retry_after_seconds, server_time
from impact_jobs._transport.base import Head

from tests.support.simulated import EPOCH


def head(retry_after: str) -> Head:
    return head_with({"retry-after": retry_after}, status=429)


def head_with(headers: dict[str, str], *, status: int = 200) -> Head:
    return Head(status_code=status, headers=headers, received_at=EPOCH)


EPOCH_IN_HALF_AN_HOUR = str(int(EPOCH.timestamp()) + 1800)
DATE = {"date": format_datetime(EPOCH + timedelta(seconds=60), usegmt=True)}  # the server's clock is a minute ahead


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "700", "x-ratelimit-reset": "1800"}, (1000, 700, 1800)),
        (
            {"x-ratelimit-limit-hour": "1000", "x-ratelimit-remaining-hour": "700", "ratelimit-reset": "1800"},
            (1000, 700, 1800),
        ),
        ({"x-ratelimit-limit-hour": "1000", "x-ratelimit-remaining-hour": "700"}, (1000, 700, None)),
        ({"ratelimit-limit": "1000", "ratelimit-remaining": "700", "ratelimit-reset": "1800"}, (1000, 700, 1800)),
        ({"x-ratelimit-remaining": "700", "x-ratelimit-reset": EPOCH_IN_HALF_AN_HOUR}, (None, 700, 1800)),
        ({"x-ratelimit-remaining": "700", "x-ratelimit-reset": EPOCH_IN_HALF_AN_HOUR, **DATE}, (None, 700, 1740)),
        ({"x-ratelimit-reset": "Fri, 29 May 2026 00:30:00 GMT"}, (None, None, 1800)),
        ({"x-ratelimit-remaining": "0"}, (None, 0, None)),
        ({}, (None, None, None)),
    ],
)
def test_every_form_of_the_headers_is_parsed(headers: dict[str, str], expected: tuple[float | None, ...]) -> None:
    found = RateLimitHeaders.from_head(head_with(headers))
    assert (found.limit, found.remaining, found.reset, found.retry_after) == (*expected, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # a repeated header, and the parameters that the IETF's drafts allow
        (
            {"x-ratelimit-limit": "1000, 1000", "x-ratelimit-remaining": "7, 7", "x-ratelimit-reset": "60, 60"},
            (1000, 7, 60),
        ),
        ({"ratelimit-limit": "1000, 1000;w=3600", "ratelimit-remaining": "7"}, (1000, 7, None)),
        ({"x-ratelimit-limit": "1000.0", "x-ratelimit-remaining": "7.9", "x-ratelimit-reset": "0.5"}, (1000, 7, 0.5)),
        # the hourly headers before those of shorter windows
        ({"x-ratelimit-remaining": "9", "x-ratelimit-remaining-hour": "700"}, (None, 700, None)),
        # a limit below the remaining requests is raised to them
        ({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "700"}, (700, 700, None)),
        ({"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"}, (None, 0, None)),
        # at most an hour
        ({"x-ratelimit-reset": "86400"}, (None, None, 3600)),
        ({"x-ratelimit-reset": str(int(EPOCH.timestamp()) + 86400)}, (None, None, 3600)),
        # the epoch of the vendor's example is in the past
        ({"x-ratelimit-reset": "1487332519"}, (None, None, None)),
    ],
)
def test_unusual_headers_are_interpreted(headers: dict[str, str], expected: tuple[float | None, ...]) -> None:
    found = RateLimitHeaders.from_head(head_with(headers))
    assert (found.limit, found.remaining, found.reset) == expected


@pytest.mark.parametrize("text", ["", "-1", "many", "nan", "inf", "1e400", "1e300", "0x10", "None", ",", ";"])
def test_unreadable_headers_count_as_missing(text: str) -> None:
    found = RateLimitHeaders.from_head(
        head_with({"x-ratelimit-limit": text, "x-ratelimit-remaining": text, "x-ratelimit-reset": text})
    )
    assert (found.limit, found.remaining, found.reset) == (None, None, None)


def test_an_unreadable_header_does_not_hide_another_form() -> None:
    assert (
        RateLimitHeaders.from_head(head_with({"x-ratelimit-remaining": "many", "ratelimit-remaining": "7"})).remaining
        == 7
    )
    assert RateLimitHeaders.from_head(head_with({"x-ratelimit-reset": "soon", "ratelimit-reset": "7"})).reset == 7


def test_a_429_without_retry_after_ends_at_the_reset() -> None:
    spent = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "90"}
    assert retry_after_seconds(head_with(spent, status=429)) == 90
    assert retry_after_seconds(head_with({"x-ratelimit-reset": EPOCH_IN_HALF_AN_HOUR, **DATE}, status=429)) == 1740
    assert retry_after_seconds(head_with({**spent, "retry-after": "30"}, status=429)) == 30
    assert retry_after_seconds(head_with(spent, status=503)) is None, (
        "the reset of the rate limit does not concern a 503"
    )
    assert retry_after_seconds(head_with({**spent, "x-ratelimit-remaining": "500"}, status=429)) is None, (
        "the rate limit is not exhausted"
    )


@pytest.mark.parametrize("text", ["", "yesterday", "Fri, 29 May 2026 00:30:00", "Fri, 29 May 99999 00:30:00 GMT"])
def test_an_unreadable_date_falls_back_to_the_local_clock(text: str) -> None:
    assert server_time(head_with({"date": text})) == EPOCH


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 1.5 ", 1.5),
        ("-3", 0),
        (str(int(EPOCH.timestamp()) + 90), 90),  # documented as "seconds until", with an epoch as the example
        ("1487332519", 0),
        ("Fri, 29 May 2026 00:00:30 GMT", 30),
        ("Friday, 29-May-26 00:00:30 GMT", 30),
        ("Fri May 29 00:00:30 2026", 30),
        ("Thu, 28 May 2026 23:59:00 GMT", 0),
        ("Thu, 28 May 2026 20:00:30 -0400", 30),
        ("", None),
        ("soon", None),
        ("5, 6", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("1780012800000", None),  # milliseconds
        ("Fri, 31 Feb 2026 00:00:30 GMT", None),
        ("Fri, 29 May 99999 00:00:30 GMT", None),
        ("Fri, 29 May 2026 00:00:30 +99999999999999999999", None),
        ("Fri, 29 May 2026 1.2.3.4 GMT", None),
    ],
)
def test_every_form_of_retry_after_is_parsed(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(head(text)) == seconds


def test_a_missing_retry_after_is_none() -> None:
    assert retry_after_seconds(Head(status_code=429, received_at=EPOCH)) is None


@given(st.integers(-86_400, 86_400))
def test_a_retry_after_date_counts_from_the_response(seconds: int) -> None:
    text = format_datetime(EPOCH + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_seconds(head(text)) == max(seconds, 0)


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_any_retry_after_becomes_a_finite_number_or_none(text: str) -> None:
    seconds = retry_after_seconds(head(text))
    assert seconds is None or 0 <= seconds < 1e9
