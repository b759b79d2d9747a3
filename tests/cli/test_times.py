"""Moments and durations as people type them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from click import BadParameter
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs.cli.times import parse_moment, parse_timeout

NOW = datetime(2026, 5, 29, 12, 30, 15, tzinfo=UTC)  # a Friday
MIDNIGHT = datetime(2026, 5, 29, tzinfo=UTC)
DAY = timedelta(days=1)
LAST = timedelta(microseconds=1)
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
# Text that is nearly a date reaches more branches than random text.
_SCRAPS = "0 1 5 10 29 31 2026 99999999999999999999 . : - / + T Z GMT am d h m w days monday nan \u00b2 \u0662 \0"
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
        ("1.5h", NOW - timedelta(minutes=90)),
        ("0d", NOW),
        ("2d ago", NOW - 2 * DAY),
        ("  2  Days  Ago ", NOW - 2 * DAY),
        ("1 day 2 hours ago", NOW - timedelta(hours=26)),
        ("now", NOW),
        ("today", MIDNIGHT),
        ("Yesterday", MIDNIGHT - DAY),
        ("friday", MIDNIGHT),
        ("thu", MIDNIGHT - DAY),
        (" Saturday ", MIDNIGHT - 6 * DAY),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01 10:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01 10:00 UTC", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01t10:00:30.5z", datetime(2026, 5, 1, 10, 0, 30, 500_000, tzinfo=UTC)),
        ("2026-05-01T10:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        ("2026-05-01 10:00 -0500", datetime(2026, 5, 1, 15, tzinfo=UTC)),
    ],
)
def test_a_moment_is_parsed(text: str, expected: datetime) -> None:
    assert parse_moment(text, now=NOW) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not understood"),
        ("10", "10 days ago is '10d'"),
        ("2026", "2026 days ago is '2026d'"),
        ("May", "not understood"),
        ("1 May 2026", "not understood"),
        ("10:00", "not understood"),
        ("01/02/2026", "not understood"),
        ("2026-02-30", "day is out of range"),
        ("2026-05-01 10:00 EST", "not understood"),
        ("2026-05-01T10:00+99:00", "offset"),
        ("-2d", "not understood"),
        ("30m1h", "not understood"),
        ("99999999d", "out of range"),
        ("9" * 400 + "d", "out of range"),
    ],
)
def test_other_text_is_rejected_with_a_reason_and_examples(text: str, reason: str) -> None:
    with pytest.raises(BadParameter, match=reason) as caught:
        parse_moment(text, now=NOW)
    assert repr(text) in str(caught.value)
    assert "'2026-05-01 10:00' (UTC)" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", MIDNIGHT + DAY - LAST),
        ("2026-05-01", datetime(2026, 5, 2, tzinfo=UTC) - LAST),
        ("2026-05-01 00:00", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2d", NOW - 2 * DAY),
        ("now", NOW),
    ],
)
def test_an_upper_bound_includes_all_hours_of_a_day(text: str, expected: datetime) -> None:
    assert parse_moment(text, now=NOW, ends_day=True) == expected


def test_days_are_those_of_utc_in_every_time_zone() -> None:
    tokyo = datetime(2026, 5, 30, 3, tzinfo=timezone(timedelta(hours=9)))  # still the 29th in UTC
    assert parse_moment("today", now=tokyo) == MIDNIGHT


@settings(max_examples=40)
@given(moments, st.dates(date(1000, 1, 1)))
def test_a_moment_and_a_day_survive_being_written_as_iso_8601(moment: datetime, day: date) -> None:
    assert parse_moment(moment.isoformat(), now=NOW) == moment
    assert parse_moment(str(day), now=NOW) == datetime(day.year, day.month, day.day, tzinfo=UTC)


@settings(max_examples=40)
@given(moments, st.sampled_from(["monday", "tuesday", "sunday"]))
def test_a_weekday_is_the_last_one_that_has_begun(now: datetime, name: str) -> None:
    if now.year > 1:
        found = parse_moment(name, now=now)
        assert f"{found:%A}".lower() == name
        assert timedelta() <= now - found < 7 * DAY


@settings(max_examples=40)
@given(nearly, moments)
def test_any_text_is_a_moment_in_utc_or_rejected(text: str, now: datetime) -> None:
    try:
        found = parse_moment(text, now=now)
    except BadParameter:
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
        ("2 hours 30 minutes", 9000),
        ("2d", 172_800),
        ("1w", 604_800),
        (" 2H ", 7200),
        ("forever", None),
    ],
)
def test_a_timeout_is_parsed(text: str, expected: float | None) -> None:
    assert parse_timeout(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "-2d", "nan", "inf", "1e3", "1h-30m", "h", "30m1h", "1h1h", "9" * 400, "²", "1_0"]
)
def test_other_text_is_rejected_as_a_timeout_with_examples(text: str) -> None:
    with pytest.raises(BadParameter, match="'30m', '1h30m', '2d'") as caught:
        parse_timeout(text)
    assert repr(text) in str(caught.value)


@settings(max_examples=40)
@given(st.integers(0, 50), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_units_and_plain_seconds_give_the_same_timeout(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    assert parse_timeout(f"{days}d{hours}h{minutes}m{seconds}s") == parse_timeout(f"{total}") == total


@settings(max_examples=40)
@given(nearly)
def test_any_text_is_a_finite_timeout_or_rejected(text: str) -> None:
    try:
        found = parse_timeout(text)
    except BadParameter:
        return
    assert found is not None
    assert 0 <= found < float("inf")
