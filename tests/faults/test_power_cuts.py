"""After a power cut at any moment, the target is never wrong, and the next call puts everything right."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import pytest

from tests.faults.file_campaign import Campaign, sample
from tests.faults.file_faults import Watch
from tests.faults.file_scenarios import SCENARIOS, Account, Download
from tests.faults.power_cuts import Disk, Recorder, cut
from tests.support.tally import CUTS

_STATES: Final = 40  # drawn for each moment


def _check(campaign: Campaign, disk: Disk, folder: Path, *, has_returned: bool, may_go_back: bool) -> None:
    scenario, account = campaign.scenario, campaign.account
    disk.create(folder)
    # After the call has returned, its file must be there; before, as after a kill.
    scenario.check(account, folder, None if has_returned else "killed", None)
    if may_go_back and isinstance(scenario, Download) and not (folder / "a.csv").exists():
        scenario.use_older_version(account)
    resumed = scenario.check_next(account, folder)
    CUTS.outcomes["resumed" if resumed else "begun anew"] += 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_power_cut_does_no_harm(
    name: str, file_account: Account, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    scenario = SCENARIOS[name]
    campaign = Campaign(scenario, file_account, tmp_path, CUTS)
    folder = campaign.new_folder()
    scenario.prepare(file_account, folder)
    recorder = Recorder(folder)
    with Watch(folder, recorder).installed():
        scenario.run_before(file_account, folder)
        scenario.run(file_account.options, file_account.ids, folder)
    moments = [(length, number) for length in range(len(recorder.log) + 1) for number in range(_STATES)]
    for length, number in sample(moments, request):
        rng = random.Random(f"{length}/{number}")  # noqa: S311 - no secret
        disk = cut(recorder, recorder.log[:length], rng)
        has_returned = length == len(recorder.log)
        campaign.account.use_version(1)
        folder = campaign.new_folder()
        with campaign.attempt(f"state {number} of {length}, after {recorder.log[:length][-2:]}", folder):
            _check(campaign, disk, folder, has_returned=has_returned, may_go_back=number % 2 == 0)
    campaign.finish()
