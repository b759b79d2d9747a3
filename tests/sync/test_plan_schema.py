"""The JSON schema of plans agrees with what reads them."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, time
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError
from impact_jobs.sync import PlanError
from impact_jobs.sync._plan_values import READERS
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # its types are a package

from tests.sync.plans import ISSUE, parse, report

SCHEMA: dict[str, Any] = json.loads(
    resources.files("impact_jobs.sync").joinpath("reports.schema.json").read_text("utf-8")
)
REPORT: dict[str, Any] = SCHEMA["properties"]["report"]["items"]["properties"]

# The schema cannot state what these may hold besides: fields of a template, and names of filters.
LOOSE = {"id", "into", "filters"}
VALUES: list[Any] = [
    *("", " ", "a", "A b", "env", "é", "x/y", "x.y", "..", "{start}.csv", "x" * 64, "x" * 65, "x" * 201),
    *(
        "csv",
        "CSV",
        "json",
        "parquet",
        "day",
        "week",
        "month",
        "none",
        "today",
        "yesterday",
        "0d",
        "7d",
        "12w",
        "9999d",
    ),
    *("10000d", "-1d", "2025-01-01", "2024-02-29", "2025-02-29", "2025-1-1", True, 0, 7, 1.5, [], {}),
    *(["north", "env"], ["a", "a"], ["a", 1], ["a b"], {"A": ""}, {"A": []}, {"A": {}}, {"A": "1"}),
    {"A": 1, "B": 1.5, "C": True, "D": date(2025, 1, 1)},
]


def as_json(value: Any) -> Any:
    """Return a value of TOML as editors pass it to a JSON schema: dates as text."""
    return json.loads(json.dumps(value, default=lambda each: each.isoformat()))


def fits(value: Any, schema: dict[str, Any]) -> bool:
    whole = {"$defs": SCHEMA["$defs"], **schema}
    return bool(Draft202012Validator(whole, format_checker=FormatChecker()).is_valid(as_json(value)))


def is_read(key: str, value: Any) -> bool:
    try:
        READERS[key](key, value)
    except ConfigurationError:
        return False
    return True


def test_the_schema_has_each_key_with_its_description() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(REPORT) == set(READERS)
    defaults = SCHEMA["properties"]["defaults"]["properties"]
    assert defaults == {key: REPORT[key] for key in REPORT if key not in {"id", "name"}}
    for key, schema in REPORT.items():
        assert SCHEMA["$defs"].get(key, schema)["description"]


@pytest.mark.parametrize("key", READERS)
def test_a_value_is_read_if_it_fits_the_schema(key: str) -> None:
    for value in VALUES:
        check(key, value)


@given(key=st.sampled_from(sorted(READERS)), value=st.text("0123456789dw-_.aZ", max_size=10))
def test_text_is_read_if_it_fits_the_schema(key: str, value: str) -> None:
    check(key, value)


def check(key: str, value: Any) -> None:
    expected = fits(value, REPORT[key])
    assert is_read(key, value) == expected or (key in LOOSE and expected), value


@pytest.mark.parametrize(
    ("value", "expected"), [(date(2025, 1, 1), True), (datetime(2025, 1, 1, tzinfo=UTC), False), (time(1), False)]
)
def test_days_of_toml(value: object, *, expected: bool) -> None:
    assert is_read("from", value) == fits(value, REPORT["from"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        ISSUE,
        report(),
        "[defaults]\nfrom = 2026-01-01\n" + report(from_=""),
        "[defaults]\ninto = '{start}'\n" + report(into=""),
        "[defaults]\nsplit = 'day'\n" + report(from_=""),
        "[defaults]\nid = 'x'\n" + report(),
        "[defaults]\nspilt = 'day'\n" + report(),
        report(id=""),
        report(from_=""),
        report(into=""),
        report(spilt="'day'"),
        "defaults = 5\n" + report(),
        "x = 5\n" + report(),
        "report = []",
        "report = [5]",
        "[report]\nid = 'x'\nfrom = 2026-01-01\ninto = '{start}'",
        "",
    ],
)
def test_a_plan_is_read_if_it_fits_the_schema(text: str) -> None:
    try:
        is_plan = bool(parse(text))
    except PlanError:
        is_plan = False
    assert fits(tomllib.loads(text), SCHEMA) == is_plan
