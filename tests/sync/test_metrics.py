"""The file of metrics: what it says, that both parsers read it, and how it is replaced."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from impact_jobs import TransportError
from impact_jobs._transport import clock
from impact_jobs.sync import AccountUse, FileState, SyncedFile, SyncReport
from impact_jobs.sync._metrics import metrics_text, write_metrics
from prometheus_client import Metric
from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as openmetrics

from tests.support.virtual_clock import NOON, VirtualClock
from tests.sync.samples import planned, synced

PLAN = "/srv/reports.toml"
parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics.text_string_to_metric_families
parse_classic: Callable[[str], Iterable[Metric]] = classic.text_string_to_metric_families

GOOD = {FileState.NEW: 2, FileState.CURRENT: 20, FileState.STALE: 1, FileState.LEFT: 3}
STRANGE = 'a "b"\\n\\\nc'


@pytest.fixture(autouse=True)
def virtual() -> Iterator[VirtualClock]:
    with clock.use(found := VirtualClock()):
        yield found


def report(counts: dict[FileState, int], *, account: str = "north") -> SyncReport:
    files: list[SyncedFile] = []
    for state, count in counts.items():
        error = TransportError("broken") if state is FileState.FAILED else None
        files += [synced(planned("2026-05", account=account), state, error=error)] * count
    return SyncReport(files=tuple(files), accounts=(AccountUse(account=account, exports=3, requests=17),), seconds=12.5)


def samples(text: str) -> dict[str, float]:
    """Return the values by name and labels but the plan's, as both parsers read them."""
    found = [
        {
            "|".join([sample.name, *(value for name, value in sorted(sample.labels.items()) if name != "plan")]):
            sample.value
            for family in parse(text)
            for sample in family.samples
        }
        for parse in (parse_openmetrics, parse_classic)
    ]  # fmt: skip
    assert found[0] == found[1]
    return {name.removeprefix("impact_jobs_sync_"): value for name, value in found[0].items()}


def test_the_outcome_of_a_run_is_read_by_both_parsers() -> None:
    text = metrics_text(report(GOOD), plan=PLAN)
    assert text.endswith("\n# EOF\n")
    assert {family.type for family in parse_openmetrics(text)} == {"gauge"}
    assert {sample.labels["plan"] for family in parse_openmetrics(text) for sample in family.samples} == {PLAN}
    found = samples(text)
    assert found == {
        "last_run_timestamp_seconds": NOON,
        "last_success_timestamp_seconds": NOON,
        "success": 1,
        "duration_seconds": 12.5,
        "leftover_files": 0,
        "exports|north": 3,
        "requests|north": 17,
        "rows|north|actions": 230,
        "size_bytes|north|actions": 23_000,
    } | {f"files|north|actions|{state}": GOOD.get(state, 0) for state in FileState}


def test_names_are_escaped() -> None:
    text = metrics_text(report(GOOD, account=STRANGE), plan=f"/srv/{STRANGE}.toml")
    assert samples(text)[f"exports|{STRANGE}"] == 3


@pytest.mark.parametrize("state", [FileState.FAILED, FileState.RUNNING])
def test_a_failure_keeps_the_time_of_the_last_good_run(state: FileState, virtual: VirtualClock, tmp_path: Path) -> None:
    path, plan = tmp_path / "reports.prom", tmp_path / "reports.toml"
    for found in (report({state: 1}), None):
        write_metrics(path, found, plan=plan)
        assert samples(path.read_text())["last_success_timestamp_seconds"] == 0
    write_metrics(path, report(GOOD), plan=plan)
    virtual.sleep(86_400.25)
    for found in (report({**GOOD, state: 1}), None):
        write_metrics(path, found, plan=plan)
        read = samples(path.read_text())
        assert read["last_success_timestamp_seconds"] == NOON
        assert (read["last_run_timestamp_seconds"], read["success"]) == (NOON + 86_400.25, 0)
    write_metrics(path, None, plan=tmp_path / "other.toml")
    assert samples(path.read_text())["last_success_timestamp_seconds"] == 0


@pytest.mark.parametrize(
    "earlier", ["", "\0", "# EOF\n", 'impact_jobs_sync_last_success_timestamp_seconds{plan="p"} x']
)
def test_a_damaged_file_is_replaced(earlier: str) -> None:
    found = samples(metrics_text(None, plan="p", earlier=earlier))
    assert found == {"last_run_timestamp_seconds": NOON, "last_success_timestamp_seconds": 0, "success": 0}
    assert all(math.isfinite(value) for value in found.values())


def test_a_file_is_replaced_in_one_step_and_may_be_read_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reports.prom"
    before = os.umask(0o022)
    try:
        write_metrics(path, report(GOOD), plan=PLAN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    text = path.read_text()

    def fail(_descriptor: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):  # noqa: PT011 - the very one
        write_metrics(path, report({}), plan=PLAN)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]
