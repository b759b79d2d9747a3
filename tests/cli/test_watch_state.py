"""The state and the table of `watch`: how fast jobs progress, when they may end, and a table that fits."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs import Job, JobStatus
from impact_jobs.cli.watch_state import WatchState
from impact_jobs.cli.watch_table import watch_table
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


def state_of(*snapshots: tuple[float, Job]) -> WatchState:
    state = WatchState()
    for seconds, job in snapshots:
        state.update(job, at=at(seconds))
    return state


def lines(state: WatchState, width: int, *, now: float = 0, unicode: bool = True, rows: int | None = None) -> list[str]:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding="utf-8" if unicode else "ascii", errors="replace", write_through=True)
    console = Console(file=file, width=width, color_system=None, legacy_windows=False)
    console.print(watch_table(state, now=at(now), width=width, rows=rows))
    return buffer.getvalue().decode().splitlines()


def test_the_pace_is_that_of_the_latest_steps() -> None:
    snapshots = [(60.0 * minute, a_job(5 * minute, records=600 * minute)) for minute in range(5)]
    state = state_of(*snapshots)
    pace = state.pace(state.jobs[0], now=at(240))
    assert (pace.percent_per_minute, pace.records_per_second) == (5, 10)
    assert pace.ends == at(240) + timedelta(minutes=16)
    assert not pace.is_nearly_done


def test_steps_of_an_hour_ago_do_not_count() -> None:
    slow = [(3600.0, a_job(1))]
    fast = [(3600.0 + 10 * count, a_job(1 + count)) for count in range(1, 20)]
    pace = state_of((0, a_job(0)), *slow, *fast).pace(a_job(), now=at(4000))
    assert pace.percent_per_minute == pytest.approx(6)


def test_the_first_snapshot_of_a_running_job_gives_a_pace() -> None:
    pace = state_of((100, a_job(50, started=START))).pace(a_job(), now=at(100))
    assert pace.percent_per_minute == 30
    assert pace.ends == at(200)


@pytest.mark.parametrize(
    "snapshots",
    [
        [(60, a_job(10))],
        [(60, a_job(10, records=5)), (120, a_job(10, records=5))],
        [(0, a_job(status=JobStatus.QUEUED))],
        [(60, a_job(100, status=JobStatus.COMPLETED))],
        [(60, a_job(50, started=at(90)))],  # by a clock that is ahead of this machine's
        [(0, a_job(0)), (60, a_job(10)), (150, a_job(10))],  # has rested longer than it ever moved
        [(0, a_job(90)), (60, a_job(95)), (120, a_job(5))],  # started over
        [(0, a_job(10)), (0, a_job(20))],  # in no time
    ],
)
def test_no_end_is_predicted_without_progress(snapshots: list[tuple[float, Job]]) -> None:
    pace = state_of(*snapshots).pace(a_job(), now=at(200))
    assert pace.ends is None
    assert pace.percent_per_minute is None


def test_repeated_snapshots_do_not_change_the_predicted_end() -> None:
    once = [(0, a_job(0)), (60, a_job(10))]
    again = [*once, (60, a_job(10)), (90, a_job(10))]
    assert state_of(*again).pace(a_job(), now=at(90)) == state_of(*once).pace(a_job(), now=at(90))


def test_a_stale_snapshot_is_ignored() -> None:
    state = state_of((0, a_job(0)), (60, a_job(10)), (30, a_job(70)))
    assert state.jobs[0].percentage_complete == 10
    behind = state_of((0, a_job(50, moved=at(0))), (60, a_job(40, moved=at(-60))))
    assert behind.jobs[0].percentage_complete == 50
    ended = state_of((0, a_job(50, moved=at(0))), (60, a_job(60, moved=at(-60), status=JobStatus.FAILED)))
    assert ended.jobs[0].status == JobStatus.FAILED


def test_a_job_that_was_started_over_gets_a_new_pace() -> None:
    state = state_of((0, a_job(90)), (60, a_job(95)), (120, a_job(0)), (180, a_job(20)))
    assert state.pace(a_job(), now=at(180)).percent_per_minute == 20


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
def test_the_time_left_is_shown(snapshots: list[tuple[float, Job]], now: float, left: str) -> None:
    assert left in lines(state_of(*snapshots), 60, now=now)[1].split()


def test_a_window_whose_file_is_there_has_no_time_left() -> None:
    shown = [lines(state_of((0, a_job(status=status))), 60)[1].split()[-2:] for status in ("DOWNLOADING", "DONE")]
    assert shown == [["soon", "0s"], ["100%", "0s"]]


def test_the_end_is_shown_with_its_day_unless_it_is_today() -> None:
    today = lines(state_of((0, a_job(0)), (60, a_job(20))), 200, now=60)
    assert "12:05:00" in today[1]
    later = lines(state_of((0, a_job(0)), (36_000, a_job(20))), 200, now=36_000)
    assert "31 May 14:00" in later[1]
    overdue = lines(state_of((0, a_job(0)), (60, a_job(99))), 200, now=90)
    assert "12:0" not in overdue[1]


def test_the_table_can_be_drawn_while_jobs_are_updated() -> None:
    state = WatchState()

    def fill() -> None:
        for number in range(300):
            state.update(a_job(number % 100, name=f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}"), at=START)

    with ThreadPoolExecutor(1) as thread:
        filling = thread.submit(fill)
        while not filling.done():
            lines(state, 80, rows=5)
        filling.result()
    assert state.summary == "300 running"


def test_running_jobs_come_first_and_rows_keep_their_order() -> None:
    statuses = ["COMPLETED", "QUEUED", "RUNNING", "FAILED", "PAUSED", "CANCELLED", "RUNNING"]
    state = state_of(*((0, a_job(status=status, name=f"{number:08}")) for number, status in enumerate(statuses)))
    assert [job.id[-1] for job in state.jobs] == ["2", "4", "6", "3", "5", "1", "0"]
    assert state.summary == "2 running, 1 paused, 1 failed, 1 cancelled, 1 queued, 1 completed"
    assert WatchState().summary == "no jobs"


UUIDS = [f"{number:08x}-7a5d-4f0e-9d53-0c5f4dd2a6b1" for number in range(3)]


def a_full_state(names: list[str]) -> WatchState:
    return state_of(
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
def test_less_important_columns_are_dropped_first(width: int, titles: str) -> None:
    shown = lines(a_full_state(UUIDS), width)
    assert " ".join(shown[0].split()) == titles
    assert shown[2].split()[0] == (UUIDS[1] if width >= 80 else UUIDS[1][:8])
    assert shown[-1].strip() == "3 running"


def test_ids_that_begin_alike_are_shortened_to_their_ends() -> None:
    names = [f"3f6c1a52-7a5d-4f0e-9d53-{number:012x}" for number in range(12)]
    shown = lines(a_full_state(names), 40)
    assert [line.split()[0] for line in shown[1:-1]] == [f"\u2026{name[-8:]}" for name in names]
    assert lines(a_full_state(names), 40, unicode=False)[1].startswith("?00000000 ")


def test_a_terminal_without_unicode_gets_ascii() -> None:
    state = state_of((0, a_job(45, message="Zu groß \u2026", name=ID)), (0, a_job(None, name=UUIDS[0], status="PÄUSE")))
    text = "\n".join(lines(state, 120, unicode=False))
    assert text.isascii()
    assert "---" in text
    assert "P?USE" in text


def test_text_of_the_server_cannot_control_the_terminal() -> None:
    nasty = "\x1b[2J[red]boo[/red]\nhttps://s.example/x?sig=canary \x07"
    text = "\n".join(lines(state_of((0, a_job(1, status=nasty, message=nasty, name=ID))), 200))
    assert not {"\x1b", "\x07", "\r"} & set(text)
    assert "[red]boo[/red]" in text
    assert "canary" not in text


def test_hidden_rows_are_counted() -> None:
    shown = lines(a_full_state(UUIDS), 80, rows=2)
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
def test_any_jobs_fit_any_width_and_can_be_told_apart(
    snapshots: list[tuple[float, Job]],
    width: int,
    unicode: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    state = state_of(*snapshots)
    shown = lines(state, width, now=1e6, unicode=unicode)
    assert all(cell_len(line) <= width for line in shown)
    assert unicode or all(line.isascii() for line in shown)
    rows = shown[1 : 1 + len(state.jobs)]
    marks = {row.split()[0] for row in rows}
    assert len(marks) == len(state.jobs)
    for row, job in zip(rows, state.jobs, strict=True):
        mark = row.split()[0]
        assert job.id.startswith(mark) or job.id.endswith(mark.strip("\u2026?"))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1e6), jobs), min_size=1), st.floats(0, 2e6))
def test_any_snapshots_give_a_plausible_pace(snapshots: list[tuple[float, Job]], now: float) -> None:
    state = state_of(*snapshots)
    for job in state.jobs:
        pace = state.pace(job, now=at(now))
        assert (pace.percent_per_minute or 0) >= 0
        assert (pace.records_per_second or 0) >= 0
        assert pace.ends is None or pace.ends >= START - timedelta(seconds=1e6)
