"""What Airflow's ProvidersManager reads of this provider. It imports nothing of Airflow."""

from __future__ import annotations

from typing import Any

from impact_jobs.toolkit import DEFAULT_BASE_URL

_INTEGRATION = "impact.com"
_PACKAGE = "impact_jobs.airflow"

HOOK_NAME = "impact.com"
UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["port", "schema"],
    "relabeling": {"host": "API URL", "login": "Account SID", "password": "Auth Token"},
    "placeholders": {"host": DEFAULT_BASE_URL},
}
CONN_FIELDS: dict[str, dict[str, Any]] = {
    "account_kind": {
        "label": "Account kind",
        "description": "What the account is: an agency, a brand (advertiser) or a partner (publisher).",
        "schema": {"type": ["string", "null"], "default": "agency", "enum": ["agency", "brand", "partner"]},
    },
    "advertiser_id": {
        "label": "Advertiser id",
        "description": "Of an agency: the number of one brand's account, such as 2747168. Empty for the agency itself.",
        "schema": {"type": ["string", "null"]},
    },
    "report_url": {
        "label": "Report URL",
        "description": "A report's page in impact.com's web app, with {report_id} in place of the report's id.",
        "schema": {"type": ["string", "null"]},
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the description that Airflow finds by the entry point `apache_airflow_provider`.

    Airflow reads the connection's form from it, without importing the hook.

    Example:
        >>> get_provider_info()["connection-types"][0]["connection-type"]
        'impact'

    Source: Airflow's provider_info.schema.json, and the provider infos of its own providers.
    """
    return {
        "package-name": "impact-jobs",
        "name": _INTEGRATION,
        "description": "Export, wait for, download and replay the reports of impact.com.",
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://integrations.impact.com/",
                "tags": ["service"],
            }
        ],
        "operators": [{"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.operators"]}],
        "sensors": [{"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.sensor"]}],
        "hooks": [{"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.hook"]}],
        "triggers": [{"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.trigger"]}],
        "extra-links": [f"{_PACKAGE}.links.ImpactReportLink"],
        "task-decorators": [{"name": "impact_report", "class-name": f"{_PACKAGE}.decorator.impact_report_task"}],
        "connection-types": [
            {
                "connection-type": "impact",
                "hook-class-name": f"{_PACKAGE}.hook.ImpactHook",
                "hook-name": HOOK_NAME,
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": CONN_FIELDS,
            }
        ],
    }
