"""The list of reports, and the filters and columns of one."""

from __future__ import annotations

import json
import re

import pytest
from impact_jobs.sandbox import Sandbox

from tests.cli.running import run, run_at_terminal
from tests.cli.test_terminals import plain

REPORT = "agency_action_listing"


def test_the_reports_that_can_be_exported_are_listed(account: Sandbox) -> None:
    with account.client() as client:
        reports = list(client.reports())
    exportable = [report for report in reports if report.is_exportable]
    assert 0 < len(exportable) < len(reports)
    lines = [line.split("\t") for line in run("reports").stdout.splitlines()]
    assert lines == [[report.id, report.name, report.category or "-"] for report in exportable]
    assert run("reports", "--quiet", "--all").stdout.split() == [report.id for report in reports]
    marks = [line.split("\t")[3] for line in run("reports", "--all").stdout.splitlines()]
    assert marks == ["yes" if report.is_exportable else "no" for report in reports]


def test_a_report_is_a_json_object(account: Sandbox) -> None:
    first = json.loads(run("reports", "--json").stdout.splitlines()[0])
    assert list(first) == ["id", "name", "category", "description", "is_exportable"]
    assert (first["id"], first["is_exportable"]) == (REPORT, True)
    assert account.requests


def test_the_filters_and_columns_of_a_report_are_shown(account: Sandbox) -> None:
    with account.client() as client:
        metadata = client.report_metadata(REPORT)
    lines = [line.split("\t") for line in run("reports", REPORT).stdout.splitlines()]
    assert lines[0] == ["Start Date", "filter", "Date", "START_DATE", "yyyy-MM-dd"]
    assert [line[0] for line in lines if line[1] == "filter"] == [each.name for each in metadata.filters]
    assert [line[0] for line in lines if line[1] == "column"] == [each.name for each in metadata.columns]
    found = json.loads(run("reports", REPORT, "--json").stdout)
    assert (found["id"], len(found["filters"]), len(found["columns"])) == (
        REPORT,
        len(metadata.filters),
        len(metadata.columns),
    )
    assert "raw" not in found


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("arguments", [["reports"], ["reports", REPORT]], ids=" ".join)
def test_a_table_fits_the_terminal(arguments: list[str], columns: int, account: Sandbox) -> None:
    code, text = run_at_terminal(*arguments, columns=columns)
    lines = plain(text).splitlines()
    assert code == 0
    assert re.match(r"(ID|NAME) ", lines[0])
    assert max(map(len, lines)) <= columns
    assert account.requests


def test_an_account_without_reports_has_an_empty_list(account: Sandbox) -> None:
    account.answer_next("GET", "/Reports", status=200, body='{"Reports": []}')
    code, text = run_at_terminal("reports")
    assert (code, plain(text)) == (0, "impact-jobs: no reports\n")


def test_an_unknown_report_is_answered_with_the_ones_that_are_like_it(account: Sandbox) -> None:
    done = run("reports", "agency_action_listin")
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"Did you mean '{REPORT}' (Action Listing)? `impact-jobs reports` lists" in done.stderr
    assert account.requests


def test_a_brand_of_an_agency_is_reached_by_its_id(account: Sandbox) -> None:
    assert run("--advertiser", "2747168", "reports", "--quiet").stdout.startswith(f"{REPORT}\n")
    assert account.requests[-1].path.endswith("/Advertisers/2747168/Reports")
    done = run("doctor", "--advertiser", "2747168", "--json")
    assert "brand 2747168 of the agency account" in done.stdout
    sent = len(account.requests)
    done = run("--account-kind", "brand", "--advertiser", "2747168", "reports")
    assert (done.exit_code, "--advertiser needs an agency's account" in done.stderr) == (2, True)
    assert "pass --account-kind agency" in done.stderr
    assert "--advertiser 'x' is not a brand's" in run("--advertiser", "x", "reports").stderr
    assert len(account.requests) == sent


def test_a_refusal_suggests_another_kind_of_account(account: Sandbox) -> None:
    done = run("--account-kind", "partner", "reports")
    assert (done.exit_code, "pass --account-kind (now partner)" in done.stderr) == (3, True)
    done = run("get", account.add_job(), "--account-kind", "brand")
    assert (done.exit_code, "pass --account-kind (now brand)" in done.stderr) == (3, True)
    assert "--account-kind" not in run("--advertiser", "5", "reports").stderr
    assert account.requests
