"""`sync`: a plan is run, seen in advance, left for the next run, reported to monitors, and refused if it is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import Plan

from tests.cli.running import run, run_at_terminal
from tests.cli.test_commands import json_lines, words
from tests.cli.test_terminals import plain
from tests.support.raw_server import RawServer, Reply, serving
from tests.sync.test_metrics import samples

PLAN = """
[[report]]
id = "agency_action_listing"
name = "actions"
from = "2026-03-01"
to = "2026-05-28"
into = "data/{start:%Y-%m}.csv"
"""
OTHER = """
[[report]]
id = "sandbox_performance_by_day"
name = "performance"
from = "2026-05-01"
to = "2026-05-28"
into = "{report}.csv"
split = "none"
"""
EXPORTS = re.compile("ReportExport")
SYNC = ("sync", "reports.toml")
MAY = "data/2026-05.csv"


@pytest.fixture(autouse=True)
def plan(account: Sandbox, impact_clock: ImpactClock, folder: Path) -> Path:  # noqa: ARG001 - both have effects
    path = folder / "reports.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def monitor() -> Iterator[RawServer]:
    with serving(lambda _: Reply(headers={"Content-Length": "0"})) as server:
        yield server


def metrics() -> dict[str, float]:
    return samples(Path("reports.prom").read_text())


def test_a_second_run_sends_nothing_until_a_file_is_missing(account: Sandbox, folder: Path) -> None:
    done = run(*SYNC)
    assert done.exit_code == 0
    assert [Path(path) for _, path, _, _ in words(done.stdout)] == [
        folder / "data" / f"2026-0{month}.csv" for month in (5, 4, 3)
    ]
    assert done.stderr.endswith("impact-jobs: 3 of 3 files are up to date: 3 new\n")
    account.forget_requests()
    again = run(*SYNC)
    assert (again.exit_code, again.stdout, len(account.requests)) == (0, "", 0)
    assert again.stderr == "impact-jobs: 3 of 3 files are up to date; nothing to do\n"
    Path(MAY).unlink()
    assert run(*SYNC, "--quiet").stdout == f"{folder / MAY}\n"
    assert len(account.exports) == 3


def test_json_has_each_file_that_was_not_up_to_date_and_a_summary(account: Sandbox) -> None:
    *files, last = json_lines(run(*SYNC, "--json").stdout)
    assert [(each["start_date"], each["state"], each["why"]) for each in files] == [
        ("2026-05-01", "new", "missing"), ("2026-04-01", "new", "missing"), ("2026-03-01", "new", "missing"),
    ]  # fmt: skip
    assert {each["id"] for each in files} == {export.job_id for export in account.exports}
    summary = last["summary"]
    assert isinstance(summary, dict)
    assert (summary["files"]["new"], summary["accounts"][0]["exports"], summary["is_complete"]) == (3, 3, True)
    (only,) = json_lines(run(*SYNC, "--json").stdout)
    assert only["summary"]["files"]["current"] == 3  # type: ignore[index] # a mapping


def test_a_terminal_shows_the_rows_of_all_files_and_then_a_table(plan: Path) -> None:
    plan.write_text(PLAN + OTHER)
    code, text = run_at_terminal(*SYNC, columns=100)
    shown = plain(text)
    assert code == 0
    assert re.search(r"ACCOUNT  REPORT       DAYS +STATUS", shown)
    assert "of 4 done" in shown
    assert re.search(r"\nenv +actions +3 of 3 +3 +[\d,]+ *\nenv +performance +1 of 1 +1 +[\d,]+ *\n", shown)
    assert shown.endswith("4 of 4 files are up to date: 4 new\n")


def test_a_dry_run_exports_nothing(account: Sandbox, folder: Path) -> None:
    done = run(*SYNC, "--dry-run", "--metrics", "reports.prom")
    assert (done.exit_code, words(done.stdout)) == (
        0, [["env", "actions", "2026-03 to 2026-05-28", "3", "3", "6", "now", "missing"]],
    )  # fmt: skip
    assert "env: 3 exports (100 left today), about 6 requests (99" in done.stderr
    assert done.stderr.endswith("0 of 3 files are up to date; a run would export 3\n")
    assert run(*SYNC, "--dry-run", "--quiet").stdout.split() == [
        str(folder / "data" / f"2026-0{month}.csv") for month in (5, 4, 3)
    ]
    *steps, last = json_lines(run(*SYNC, "--dry-run", "--json").stdout)
    assert [each["action"] for each in steps] == ["export"] * 3
    assert last["summary"]["accounts"][0]["exports_left"] == 100  # type: ignore[index] # a mapping
    assert "env      actions  2026-03 to 2026-05-28" in plain(run_at_terminal(*SYNC, "--dry-run")[1])
    assert [*account.exports, *folder.glob("data"), *folder.glob("*.prom")] == []
    run(*SYNC)
    assert run(*SYNC, "--dry-run").stderr == ("impact-jobs: 3 of 3 files are up to date; a run would do nothing\n")


@pytest.mark.impact_sandbox(daily_exports=1)
def test_what_the_limits_do_not_allow_is_left_and_is_no_failure(monitor: RawServer) -> None:
    done = run(*SYNC, "--heartbeat-url", f"{monitor.url}/canary", "--metrics", "reports.prom")
    assert done.exit_code == 0
    assert re.search(
        r"env, 2 files \(actions 2026-03 to 2026-04\): left until \d{4}-\d\d-\d\d \d\d:\d\d UTC, because ", done.stderr
    )
    assert done.stderr.endswith("1 of 3 files are up to date: 1 new; 2 left for the next run\n")
    assert [asked.target for asked in monitor.asked] == ["/canary"]
    assert (metrics()["success"], metrics()["files|env|actions|left"]) == (1, 2)


def test_a_failure_is_told_and_stops_nothing_else(account: Sandbox, plan: Path, monitor: RawServer) -> None:
    run(*SYNC, "--metrics", "reports.prom")
    plan.write_text(PLAN + OTHER.replace("sandbox_performance_by_day", "no_such_report"))
    Path(MAY).unlink()
    done = run(*SYNC, "--metrics", "reports.prom", "--heartbeat-url", f"{monitor.url}/canary")
    assert done.exit_code == 3
    assert "env, 1 file (performance 2026-05-01 to 28): " in done.stderr
    assert done.stderr.endswith("3 of 4 files are up to date: 1 new; 1 failed\n")
    assert (monitor.asked, metrics()["success"]) == ([], 0)
    assert 0 < metrics()["last_success_timestamp_seconds"] <= metrics()["last_run_timestamp_seconds"]
    failure = json_lines(run(*SYNC, "--json").stdout)[0]
    assert (failure["state"], failure["report"]) == ("failed", "performance")
    assert failure["error"]["exit_code"] == 3  # type: ignore[index] # a mapping
    assert account.exports


def test_the_url_of_the_heartbeat_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Reply(status=404, headers={"Content-Length": "0"})) as server:
        monkeypatch.setenv("IMPACT_JOBS_HEARTBEAT_URL", f"{server.url}/canary")
        done = run(*SYNC, "-vv")
    assert (done.exit_code, len(server.asked)) == (0, 1)
    assert re.search(r"warning: the heartbeat to http://127\.0\.0\.1:\d+/\*\*\* failed: HTTP 404\.", done.stderr)
    assert "canary" not in done.output


def test_an_interruption_is_a_failure_for_monitors(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Plan, "run", interrupt)
    given = ("--metrics", "reports.prom", "--heartbeat-url", "https://monitor.example/canary", "--timeout", "2h")
    done = run(*SYNC, *given)
    assert done.exit_code == 130
    assert done.stderr.endswith("to continue: impact-jobs sync reports.toml --timeout 7200 --metrics reports.prom\n")
    assert metrics()["success"] == 0


def test_all_mistakes_of_a_plan_are_told(plan: Path) -> None:
    plan.write_text(PLAN.replace("from", "form").replace("into", "onto"))
    done = run(*SYNC, "--metrics", "reports.prom")
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) > 1
    assert all(re.match(r"impact-jobs: reports\.toml:\d+: ", line) for line in lines)
    assert metrics()["success"] == 0
    problems = json.loads(run(*SYNC, "--json").stderr)["problems"]
    assert [f"impact-jobs: reports.toml:{each['line']}: {each['message']}" for each in problems] == lines


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--only", "action"), "did you mean 'actions'?"),
        (("--account", "north"), "choose from env"),
        (("--profile", "north"), "leave out --profile: the plan names the accounts"),
        (("--metrics", "missing/reports.prom"), "'missing' does not exist"),
        (("--heartbeat-url", "http://monitor.example/canary"), "use https"),
    ],
)
def test_options_that_fit_nothing_are_refused(options: tuple[str, ...], problem: str, *, account: Sandbox) -> None:
    done = run(*SYNC, *options)
    assert (done.exit_code, problem in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert "canary" not in done.stderr
    assert not account.requests


def test_the_schema_of_plans_is_printed() -> None:
    assert json.loads(run("sync", "--schema").stdout)["type"] == "object"
    assert "pass the path of a plan" in run("sync").stderr
