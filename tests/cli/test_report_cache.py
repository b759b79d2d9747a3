"""The cache of report ids for the shell's completion: who can read it, what it accepts, and when it is ignored."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impact_jobs.cli import report_cache
from impact_jobs.cli.app import cli
from impact_jobs.cli.report_cache import complete_report, remember
from impact_jobs.cli.state import CliState
from impact_jobs.sandbox import Sandbox

from tests.cli.running import run, shell

NAMES = {"agency_action_listing": "Action Listing", "agency_performance": "Performance"}


def completed(incomplete: str = "") -> dict[str, str | None]:
    """Return what the shell would offer, with the help."""
    context = click.Context(cli, obj=CliState())
    return {item.value: item.help for item in complete_report(context, click.Argument(["report"]), incomplete)}


def cache_file(folder: Path) -> Path:
    (file,) = (folder / "cache" / "impact-jobs").iterdir()
    return file


@pytest.mark.usefixtures("account")
def test_ids_are_completed_with_the_names_of_the_reports() -> None:
    remember(CliState(), NAMES)
    assert completed() == NAMES
    assert completed("agency_p") == {"agency_performance": "Performance"}
    assert completed("x") == {}


def test_only_the_user_can_read_the_file_which_holds_no_secret(account: Sandbox, folder: Path) -> None:
    remember(CliState(), NAMES)
    file = cache_file(folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for value in account.environ.values():
        assert value not in file.read_text() + file.name


@pytest.mark.usefixtures("account")
def test_an_export_adds_its_report_and_keeps_known_names() -> None:
    remember(CliState(), NAMES)
    remember(CliState(), {"agency_action_listing": "", "new": ""})
    assert completed() == NAMES | {"new": ""}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("variable", ["IMPACT_ACCOUNT_SID", "IMPACT_BASE_URL", "IMPACT_ACCOUNT_KIND"])
def test_each_account_has_its_own(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(CliState(), NAMES)
    monkeypatch.setenv(variable, "brand")
    assert completed() == {}


@pytest.mark.usefixtures("account")
def test_entries_that_were_not_seen_for_a_month_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    remember(CliState(), NAMES)
    later = time.time() + 31 * 86_400
    monkeypatch.setattr("time.time", lambda: later)
    assert completed() == {}
    remember(CliState(), {"new": ""})
    assert completed() == {"new": ""}


SEEN = {"name": "A", "seen": 4e9}


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '"a"', "[" * 100_000, json.dumps({"a": None}), json.dumps({"a": {"name": 1, "seen": 4e9}})],
)
def test_a_broken_file_is_ignored_and_replaced(content: str, folder: Path) -> None:
    remember(CliState(), NAMES)
    cache_file(folder).write_text(content)
    assert completed() == {}
    remember(CliState(), NAMES)
    assert completed() == NAMES


@pytest.mark.usefixtures("account")
def test_ids_and_names_that_a_shell_could_misread_are_not_offered(folder: Path) -> None:
    remember(CliState(), NAMES)
    bad = {"a b": SEEN, "$(reboot)": SEEN, "b\nplain,x": SEEN, "c": {"name": "two\nlines", "seen": 4e9}}
    cache_file(folder).write_text(json.dumps(bad))
    assert completed() == {}


@given(content=st.binary(max_size=200))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_can_be_read(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "reports.json"
    file.write_bytes(content)
    assert isinstance(report_cache._read(file), dict)


def test_a_folder_that_cannot_be_written_does_not_fail_the_command(
    account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    done = run("reports", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    assert completed() == {}
    assert account.requests


def test_completion_sends_no_request(account: Sandbox, folder: Path) -> None:
    run("reports")
    account.forget_requests()
    done = shell(
        'COMP_WORDS="impact-jobs export agency_a" COMP_CWORD=2 _IMPACT_JOBS_COMPLETE=bash_complete impact-jobs',
        folder=folder,
    )
    assert done.stdout.splitlines() == ["plain,agency_action_listing"]
    assert not account.requests


def test_completion_without_credentials_offers_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config" / "impact-jobs").mkdir(parents=True)
    (folder / "config" / "impact-jobs" / "credentials.toml").write_text("broken")
    for name in ("IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert completed() == {}
