"""What is told while a command works, by a clock that the test turns."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define, evolve
from impact_jobs import Job, JobStatus
from impact_jobs.cli.progress import Bar, Files, Lines
from impact_jobs.cli.tables import bar, size, span
from rich.console import Console

JOB = Job(id="3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", status=JobStatus.RUNNING, percentage_complete=40)


@define
class Watch:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_change_of_status_is_told_at_once_and_progress_every_half_minute() -> None:
    told: list[str] = []
    now = Watch()
    lines = Lines(told.append, now=now)
    lines.job(evolve(JOB, status=JobStatus.QUEUED, percentage_complete=0))
    for percent in range(0, 100, 10):
        lines.job(evolve(JOB, percentage_complete=percent))
        now.seconds += 10
    lines.job(evolve(JOB, status=JobStatus.COMPLETED, percentage_complete=100))
    assert [line.partition(": ")[2] for line in told] == [
        "QUEUED", "RUNNING", "RUNNING, 30%", "RUNNING, 60%", "RUNNING, 90%", "COMPLETED",
    ]  # fmt: skip


def test_bytes_are_told_every_half_minute_with_rate_and_rest() -> None:
    told: list[str] = []
    now = Watch()
    lines = Lines(told.append, now=now)
    for done in range(0, 101, 10):
        lines.bytes(done * 1_000_000, 100_000_000)
        now.seconds += 10
    assert told == [
        "30.0 MB of 100.0 MB, 1.0 MB/s, 70s left",
        "60.0 MB of 100.0 MB, 1.0 MB/s, 40s left",
        "90.0 MB of 100.0 MB, 1.0 MB/s, 10s left",
    ]


def test_bytes_without_a_total_are_told_without_the_rest() -> None:
    told: list[str] = []
    now = Watch()
    lines = Lines(told.append, now=now)
    lines.bytes(500, None)
    now.seconds += 60
    lines.bytes(60_500, None)
    assert told == ["60.5 kB, 1.0 kB/s"]


def drawn(what: Bar, console: Console) -> str:
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    console.file.seek(0)
    console.file.truncate()
    return text.rstrip("\n")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_bar_fits_on_one_line(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    now = Watch()
    what = Bar(console, now=now)
    assert drawn(what, console).startswith("asking")
    what.job(JOB)
    now.seconds += 100
    assert "40%" in drawn(what, console)
    what.job(evolve(JOB, id="8d1b7e54-7b0c-4c53-a3b1-2f1f5a1b9c10", status=JobStatus.COMPLETED))
    assert "1 of 2 ended" in drawn(what, console) or width < 40
    what.bytes(0, 100_000_000)
    now.seconds += 10
    what.bytes(50_000_000, 100_000_000)
    line = drawn(what, console)
    assert "\n" not in line
    assert len(line) <= width
    assert ("5.0 MB/s, 10s left" in line) == (width >= 80)


def test_the_files_of_a_fetch_are_counted_once_a_second(tmp_path: Path) -> None:
    now = Watch()
    files = Files(tmp_path / "reports", [JOB.id], now=now)
    assert files.count() == 0
    (tmp_path / "reports").mkdir()
    for name in (f"{JOB.id.upper()}.csv", "notes.txt"):
        (tmp_path / "reports" / name).touch()
    assert files.count() == 0
    now.seconds += 1
    assert files.count() == 1


def test_half_files_are_not_counted(tmp_path: Path) -> None:
    for ending in (".csv.part", ".csv.part.json"):
        (tmp_path / f"{JOB.id}{ending}").touch()
    assert Files(tmp_path, [JOB.id], now=Watch()).count() == 0


@pytest.mark.parametrize(
    ("share", "unicode", "shown"),
    [
        (0.0, False, "-----"),
        (0.5, False, "##---"),
        (0.999, False, "####-"),
        (1.0, False, "#####"),
        (0.4, True, "━━───"),
    ],
)
def test_a_bar_is_full_only_when_all_is_done(share: float, unicode: bool, shown: str) -> None:  # noqa: FBT001
    assert bar(share, 5, unicode=unicode).plain == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (52_428_800, "52.4 MB"), (10**12, "1.0 TB"), (10**16, "10000.0 TB")],
)
def test_sizes_are_written_in_their_unit(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (42.9, "42s"), (119, "119s"), (120, "2m"), (7199, "119m"), (129_600, "36h"), (172_800, "2d")],
)
def test_spans_are_written_in_one_unit(seconds: float, shown: str) -> None:
    assert span(timedelta(seconds=seconds)) == shown
