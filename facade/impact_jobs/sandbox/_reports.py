"""The reports that can be exported, and the validation of an export's parameters."""

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
        """Return the report as the list of reports shows it."""
        return {
            "Id": self.id,
            "Name": self.name,
            "Category": self.category,
            "ApiAccessible": True,
            "DeferredApiRunUri": f"{prefix}/ReportExport/{self.id}",
        }

    def metadata(self) -> dict[str, object]:
        """Return the report's filters and columns."""
        filters = (("START_DATE", "Start Date"), ("END_DATE", "End Date"), ("SUBAID", "Program"))
        columns = ("Action_Id", "Action_Date", "Campaign", "Status", "Sale_Amount", "Payout", "Currency")
        return {
            "Id": self.id,
            "Name": self.name,
            "Filters": [{"Name": name, "DisplayName": label} for name, label in filters],
            "Columns": [{"Name": name} for name in columns],
        }


# The vendor documents the first report; the others only make the list longer.
REPORTS: Final = {
    report.id: report
    for report in (
        Report(id="agency_action_listing", name="Action Listing", category="Actions"),
        Report(id="sandbox_performance_by_day", name="Performance by Day", category="Performance"),
        Report(id="sandbox_partner_listing", name="Partner Listing", category="Partners"),
    )
}


def parse_date(text: str) -> date | None:
    """Parse a date in the documented form, YYYY-MM-DD; return None for anything else."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def validation_error(report_id: str, parameters: Mapping[str, str]) -> str | None:
    """Return why an export cannot be scheduled, or None; unknown filters are accepted, as the API accepts them."""
    if report_id not in REPORTS:
        return f"Not permitted to run report {report_id}"
    bounds = {name: parse_date(parameters[name]) for name in ("START_DATE", "END_DATE") if name in parameters}
    for name, bound in bounds.items():
        if bound is None:
            return f"Invalid value for {name}: expected YYYY-MM-DD"
    start, end = bounds.get("START_DATE"), bounds.get("END_DATE")
    if start and end and start > end:
        return "START_DATE must not be after END_DATE"
    if parameters.get("ResultFormat", "CSV").upper() not in _FORMATS:
        return "Invalid value for ResultFormat: expected CSV, JSON or XML"
    return None
