"""Moments and durations as people type them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs.cli.times import seconds, when

NOW = datetime(2026, 5, 29, 12, 30, 15, tzinfo=UTC)  # a Friday
MIDNIGHT = datetime(2026, 5, 29, tzinfo=UTC)
DAY = timedelta(days=1)
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
# Text that is nearly a date finds more than any text does.
_SCRAPS = (
    "0 1 5 10 29 31 2026 99999999999999999999 . : - / + T Z GMT EST am d h m days ago May mon nan \u00b2 \u0662 \0"
)
scraps = st.sampled_from(_SCRAPS.split())
nearly = st.one_of(st.text(max_size=20), st.builds(str.join, st.sampled_from(["", " "]), st.lists(scraps, max_size=8)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2d", NOW - 2 * DAY),
        ("36h", NOW - 1.5 * DAY),
        ("90m", NOW - timedelta(minutes=90)),
        ("1w", NOW - 7 * DAY),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("1.5 hours", NOW - timedelta(minutes=90)),
        ("2 days ago", NOW - 2 * DAY),
        ("  2  Days  Ago ", NOW - 2 * DAY),
        ("1 day 2 hours ago", NOW - timedelta(hours=26)),
        ("0d", NOW),
        ("now", NOW),
        ("today", MIDNIGHT),
        ("Yesterday", MIDNIGHT - DAY),
        ("friday", MIDNIGHT),
        ("thu", MIDNIGHT - DAY),
        ("Saturday", MIDNIGHT - 6 * DAY),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01 10:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01t10:00:30.5z", datetime(2026, 5, 1, 10, 0, 30, 500_000, tzinfo=UTC)),
        ("2026-05-01 10:00 UTC", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        ("2026-05-01 10:00 -0500", datetime(2026, 5, 1, 15, tzinfo=UTC)),
        ("1 May 2026", datetime(2026, 5, 1, tzinfo=UTC)),
        ("1st may 2026", datetime(2026, 5, 1, tzinfo=UTC)),
        ("May 1, 2026", datetime(2026, 5, 1, tzinfo=UTC)),
        ("Sept 3 2026 4:33 pm", datetime(2026, 9, 3, 16, 33, tzinfo=UTC)),
        ("Fri, 01 May 2026 10:00:00 GMT", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("1 May 2026 10:00 +0200", datetime(2026, 5, 1, 8, tzinfo=UTC)),
    ],
)
def test_what_people_type_is_the_moment_that_they_mean(text: str, expected: datetime) -> None:
    assert when(text, now=NOW) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not understood"),
        ("10", "'10d'"),
        ("1", "'1d'"),
        ("2026", "bare number"),
        ("May", "not understood"),
        ("May 2026", "not understood"),
        ("1 May", "not understood"),
        ("1 May 26", "not understood"),
        ("10:00", "not understood"),
        ("20260501", "bare number"),
        ("01/02/2026", "'2026-02-01' or '2026-01-02'"),
        ("1.2.2026", "'2026-02-01' or '2026-01-02'"),
        ("2026-02-30", "day is out of range"),
        ("31 June 2026", "not understood|day is out of range|must be in"),
        ("Mon, 1 May 2026", "that day is a Friday"),
        ("2026-05-01 10:00 EST", "not understood"),
        ("2026-05-01T10:00+99:00", "offset"),
        ("-2d", "not understood"),
        ("2 days hence", "not understood"),
        ("30m1h", "not understood"),
        ("2 months ago", "not understood"),
        ("ago", "not understood"),
        ("99999999d", "beyond what a calendar holds"),
        ("9" * 400 + "d", "beyond what a calendar holds"),
    ],
)
def test_what_could_mean_anything_else_is_refused_with_examples(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        when(text, now=NOW)
    assert repr(text) in str(caught.value)
    assert "'2026-05-01 10:00' (UTC)" in str(caught.value)


def test_days_are_those_of_utc_wherever_now_is_told_from() -> None:
    tokyo = datetime(2026, 5, 30, 3, tzinfo=timezone(timedelta(hours=9)))  # still the 29th in UTC
    assert when("today", now=tokyo) == MIDNIGHT


@settings(max_examples=40)
@given(moments)
def test_a_moment_comes_back_from_its_own_text(moment: datetime) -> None:
    assert when(moment.isoformat(), now=NOW) == moment


@settings(max_examples=40)
@given(st.dates(date(1000, 1, 1)))
def test_a_day_comes_back_from_its_own_text(day: date) -> None:
    expected = datetime(day.year, day.month, day.day, tzinfo=UTC)
    texts = (f"{day}", f"{day:%-d %b %Y}", f"{day:%A, %B %-d, %Y}", f"{day:%d %B %Y 00:00} z")
    assert [when(text, now=NOW) for text in texts] == [expected] * 4


@settings(max_examples=40)
@given(moments, st.sampled_from(["monday", "tue", "sunday"]))
def test_a_weekday_is_the_latest_that_has_begun(now: datetime, name: str) -> None:
    if now.year > 1:
        found = when(name, now=now)
        assert f"{found:%A}".lower().startswith(name)
        assert timedelta() <= now - found < 7 * DAY


@settings(max_examples=40)
@given(nearly, moments)
def test_any_text_is_a_moment_in_utc_or_a_value_error(text: str, now: datetime) -> None:
    try:
        found = when(text, now=now)
    except ValueError:
        return
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        ("0", 0),
        ("1.5", 1.5),
        ("30m", 1800),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172_800),
        ("1w", 604_800),
        ("10 seconds", 10),
        ("5mins", 300),
        (" 2H ", 7200),
    ],
)
def test_a_duration_is_read(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "-2d", "nan", "inf", "1e3", "1h-30m", "h", "30m1h", "1h1h", "9" * 400, "²", "1_0"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="'30m', '1h30m', '2d'") as caught:
        seconds(text)
    assert repr(text) in str(caught.value)


@settings(max_examples=40)
@given(st.integers(0, 50), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_comes_back_from_its_own_text(days: int, hours: int, minutes: int, rest: int) -> None:
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=rest)
    assert (
        seconds(f"{days}d{hours}h{minutes}m{rest}s") == seconds(f"{length.total_seconds()}") == length.total_seconds()
    )


@settings(max_examples=40)
@given(nearly)
def test_any_text_is_a_duration_of_at_least_nothing_or_a_value_error(text: str) -> None:
    try:
        found = seconds(text)
    except ValueError:
        return
    assert 0 <= found < float("inf")
