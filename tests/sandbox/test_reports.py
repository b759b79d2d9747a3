"""The data of reports: windows add up, filters, late corrections, formats, pages."""

from __future__ import annotations

import csv
import io
import itertools
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs.sandbox._catalogue import EXPORTABLE
from impact_jobs.sandbox._report_data import CORRECTED_WITHIN, LARGEST_CACHED_DAY, ReportData
from impact_jobs.sandbox._report_result import ReportResult, ResultFormat

FORMATS = get_args(ResultFormat)
AS_OF = date(2026, 6, 15)

deterministic = settings(derandomize=True, deadline=None, max_examples=12)
sources = st.integers(min_value=0, max_value=2**64).map(str)
reports = st.sampled_from(sorted(EXPORTABLE))
filters = st.fixed_dictionaries(
    {},
    optional={
        "SUBAID": st.sampled_from(["10001", "10008", "nope"]),
        "STATUS": st.sampled_from(["APPROVED", "pending", "REVERSED"]),
        "NEW_CUSTOMER": st.sampled_from(["true", "False"]),
        "MINIMUM_AMOUNT": st.sampled_from(["0", "12.5", "300"]),
        "MINIMUM_QUANTITY": st.sampled_from(["2", "-1"]),
    },
)


def result_of(
    first: str = "2026-05-01",
    last: str = "2026-05-31",
    *,
    report: str = "agency_action_listing",
    source: str = "0",
    rows: int = 5,
    as_of: date = AS_OF,
    chosen: dict[str, str] | None = None,
    **options: Any,
) -> ReportResult:
    data = ReportData(
        source=source,
        report_id=report,
        rows_per_day=rows,
        start=datetime.combine(date.fromisoformat(first), time()),
        end=datetime.combine(date.fromisoformat(last), time(23, 59, 59)),
        as_of=as_of,
        filters=tuple(sorted((chosen or {}).items())),
    )
    return ReportResult(data=data, **options)


def content_of(result: ReportResult) -> bytes:
    return b"".join(result.read())


def records_of(result: ReportResult) -> list[dict[str, str]]:
    content = content_of(result)
    if result.format == "CSV":
        return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    if result.format == "JSON":
        body = json.loads(content)
        return list(body if result.json_shape == "array" else body["Records"])
    root = ET.fromstring(content)  # noqa: S314 - trusted
    assert root.tag == "ImpactRadiusResponse"
    return [{child.tag: child.text or "" for child in record} for record in root[0]]


@deterministic
@given(
    source=sources, report=reports, chosen=filters, form=st.sampled_from(FORMATS), year=st.sampled_from([2024, 2026])
)
def test_the_months_add_up_to_the_year(
    source: str, report: str, chosen: dict[str, str], form: ResultFormat, year: int
) -> None:
    firsts = [date(year, month, 1) for month in range(1, 13)] + [date(year + 1, 1, 1)]
    months = [(first.isoformat(), str(after - timedelta(days=1))) for first, after in itertools.pairwise(firsts)]
    options: dict[str, Any] = {"source": source, "report": report, "chosen": chosen, "rows": 2, "format": form}
    whole = result_of(f"{year}-01-01", f"{year}-12-31", **options)
    parts = [result_of(first, last, **options) for first, last in months]
    assert sum(part.rows for part in parts) == whole.rows
    assert records_of(whole) == [record for part in parts for record in records_of(part)]
    if form == "CSV":
        header, *_ = content_of(whole).splitlines(keepends=True)
        assert content_of(whole) == header + b"".join(content_of(part).removeprefix(header) for part in parts)


@deterministic
@given(rows=st.sampled_from([0, 1, 30, LARGEST_CACHED_DAY + 1]), form=st.sampled_from(FORMATS), data=st.data())
def test_any_part_of_a_file_can_be_read(rows: int, form: ResultFormat, data: st.DataObject) -> None:
    result = result_of("2026-05-01", "2026-05-03", rows=rows, format=form)
    content = content_of(result)
    assert len(content) == result.size
    assert len(records_of(result)) == result.rows
    start = data.draw(st.integers(0, result.size + 5))
    stop = data.draw(st.none() | st.integers(0, result.size + 5))
    assert b"".join(result.read(start, stop)) == content[start:stop]


