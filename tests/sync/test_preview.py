"""What a run of a plan would do: its steps, and what they would take, without an export."""

from __future__ import annotations

from pathlib import Path

from impact_jobs import AuthenticationError, ConfigurationError, ReportNotFoundError
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import AccountPreview, FileAction, Plan

from tests.sync import accounts
from tests.sync.accounts import NAMES, PLAN, Plans

clock = accounts.clock
sandboxes = accounts.sandboxes
plans = accounts.plans
blocking_plans = accounts.blocking_plans


def test_a_preview_counts_what_a_run_takes_and_sends_reads_alone(plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    with sandboxes["north"].client() as jobs:
        jobs.export_report("agency_action_listing", start_date="2025-01-01", end_date="2025-01-31")
    for each in sandboxes.values():
        each.forget_requests()
    preview = plans.preview(sandboxes)
    assert [step.action for step in preview.steps] == [FileAction.EXPORT] * 9
    assert preview.due == preview.steps
    assert (preview.left, preview.failed) == ((), ())
    assert [(each.account, each.exports, each.exports_left, each.requests) for each in preview.accounts] == [
        ("north", 3, 99, 6), ("south", 3, 100, 6), ("west", 3, 100, 6),
    ]  # fmt: skip
    assert all(each.requests_left in range(990, 1000) for each in preview.accounts)
    assert [[request.method for request in each.requests] for each in sandboxes.values()] == [["GET", "GET"]] * 3
    assert not (plans.folder / "data").exists()


def test_nothing_is_requested_if_nothing_is_due(plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    plans.run(sandboxes)
    for each in sandboxes.values():
        each.forget_requests()
    preview = plans.preview(sandboxes)
    assert (preview.due, len(preview.steps)) == ((), 9)
    assert all(each.exports_left is None for each in preview.accounts)
    with sandboxes["north"].client() as north, sandboxes["south"].client() as south, sandboxes["west"].client() as west:
        clients = dict(zip(NAMES, (north, south, west), strict=True))
        assert Plan.parse(PLAN, folder=plans.folder).steps(clients=clients) == preview.steps
    assert not any(each.requests for each in sandboxes.values())


DAILY = """
[[report]]
id = "agency_action_listing"
accounts = ["north"]
split = "day"
into = "data/{start}.csv"
from = "2026-02-01"
to = "2026-05-28"
"""


def test_what_exceeds_the_exports_of_a_day_is_left(blocking_plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    preview = blocking_plans.preview(sandboxes, DAILY)
    (account,) = preview.accounts
    assert (account.exports, account.exports_left, account.requests) == (117, 100, 200)
    assert preview.left == preview.steps[100:]
    assert {step.file.window.start.month for step in preview.left} == {2}


FILTERED = """
[defaults]
into = "data/{account}/{report}/{start:%Y-%m}.csv"
from = "2026-05-01"
[[report]]
id = "agency_action_listing"
name = "good"
accounts = ["north", "south", "west"]
filters = { "Status" = "APPROVED" }
[[report]]
id = "agency_action_listing"
name = "bad"
accounts = ["north"]
filters = { "Statsu" = "APPROVED" }
[[report]]
id = "no_such_report"
accounts = ["north"]
filters = { "Status" = "APPROVED" }
[[report]]
id = "agency_action_listings"
accounts = ["north"]
"""


def test_reports_and_filters_are_checked(plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    preview = plans.preview(sandboxes, FILTERED)
    errors = {step.file.report: step.error for step in preview.failed}
    assert errors.keys() == {"bad", "no_such_report", "agency_action_listings"}
    assert isinstance(errors["bad"], ConfigurationError)
    assert "Did you mean" in str(errors["bad"])
    assert isinstance(errors["no_such_report"], ReportNotFoundError)
    assert "Did you mean 'agency_action_listing'" in str(errors["agency_action_listings"])
    assert [each.exports for each in preview.accounts] == [1, 1, 1]
    assert [each.requests for each in preview.accounts] == [3, 3, 3]


def test_a_refusing_account_has_the_error_at_its_steps(blocking_plans: Plans, sandboxes: dict[str, Sandbox]) -> None:
    sandboxes["south"].answer_next("GET", "/Jobs", status=401, body="{}")
    preview = blocking_plans.preview(sandboxes)
    assert {step.file.account: type(step.error) for step in preview.failed} == {"south": AuthenticationError}
    south = preview.accounts[1]
    assert south == AccountPreview(account="south", requests_left=south.requests_left)
    assert len(preview.failed) == 3


def test_a_file_of_another_origin_is_an_error_of_its_step(tmp_path: Path, sandboxes: dict[str, Sandbox]) -> None:
    file = tmp_path / "data" / "north" / "actions" / "2026-04.csv"
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with sandboxes["north"].client() as jobs:
        plan = Plan.parse(PLAN.replace('"south", "west"', ""), folder=tmp_path)
        steps = plan.steps(clients={"north": jobs})
    assert [step.error is None for step in steps] == [True, False, True]
    assert not sandboxes["north"].requests
