from __future__ import annotations

import pyarrow as pa
import pytest
from impact_jobs import DataType, ReportColumn
from impact_jobs._tables.schema import arrow_type, is_id, table_schema, unique_names

from tests.tables.reports import COLUMNS, metadata


@pytest.mark.parametrize(
    "name",
    ["Id", "ID", "Action_Id", "ActionId", "ActionID", "SubAid", "SUBAID", "Sub_Aid", "SubId2", "Oid", "Campaign.Id"],
)
def test_the_last_word_marks_an_id(name: str) -> None:
    assert is_id(name)


@pytest.mark.parametrize("name", ["Paid", "Amount_Paid", "AMOUNT_PAID", "Bid", "Void", "Id_Count", "Grid2", "", "12"])
def test_other_words_do_not(name: str) -> None:
    assert not is_id(name)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("Items", DataType.INTEGER, pa.int64()),
        ("Action_Id", DataType.INTEGER, pa.string()),
        ("SubAid", DataType.DECIMAL, pa.string()),
        ("Payout", DataType.DECIMAL, pa.decimal128(38, 18)),
        ("New", DataType.BOOLEAN, pa.bool_()),
        ("Day", DataType.DATE, pa.timestamp("us", "UTC")),
        ("Note", DataType.STRING, pa.string()),
        ("Shape", "Polygon", pa.string()),
    ],
)
def test_each_data_type_has_its_arrow_type(name: str, kind: DataType | str, expected: pa.DataType) -> None:
    assert arrow_type(ReportColumn(name=name, data_type=kind)) == expected


def test_the_order_is_that_of_the_file_and_then_of_the_metadata(caplog: pytest.LogCaptureFixture) -> None:
    schema = table_schema(metadata(), ["Note", "Extra", "Items", "Note", "Action_Id", "Action_Date"])
    assert schema.names == [
        "Note",
        "Extra",
        "Items",
        "Note_2",
        "Action_Id",
        "Action_Date",
        "Sale_Amount",
        "New_Customer",
    ]
    assert schema.field("Extra").type == schema.field("Note_2").type == pa.string()
    assert [record.getMessage() for record in caplog.records] == [
        "report agency_action_listing: the result has several columns named ['Note']; they are numbered",
        "report agency_action_listing: the result lacks the columns ['Sale_Amount', 'New_Customer']; they are null",
        "report agency_action_listing: the metadata lacks the columns ['Extra']; they are text",
    ]


def test_a_file_without_a_header_has_the_columns_of_the_metadata(caplog: pytest.LogCaptureFixture) -> None:
    assert table_schema(metadata(), None).names == list(COLUMNS)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [("a b", "a b"), ("a a a", "a a_2 a_3"), ("a a a_2", "a a_3 a_2"), ("a a_2 a", "a a_2 a_3")],
)
def test_equal_names_are_numbered(header: str, expected: str) -> None:
    assert unique_names(header.split()) == expected.split()