def test_rows_are_in_order_and_about_as_many_as_asked_for() -> None:
    result = result_of("2025-01-01", "2025-12-31", rows=4)
    moments = [record["Action_Date"] for record in records_of(result)]
    assert moments == sorted(moments)
    assert {moment[:4] for moment in moments} == {"2025"}
    assert 3.5 * 365 < result.rows < 4.5 * 365
    assert len({moment[:10] for moment in moments}) < 365  # some days are empty


def test_the_bytes_never_change_between_releases() -> None:
    # Users may have stored this value. Other data needs a new number in `_actions_of_day` and a note in the changelog.
    assert result_of().sha256 == "65f712a96453d9735613fb70198b9e3ed192fe13941a3b0c620ddab8a3db2903"


@pytest.mark.parametrize("form", FORMATS)
def test_values_have_the_types_of_their_columns(form: ResultFormat) -> None:
    read: dict[str, Callable[[str], object]] = {
        "Boolean": {"true": True, "false": False}.__getitem__,
        "Date (yyyy-MM-dd'T'HH:mm:ssZZ)": lambda text: text and datetime.fromisoformat(text).utcoffset(),
        "Decimal": Decimal,
        "Integer": int,
        "String": str,
    }
    seen = set()
    for report in EXPORTABLE.values():
        result = result_of(rows=5, report=str(report.id), format=form)
        for record in records_of(result):
            assert list(record) == [column.name for column in report.columns]
            for column in report.columns:
                read[column.data_type](record[column.name])
                seen.add(column.data_type)
                if column.data_type == "Decimal" and form != "CSV":
                    assert len(record[column.name].partition(".")[2]) == 18
    assert seen == set(read)


def test_every_format_has_the_same_rows() -> None:
    plain, records, shown = (records_of(result_of(format=form)) for form in FORMATS)
    assert records == shown
    decimals = {column.name for column in EXPORTABLE["agency_action_listing"].columns if column.data_type == "Decimal"}
    for row, record in zip(plain, records, strict=True):
        assert {name: Decimal(text) if name in decimals else text for name, text in row.items()} == {
            name: Decimal(text) if name in decimals else text for name, text in record.items()
        }


def test_rows_contain_commas_quotes_newlines_accents_and_leading_zeros() -> None:
    records = records_of(result_of(rows=30))
    assert {record["Campaign"] for record in records} >= {"Harbor & Pine, Ltd", 'The "Blue" Door', "東京ストア"}
    assert {record["Note"] for record in records} >= {"", "first line\nsecond line", "0012"}
    assert all(record["Partner_Id"].startswith("00") for record in records)


# Filters


MATCHES: dict[str, tuple[str, Callable[[dict[str, str]], bool]]] = {
    "SUBAID": ("10003", lambda record: record["Campaign_Id"] == "10003"),
    "STATUS": ("Reversed", lambda record: record["Status"] == "REVERSED"),
    "NEW_CUSTOMER": ("TRUE", lambda record: record["New_Customer"] == "true"),
    "MINIMUM_QUANTITY": ("4", lambda record: int(record["Quantity"]) >= 4),
    "MINIMUM_AMOUNT": ("250.50", lambda record: Decimal(record["Sale_Amount"]) >= Decimal("250.50")),
}


@pytest.mark.parametrize("name", MATCHES)
def test_a_filter_leaves_the_rows_that_match(name: str) -> None:
    value, matches = MATCHES[name]
    everything = records_of(result_of(rows=20))
    found = records_of(result_of(rows=20, chosen={name: value}))
    assert found == [record for record in everything if matches(record)]
    assert 0 < len(found) < len(everything)


