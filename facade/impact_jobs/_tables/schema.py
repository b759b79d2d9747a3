"""The Arrow types of a report's columns, from its metadata and the header of its file.

A Boolean is a bool, a Date a timestamp[us, tz=UTC], a Decimal a decimal128(38, 18), an Integer an int64, and all else a
string; so are ids, even if the metadata calls them numbers.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from impact_jobs.report_models import DataType, ReportColumn, ReportMetadata

if TYPE_CHECKING:
    import pyarrow as pa

logger: logging.Logger = logging.getLogger("impact_jobs")

DECIMAL_DIGITS, DECIMAL_PLACES = 38, 18  # the places that the API sends, and the most digits that 128 bits hold

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ID_WORDS = frozenset({"id", "aid", "oid", "subid", "subaid", "uid", "uuid", "guid"})
_NUMBERS = frozenset({DataType.DECIMAL, DataType.INTEGER})


def is_id(name: str) -> bool:
    """Return whether the last word of a column's name says that its values are ids.

    `Action_Id`, `ActionID`, `SubAid`, `SUBAID` and `SubId2` are ids; `Amount_Paid` is not.
    """
    words = _WORDS.findall(name)
    return bool(words) and words[-1].lower() in _ID_WORDS


def arrow_type(column: ReportColumn) -> pa.DataType:
    """Return the type of a column; string for a data type that this release does not know."""
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    # As a number, an id would lose its leading zeros.
    if column.data_type in _NUMBERS and is_id(column.name):
        return pa.string()
    types: dict[str, pa.DataType] = {
        DataType.BOOLEAN: pa.bool_(),
        DataType.DATE: pa.timestamp("us", "UTC"),
        DataType.DECIMAL: pa.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES),
        DataType.INTEGER: pa.int64(),
    }
    return types.get(column.data_type, pa.string())


def unique_names(header: Sequence[str]) -> list[str]:
    """Return the names of a file's columns; those that occur again get a number, as in `Note`, `Note_2`."""
    names: list[str] = []
    for name in header:
        number = 1
        unique = name
        while unique in names or (number > 1 and unique in header):
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return names


def table_schema(metadata: ReportMetadata, header: Sequence[str] | None) -> pa.Schema:
    """Return the schema of a report's table.

    The columns of the file come first, in their order; then those that only the metadata names, which are null.

    Args:
        metadata: The report's filters and columns.
        header: The names in the first line of the file, or None if the file is empty.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load

    types = {column.name: arrow_type(column) for column in metadata.columns}
    names = unique_names([column.name for column in metadata.columns] if header is None else header)
    missing = [name for name in types if name not in names]
    if header is not None:
        _warn(metadata, header, missing)
    fields = [(name, types.get(name, pa.string())) for name in [*names, *missing]]
    about = {"impact_jobs.report": metadata.id, "impact_jobs.report_name": metadata.name}
    return pa.schema(fields, metadata=about)


def _warn(metadata: ReportMetadata, header: Sequence[str], missing: Sequence[str]) -> None:
    doubled = [name for name, count in Counter(header).items() if count > 1]
    if doubled:
        logger.warning("report %s: the result has several columns named %s; they are numbered", metadata.id, doubled)
    if missing:
        logger.warning("report %s: the result lacks the columns %s; they are null", metadata.id, missing)
    known = {column.name for column in metadata.columns}
    if unknown := [name for name in header if name not in known]:
        logger.warning("report %s: the metadata lacks the columns %s; they are text", metadata.id, unknown)
