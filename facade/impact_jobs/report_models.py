"""The values that describe reports: an entry of the list, and a report's filters and columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from attrs import field, frozen

__all__ = ["DataType", "ExportWindow", "Report", "ReportColumn", "ReportFilter", "ReportMetadata"]


class DataType(StrEnum):
    """The type of a filter or a column.

    Example:
        >>> filters = jobs.report_metadata("agency_action_listing").filters
        >>> [each.name for each in filters if each.data_type is DataType.DATE]
        [...]

    Source: the vendor's page "Get report metadata".
    """

    BOOLEAN = "Boolean"
    DATE = "Date"
    DECIMAL = "Decimal"
    INTEGER = "Integer"
    STRING = "String"


@frozen
class ExportWindow:
    """One part of the range of a long export.

    Attributes:
        start: The first day.
        end: The last day, which belongs to the window.

    Example:
        >>> report = jobs.export_and_download(
        ...     "agency_action_listing", "{start:%Y-%m}.csv", split="month",
        ...     start_date="2026-04-15", end_date="2026-05-31",
        ... )
        >>> [str(window) for window in report.outcomes]
        ['2026-04-15 to 2026-04-30', '2026-05-01 to 2026-05-31']
    """

    start: date
    end: date

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


@frozen(kw_only=True)
class Report:
    """A report that the account may export.

    Attributes:
        id: The report's id, such as "agency_action_listing".
        name: Its name in the web application.
        category: The group it belongs to, or None.
        description: What it shows, or None.
        is_exportable: Whether the API may export it; other reports exist in the web application only.
        raw: The JSON object, unchanged.

    Example:
        >>> [report.id for report in jobs.reports() if report.is_exportable][0]
        'agency_action_listing'

    Source: the vendor's page "List all reports".
    """

    id: str
    name: str
    category: str | None = None
    description: str | None = None
    is_exportable: bool = True
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)


@frozen(kw_only=True)
class ReportFilter:
    """A filter that an export of a report takes.

    Attributes:
        name: Its name in the web application, such as "Start Date".
        parameter: Its name in a request, such as "START_DATE".
        data_type: The type of its value; a string if the type is newer than this release.
        format: The form of the value that the server states, such as "yyyy-MM-dd", or None.

    Example:
        >>> [each.parameter for each in jobs.report_metadata("agency_action_listing").filters][:2]
        ['START_DATE', 'END_DATE']
    """

    name: str
    parameter: str
    data_type: DataType | str
    format: str | None = None


@frozen(kw_only=True)
class ReportColumn:
    """A column of a report's result.

    Attributes:
        name: Its name in the result.
        data_type: The type of its values; a string if the type is newer than this release.
        description: What it shows, or None.

    Example:
        >>> jobs.report_metadata("agency_action_listing").columns[0].data_type
        <DataType.STRING: 'String'>
    """

    name: str
    data_type: DataType | str
    description: str | None = None


@frozen(kw_only=True)
class ReportMetadata:
    """The filters and columns of a report.

    Attributes:
        id: The report's id.
        name: Its name in the web application.
        description: What it shows, or None.
        filters: What an export can be limited to.
        columns: The columns of the result, in their order.
        raw: The JSON object, unchanged.

    Example:
        >>> metadata = jobs.report_metadata("agency_action_listing")
        >>> metadata.name
        'Action Listing'

    Source: the vendor's page "Get report metadata".
    """

    id: str
    name: str
    description: str | None = None
    filters: tuple[ReportFilter, ...] = ()
    columns: tuple[ReportColumn, ...] = ()
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)