def test_an_unknown_filter_changes_nothing() -> None:
    assert content_of(result_of(chosen={"COLOUR": "blue"})) == content_of(result_of())


@pytest.mark.parametrize(
    ("window", "chosen"),
    [
        (("2026-05-01", "2026-05-31"), {"SUBAID": "nope"}),
        (("2018-01-01", "2019-12-31"), {}),
        (("2026-06-16", "2026-06-30"), {}),
        (("2026-05-01", "2026-05-31"), {"STATUS": "UNHEARD_OF"}),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_result_has_a_header_only(form: ResultFormat, window: tuple[str, str], chosen: dict[str, str]) -> None:
    result = result_of(*window, chosen=chosen, format=form)
    assert (result.rows, result.pages, records_of(result)) == (0, 1, [])
    if form == "CSV":
        assert content_of(result).startswith(b"Action_Id,")


# Late corrections


def test_actions_are_corrected_within_30_days_and_not_later() -> None:
    seen = [records_of(result_of(rows=10, as_of=date(2026, 5, 31) + timedelta(days=days))) for days in range(35)]
    pending = [sum(record["Status"] == "PENDING" for record in records) for records in seen]
    assert pending == sorted(pending, reverse=True)
    assert pending[0] > 0 == pending[CORRECTED_WITHIN]
    assert seen[CORRECTED_WITHIN] == seen[-1] != seen[CORRECTED_WITHIN - 1]
    assert len({len(records) for records in seen}) == 1
    amounts = [[record["Sale_Amount"] for record in records] for records in (seen[0], seen[-1])]
    corrected = sum(before != after for before, after in zip(*amounts, strict=True))
    assert 0 < corrected < len(seen[0]) / 2
    assert {record["Status"] for record in seen[-1]} == {"APPROVED", "REVERSED"}
    assert {record["Payout"] for record in seen[-1] if record["Status"] == "REVERSED"} == {"0.00"}
    assert all((record["Locking_Date"] == "") == (record["Status"] == "PENDING") for record in seen[0])


def test_a_replay_brings_corrections_and_the_days_of_an_open_end() -> None:
    first = result_of(as_of=date(2026, 5, 31))
    assert content_of(first.replayed(1, as_of=date(2026, 5, 31))) == content_of(first)
    later = first.replayed(1, as_of=date(2026, 6, 10))
    assert content_of(later) == content_of(result_of(as_of=date(2026, 6, 10))) != content_of(first)
    assert later.etag != first.etag
    open_ended = evolve(first, has_open_end=True).replayed(1, as_of=date(2026, 6, 10))
    assert content_of(open_ended) == content_of(result_of("2026-05-01", "2026-06-10", as_of=date(2026, 6, 10)))


# Shapes of JSON


@deterministic
@given(size=st.integers(1, 120), rows=st.sampled_from([0, 1, 8]))
def test_pages_have_all_records_in_order(size: int, rows: int) -> None:
    first = result_of("2026-05-01", "2026-05-10", rows=rows, format="JSON", json_shape="pages", json_page_rows=size)
    everything = result_of("2026-05-01", "2026-05-10", rows=rows, format="JSON", json_shape="array")
    found = []
    for number in range(1, first.pages + 1):
        page = first.page(number)
        content = json.loads(content_of(page))
        assert len(content_of(page)) == page.size
        found += content.pop("Records")
        assert content == {
            "@page": str(number), "@numpages": str(first.pages), "@pagesize": str(size), "@total": str(first.rows),
        }  # fmt: skip
        assert number == first.pages or len(found) == number * size
    assert found == records_of(everything)
    assert len({first.page(number).etag for number in range(1, first.pages + 1)}) == first.pages


def test_the_envelope_of_records_is_one_page() -> None:
    result = result_of(format="JSON")
    content = json.loads(content_of(result))
    assert (content["@page"], content["@numpages"], content["@total"]) == ("1", "1", str(result.rows))
    assert (list(content)[-1], len(content["Records"])) == ("Records", result.rows)
