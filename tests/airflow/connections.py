"""Connections to a sandbox, set as users set them: by AIRFLOW_CONN_* variables."""

from __future__ import annotations

import json
from typing import Any

import pytest
from impact_jobs.sandbox import Sandbox

CONN_ID = "impact_test"


def set_connection(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any] | str, *, conn_id: str = CONN_ID) -> None:
    """Set a connection as JSON, or as a URI."""
    text = fields if isinstance(fields, str) else json.dumps(fields)
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)


def connection_to(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return the fields of a connection to the sandbox's account."""
    return {
        "conn_type": "impact",
        "login": sandbox.account_sid,
        "password": sandbox.auth_token,
        "host": sandbox.base_url,
        "extra": {"account_kind": sandbox.account},
    } | changes
