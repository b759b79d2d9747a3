from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs._tables.columns import MisfitError, convert

DECIMAL = pa.decimal128(38, 18)
MOMENT = pa.timestamp("us", "UTC")
LARGEST = Decimal("99999999999999999999.999999999999999999")
DAY, TIME = r"\d{4}-[01]\d-[0-3]\d", r"[0-2]\d:[0-6]\d(:[0-6]\d(\.\d{1,6})?)?"
ASCII = st.characters(codec="ascii")
NINE = datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        (DECIMAL, "5.000000000000000000", Decimal(5)),
        (DECIMAL, "-0.000000000000000001", Decimal("-1E-18")),
        (DECIMAL, "99999999999999999999.999999999999999999", Decimal("99999999999999999999.999999999999999999")),
        (DECIMAL, "1.0000000000000000000000", Decimal(1)),
        (DECIMAL, "1E-7", Decimal("1E-7")),
        (DECIMAL, "-99999999999999999999.999999999999999999", Decimal("-99999999999999999999.999999999999999999")),
        (DECIMAL, f"1.{'0' * 60}", Decimal(1)),
        (DECIMAL, f"{'1' + '0' * 60}e-60", Decimal(1)),
        (DECIMAL, "-.5", Decimal("-0.5")),
        (DECIMAL, "0e-999999999", Decimal(0)),
        (DECIMAL, "0E999999999999999999", Decimal(0)),
        (DECIMAL, " 1.5 ", Decimal("1.5")),
        (DECIMAL, "", None),
        (MOMENT, "2026-05-29T04:33:50-05:00", NINE),
        (MOMENT, "2026-05-29T09:33:50Z", NINE),
        (MOMENT, "2026-05-29T09:33:50", NINE),
        (MOMENT, "2026-05-29 09:33:50.000", NINE),
        (MOMENT, "2026-05-29", datetime(2026, 5, 29, tzinfo=UTC)),
        (MOMENT, "", None),
        (pa.int64(), "-9223372036854775808", -(2**63)),
        (pa.int64(), "007", 7),
        (pa.int64(), "  ", None),
        (pa.bool_(), "True", True),
        (pa.bool_(), "0", False),
        (pa.bool_(), "", None),
        (pa.string(), "", ""),
        (pa.string(), " NULL ", " NULL "),
    ],
)
def test_a_value_is_converted_exactly(target: pa.DataType, text: str, expected: object) -> None:
    assert convert(pa.array([text]), target).to_pylist() == [expected]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (DECIMAL, "1.0000000000000000001"),
        (DECIMAL, "100000000000000000000"),
        (DECIMAL, "9999999999999999999999"),  # Arrow 26 makes 131811359292784559561.13… of it
        (DECIMAL, "-1000000000000000000000000000000"),
        (DECIMAL, "1e30"),
        (DECIMAL, "1e-57"),  # Arrow 26 makes 0 of it
        (DECIMAL, f"0.{'0' * 56}1"),
        (DECIMAL, "1e-999999999"),  # Arrow 26 crashes
        (DECIMAL, "1e999999999"),
        (DECIMAL, f"1e{'9' * 5000}"),
        (DECIMAL, "inf"),
        (DECIMAL, "0x10"),
        (DECIMAL, "1_000"),
        (DECIMAL, "."),
        (DECIMAL, "$5"),
        (DECIMAL, "1,234.5"),
        (DECIMAL, "NaN"),
        (DECIMAL, "e"),
        (MOMENT, "2026-02-30T00:00:00Z"),
        (MOMENT, "29 May 2026"),
        (MOMENT, "2026-05-29T04:33:50.1234567Z"),
        (MOMENT, "2026-05-29T04"),
        (MOMENT, "2026-05-29T04-05"),
        (MOMENT, "2026-05-29T04+05:30"),
        (MOMENT, "0000-01-01"),
        (MOMENT, "9999-12-31T23:59:59-05:00"),
        (MOMENT, "1700000000"),
        (pa.int64(), "1.0"),
        (pa.int64(), "0x10"),  # Arrow makes 16 of it
        (pa.int64(), "1e3"),
        (pa.int64(), "1_000"),
        (pa.int64(), "9223372036854775808"),
        (pa.bool_(), "yes"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(target: pa.DataType, text: str) -> None:
    with pytest.raises(MisfitError) as caught:
        convert(pa.array(["", "", text, "", text]), target)
    assert (caught.value.index, caught.value.value) == (2, text)


def strictly(text: str, target: pa.DataType) -> object:
    """Return what a value means by Python's types, or raise ValueError."""
    text = text.strip()
    if not text:
        return None
    if target == pa.bool_():
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if target == pa.int64():
        return _within(int(_matching(r"-?[0-9]+", text)), -(2**63), 2**63 - 1)
    if target == DECIMAL:
        with localcontext(Context(prec=2000, Emax=999_999, Emin=-999_999)):
            value = Decimal(_matching(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text))
            return _within(value, -LARGEST, LARGEST) if value == value.quantize(Decimal("1E-18")) else _within(0, 1, 1)
    moment = datetime.fromisoformat(_matching(rf"{DAY}([T ]{TIME}(Z|[+-]\d\d(:?[0-5]\d)?)?)?", text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _matching(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError(text)
    return text


def _within(value: Any, least: Any, most: Any) -> Any:
    if not least <= value <= most:
        raise ValueError(value)
    return value


@given(
    target=st.sampled_from([DECIMAL, MOMENT, pa.int64(), pa.bool_()]),
    texts=st.lists(
        st.one_of(
            st.text("0159.-+eE xX_:TZ", max_size=8),
            st.from_regex(r"[+-]?[0-9]{0,22}\.?[0-9]{0,22}(e[+-]?[0-9]{1,3})?", fullmatch=True, alphabet=ASCII),
            st.from_regex(rf"{DAY}([T ]{TIME}(Z|[+-][0-2]\d(:?\d\d)?)?)?", fullmatch=True, alphabet=ASCII),
            st.sampled_from(["true", "FALSE", "tRue", "t", "yes", "0x1F", "0X0", "inf", "-inf", "nan", "NaN", "null"]),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_nothing_is_accepted_but_what_the_type_means(target: pa.DataType, texts: list[str]) -> None:
    expected: list[object] = []
    for index, text in enumerate(texts):
        try:
            expected.append(strictly(text, target))
        except (ValueError, KeyError, OverflowError, ArithmeticError):
            with pytest.raises(MisfitError) as caught:
                convert(pa.array(texts), target)
            assert caught.value.index == index
            return
    assert convert(pa.array(texts), target).to_pylist() == expected


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False) | st.none(), max_size=20))
def test_a_decimal_is_exact_or_refused(values: list[Decimal | None]) -> None:
    texts = pa.array(["" if value is None else str(value) for value in values], pa.string())
    result: list[Any]
    try:
        result = convert(texts, DECIMAL).to_pylist()
    except MisfitError as error:
        refused = Decimal(error.value)
        assert abs(refused) >= Decimal(10) ** 20 or refused != refused.quantize(Decimal("1E-18"))
    else:
        assert result == values
