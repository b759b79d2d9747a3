"""The files of a plan on a day: their windows, names and order."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from impact_jobs.sync import PlanError

from tests.sync.plans import TODAY, parse, problems, report


def windows(values: dict[str, str], today: date = TODAY) -> list[str]:
    return [str(file.window) for file in reversed(parse(report(**values)).files(today))]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"from_": '"2026-03-15"'},
            ["2026-03-15 to 2026-03-31", "2026-04-01 to 2026-04-30", "2026-05-01 to 2026-05-28"],
        ),
        ({"from_": '"40d"'}, ["2026-04-01 to 2026-04-30", "2026-05-01 to 2026-05-28"]),  # from 2026-04-19
        ({"from_": '"1w"', "split": '"week"'}, ["2026-05-18 to 2026-05-24", "2026-05-25 to 2026-05-28"]),
        ({"from_": '"2d"', "split": '"day"'}, ["2026-05-27 to 2026-05-27", "2026-05-28 to 2026-05-28"]),
        ({"from_": '"2d"', "split": '"day"', "to": '"2d"'}, ["2026-05-27 to 2026-05-27"]),
        ({"from_": '"today"', "split": '"day"', "to": '"today"'}, ["2026-05-29 to 2026-05-29"]),
        ({"from_": '"90d"', "split": '"none"'}, ["2026-02-28 to 2026-05-28"]),
        ({"from_": "2026-05-20", "split": '"7d"'}, ["2026-05-20 to 2026-05-26", "2026-05-27 to 2026-05-28"]),
        ({"from_": "2026-05-20", "to": "2026-05-21"}, ["2026-05-20 to 2026-05-21"]),
        ({"from_": "2026-05-01", "to": "2026-12-31"}, ["2026-05-01 to 2026-05-28"]),  # later days have not come yet
        ({"from_": "2026-05-01", "to": "2026-05-29"}, ["2026-05-01 to 2026-05-28"]),  # today is not over
        ({"from_": "2026-05-29"}, []),
    ],
)
def test_windows_by_example(values: dict[str, str], expected: list[str]) -> None:
    assert windows(values) == expected


def test_a_leap_day_belongs_to_its_month_and_counts() -> None:
    assert windows({"from_": '"2024-02-01"', "to": '"2024-03-31"'})[0] == "2024-02-01 to 2024-02-29"
    assert windows({"from_": '"1d"', "split": '"day"'}, date(2024, 3, 1)) == ["2024-02-29 to 2024-02-29"]


@settings(max_examples=20)
@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from(["day", "week", "month", "5d", "7d"]))
def test_windows_do_not_move_from_day_to_day(today: date, split: str) -> None:
    plan = parse(report(from_='"40d"', split=f'"{split}"'))
    before, after = ({file.window.start for file in plan.files(day)} for day in (today, today + timedelta(days=1)))
    assert min(before) <= today - timedelta(days=40)
    assert len(after - before) <= 1
    assert {start for start in before - after if start >= min(after)} == set()


def test_the_newest_days_come_first_and_then_the_order_of_the_plan() -> None:
    text = report(name='"b"', accounts='["south", "north"]', into='"{account}/{report}/{start}"') + report(
        name='"a"', split='"week"', from_='"7d"'
    )
    found = [(file.report, file.account, str(file.window.end)) for file in parse(text).files(TODAY)]
    assert found[:5] == [
        ("b", "south", "2026-05-28"),
        ("b", "north", "2026-05-28"),
        ("a", "env", "2026-05-28"),
        ("a", "env", "2026-05-24"),
        ("b", "south", "2026-04-30"),
    ]


@pytest.mark.parametrize(
    ("into", "path", "area"),
    [
        ("data/{account}/{start:%Y/%m}.csv", "/plan/data/env/2026/05.csv", "/plan/data"),
        ("{report}-{start}.csv", "/plan/actions-2026-05-01.csv", "/plan"),
        ("/srv/{start}.csv", "/srv/2026-05-01.csv", "/srv"),
        ("/{start}.csv", "/2026-05-01.csv", "/"),
        ("../out/x-{end:%d}.csv", "/out/x-28.csv", "/out"),
        ("a{{b}}/{start}.csv", "/plan/a{b}/2026-05-01.csv", "/plan/a{b}"),
        ("all.csv", "/plan/all.csv", "/plan"),
    ],
)
def test_paths_and_areas(into: str, path: str, area: str) -> None:
    (file,) = parse(report(from_='"2026-05-01"', to='"2026-05-28"', into=f'"{into}"')).files()
    assert (file.path, file.area) == (Path(path), Path(area))


def test_two_files_of_one_name() -> None:
    ((line, message),) = problems(report(into='"{account}.csv"'))
    assert line == 1
    assert message == (
        "env.csv would be the file of actions of env, 2026-01-01 to 2026-01-31, and of actions of env, "
        "2026-02-01 to 2026-02-28: add {start:%Y-%m-%d} to into."
    )
    first, second = problems(
        report(accounts='["a", "b"]', into='"X"', split='"none"') + report(name='"n"', into='"x/../x"', split='"none"')
    )
    days = "2026-01-01 to 2026-05-28"
    assert first == (
        1,
        f"X would be the file of actions of a, {days}, and of actions of b, {days}: add {{account}} to into.",
    )
    assert second[0] == 7
    assert second[1].startswith(f"x would be the file of actions of a, {days} (line 1), and of n of env, {days}: add ")


def test_names_that_will_be_the_same_within_a_year_are_refused_now() -> None:
    ((_, message),) = problems(report(into='"{start:%m}.csv"'))
    assert message.startswith("01.csv would be the file of actions of env, 2026-01-01 to 2026-01-31, and of")
    plan = parse(report(from_='"90d"', into='"{start:%m}.csv"'))
    assert [file.path.name for file in plan.files(TODAY)] == ["05.csv", "04.csv", "03.csv", "02.csv"]


def test_files_check_the_names_on_their_day() -> None:
    plan = parse(report(into='"{start:%m}.csv"', to='"2026-12-31"'))
    assert len(plan.files(date(2030, 1, 1))) == 12
    later = evolve(plan, reports=(evolve(plan.reports[0], end=timedelta(1)),))
    with pytest.raises(PlanError, match=r"^plan:1: 01\.csv would be the file of .* 2026-01-01 .* 2027-01-01 "):
        later.files(date(2030, 1, 1))
