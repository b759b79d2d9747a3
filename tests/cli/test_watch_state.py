"""The board of `watch`: how fast jobs move, when they may end, and a table that fits."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs import Job, JobStatus
from impact_jobs.cli.watch_state import Board, summary, table
from rich.cells import cell_len
from rich.console import Console

START = datetime(2026, 5, 29, 12, tzinfo=UTC)
ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_job(
    percent: int | None = None,
    *,
    status: str = JobStatus.RUNNING,
    name: str = ID,
    records: int | None = None,
    started: datetime | None = None,
    moved: datetime | None = None,
    message: str | None = None,
) -> Job:
    return Job(
        id=name,
        status=status,
        percentage_complete=percent,
        records_processed=records,
        created_date=START,
        started_date=started,
        last_progress_update_date=moved,
        status_message=message,
    )


def board_of(*snapshots: tuple[float, Job]) -> Board:
    board = Board()
    for seconds, job in snapshots:
        board.see(job, at=at(seconds))
    return board


def lines(board: Board, width: int, *, now: float = 0, unicode: bool = True, rows: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(table(board, now=at(now), width=width, unicode=unicode, rows=rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_pace_is_that_of_the_latest_moves() -> None:
    snapshots = [(60.0 * minute, a_job(5 * minute, records=600 * minute)) for minute in range(5)]
    board = board_of(*snapshots)
    pace = board.pace(board.jobs[0], now=at(240))
    assert (pace.percent_a_minute, pace.records_a_second) == (5, 10)
    assert pace.ends == at(240) + timedelta(minutes=16)
    assert not pace.is_nearly_done


def test_an_hour_ago_does_not_count() -> None:
    slow = [(3600.0, a_job(1))]
    fast = [(3600.0 + 10 * count, a_job(1 + count)) for count in range(1, 20)]
    pace = board_of((0, a_job(0)), *slow, *fast).pace(a_job(), now=at(4000))
    assert pace.percent_a_minute == pytest.approx(6)


def test_the_first_snapshot_of_a_job_that_has_started_tells_a_pace() -> None:
    pace = board_of((100, a_job(50, started=START))).pace(a_job(), now=at(100))
    assert pace.percent_a_minute == 30
    assert pace.ends == at(200)


@pytest.mark.parametrize(
    "snapshots",
    [
        [(60, a_job(10))],
        [(60, a_job(10, records=5)), (120, a_job(10, records=5))],
        [(0, a_job(status=JobStatus.QUEUED))],
        [(60, a_job(100, status=JobStatus.COMPLETED))],
        [(60, a_job(50, started=at(90)))],  # by a clock ahead of ours
        [(0, a_job(0)), (60, a_job(10)), (150, a_job(10))],  # resting for longer than it ever moved
        [(0, a_job(90)), (60, a_job(95)), (120, a_job(5))],  # started over
        [(0, a_job(10)), (0, a_job(20))],  # in no time
    ],
)
def test_without_movement_no_end_is_promised(snapshots: list[tuple[float, Job]]) -> None:
    pace = board_of(*snapshots).pace(a_job(), now=at(200))
    assert pace.ends is None
    assert pace.percent_a_minute is None


def test_repeated_snapshots_do_not_change_where_the_end_is_expected() -> None:
    once = [(0, a_job(0)), (60, a_job(10))]
    again = [*once, (60, a_job(10)), (90, a_job(10))]
    assert board_of(*again).pace(a_job(), now=at(90)) == board_of(*once).pace(a_job(), now=at(90))


def test_a_snapshot_that_is_late_changes_nothing() -> None:
    board = board_of((0, a_job(0)), (60, a_job(10)), (30, a_job(70)))
    assert board.jobs[0].percentage_complete == 10
    behind = board_of((0, a_job(50, moved=at(0))), (60, a_job(40, moved=at(-60))))
    assert behind.jobs[0].percentage_complete == 50
    ended = board_of((0, a_job(50, moved=at(0))), (60, a_job(60, moved=at(-60), status=JobStatus.FAILED)))
    assert ended.jobs[0].status == JobStatus.FAILED


def test_a_job_that_was_started_over_gets_a_pace_anew() -> None:
    board = board_of((0, a_job(90)), (60, a_job(95)), (120, a_job(0)), (180, a_job(20)))
    assert board.pace(a_job(), now=at(180)).percent_a_minute == 20


@pytest.mark.parametrize(
    ("snapshots", "now", "left"),
    [
        ([(0, a_job(0)), (60, a_job(20))], 60, "4m00s"),
        ([(0, a_job(0)), (60, a_job(20))], 120, "3m00s"),  # it counts down between snapshots
        ([(0, a_job(0)), (60, a_job(20))], 400, "soon"),
        ([(0, a_job(99)), (3600, a_job(99))], 3600, "soon"),
        ([(0, a_job(20))], 60, "\u2013"),
        ([(0, a_job(0)), (100_000, a_job(1))], 100_000, "114d"),
    ],
)
def test_what_is_left_is_told(snapshots: list[tuple[float, Job]], now: float, left: str) -> None:
    assert left in lines(board_of(*snapshots), 60, now=now)[1].split()


def test_the_end_is_told_with_its_day_unless_it_is_today() -> None:
    today = lines(board_of((0, a_job(0)), (60, a_job(20))), 200, now=60)
    assert "12:05:00" in today[1]
    later = lines(board_of((0, a_job(0)), (36_000, a_job(20))), 200, now=36_000)
    assert "31 May 14:00" in later[1]
    overdue = lines(board_of((0, a_job(0)), (60, a_job(99))), 200, now=90)
    assert "12:0" not in overdue[1]


def test_a_board_is_drawn_while_it_changes() -> None:
    board = Board()

    def fill() -> None:
        for number in range(300):
            board.see(a_job(number % 100, name=f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}"), at=START)

    with ThreadPoolExecutor(1) as thread:
        filling = thread.submit(fill)
        while not filling.done():
            lines(board, 80, rows=5)
        filling.result()
    assert summary(board) == "300 running"


def test_what_moves_comes_first_and_rows_keep_their_order() -> None:
    statuses = ["COMPLETED", "QUEUED", "RUNNING", "FAILED", "PAUSED", "CANCELLED", "RUNNING"]
    board = board_of(*((0, a_job(status=status, name=f"{number:08}")) for number, status in enumerate(statuses)))
    assert [job.id[-1] for job in board.jobs] == ["2", "4", "6", "3", "5", "1", "0"]
    assert summary(board) == "2 running, 1 paused, 1 failed, 1 cancelled, 1 queued, 1 completed"
    assert summary(Board()) == "no jobs"


UUIDS = [f"{number:08x}-7a5d-4f0e-9d53-0c5f4dd2a6b1" for number in range(3)]


def a_full_board(names: list[str]) -> Board:
    return board_of(
        *((0, a_job(40, name=name, records=1000, started=at(-60), message="Out of memory")) for name in names)
    )


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (40, "JOB STATUS % LEFT"),
        (80, "JOB STATUS PROGRESS % LEFT AGE"),
        (200, "JOB STATUS PROGRESS % LEFT AGE %/MIN RECORDS REC/S ENDS UTC MESSAGE"),
    ],
)
def test_columns_are_dropped_by_importance(width: int, titles: str) -> None:
    shown = lines(a_full_board(UUIDS), width)
    assert " ".join(shown[0].split()) == titles
    assert shown[2].split()[0] == (UUIDS[1] if width >= 80 else UUIDS[1][:8])
    assert shown[-1].strip() == "3 running"


def test_ids_that_begin_alike_are_told_apart_by_their_ends() -> None:
    names = [f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}" for number in range(12)]
    shown = lines(a_full_board(names), 40)
    assert [line.split()[0] for line in shown[1:-1]] == [f"\u2026{name[-8:]}" for name in names]
    assert lines(a_full_board(names), 40, unicode=False)[1].startswith("..00000000 ")


def test_a_terminal_without_unicode_gets_ascii() -> None:
    board = board_of((0, a_job(45, message="Zu groß \u2026", name=ID)), (0, a_job(None, name=UUIDS[0], status="PÄUSE")))
    text = "\n".join(lines(board, 120, unicode=False))
    assert text.isascii()
    assert "###-----" in text
    assert "P?USE" in text


def test_what_the_server_says_cannot_steer_the_terminal() -> None:
    nasty = "\x1b[2J[red]boo[/red]\nhttps://s.example/x?sig=canary \x07"
    text = "\n".join(lines(board_of((0, a_job(1, status=nasty, message=nasty, name=ID))), 200))
    assert not {"\x1b", "\x07", "\r"} & set(text)
    assert "[red]boo[/red]" in text
    assert "canary" not in text


def test_rows_that_are_not_shown_are_counted() -> None:
    shown = lines(a_full_board(UUIDS), 80, rows=2)
    assert len(shown) == 4
    assert shown[-1].strip() == "3 running (1 not shown)"


names = st.one_of(st.uuids().map(str), st.integers(0, 300).map(lambda number: str(UUID(int=number))))
jobs = st.builds(
    a_job,
    st.one_of(st.none(), st.integers(-5, 105)),
    status=st.one_of(st.sampled_from(list(JobStatus)), st.text(max_size=20)),
    name=names,
    records=st.one_of(st.none(), st.integers(-1, 10**12)),
    started=st.one_of(st.none(), st.floats(-1e6, 1e6).map(at)),
    message=st.one_of(st.none(), st.text(max_size=80)),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1e6), jobs), max_size=12), st.integers(30, 220), st.booleans())
def test_any_board_fits_any_width_and_tells_its_jobs_apart(
    snapshots: list[tuple[float, Job]],
    width: int,
    unicode: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    board = board_of(*snapshots)
    shown = lines(board, width, now=1e6, unicode=unicode)
    assert all(cell_len(line) <= width for line in shown)
    assert unicode or all(line.isascii() for line in shown)
    rows = shown[1 : 1 + len(board.jobs)]
    marks = {row.split()[0] for row in rows}
    assert len(marks) == len(board.jobs)
    for row, job in zip(rows, board.jobs, strict=True):
        mark = row.split()[0]
        assert job.id.startswith(mark) or job.id.endswith(mark.strip("\u2026."))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1e6), jobs), min_size=1), st.floats(0, 2e6))
def test_any_snapshots_give_a_pace_that_makes_sense(snapshots: list[tuple[float, Job]], now: float) -> None:
    board = board_of(*snapshots)
    for job in board.jobs:
        pace = board.pace(job, now=at(now))
        assert (pace.percent_a_minute or 0) >= 0
        assert (pace.records_a_second or 0) >= 0
        assert pace.ends is None or pace.ends >= START - timedelta(seconds=1e6)
