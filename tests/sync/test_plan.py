"""Plans as they are written: defaults, formats and their endings, choosing parts of one."""

from __future__ import annotations

import pickle
from datetime import date, timedelta
from pathlib import Path

import pytest
from impact_jobs import ConfigurationError
from impact_jobs.sync import Plan, PlanError, PlannedReport, PlanProblem

from tests.sync.plans import ISSUE, parse, report

TWO_NAMES = f"""
{report(name='"all"', accounts='["north", "south"]')}
{report(name='"one"', accounts='["south"]', filters='{ Campaign = "1" }')}
"""


def test_a_plan_with_all_keys(tmp_path: Path) -> None:
    (tmp_path / "reports.toml").write_text(ISSUE, encoding="utf-8")
    plan = Plan.load(tmp_path / "reports.toml")
    assert plan.reports == (
        PlannedReport(
            id="agency_action_listing",
            name="agency_action_listing",
            accounts=("north", "south"),
            start=date(2025, 1, 1),
            end=timedelta(days=1),
            into="data/{account}/{report}/{start:%Y-%m}.parquet",
            format="parquet",
            split="month",
            refresh=timedelta(days=30),
            filters={"Campaign": "1234"},
            line=5,
        ),
    )
    assert (plan.path, plan.folder) == (tmp_path / "reports.toml", tmp_path)
    newest = plan.files(date(2026, 5, 29))[0]
    assert newest.path == tmp_path / "data/north/agency_action_listing/2026-05.parquet"
    assert newest.area == tmp_path / "data"
    assert str(newest) == "agency_action_listing of north, 2026-05-01 to 2026-05-28"


def test_what_is_left_out() -> None:
    (found,) = parse(report()).reports
    assert (found.name, found.accounts, found.end) == ("actions", ("env",), timedelta(days=1))
    assert (found.format, found.split, found.refresh, found.filters) == ("csv", "month", timedelta(0), {})


def test_a_report_overrides_each_default_as_a_whole() -> None:
    defaults = '[defaults]\nfilters = { A = "1", B = 2 }\nsplit = "day"\nfrom = 2026-05-01\ninto = "{report}/{start}"\n'
    first, second = parse(
        defaults + '[[report]]\nid = "a"\n[[report]]\nid = "b"\nsplit = "none"\nfilters = { C = true }'
    ).reports
    assert (first.filters, first.split, first.start) == ({"A": "1", "B": 2}, "day", date(2026, 5, 1))
    assert (second.filters, second.split) == ({"C": True}, None)


@pytest.mark.parametrize(
    ("into", "file_format", "expected"),
    [
        ("{start}.csv", "parquet", "{start}.parquet"),
        ("{start}.PARQUET", "csv", "{start}.csv"),
        ("{start}.json", "json", "{start}.jsonl"),
        ("{start}.ndjson", "json", "{start}.ndjson"),
        ("{start}.csv", "json", "{start}.jsonl"),
        ("{start}.txt", "json", "{start}.txt"),
        ("{start:%Y.%m}", "parquet", "{start:%Y.%m}"),
    ],
)
def test_the_ending_of_the_defaults_becomes_that_of_the_format(into: str, file_format: str, expected: str) -> None:
    plan = parse(f'[defaults]\ninto = "{into}"\n' + report(into="", format=f'"{file_format}"'))
    assert plan.reports[0].into == expected


def test_one_id_may_occur_twice_with_other_accounts_or_another_name() -> None:
    plan = parse(report(accounts='["north"]') + report(accounts='["south"]', into='"s/{start}"') + report(name='"b"'))
    assert [(each.name, each.accounts) for each in plan.reports] == [
        ("actions", ("north",)),
        ("actions", ("south",)),
        ("b", ("env",)),
    ]
    assert plan.accounts == ("north", "south", "env")


def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "reports.toml"
    path.write_bytes(("\ufeff" + ISSUE.replace("\n", "\r\n")).encode())
    assert Plan.load(path).reports[0].line == 5


def test_choosing_reports_and_accounts() -> None:
    plan = parse(TWO_NAMES.replace("{report}", "{account}/{report}"))
    chosen = plan.select(reports=["all"], accounts=["south"])
    assert [(each.name, each.accounts) for each in chosen.reports] == [("all", ("south",))]
    assert plan.select() == plan
    assert {file.account for file in chosen.files()} == {"south"}


@pytest.mark.parametrize(
    ("reports", "accounts", "message"),
    [
        (["al"], [], "the plan has no report 'al': did you mean 'all'?"),
        (["actions"], [], "the plan has no report 'actions': did you mean 'one'?"),  # the id of both
        (["xyz"], [], "the plan has no report 'xyz': choose from all, one."),
        ([], ["nort"], "the plan has no account 'nort': did you mean 'north'?"),
        (["one"], ["north"], "the plan has no report one of account north: choose a report and an account that belong"),
    ],
)
def test_choosing_what_is_not_there(reports: list[str], accounts: list[str], message: str) -> None:
    plan = parse(TWO_NAMES.replace("{report}", "{account}/{report}"))
    with pytest.raises(ConfigurationError) as caught:
        plan.select(reports=reports, accounts=accounts)
    assert str(caught.value).startswith(message)


def test_a_plan_is_pickled_as_are_its_errors() -> None:
    plan = parse(ISSUE)
    assert pickle.loads(pickle.dumps(plan)) == plan  # noqa: S301 - our own
    error = PlanError([PlanProblem(3, "b"), PlanProblem(0, "a")], plan="reports.toml")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - the same
    assert (str(copy), copy.problems) == (
        "reports.toml: a\nreports.toml:3: b",
        (PlanProblem(0, "a"), PlanProblem(3, "b")),
    )
