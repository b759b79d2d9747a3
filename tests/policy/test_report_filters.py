"""Filters by any of their names, and values of Python's types as the API takes them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal, FloatOperation, Inexact, localcontext
from enum import StrEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError, DataType, ReportFilter, ReportMetadata
from impact_jobs._policy.report_filters import check_filters, split_dates
from impact_jobs._validators import closest

from tests.support.foreign import NO_DATES, NO_NUMBERS, Datetime64, Float32, Int64

EAST = timezone(timedelta(hours=5, minutes=30))


class Status(StrEnum):
    PENDING = "PENDING"


def metadata(*filters: ReportFilter) -> ReportMetadata:
    return ReportMetadata(id="r", name="R", filters=filters)


def a_filter(name: str, data_type: DataType | str = DataType.STRING, form: str | None = None) -> ReportFilter:
    return ReportFilter(name=name, parameter=name.replace(" ", "_").upper(), data_type=data_type, format=form)


KNOWN = metadata(
    a_filter("Action Status"),
    a_filter("Ad Id", DataType.INTEGER),
    a_filter("Locking Date", DataType.DATE, "yyyy-MM-dd"),
    ReportFilter(name="Partner", parameter="MP_ID", data_type=DataType.INTEGER),
)


def written(value: Any, data_type: DataType | str, form: str | None = None) -> str:
    """Return the text of a value of that type."""
    (text,) = check_filters({"Value": value}, metadata(a_filter("Value", data_type, form))).values()
    return text


@pytest.mark.parametrize(
    "name", ["Action Status", "ACTION_STATUS", "action status", "ActionStatus", " action-status ", "action_STATUS"]
)
def test_a_filter_has_many_names(name: str) -> None:
    assert check_filters({name: "x"}, KNOWN) == {"ACTION_STATUS": "x"}


def test_parameters_come_in_order_whatever_the_order_of_the_filters() -> None:
    found = check_filters({"Partner": 3, "Ad Id": 1}, KNOWN)
    assert list(found.items()) == [("AD_ID", "1"), ("MP_ID", "3")]


def test_an_agencys_reports_take_a_program_in_any_case() -> None:
    assert check_filters({"subaid": 7}, metadata()) == {"SUBAID": "7"}
    with pytest.raises(ConfigurationError, match=r"has no filter 'subaid'\. It takes none"):
        check_filters({"subaid": 7}, metadata(), takes_program=False)
    listed = ReportFilter(name="Program", parameter="SUBAID", data_type=DataType.INTEGER)
    for known, parameter in ((listed, "SUBAID"), (a_filter("SubAid"), "SUBAID"), (a_filter("Program"), "PROGRAM")):
        assert check_filters({"program": "7"}, metadata(known)) == {parameter: "7"}
    for name in ("Program ID", "Campaign", "CAMPAIGN_ID"):
        assert check_filters({name: "7"}, metadata()) == {"SUBAID": "7"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Acton Status", "Did you mean 'Action Status' (ACTION_STATUS)?"),
        ("mp id x", "Did you mean 'Partner' (MP_ID)?"),
        ("zzz", "It takes 'Action"),
    ],
)
def test_an_unknown_filter_is_refused_with_advice(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_filters({name: "x"}, KNOWN)
    assert f"report r has no filter {name!r}" in str(raised.value)
    assert hint in str(raised.value)


def test_numbers_do_not_depend_on_the_decimal_context_of_the_program() -> None:
    with localcontext(Context(prec=1, traps=[Inexact, FloatOperation])):
        assert written("1" * 40, DataType.INTEGER) == "1" * 40
        assert written(-12.5, DataType.DECIMAL) == "-12.5"
        assert written(Decimal("-0.00"), DataType.DECIMAL) == "0.00"


def test_many_filters_are_not_all_listed() -> None:
    with pytest.raises(ConfigurationError, match=r"'F11' and 89 more\.$"):
        check_filters({"x": 1}, metadata(*(a_filter(f"F{number}") for number in range(100))))


def test_a_filter_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'Partner' and 'MP_ID' are the same filter"):
        check_filters({"Partner": 1, "MP_ID": 1}, KNOWN)


def test_a_name_that_fits_two_filters_is_refused_unless_it_is_exact() -> None:
    both = metadata(a_filter("Ad Id"), a_filter("Adid"))
    assert check_filters({"Adid": "x"}, both) == {"ADID": "x"}
    with pytest.raises(ConfigurationError, match="'ad-id' may be 'AD_ID', 'ADID'"):
        check_filters({"ad-id": "x"}, both)


@pytest.mark.parametrize(
    ("value", "data_type", "expected"),
    [
        (True, DataType.BOOLEAN, "true"),
        (False, DataType.BOOLEAN, "false"),
        (" True ", DataType.BOOLEAN, "true"),
        (7, DataType.INTEGER, "7"),
        (-(10**18), DataType.INTEGER, "-1000000000000000000"),
        (10**39, DataType.INTEGER, f"1{'0' * 39}"),
        (" 007 ", DataType.INTEGER, "7"),
        (7.0, DataType.INTEGER, "7"),
        (Decimal("7.00"), DataType.INTEGER, "7"),
        (Decimal("1E3"), DataType.INTEGER, "1000"),
        (Decimal("9.990"), DataType.DECIMAL, "9.990"),
        (0.1, DataType.DECIMAL, "0.1"),
        (1e-7, DataType.DECIMAL, "0.0000001"),
        (-0.0, DataType.DECIMAL, "0.0"),
        (3, DataType.DECIMAL, "3"),
        ("1.5", DataType.DECIMAL, "1.5"),
        ("a & b", DataType.STRING, "a & b"),
        (Status.PENDING, DataType.STRING, "PENDING"),
        (17, DataType.STRING, "17"),
        (Decimal("1.50"), DataType.STRING, "1.50"),
        (Int64(7), DataType.INTEGER, "7"),
        (Float32("0.1"), DataType.DECIMAL, "0.1"),
        (True, "Duration", "true"),
        (1.5, "Duration", "1.5"),
        (date(2026, 5, 1), "Duration", "2026-05-01"),
        ("PT1H", "Duration", "PT1H"),
    ],
)
def test_values_of_pythons_types(value: Any, data_type: DataType | str, expected: str) -> None:
    assert written(value, data_type) == expected


@pytest.mark.parametrize(
    ("value", "data_type"),
    [
        (1, DataType.BOOLEAN), ("yes", DataType.BOOLEAN), ([True], DataType.BOOLEAN),
        (True, DataType.INTEGER), (1.5, DataType.INTEGER), (2.0**60, DataType.INTEGER), ("1.5", DataType.INTEGER),
        ("x", DataType.INTEGER), ("", DataType.INTEGER), ([1], DataType.INTEGER), (date(2026, 5, 1), DataType.INTEGER),
        ("1_000", DataType.INTEGER),
        (math.nan, DataType.DECIMAL), (math.inf, DataType.DECIMAL), ("NaN", DataType.DECIMAL),
        (Decimal("-Infinity"), DataType.DECIMAL), (Decimal("sNaN"), DataType.DECIMAL), (False, DataType.DECIMAL),
        (Decimal("1E+999999"), DataType.DECIMAL), (Decimal("1E-999999"), DataType.DECIMAL), (1j, DataType.DECIMAL),
        (Fraction(1, 3), DataType.DECIMAL), ("1,5", DataType.DECIMAL),
        ("", DataType.STRING), (" \t", DataType.STRING), ("a\nb", DataType.STRING), ("\ud800", DataType.STRING),
        (b"x", DataType.STRING), (["a", "b"], DataType.STRING), (1.5, DataType.STRING), (True, DataType.STRING),
        (date(2026, 5, 1), DataType.STRING), ("x" * 2001, DataType.STRING),
        ("", DataType.DATE), ("soon", DataType.DATE), (20260501, DataType.DATE), (True, DataType.DATE),
        ([date(2026, 5, 1)], DataType.DATE),
        (None, DataType.STRING), (None, DataType.DATE), (None, "Duration"), ({}, "Duration"), (math.nan, "Duration"),
    ],
)  # fmt: skip
def test_values_of_other_types_are_refused(value: Any, data_type: DataType | str) -> None:
    with pytest.raises(ConfigurationError, match=r"^filter 'Value'"):
        written(value, data_type)


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_number_is_refused(name: str) -> None:
    for data_type in (DataType.INTEGER, DataType.DECIMAL) if "text" not in name else ():
        with pytest.raises(ConfigurationError, match=r"^filter 'Value'"):
            written(NO_NUMBERS[name], data_type)


@pytest.mark.parametrize("name", NO_DATES)
def test_what_is_no_date_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^filter 'Value'"):
        written(NO_DATES[name], DataType.DATE)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (date(2026, 5, 1), None, "2026-05-01"),
        (datetime(2026, 5, 1, 23, 30, tzinfo=EAST), "yyyy-MM-dd", "2026-05-01"),
        ("1 May 2026", "yyyy-MM-dd", "2026-05-01"),
        (date(2026, 5, 1), "yyyy-MM-dd'T'HH:mm:ssZZ", "2026-05-01T00:00:00Z"),
        (datetime(2026, 5, 1, 23, 30, 5, tzinfo=EAST), "yyyy-MM-dd'T'HH:mm:ssZZ", "2026-05-01T23:30:05+05:30"),
        (datetime(2026, 5, 1, 23, 30, 5), "yyyy-MM-dd'T'HH:mm:ssXXX", "2026-05-01T23:30:05Z"),  # noqa: DTZ001 - as users do
        ("2026-05-01T10:00:00-03:00", "MM/dd/yyyy HH:mm", "05/01/2026 10:00"),
        (date(33, 1, 2), "yyyy''MM", "0033'01"),
        ("2026-W18", "EEE", "2026-W18"),
        (datetime(2026, 5, 1, 1, 2, 3, 999, tzinfo=UTC), "yyyy-MM-dd", "2026-05-01"),
        (Datetime64("2026-05-01T00:00:00.000000000"), None, "2026-05-01"),
    ],
)
def test_dates_have_the_form_that_the_metadata_states(value: Any, form: str | None, expected: str) -> None:
    assert written(value, DataType.DATE, form) == expected


def test_fractions_of_seconds_and_unknown_forms_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="whole seconds"):
        written(datetime(2026, 5, 1, 1, 2, 3, 4, tzinfo=UTC), DataType.DATE, "yyyy-MM-dd'T'HH:mm:ssZZ")
    with pytest.raises(ConfigurationError, match="give text in the form EEE"):
        written(date(2026, 5, 1), DataType.DATE, "EEE")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=10))
def test_decimals_stay_exact(value: Decimal) -> None:
    for given_as in (value, str(value)):
        text = written(given_as, DataType.DECIMAL)
        assert Decimal(text) == value
        assert "e" not in text.lower()


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15, allow_subnormal=False))
def test_floats_are_written_as_their_shortest_text(value: float) -> None:
    if abs(value) >= 1e-20:
        assert float(written(value, DataType.DECIMAL)) == value


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)).map(lambda moment: moment.replace(microsecond=0)))
def test_moments_survive(value: datetime) -> None:
    text = written(value, DataType.DATE, "yyyy-MM-dd'T'HH:mm:ssZZ")
    offset = value.utcoffset() or timedelta()
    if not offset.total_seconds() % 60:
        assert datetime.fromisoformat(text) - value.replace(tzinfo=timezone(offset)) == timedelta()


@given(st.text(min_size=1), st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.binary(), st.booleans()))
def test_any_input_is_written_or_refused(name: str, value: Any) -> None:
    for data_type in (*DataType, "Duration"):
        try:
            found = check_filters({name: value}, metadata(a_filter("Value", data_type)))
        except ConfigurationError:
            continue
        assert all(text and text.isprintable() for text in found.values())


def test_dates_of_the_range_are_split_off() -> None:
    given_filters = {"Start Date": 1, "EndDate": 2, "Locking Date": 3}
    assert split_dates(given_filters) == ({"start_date": 1, "end_date": 2}, {"Locking Date": 3})
    assert split_dates(None) == split_dates({}) == ({}, {})


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"START_DATE": 1, "start date": 1}, "start_date is given twice"),
        ({"ResultFormat": "CSV"}, "pass result_format"),
        ({"RESULT_FORMAT": "CSV"}, "pass result_format"),
        ({7: "x"}, "the name 7 is not text"),
        (["x"], "give a mapping"),
        ("Program=7", "give a mapping"),
    ],
)
def test_what_is_not_a_filter_is_refused(filters: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        split_dates(filters)


def test_the_closest_name_is_found_in_any_case() -> None:
    assert closest("ACTION LISTIN", ["Action Listing", "Other"]) == "Action Listing"
    assert closest("zzz", ["Action Listing"]) is None
