"""Progress lines and bars, on a clock that the test advances."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define, evolve
from impact_jobs import Job, JobStatus
from impact_jobs.cli.formatting import size, span
from impact_jobs.cli.progress import FileCounter, LiveProgress, ProgressLines
from rich.console import Console

JOB = Job(id="3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", status=JobStatus.RUNNING, percentage_complete=40)


@define
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_change_of_status_is_written_at_once_and_progress_every_half_minute() -> None:
    written: list[str] = []
    now = Clock()
    lines = ProgressLines(written.append, now=now)
    lines.on_job(evolve(JOB, status=JobStatus.QUEUED, percentage_complete=0))
    for percent in range(0, 100, 10):
        lines.on_job(evolve(JOB, percentage_complete=percent))
        now.seconds += 10
    lines.on_job(evolve(JOB, status=JobStatus.COMPLETED, percentage_complete=100))
    assert [line.partition(": ")[2] for line in written] == [
        "QUEUED", "RUNNING", "RUNNING, 30%", "RUNNING, 60%", "RUNNING, 90%", "COMPLETED",
    ]  # fmt: skip


def test_bytes_are_written_every_half_minute_with_rate_and_time_left() -> None:
    written: list[str] = []
    now = Clock()
    lines = ProgressLines(written.append, now=now)
    for done in range(0, 101, 10):
        lines.on_bytes(done * 1_000_000, 100_000_000)
        now.seconds += 10
    assert written == [
        "30.0 MB of 100.0 MB, 1.0 MB/s, 70s left",
        "60.0 MB of 100.0 MB, 1.0 MB/s, 40s left",
        "90.0 MB of 100.0 MB, 1.0 MB/s, 10s left",
    ]


def test_bytes_without_a_total_are_written_without_the_time_left() -> None:
    written: list[str] = []
    now = Clock()
    lines = ProgressLines(written.append, now=now)
    lines.on_bytes(500, None)
    now.seconds += 60
    lines.on_bytes(60_500, None)
    assert written == ["60.5 kB, 1.0 kB/s"]


def drawn(what: LiveProgress, console: Console) -> str:
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    console.file.seek(0)
    console.file.truncate()
    return text.rstrip("\n")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_bar_fits_on_one_line(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    now = Clock()
    progress = LiveProgress(console, now=now)
    assert drawn(progress, console).startswith("polling")
    progress.on_job(JOB)
    now.seconds += 100
    assert "40%" in drawn(progress, console)
    progress.on_job(evolve(JOB, id="8d1b7e54-7b0c-4c53-a3b1-2f1f5a1b9c10", status=JobStatus.COMPLETED))
    assert "1 of 2 ended" in drawn(progress, console) or width < 40
    progress.on_bytes(0, 100_000_000)
    now.seconds += 10
    progress.on_bytes(50_000_000, 100_000_000)
    line = drawn(progress, console)
    assert "\n" not in line
    assert len(line) <= width
    assert ("5.0 MB/s, 10s left" in line) == (width >= 80)


def test_the_files_of_a_fetch_are_counted_once_a_second(tmp_path: Path) -> None:
    now = Clock()
    files = FileCounter(tmp_path / "reports", [JOB.id], now=now)
    assert files.count() == 0
    (tmp_path / "reports").mkdir()
    for name in (f"{JOB.id.upper()}.csv", "notes.txt"):
        (tmp_path / "reports" / name).touch()
    assert files.count() == 0
    now.seconds += 1
    assert files.count() == 1


def test_partial_files_are_not_counted(tmp_path: Path) -> None:
    for ending in (".csv.part", ".csv.part.json"):
        (tmp_path / f"{JOB.id}{ending}").touch()
    assert FileCounter(tmp_path, [JOB.id], now=Clock()).count() == 0


def test_files_with_chosen_names_are_counted_by_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(
        f'{{"job": "{JOB.id}"}}\n{{"job": "other"}}\n[]\n{{"job": "{JOB.id}"}}\n{{"jo'
    )
    assert FileCounter(tmp_path, [JOB.id.upper()], is_listed=True, now=Clock()).count() == 1


def test_a_bar_is_full_only_when_all_is_done() -> None:
    console = Console(file=io.StringIO(), width=80)
    progress = LiveProgress(console, now=Clock())
    progress.on_bytes(999, 1000)
    assert "\u2501" * 39 + "\u2500 999 B of 1.0 kB" in drawn(progress, console)
    progress.on_bytes(1000, 1000)
    assert "\u2501" * 40 in drawn(progress, console)


@pytest.mark.parametrize(("encoding", "full", "empty"), [("utf-8", "\u2501", "\u2500"), ("ascii", "#", "-")])
def test_both_parts_of_a_narrow_bar_show_without_colour(encoding: str, full: str, empty: str) -> None:
    file = io.BytesIO()
    console = Console(file=io.TextIOWrapper(file, encoding=encoding, write_through=True), width=40, no_color=True)
    progress = LiveProgress(console, now=Clock())
    progress.on_job(JOB)
    console.print(progress)
    assert file.getvalue().decode(encoding).rstrip() == f"RUNNING {full * 10}{empty * 15} 40%"


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (52_400_000, "52.4 MB")]
)
def test_a_size_is_written_in_its_largest_unit(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (42.9, "42s"), (119, "119s"), (120, "2m"), (7199, "119m"), (129_600, "36h"), (172_800, "2d")],
)
def test_a_span_is_written_in_its_largest_unit(seconds: float, shown: str) -> None:
    assert span(timedelta(seconds=seconds)) == shown
