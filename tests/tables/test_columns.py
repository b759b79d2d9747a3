from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs._tables.columns import MisfitError, convert

DECIMAL = pa.decimal128(38, 18)
MOMENT = pa.timestamp("us", "UTC")
NINE = datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        (DECIMAL, "5.000000000000000000", Decimal(5)),
        (DECIMAL, "-0.000000000000000001", Decimal("-1E-18")),
        (DECIMAL, "99999999999999999999.999999999999999999", Decimal("99999999999999999999.999999999999999999")),
        (DECIMAL, "1.0000000000000000000000", Decimal(1)),
        (DECIMAL, "1E-7", Decimal("1E-7")),
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
        (DECIMAL, "$5"),
        (DECIMAL, "1,234.5"),
        (DECIMAL, "NaN"),
        (DECIMAL, "e"),
        (MOMENT, "2026-02-30T00:00:00Z"),
        (MOMENT, "29 May 2026"),
        (MOMENT, "2026-05-29T04:33:50.1234567Z"),
        (pa.int64(), "1.0"),
        (pa.int64(), "9223372036854775808"),
        (pa.bool_(), "yes"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(target: pa.DataType, text: str) -> None:
    with pytest.raises(MisfitError) as caught:
        convert(pa.array(["", "", text, "", text]), target)
    assert (caught.value.index, caught.value.value) == (2, text)


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
