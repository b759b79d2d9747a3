"""The reports of the sandbox: how the list shows them, and their filters and columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from impact_jobs.sandbox._account_rules import AccountRules
from impact_jobs.sandbox._report_data import Action

DATE: Final = "Date (yyyy-MM-dd'T'HH:mm:ssZZ)"


@frozen
class Column:
    """A column: its name, its type as the API words it, the text of its values in CSV, and what it shows."""

    name: str
    data_type: str
    text: Callable[[Action], str]
    description: str = ""


@frozen(kw_only=True)
class Report:
    """A report of the catalogue; those without columns exist in the web application only."""

    id: str | None
    name: str
    category: str
    description: str
    columns: tuple[Column, ...] = ()

    def to_json(self, prefix: str, *, suffix: str) -> dict[str, object]:
        """Return the report as the list of reports shows it; its URIs end in `suffix`."""
        shown: dict[str, object] = {"Name": self.name, "Category": self.category, "Description": self.description}
        if self.id is not None:
            shown["Id"] = self.id
        if not self.columns:
            return shown | {"ApiAccessible": False, "RunUri": f"/reports/{self.name.replace(' ', '-').lower()}"}
        return shown | {
            "ApiAccessible": True,
            "ApiRunUri": f"{prefix}/Reports/{self.id}{suffix}",
            "DeferredApiRunUri": f"{prefix}/ReportExport/{self.id}{suffix}",
            "MetaDataUri": f"{prefix}/Reports/{self.id}/MetaData{suffix}",
        }

    def metadata(self, prefix: str, *, suffix: str, rules: AccountRules) -> dict[str, object]:
        """Return the report's filters and columns."""
        date_format = "" if rules.exports_by_moment else "yyyy-MM-dd"
        dates = [{"Name": name, "DataType": DATE, "Format": date_format} for name in ("Start Date", "End Date")]
        others = [{"Name": name, "DataType": data_type, "Format": ""} for name, data_type in _FILTERS.items()]
        columns = [
            {"Name": column.name, "DataType": column.data_type, "Description": column.description}
            for column in self.columns
        ]
        return {
            "Id": self.id,
            "Name": self.name,
            "Description": self.description,
            "Filters": dates + others,
            "Attributes": columns,
            "RunUri": f"{prefix}/Reports/{self.id}{suffix}",
            "Uri": f"{prefix}/Reports/{self.id}/MetaData{suffix}",
        }


_FILTERS: Final = {
    "SubAid": "String",
    "Status": "String",
    "New Customer": "Boolean",
    "Minimum Quantity": "Integer",
    "Minimum Amount": "Decimal",
}
# By parameter, as a request names them.
FILTER_TYPES: Final = {name.upper().replace(" ", "_"): data_type for name, data_type in _FILTERS.items()}


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


_ACTION_ID = Column("Action_Id", "String", lambda action: action.id, "The action")
_DATE = Column("Action_Date", DATE, lambda action: action.moment, "When the action happened")
_PROGRAM_ID = Column("Campaign_Id", "String", lambda action: action.program_id)
_PROGRAM = Column("Campaign", "String", lambda action: action.program)
_PARTNER_ID = Column("Partner_Id", "String", lambda action: action.partner_id)
_PARTNER = Column("Partner", "String", lambda action: action.partner)
_STATUS = Column("Status", "String", lambda action: action.status, "PENDING, APPROVED or REVERSED")
_AMOUNT = Column("Sale_Amount", "Decimal", lambda action: _money(action.amount))
_PAYOUT = Column("Payout", "Decimal", lambda action: _money(action.payout), "What the partner earns")
_RATE = Column("Payout_Rate", "Decimal", lambda action: f"0.{action.rate:04d}")
_CURRENCY = Column("Currency", "String", lambda action: action.currency)
_QUANTITY = Column("Quantity", "Integer", lambda action: str(action.quantity))
_IS_NEW = Column("New_Customer", "Boolean", lambda action: "true" if action.is_new_customer else "false")
_LOCKED = Column(
    "Locking_Date",
    DATE,
    lambda action: "" if action.status == "PENDING" else f"{action.locks_on}T00:00:00-05:00",
    "When the status became final; empty until then",
)
_CLICK_ID = Column("Click_Id", "String", lambda action: action.click_id)
_NOTE = Column("Note", "String", lambda action: action.note)

# The vendor documents agency_action_listing; the others make the list look like a real one.
CATALOGUE: Final = (
    Report(id=None, name="Program Overview", category="Insights", description="Only in the web application"),
    Report(
        id="agency_action_listing",
        name="Action Listing",
        category="Listing",
        description="Every action with its status and amounts",
        columns=(
            *(_ACTION_ID, _DATE, _PROGRAM_ID, _PROGRAM, _PARTNER_ID, _PARTNER, _STATUS, _AMOUNT, _PAYOUT, _RATE),
            *(_CURRENCY, _QUANTITY, _IS_NEW, _LOCKED, _CLICK_ID, _NOTE),
        ),
    ),
    Report(
        id="sandbox_performance_by_day",
        name="Performance by Day",
        category="Performance",
        description="Sales by day and program",
        columns=(_DATE, _PROGRAM_ID, _PROGRAM, _QUANTITY, _AMOUNT, _PAYOUT, _CURRENCY),
    ),
    Report(
        id="sandbox_partner_listing",
        name="Partner Listing",
        category="Partner",
        description="Partners and what they sold",
        columns=(_PARTNER_ID, _PARTNER, _DATE, _IS_NEW, _QUANTITY, _AMOUNT, _NOTE),
    ),
    Report(
        id="4123",
        name="Invoice Lines",
        category="Finance",
        description="What is paid, by action",
        columns=(_ACTION_ID, _LOCKED, _PROGRAM_ID, _STATUS, _PAYOUT, _RATE, _CURRENCY),
    ),
    Report(id="sandbox_user_audit", name="User Audit", category="Admin", description="Only in the web application"),
)
EXPORTABLE: Final = {report.id: report for report in CATALOGUE if report.id is not None and report.columns}
