"""A report with a column of each type, and files of its rows."""

from __future__ import annotations

from pathlib import Path

from impact_jobs import DataType, ReportColumn, ReportMetadata

COLUMNS: dict[str, DataType | str] = {
    "Action_Id": DataType.INTEGER,
    "Action_Date": DataType.DATE,
    "Sale_Amount": DataType.DECIMAL,
    "Items": DataType.INTEGER,
    "New_Customer": DataType.BOOLEAN,
    "Note": DataType.STRING,
}
HEADER = ",".join(COLUMNS)
ROW = "0012,2026-05-29T04:33:50-05:00,5.000000000000000000,3,true,fine"


def metadata(columns: dict[str, DataType | str] | None = None) -> ReportMetadata:
    return ReportMetadata(
        id="agency_action_listing",
        name="Action Listing",
        columns=tuple(ReportColumn(name=name, data_type=kind) for name, kind in (columns or COLUMNS).items()),
    )


def write(folder: Path, text: str | bytes, name: str = "actions.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
