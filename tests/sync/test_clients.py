"""Where the accounts of a plan come from: clients of the caller, profiles, or the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from impact_jobs import ConfigurationError, profiles
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import FileState, Plan, PlannedFile

from tests.sync import accounts
from tests.sync.accounts import NAMES, PLAN, Plans

clock = accounts.clock
sandboxes = accounts.sandboxes
plans = accounts.plans
blocking_plans = accounts.blocking_plans
ENV_PLAN = PLAN.replace('"west"', '"env"').replace("2026-03-01", "2026-05-01")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hide the settings of this machine, and return the folder of the profiles."""
    for name in (*profiles.CREDENTIALS, profiles.VARIABLE, "IMPACT_BASE_URL", "IMPACT_ACCOUNT_KIND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return profiles.config_folder()


def store(config: Path, sandboxes: Mapping[str, Sandbox], *names: str) -> None:
    for name in names:
        each = sandboxes[name]
        stored = Profile(name, each.account_sid, Secret(each.auth_token), each.base_url)
        profiles.save(stored, folder=config)


def test_accounts_are_profiles_or_the_environment(
    plans: Plans, sandboxes: dict[str, Sandbox], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(config, sandboxes, "north", "south")
    for name, value in sandboxes["west"].environ.items():
        monkeypatch.setenv(name, value)
    report = plans.run(None, ENV_PLAN)
    assert report.is_complete
    assert [use.account for use in report.accounts] == ["north", "south", "env"]
    assert {len(each.exports) for each in sandboxes.values()} == {1}
    assert sorted(path.name for path in (plans.folder / "data").iterdir()) == ["env", "north", "south"]


def test_an_account_without_credentials_fails_alone(
    plans: Plans, sandboxes: dict[str, Sandbox], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(config, sandboxes, "north")
    monkeypatch.setenv("IMPACT_ACCOUNT_SID", "IRabc")
    news: list[tuple[PlannedFile, object]] = []
    report = plans.run(None, ENV_PLAN, on_update=lambda *call: news.append(call))
    states = {name: {file.state for file in report.files if file.file.account == name} for name in ("north", "south")}
    assert states == {"north": {FileState.NEW}, "south": {FileState.FAILED}}
    errors = {file.file.account: file.error for file in report.failed}
    assert "has no profile 'south' (it has: north)" in str(errors["south"])
    assert str(errors["env"]) == (
        "the account 'env' needs IMPACT_AUTH_TOKEN: export what is missing, or name a profile in the plan's accounts."
    )
    assert [call for call in news if call[0].account != "north"] == [
        (file.file, file.error) for name in ("south", "env") for file in report.failed if file.file.account == name
    ]
    assert all(isinstance(error, ConfigurationError) for error in errors.values())
    preview = plans.preview(None, ENV_PLAN)
    assert [str(step.error) for step in preview.failed] == [str(file.error) for file in report.failed]


def test_two_names_of_one_account_take_turns(
    blocking_plans: Plans, sandboxes: dict[str, Sandbox], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(config, sandboxes, "north", "south")
    for name, value in sandboxes["north"].environ.items():
        monkeypatch.setenv(name, value)
    assert blocking_plans.run(None, ENV_PLAN).is_complete
    assert len(list(blocking_plans.folder.glob("data/*/actions/*.csv"))) == 3


@pytest.mark.parametrize(
    ("clients", "message"),
    [
        (["north"], "clients=['north']: give a mapping from the plan's accounts to their clients"),
        ({"north": None}, "clients has no client of 'south', 'west': give one of each account"),
        (dict.fromkeys(NAMES), "clients: that of 'north' is not a JobsClient: give one of this class"),
    ],
)
def test_other_clients_are_refused(clients: Any, message: str, tmp_path: Path) -> None:
    plan = Plan.parse(PLAN, folder=tmp_path)
    for call in (plan.run, plan.steps, plan.preview):
        with pytest.raises(ConfigurationError) as caught:
            call(clients=clients)
        assert message in str(caught.value)
