from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError
from impact_jobs._account_kinds import AGENCY, BRAND, PARTNER, AccountKind
from impact_jobs._dates import Window, read_datetime

NOON = datetime(2026, 5, 29, 12, tzinfo=UTC)
BAD_DATES = [
    "",
    " ",
    "now",
    "12",
    "Fri",
    "Feb 2026",
    "Sun May 2026",  # a weekday does not state the day
    "2026-02-30",
    "0000-00-00T00:00:00",
    "Fri, 29 May 2026 04:33:50 EST",  # ambiguous: several countries have an EST
    "2026-05-29T04:33:50+99:00",  # a datetime with this offset cannot be compared
    "29 May 2026 10:00 +2400",
    "2:99999999999999999999999999991",
    "May 29 99999999999999999999",
    "\0",
    "\ud800",
    "May 29 " * 100_000,
]
offsets = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=offsets)
# Text that resembles a date finds more errors than arbitrary text.
_SCRAPS = "0 1 12 29 31 60 2026 99999999999999 . : - / + T Z GMT EST am Fri May W22 +99:00 \u00b2 \u0662 e h , \0"
scraps = st.sampled_from(_SCRAPS.split())
nearly_dates = st.builds(str.join, st.sampled_from(["", " "]), st.lists(scraps, max_size=9))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-29T04:33:50-05:00", datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC)),
        ("2026-05-29T04:33:50.25Z", datetime(2026, 5, 29, 4, 33, 50, 250_000, tzinfo=UTC)),
        ("2026-05-29T04:33:50", datetime(2026, 5, 29, 4, 33, 50, tzinfo=UTC)),
        ("20260529T043350-0500", datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC)),
        ("2026-05-29", datetime(2026, 5, 29, tzinfo=UTC)),
        ("Fri, 29 May 2026 04:33:50 GMT", datetime(2026, 5, 29, 4, 33, 50, tzinfo=UTC)),
        ("Fri, 29 May 2026 04:33:50 EST -0500", datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC)),
        ("May 29, 2026 4:33 PM", datetime(2026, 5, 29, 16, 33, tzinfo=UTC)),
        ("5/29/2026 11:11:11", datetime(2026, 5, 29, 11, 11, 11, tzinfo=UTC)),
        ("May 29 2026", datetime(2026, 5, 29, tzinfo=UTC)),
    ],
)
def test_a_date_is_parsed_as_an_aware_datetime(text: str, expected: datetime) -> None:
    read = read_datetime(text)
    assert read == expected
    assert read.utcoffset() is not None


@given(moments)
def test_isoformat_is_parsed_back(moment: datetime) -> None:
    assert read_datetime(moment.isoformat()) == moment


@pytest.mark.parametrize("text", BAD_DATES, ids=lambda text: ascii(text[:30]))
def test_text_that_is_not_a_full_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_datetime(text)
    with pytest.raises(ConfigurationError, match=r"created_before=.* is not a date"):
        Window.create(None, text)


@given(st.text() | nearly_dates)
def test_any_text_gives_a_usable_date_or_a_value_error(text: str) -> None:
    try:
        read = read_datetime(text)
    except ValueError:
        return
    assert (read < NOON) in (True, False)
    assert read.isoformat()


@given(st.none() | st.dates() | st.datetimes() | moments | st.text() | nearly_dates, st.none() | st.dates() | moments)
def test_any_bounds_give_a_window_or_a_configuration_error(after: date | str | None, before: date | str | None) -> None:
    try:
        window = Window.create(after, before)
    except ConfigurationError:
        return
    assert window.holds(NOON) in (True, False)
    assert not isinstance(window.after, datetime)
    assert not isinstance(window.before, datetime)


def test_a_window_without_bounds_holds_every_job() -> None:
    assert Window.create(None, None) == Window()
    assert Window().holds(NOON)
    assert Window().holds(None)


def test_a_plain_date_is_requested_unchanged_and_not_compared() -> None:
    window = Window.create("2026-05-29", date(2026, 5, 29))
    assert window == Window(after=date(2026, 5, 29), before=date(2026, 5, 29))
    assert window.holds(NOON - timedelta(days=9))


def test_text_without_a_time_gives_a_plain_date() -> None:
    assert Window.create(" May 29 2026\n", "29 May 2026") == Window.create(date(2026, 5, 29), date(2026, 5, 29))


def test_a_datetime_is_requested_a_day_wider_and_compared_exactly() -> None:
    window = Window.create("2026-05-29T12:00:00Z", datetime(2026, 5, 30, 12))  # noqa: DTZ001 - naive means UTC, as documented
    assert (window.after, window.before) == (date(2026, 5, 28), date(2026, 5, 31))
    second = timedelta(seconds=1)
    assert [
        window.holds(NOON + by) for by in (-second, timedelta(), timedelta(days=1), timedelta(days=1) + second)
    ] == [
        False,
        True,
        True,
        False,
    ]
    assert window.holds(None), "a job without a creation date is included"


