"""The reports that can be exported, and what an export may be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from attrs import frozen

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FORMATS: Final = frozenset({"CSV", "JSON", "XML"})


@frozen(kw_only=True)
class Report:
    """A report of the catalogue."""

    id: str
    name: str
    category: str

    def to_json(self, prefix: str) -> dict[str, object]:
        """Show the report as the list of reports does."""
        return {
            "Id": self.id,
            "Name": self.name,
            "Category": self.category,
            "ApiAccessible": True,
            "DeferredApiRunUri": f"{prefix}/ReportExport/{self.id}",
        }

    def metadata(self) -> dict[str, object]:
        """Show the report's filters and columns."""
        filters = (("START_DATE", "Start Date"), ("END_DATE", "End Date"), ("SUBAID", "Program"))
        columns = ("Action_Id", "Action_Date", "Campaign", "Status", "Sale_Amount", "Payout", "Currency")
        return {
            "Id": self.id,
            "Name": self.name,
            "Filters": [{"Name": name, "DisplayName": shown} for name, shown in filters],
            "Columns": [{"Name": name} for name in columns],
        }


# The first is the vendor's; the others only make the list longer than one.
REPORTS: Final = {
    report.id: report
    for report in (
        Report(id="agency_action_listing", name="Action Listing", category="Actions"),
        Report(id="sandbox_performance_by_day", name="Performance by Day", category="Performance"),
        Report(id="sandbox_partner_listing", name="Partner Listing", category="Partners"),
    )
}


def read_date(text: str) -> date | None:
    """Read a date in the one form the API documents, YYYY-MM-DD; None when it is anything else."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def objection(report_id: str, parameters: Mapping[str, str]) -> str | None:
    """Say why an export cannot be scheduled; None when it can.

    Args:
        report_id: The report, as named in the path.
        parameters: The query. Filters that a report does not have are let pass, as upstream.

    Returns:
        The message of the 200-but-ERROR answer, or None.
    """
    if report_id not in REPORTS:
        return f"Not permitted to run report {report_id}"
    bounds = {name: read_date(parameters[name]) for name in ("START_DATE", "END_DATE") if name in parameters}
    for name, bound in bounds.items():
        if bound is None:
            return f"Invalid value for {name}: expected YYYY-MM-DD"
    start, end = bounds.get("START_DATE"), bounds.get("END_DATE")
    if start and end and start > end:
        return "START_DATE must not be after END_DATE"
    if parameters.get("ResultFormat", "CSV").upper() not in _FORMATS:
        return "Invalid value for ResultFormat: expected CSV, JSON or XML"
    return None
