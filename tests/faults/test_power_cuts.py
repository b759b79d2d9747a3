"""After a power cut at any moment, the target is never wrong, and the next call puts everything right."""

from __future__ import annotations

import os
import random
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from impact_jobs._download.filesystem import sync_folder

from tests.faults.file_campaign import Campaign, sample
from tests.faults.file_faults import Watch
from tests.faults.file_scenarios import SCENARIOS, Account, Download
from tests.faults.power_cuts import FILE_SYSTEMS, FileSystem, Recorder
from tests.support.tally import CUTS

_STATES: Final = 12  # drawn for each moment and kind of file system


def _check(campaign: Campaign, folder: Path, outcome: Any, *, may_go_back: bool, may_leave: bool) -> None:
    scenario, account = campaign.scenario, campaign.account
    scenario.check(account, folder, outcome, None)
    if may_go_back and isinstance(scenario, Download) and not (folder / "a.csv").exists():
        scenario.use_older_version(account)
    resumed = scenario.check_next(account, folder, may_leave=may_leave)
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
        done = scenario.run(file_account.options, file_account.ids, folder)
    moments = product(range(len(recorder.log) + 1), FILE_SYSTEMS, range(_STATES))
    for length, kind, number in sample(list(moments), request):
        seed = f"{request.config.option.sessions_seed}/{length}/{kind}/{number}"
        disk = recorder.cut(length, kind, random.Random(seed))  # noqa: S311 - no secret
        # Once the call has returned, its file must be there for good; until then, a cut is like a kill.
        outcome = done if length == len(recorder.log) else "killed"
        file_account.use_version(1)
        folder = campaign.new_folder()
        disk.create(folder)
        CUTS.injected[kind] += 1
        with campaign.attempt(f"{kind}, state {number} after {length}: {recorder.log[:length][-2:]}", folder):
            # POSIX may lose the name of the journal that shows whose a part is.
            may_leave = kind == "as POSIX allows"
            _check(campaign, folder, outcome, may_go_back=number % 2 == 0, may_leave=may_leave)
    campaign.finish()


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
@pytest.mark.parametrize("syncs", ["nothing", "the file", "the file and its folder"])
def test_a_cut_loses_what_was_not_synced_and_nothing_else(syncs: str, kind: FileSystem, tmp_path: Path) -> None:
    """A program replaces a file by a new one."""
    old, new = b"old" * 4096, b"new" * 4096
    (tmp_path / "file").write_bytes(old)
    recorder = Recorder(tmp_path)
    with Watch(tmp_path, recorder).installed():
        with (tmp_path / "file.new").open("xb") as file:
            file.write(new)
            file.flush()
            if syncs != "nothing":
                os.fsync(file.fileno())
        (tmp_path / "file.new").replace(tmp_path / "file")
        if syncs == "the file and its folder":
            sync_folder(tmp_path)
    disks = [recorder.cut(len(recorder.log), kind, random.Random(seed)) for seed in range(50)]  # noqa: S311 - no secret
    found = {disk.contents[disk.names["file"]] for disk in disks}
    match syncs:
        case "nothing":
            assert found - {old, new}
        case "the file":
            assert found == {old, new}
        case _:
            assert found == {new}