@given(moments, offsets)
def test_the_requested_days_include_the_moment_in_every_time_zone_of_the_server(
    moment: datetime, server: timezone
) -> None:
    assume(date(1, 1, 3) < moment.date() < date(9999, 12, 29))
    window = Window.create(moment, moment)
    assert window.after is not None
    assert window.before is not None
    assert window.after <= moment.astimezone(server).date() <= window.before
    assert window.holds(moment)


def server_holds(window: Window, created: datetime, kind: AccountKind, server: timezone) -> bool:
    """Return whether the server of that kind of account lists a job, by its own rules and in its own time zone."""
    written = created.astimezone(server)
    for bound, sign in ((window.after, 1), (window.before, -1)):
        if bound is None:
            continue
        assert isinstance(bound, datetime) == kind.lists_by_moment
        by = created - bound if isinstance(bound, datetime) else written.date() - bound
        if sign * by < timedelta() or (kind.bounds_are_exclusive and not by):
            return False
    return True


@pytest.mark.parametrize("kind", [AGENCY, BRAND, PARTNER], ids=lambda kind: kind.name)
@given(bound=moments, server=offsets, by=st.timedeltas(timedelta(days=-3), timedelta(days=3)))
def test_both_bounds_are_inclusive_for_every_kind_of_account(
    kind: AccountKind, bound: datetime, server: timezone, by: timedelta
) -> None:
    assume(date(1, 1, 9) < bound.date() < date(9999, 12, 22))
    window = Window.create(bound, bound, kind)
    assert server_holds(window, bound, kind, server)
    assert window.holds(bound.astimezone(server))
    created = (bound + by).astimezone(server)
    for half, is_within in (
        (Window.create(bound, None, kind), by >= timedelta()),
        (Window.create(None, bound, kind), by <= timedelta()),
    ):
        assert (server_holds(half, created, kind, server) and half.holds(created)) == is_within


@pytest.mark.parametrize("kind", [BRAND, PARTNER], ids=lambda kind: kind.name)
@given(day=st.dates(date(1, 1, 9), date(9999, 12, 22)), server=offsets, seconds=st.integers(-200_000, 300_000))
def test_a_day_is_that_of_the_servers_dates_where_the_bounds_are_exclusive(
    kind: AccountKind, day: date, server: timezone, seconds: int
) -> None:
    created = datetime(day.year, day.month, day.day, tzinfo=server) + timedelta(seconds=seconds)
    window = Window.create(day, day, kind)
    assert (server_holds(window, created, kind, server) and window.holds(created)) == (created.date() == day)


def test_moments_are_requested_in_whole_seconds() -> None:
    window = Window.create("2026-05-29T12:00:00.123456-05:00", "2026-05-30", BRAND)
    assert window.after is not None
    assert (window.after.isoformat(), str(window.before)) == ("2026-05-27T00:00:00+00:00", "2026-06-01 00:00:00+00:00")


@pytest.mark.parametrize("kind", [BRAND, PARTNER], ids=lambda kind: kind.name)
def test_no_bound_is_requested_beyond_the_calendar(kind: AccountKind) -> None:
    for after, before in ((datetime.min, datetime.max), (date.min, date.max)):  # noqa: DTZ901 - users pass these
        window = Window.create(after, before, kind)
        assert (window.after, window.before) == (None, None)
        assert window.holds(NOON)


def test_datetime_min_and_max_mean_no_limit() -> None:
    window = Window.create(datetime.min, datetime.max)  # noqa: DTZ901 - users pass these
    assert (window.after, window.before) == (date.min, date.max)
    assert window.holds(NOON)


@pytest.mark.parametrize(
    ("after", "before"),
    [
        ("2026-05-30", "2026-05-29"),
        ("2026-05-29T12:00:01Z", "2026-05-29T12:00:00Z"),
        ("2026-05-29T23:00:00-05:00", "2026-05-30T01:00:00+00:00"),  # 04:00Z to 01:00Z, though the days are in order
        ("2026-05-31T12:00:00Z", date(2026, 5, 29)),
    ],
)
def test_bounds_in_the_wrong_order_are_refused(after: date | str, before: date | str) -> None:
    with pytest.raises(ConfigurationError, match=r"created_after .* is later than created_before .*swap"):
        Window.create(after, before)


@pytest.mark.parametrize(
    ("after", "before"),
    [
        ("2026-05-29", "2026-05-29"),
        ("2026-05-29T12:00:00Z", "2026-05-29T12:00:00Z"),
        ("2026-05-30T01:00:00+12:00", "2026-05-29T20:00:00+00:00"),  # 13:00Z to 20:00Z, though the days are not
        ("2026-05-30T03:00:00Z", date(2026, 5, 29)),  # still the 29th in New York
    ],
)
def test_bounds_in_the_right_order_are_accepted_whatever_their_days(after: date | str, before: date | str) -> None:
    assert Window.create(after, before).after is not None


@pytest.mark.parametrize("value", [5, True, b"2026-05-29", object()])
def test_a_bound_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"created_after is a {type(value).__name__}"):
        Window.create(value, None)  # type: ignore[arg-type]
