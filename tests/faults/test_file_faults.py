"""Each call for a file fails, is interrupted or is the last one: no wrong file, only our errors, nothing left over."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.faults.file_campaign import Campaign, sample
from tests.faults.file_faults import Call, Fault, FaultKind, Injector, OutOfTimeError, limiting_time
from tests.faults.file_scenarios import SCENARIOS, Account, Download, FetchAll
from tests.faults.forkserver import ForkServer
from tests.faults.harness import open_files
from tests.support.tally import FILES

# Files that are not closed explicitly are found by their descriptors, and then the fault is named.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

_PARTS: Final = 2  # for processes to share
_KILLS: Final[tuple[FaultKind, ...]] = ("kill before", "kill after")
_PATIENT_SECONDS: Final = 1.0
_INTERRUPTIBLE: Final = [
    # asyncio itself does not pass on what a signal handler raises within its callbacks.
    name for name, scenario in SCENARIOS.items()
    if isinstance(scenario, Download | FetchAll) and scenario.call.kind == "blocking"
]  # fmt: skip


def _calls(campaign: Campaign) -> list[Call]:
    """Return the calls of a run without faults, which must be right."""
    injector, folder = Injector(), campaign.prepared()
    outcome = campaign.run(injector, folder)
    campaign.scenario.check(campaign.account, folder, outcome, None)
    campaign.scenario.check_next(campaign.account, folder)
    return injector.calls


def _check_nothing_is_open(folder: Path) -> None:
    deadline = time.monotonic() + _PATIENT_SECONDS
    while any(name.startswith(f"{folder}") for name in open_files()):
        assert time.monotonic() < deadline, "a descriptor stays open"
        time.sleep(0.01)


def _inject(campaign: Campaign, fault: Fault, folder: Path) -> Any:
    """Make a call with that fault, check it and the next one, and return the outcome; None if it did not get there."""
    injector = Injector(fault)
    outcome = campaign.run(injector, folder)
    FILES.injected[fault.kind if injector.is_met else "never met"] += 1
    FILES.outcomes[type(outcome).__name__ if isinstance(outcome, BaseException) else "success"] += 1
    assert not injector.is_endless, "the call never ends"
    _check_nothing_is_open(folder)  # although the error still exists
    campaign.scenario.check(campaign.account, folder, outcome, fault)
    campaign.scenario.check_next(campaign.account, folder)
    return outcome if injector.is_met else None


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_file_call_that_fails_or_is_interrupted_does_no_harm(
    name: str, part: int, file_account: Account, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    campaign = Campaign(SCENARIOS[name], file_account, tmp_path, FILES)
    calls = _calls(campaign)
    faults = [Fault(call, *each) for call in calls for each in call.faults()]
    if part == 0:
        FILES.steps[f"calls in {name}"] = len(calls)
    for fault in sample(faults[part::_PARTS], request):
        folder = campaign.prepared()
        with campaign.attempt(fault, folder):
            _inject(campaign, fault, folder)
    campaign.finish()


@pytest.mark.parametrize("name", _INTERRUPTIBLE)
def test_a_time_limit_of_the_user_passes_through_at_any_file_call(
    name: str, file_account: Account, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    campaign = Campaign(SCENARIOS[name], file_account, tmp_path, FILES)
    faults = [Fault(call, *each) for call in _calls(campaign) for each in call.time_limits()]
    for fault in sample(faults, request):
        folder = campaign.prepared()
        with campaign.attempt(fault, folder), limiting_time():
            outcome = _inject(campaign, fault, folder)
            assert outcome is None or isinstance(outcome, OutOfTimeError), f"{type(outcome).__name__} in its place"
    campaign.finish()


def _kill(campaign: Campaign, fork_server: ForkServer, fault: Fault, folder: Path) -> None:
    account = campaign.account
    fork_server.start_scenario(campaign.scenario.name, account.options, account.ids, folder, fault)
    outcome = fork_server.outcome()
    FILES.injected[fault.kind if outcome.killed else "never met"] += 1
    FILES.outcomes["killed" if outcome.killed else "success"] += 1
    assert not outcome.error, outcome.error
    campaign.scenario.check(account, folder, "killed", fault)
    campaign.scenario.check_next(account, folder)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_at_any_file_call_does_no_harm(
    name: str, file_account: Account, file_fork_server: ForkServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    campaign = Campaign(SCENARIOS[name], file_account, tmp_path, FILES)
    kills = [Fault(call, kind) for call in _calls(campaign) for kind in _KILLS]
    for fault in sample(kills, request):
        folder = campaign.prepared()
        with campaign.attempt(fault, folder):
            _kill(campaign, file_fork_server, fault, folder)
    campaign.finish()
