"""Arguments arrive as templates have rendered them, and become plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from impact_jobs import ConfigurationError, Job
from impact_jobs.airflow import _values
from impact_jobs.airflow._values import optional

JOB_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        ("as_day", date(2026, 5, 1), "2026-05-01"),
        ("as_day", datetime(2026, 5, 1, 23, 59, tzinfo=UTC), "2026-05-01"),
        ("as_day", "2026-05-01 00:00:00+00:00", "2026-05-01"),
        ("as_day", " 2026-05-01T00:00:00Z ", "2026-05-01"),
        ("as_day", "1 May 2026", "1 May 2026"),
        ("as_seconds", 60, 60.0),
        ("as_seconds", "60.5", 60.5),
        ("as_seconds", 0, 0.0),
        ("as_seconds", timedelta(hours=6), 21600.0),
        ("as_flag", True, True),
        ("as_flag", "False", False),
        ("as_flag", "true", True),
        ("as_text", "s3://reports", "s3://reports"),
        ("as_text", 2747168, "2747168"),
        ("as_path", PurePosixPath("/data/may.csv"), "/data/may.csv"),
        ("as_path", SimpleNamespace(protocol="s3", path="b/k.csv", conn_id="aws"), "s3://aws@b/k.csv"),
        ("as_job", JOB_ID, JOB_ID),
        ("as_job", Job(id=JOB_ID, status="QUEUED"), JOB_ID),
        ("as_filters", {"Program": 1, "After": date(2026, 5, 1), "New": True, "None": None},
         {"Program": 1, "After": "2026-05-01", "New": True, "None": None}),
        ("as_filters", '{"Program": "1"}', {"Program": "1"}),
        ("as_polling", {"minimum": 5, "maximum": "60"}, {"minimum": 5, "maximum": "60"}),
    ],
)  # fmt: skip
def test_a_value_is_read(reader: str, value: Any, read: Any) -> None:
    found = getattr(_values, reader)("name", value)
    assert found == read
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("as_day", ""), ("as_day", 5.5), ("as_seconds", "an hour"), ("as_seconds", -1), ("as_seconds", "nan"),
        ("as_seconds", "inf"), ("as_seconds", True), ("as_seconds", []), ("as_flag", "yes"), ("as_flag", 1),
        ("as_text", ""), ("as_text", "  "), ("as_text", None), ("as_text", True), ("as_text", {}), ("as_path", None),
        ("as_job", None), ("as_filters", "Program"), ("as_filters", ["Program"]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(reader: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^name="):
        getattr(_values, reader)("name", value)


@pytest.mark.parametrize("value", [None, ""])
def test_an_optional_value_may_be_left_out(value: Any) -> None:
    assert optional(_values.as_seconds)("timeout", value) is None
    assert optional(_values.as_seconds)("timeout", "5") == 5.0
