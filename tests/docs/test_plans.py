"""The plans on the pages can be loaded, and docs/howto/sync.md explains the keys that a plan may have."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest
from impact_jobs.sync import Plan

from tests.docs.pages import PAGES

_PLAN = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLANS = [
    pytest.param(plan, id=name)
    for name, page in PAGES.items()
    for plan in _PLAN.findall(page.read_text())
    if "[[report]]" in plan
]


def test_the_plans_are_found() -> None:
    assert {plan.id for plan in PLANS} >= {"README.md", "docs/howto/sync.md", "docs/howto/warehouse.md"}


@pytest.mark.parametrize("text", PLANS)
def test_a_plan_on_a_page_can_be_loaded(text: str) -> None:
    assert Plan.parse(text).files()


def test_the_table_of_keys_agrees_with_the_schema() -> None:
    schema = json.loads(resources.files("impact_jobs.sync").joinpath("reports.schema.json").read_text("utf-8"))
    values = schema["properties"]["report"]["items"]["properties"]
    stated = {key: schema["$defs"].get(key, {}).get("default") for key in values}
    expected = {"id": "required", "name": "the id", "from": "required", "into": "required", "filters": "none"}
    expected |= {key: f"`{json.dumps(value)}`" for key, value in stated.items() if key not in expected}
    table = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", PAGES["docs/howto/sync.md"].read_text(), re.MULTILINE)
    assert dict(table) == expected
