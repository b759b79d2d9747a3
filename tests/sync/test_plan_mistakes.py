"""Mistakes of plans: one message each, with the line, what is wrong and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from impact_jobs import ConfigurationError
from impact_jobs._transport import clock
from impact_jobs.sync import Plan, PlanError
from impact_jobs.sync._plan_lines import line_of, lines_by_path

from tests.support.virtual_clock import VirtualClock
from tests.sync.plans import problems, report

TEN = """\
[defaults]
into = "data/{account}/{strat:%Y-%m}.csv"
refresh = 30
spilt = "week"
[[report]]
id = "actions"
accounts = "north"
from = "2025-02-30"
format = "excel"
[[report]]
name = "clicks"
from = "2025-03-01"
to = "2025-01-01"
filters = "Campaign"
into = "clicks.csv"
split = "14 days"
[[report]]
id = "c"
from = "2026-01-01"
into = "c.csv"
[[report]]
id = "d"
from = "2026-01-01"
into = "d/{start}.parquet"
"""


def test_each_mistake_has_a_message_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reports.toml").write_text(TEN, encoding="utf-8")
    with clock.use(VirtualClock()), pytest.raises(PlanError) as caught:
        Plan.load("reports.toml")
    assert [line.removeprefix("reports.toml:") for line in str(caught.value).splitlines()] == [
        (
            "2: into: the template 'data/{account}/{strat:%Y-%m}.csv' cannot be used: {strat} is not one of its "
            "fields: {report}, {account}, {start}, {end}. Did you mean {start}?"
        ),
        '3: refresh = 30 is not a number of days or weeks: write refresh = "30d".',
        '4: unknown key "spilt": did you mean "split"?',
        '7: accounts = "north" is not a list: write accounts = ["north"].',
        '8: from = "2025-02-30" is not a day (day is out of range for month): write one that the calendar has.',
        '9: format = "excel" is not a format: write "csv", "json" or "parquet".',
        '10: id is missing: add a line such as id = "agency_action_listing".',
        '14: filters = "Campaign" is not a table: write filters = { "Campaign" = "1234" }.',
        '16: split = "14 days" is not a length of windows: write split = "14d".',
        (
            "17: c.csv would be the file of c of env, 2026-01-01 to 2026-01-31, and of c of env, "
            "2026-02-01 to 2026-02-28: add {start:%Y-%m-%d} to into."
        ),
        '24: into ends in .parquet, but format is "csv" (the default): write .csv, or add format = "parquet".',
    ]


@pytest.mark.parametrize(
    ("values", "line", "message"),
    [
        ({"id": "5"}, 2, 'id = 5 is not text in quotes: write id = "5".'),
        ({"id": '""'}, 2, 'id = "" is empty: write id = "agency_action_listing".'),
        ({"id": '"a/b"'}, 2, 'id = "a/b" is not the id of a report: write one such as'),
        ({"from_": ""}, 1, 'from is missing: add a line such as from = "2025-01-01", here or below [defaults].'),
        ({"into": ""}, 1, 'into is missing: add a line such as into = "data/'),
        ({"from_": "5"}, 3, 'from = 5 is not a day: write from = "5d" for that long before today.'),
        ({"from_": '"yesterda"'}, 3, 'from = "yesterda" is not a day (did you mean "yesterday"?): write a day such as'),
        ({"from_": "2026-01-01T00:00:00"}, 3, "from = 2026-01-01T00:00:00 has a time: write a day alone, such as fro"),
        ({"from_": "12:00:00"}, 3, "from = 12:00:00 is not a day: write"),
        ({"from_": '"2062-01-01"'}, 3, "from (2062-01-01) has not come yet, today is 2026-05-29: write a day that has"),
        ({"to": '"2025-01-01"'}, 3, "from (2026-01-01) is later than to (2025-01-01): swap them."),
        ({"from_": '"9d"', "to": '"90d"'}, 3, "from (9 days ago) is later than to (90 days ago): write an earlier fr"),
        ({"from_": '"today"'}, 3, "from (today) is later than to (yesterday): write an earlier from, or a later to."),
        ({"from_": '"9d"', "to": '"2025-01-01"'}, 3, "from (9 days ago: 2026-05-01) is later than to (2025-01-01): w"),
        ({"from_": '"1990-01-01"', "split": '"day"'}, 3, "the days from 1990-01-01 on make more than 5,000 windows"),
        ({"split": '"2w"'}, 5, 'split = "2w" is not a length of windows: write split = "14d".'),
        ({"split": '"0d"'}, 5, 'split = "0d" is not a length of windows: write split = "1d".'),
        ({"split": '"monthly"'}, 5, 'split = "monthly" is not a length of windows (did you mean "month"?): write "da'),
        ({"refresh": '"2 weeks"'}, 5, 'refresh = "2 weeks" is not a number of days or weeks: write refresh = "2w".'),
        ({"into": '"s3://b/{start}"'}, 4, 'into = "s3://b/{start}" is a URL (s3://): write the path of files on this'),
        ({"into": '"~/{start}"'}, 4, 'into = "~/{start}" begins with ~, which would be the name of a folder: write t'),
        ({"into": '"{start}/"'}, 4, "into: the template '{start}/' cannot be used: it names a folder, not a file."),
        ({"into": '"{start}/../x"'}, 4, 'into = "{start}/../x" has .. after a field: write the path without it.'),
        ({"into": '"manifest.jsonl"', "format": '"json"'}, 4, 'into = "manifest.jsonl" is the name of the file that'),
        ({"into": '"{start}.json"', "format": '"json"'}, 4, "into ends in .json, but the file would hold JSON lines:"),
        ({"into": '"{start}.csv"', "format": '"json"'}, 4, 'into ends in .csv, but format is "json": write .jsonl, o'),
        ({"accounts": "[]"}, 5, 'accounts = [] names no account: write accounts = ["env"], or leave it out.'),
        ({"accounts": '["north", 5]'}, 5, "accounts: 5 is not the name of a profile: write names of letters, digits"),
        ({"accounts": '["a", "a"]'}, 5, 'accounts = ["a", "a"] has "a" twice: name each account once.'),
        ({"name": '"my report"'}, 5, 'name = "my report" is not a name of up to 64 letters, digits, _, - and .: writ'),
        ({"filters": '{ "Start Date" = "x" }'}, 5, 'filters: "Start Date" is not a filter here: write from and to in'),
        ({"filters": '{ RESULT_FORMAT = "x" }'}, 5, 'filters: "RESULT_FORMAT" is not a filter here: write format ins'),
        ({"filters": "{ A = [1] }"}, 5, 'filters: "A" is [1]: write one text, number, date, true or false, such as'),
        ({"filters": "{ A = inf }"}, 5, 'filters: "A" is inf: write one text, number, date, true or false, such as'),
        ({"filters": '{ A = " " }'}, 5, 'filters: "A" is " ": write text without control characters, or leave the fi'),
        ({"format": '"CSV"'}, 5, 'format = "CSV" is not a format (did you mean "csv"?): write "csv", "json" or "parq'),
    ],
)  # fmt: skip
def test_a_wrong_value(values: dict[str, str], line: int, message: str) -> None:
    ((found_line, found),) = problems(report(**values))
    assert found.startswith(message)
    assert found_line == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "there is no [[report]]: add a line [[report]], and below it id, from and into."),
        ("report = 5", 1, "report = 5 is not a table: add a line [[report]], and below it id, from and into."),
        ("\n" + report()[1:].replace("]]", "]", 1), 2, "[report] is one table: write [[report]], with two brackets,"),
        (report().replace("report]", "reports]", 1), 1, 'unknown table "reports": did you mean [[report]]?'),
        ("[default]\n" + report(), 1, 'unknown table "default": did you mean [defaults]?'),
        ("[x.y]\n" + report(), 1, 'unknown table "x": a plan has [defaults] and [[report]].'),
        ("split = 'day'\n" + report(), 1, "split is above all tables: move it below [defaults] or a [[report]]."),
        ("defaults = 5\n" + report(), 1, "defaults is not a table: write [defaults], and below it the keys of all re"),
        ("[defaults]\nid = 'a'\n" + report(), 2, "id belongs to one report: move it below a [[report]]."),
        ("[defaults]\ninto = '{start}.csv'\nformat = 'json'\n" + report(), 2, 'into ends in .csv, but format is "jso'),
        (report() + "[report.options]\n", 5, 'unknown key "options": write one of id, name, accounts, from, to, into'),
        (report() + report(into='"b"'), 5, 'id = "actions" is that of the report on line 1, too: give this one a nam'),
        (report(name='"x"') + report(id='"b"', name='"X"', accounts='["a"]'), 6, 'name = "X" is that of the report o'),
    ],
)  # fmt: skip
def test_a_wrong_structure(text: str, line: int, message: str) -> None:
    ((found_line, found),) = problems(text)
    assert found.startswith(message)
    assert found_line == line


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ("[[report]]\nid = actions", 2, "put text and dates in quotes, and each key on a line of its own."),
        ("[[report]]\nid: 'actions'", 2, "write a table such as [[report]], or key = value, or a comment after #."),
        ("[[report]]\nid = 'actions\n", 2, "close the quotes on the same line."),
        ('[[report]]\ninto = "C:\\data"', 2, "write / instead of \\ in a path."),
        ("[[report]]\nfrom = 2025-02-30", 2, 'there is no such day; write one such as "2025-02-28".'),
        ("[report]\nid = 'a'\n[report]\nid = 'b'", 3, "write [[report]], with two brackets, above each report."),
        ("[[report]]\nid = 'a'\nid = 'b'\n", 3, "keep one, and write [[report]] above each report."),
        ("[defaults]\n[defaults]\n", 2, "keep one [defaults]."),
        ("[[report]]\naccounts = ['a'", 2, "close the bracket."),
        ("[[report]]\nfilters = { a = 1, }\n", 2, "keep a table in braces on one line, without a comma at its end."),
        ("x = " + "[" * 5000, 1, "close the brackets."),
        ("x = " + "9" * 5000, 1, "put text and dates in quotes, and each key on a line of its own."),
    ],
)
def test_what_is_not_toml(text: str, line: int, advice: str) -> None:
    ((found_line, message),) = problems(text)
    assert message.startswith("this line is not TOML (")
    assert message.endswith(advice)
    assert found_line == line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ": there is no such file: check the path, or write a plan there."),
        (b"[defaults]\n# caf\xe9", ":2: this is not UTF-8 text: save the file as UTF-8."),
        (b"#" * 1_000_001, ": the file has more than 1,000,000 bytes, so it is not a plan: check the path."),
    ],
)
def test_a_file_that_is_not_a_plan(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "reports.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError) as caught:
        Plan.load(path)
    assert str(caught.value) == f"{path}{expected}"


def test_a_folder_and_what_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="this is a folder: give the path of the plan in it"):
        Plan.load(tmp_path)
    with pytest.raises(ConfigurationError, match="is not a file name"):
        Plan.load(5)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(ConfigurationError, match=r"text=5: give the text of a plan, or call Plan\.load"):
        Plan.parse(5)  # type: ignore[arg-type]  # the same


def test_lines_of_tables_and_keys() -> None:
    text = '''\
# [x] = 1
a = """
b = "no key"
""""" # "
'c d' . "e=f" = [ # [
  1, "]", { g = 2 },
]

[[ report ]]
id = {h = "}"}
[report.filters]
"A\\"]" = \'\'\'
[[report]]\'\'\'
[[report]]
[[report.list]]
i = 1
[[report.list]]
["]"]
j = 1'''
    lines = lines_by_path(text)
    assert lines == {
        ("a",): 2, ("c d",): 5, ("c d", "e=f"): 5, ("report",): 9, ("report", 0): 9, ("report", 0, "id"): 10,
        ("report", 0, "filters"): 11, ("report", 0, "filters", 'A"]'): 12, ("report", 1): 14,
        ("report", 1, "list"): 15, ("report", 1, "list", 0): 15, ("report", 1, "list", 0, "i"): 16,
        ("report", 1, "list", 1): 17, ("]",): 18, ("]", "j"): 19,
    }  # fmt: skip
    assert line_of(("report", 0, "id", "h"), lines) == 10
    assert line_of(("missing",), lines) == 0
