"""What the tests of single exports share."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import evolve
from impact_jobs import Retry
from impact_jobs._account import Account
from impact_jobs._account_kinds import AccountKind
from impact_jobs._operations.export import ExportArguments, plan_export
from impact_jobs._redaction import Secret, secret_url
from impact_jobs._transport.run_sync import run_sync
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient
from tests.support.simulated import context

REPORT = "agency_action_listing"
MAY: dict[str, Any] = {"start_date": "2026-05-01", "end_date": "2026-05-31"}
WITHOUT_PAUSES = Retry(attempts=3, base_delay=0)


def exports(sandbox: Sandbox) -> list[str]:
    """Return the queries of all exports that were requested."""
    return [request.query for request in sandbox.requests if "/ReportExport/" in request.path]


def left_today(sandbox: Sandbox) -> int:
    """Return how many exports are left by this process's count."""
    with sandbox.client() as client:
        return client._context.daily_exports.left(datetime.now(UTC))


def without_pauses(jobs: AnyClient) -> AnyClient:
    return jobs.with_options(retry=WITHOUT_PAUSES)


def plan(on: Any, report_id: Any = REPORT, **options: Any) -> Any:
    given = {"start_date": None, "end_date": None, "result_format": "CSV", "filters": None} | options
    return run_sync(plan_export(on, ExportArguments(report_id=report_id, **given)))


def of_kind(kind: AccountKind, script: Any) -> Any:
    on = context(script, retry=WITHOUT_PAUSES)
    return evolve(
        on, account=Account.create("IRtest", Secret("token"), secret_url("https://api.impact.com"), kind=kind)
    )


def refusing(message: str, *, status: int = 200, errors: Any = (), **headers: str) -> Callable[[Sandbox], None]:
    body = json.dumps({"Status": "ERROR", "Message": message, "Errors": errors})
    return lambda sandbox: sandbox.answer_next(
        "GET", f"/ReportExport/{REPORT}", status=status, body=body, headers=headers
    )
