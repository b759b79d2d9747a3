"""`export`: one file, windows, joined windows, what is left over, and what goes wrong."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from click import BadParameter
from impact_jobs import DownloadResult, ExportWindow, Job, JobsError
from impact_jobs.cli.state import CliState
from impact_jobs.cli.times import parse_split
from impact_jobs.cli.window_progress import WindowLines, window_progress_on, window_row
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.cli.running import at_terminal, run, run_at_terminal
from tests.cli.test_commands import json_lines
from tests.cli.test_terminals import plain

REPORT = "agency_action_listing"
MAY = ("export", REPORT, "--from", "2026-05-01", "--to", "2026-05-31")
SPRING = ("export", REPORT, "--from", "2026-03-01", "--to", "2026-05-31", "--split", "month")
WINDOW = ExportWindow(datetime(2026, 5, 1, tzinfo=UTC).date(), datetime(2026, 5, 31, tzinfo=UTC).date())


def rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(Path(path).read_text())))


def test_a_report_becomes_a_file(account: Sandbox) -> None:
    done = run(*MAY, "--out", "may.csv")
    assert (done.exit_code, done.stderr.count("impact-jobs: ")) == (0, done.stderr.count("\n"))
    job, path, size, sha256 = done.stdout.rstrip("\n").split("\t")
    assert (job, path, int(size)) == (account.exports[0].job_id, "may.csv", Path("may.csv").stat().st_size)
    assert re.fullmatch("[0-9a-f]{64}", sha256)
    assert {row["Action_Date"][:7] for row in rows("may.csv")} == {"2026-05"}


def test_the_file_is_named_after_the_report(account: Sandbox) -> None:
    assert run(*MAY, "--quiet").stdout == f"{REPORT}.csv\n"
    assert run(*MAY, "--quiet", "--format", "json").stdout == f"{REPORT}.json\n"
    assert [export.parameters["ResultFormat"] for export in account.exports] == ["CSV", "JSON"]


def test_days_are_read_as_times_are(account: Sandbox) -> None:
    assert run("export", REPORT, "--from", "3d", "--to", "yesterday").exit_code == 0
    (export,) = account.exports
    assert (export.end - export.start).days == 2
    assert export.end < datetime.now(UTC).date()


def test_filters_are_split_at_the_first_equals_sign_and_checked(account: Sandbox) -> None:
    assert run(*MAY, "--filter", "Status=APPROVED", "--filter", "SUBAID=a=b").exit_code == 0
    assert {"STATUS": "APPROVED", "SUBAID": "a=b"}.items() <= account.exports[0].parameters.items()
    done = run(*MAY, "--filter", "Statis=APPROVED", "--out", "other.csv")
    assert (done.exit_code, "Did you mean 'Status' (STATUS)?" in done.stderr) == (2, True)
    done = run(*MAY, "--filter", "Status")
    assert (done.exit_code, "has no '='" in done.stderr) == (2, True)
    for name in ("Status", "STATUS"):
        done = run(*MAY, "--filter", "Status=APPROVED", "--filter", f"{name}=PENDING", "--out", "other.csv")
        assert (done.exit_code, "give it once" in done.stderr) == (2, True)
    assert len(account.exports) == 1


def test_a_range_in_windows_is_one_file_each(account: Sandbox) -> None:
    done = run(*SPRING, "--out", "data/{report}/{start:%Y-%m}.csv", "--json")
    assert done.exit_code == 0
    found = json_lines(done.stdout)
    assert [each["path"] for each in found] == [f"data/{REPORT}/2026-0{month}.csv" for month in (3, 4, 5)]
    assert [(each["start_date"], each["end_date"]) for each in found] == [
        ("2026-03-01", "2026-03-31"), ("2026-04-01", "2026-04-30"), ("2026-05-01", "2026-05-31"),
    ]  # fmt: skip
    for each, export in zip(found, account.exports, strict=True):
        assert (each["id"], each["report"], each["fresh"]) == (export.job_id, REPORT, True)
        assert each["rows"] == len(rows(str(each["path"])))
    assert "3 of 3 windows are there" in done.stderr


def test_windows_are_named_after_their_first_day(account: Sandbox) -> None:
    assert run(*SPRING, "--quiet").stdout.split() == [f"{REPORT}_2026-0{month}-01.csv" for month in (3, 4, 5)]
    assert len(account.exports) == 3


def test_joined_windows_are_one_file(account: Sandbox) -> None:
    assert run(*SPRING, "--join", "--out", "spring.csv", "--quiet").stdout == "spring.csv\n"
    whole = SPRING[:-2]
    assert run(*whole, "--out", "whole.csv").exit_code == 0
    assert Path("spring.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert len(account.exports) == 4
    assert run(*SPRING, "--join", "--format", "json", "--quiet").stdout == f"{REPORT}.jsonl\n"
    assert len(Path(f"{REPORT}.jsonl").read_text().splitlines()) == len(rows("spring.csv"))


def test_parquet_is_written_for_each_window_or_for_all(account: Sandbox) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    names = run(*SPRING, "--parquet", "--quiet").stdout.split()
    assert names == [f"{REPORT}_2026-0{month}-01.parquet" for month in (3, 4, 5)]
    (joined,) = json_lines(run(*SPRING, "--parquet", "--join", "--json").stdout)
    assert (joined["path"], joined["start_date"], joined["end_date"]) == (f"{REPORT}.parquet", *SPRING[3:6:2])
    counts = [parquet.read_metadata(name).num_rows for name in (*names, f"{REPORT}.parquet")]
    assert sum(counts[:3]) == counts[3] == joined["rows"]
    assert account.exports


def test_a_second_run_exports_nothing(account: Sandbox) -> None:
    first, second = (run(*SPRING, "--json") for _ in range(2))
    assert [each["sha256"] for each in json_lines(second.stdout)] == [
        each["sha256"] for each in json_lines(first.stdout)
    ]
    assert (second.exit_code, len(account.exports)) == (0, 3)


def test_an_old_result_is_replayed(account: Sandbox, impact_clock: ImpactClock) -> None:
    run(*MAY)
    impact_clock.advance(7200)
    assert run(*MAY, "--max-age", "3h", "--overwrite").exit_code == 0
    assert len(account.job_ids) == 1
    (again,) = json_lines(run(*MAY, "--max-age", "1h", "--overwrite", "--json").stdout)
    assert (again["fresh"], again["unchanged"]) == (True, True)
    assert again["id"] == account.job_ids[-1] != account.exports[0].job_id
    assert "unchanged" in plain(run_at_terminal(*MAY, "--overwrite")[1])


def test_an_existing_file_is_kept(account: Sandbox) -> None:
    Path("may.csv").write_text("mine")
    done = run(*MAY, "--out", "may.csv")
    assert (done.exit_code, Path("may.csv").read_text()) == (2, "mine")
    assert "pass --overwrite" in done.stderr
    assert not account.exports


def test_what_the_daily_limit_leaves_over_is_said_with_the_command_to_repeat(
    folder: Path, impact_clock: ImpactClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(job_seconds=0, daily_exports=2, clock=impact_clock.time) as sandbox:
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        done = run(*SPRING)
        assert (done.exit_code, len(done.stdout.splitlines())) == (4, 2)
        assert "2 of 3 windows are there" in done.stderr
        last = done.stderr.splitlines()[-1]
        assert last == f"impact-jobs: to continue: impact-jobs {' '.join(SPRING)}"
        failure = json_lines(run(*SPRING, "--json").stdout)[-1]
        assert [left["start_date"] for left in failure["left"]] == ["2026-05-01"]  # type: ignore[attr-defined]
        assert failure["error"]["type"] == "ExportIncompleteError"  # type: ignore[index]
        joined = run(*SPRING, "--join", "--out", "spring.csv")
        assert (joined.exit_code, joined.stdout) == (4, "")
        impact_clock.advance(86_400)
        assert run(*SPRING).exit_code == 0
    assert len(list(folder.glob("*.csv"))) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["export", "agency_action_listin", *MAY[2:]], 3, f"Did you mean '{REPORT}'"),
        (["export", REPORT, "--from", "2026-05-31", "--to", "2026-05-01"], 2, "--from (2026-05-31) is later than --to"),
        ([*MAY, "--split", "fortnight"], 2, "'fortnight' is not a length of windows"),
        ([*MAY, "--split", "36h"], 2, "'36h' is not a length of windows"),
        ([*MAY, "--format", "json", "--parquet"], 2, "but not both"),
        ([*MAY, "--split", "week", "--out", "may.csv"], 2, "or pass --join for one file"),
        ([*MAY, "--out", "{strat}.csv"], 2, "Did you mean {start}?"),
        (["export", REPORT, "--from", "tomorrow"], 2, "'tomorrow' is not a day: write '2026-05-01'"),
        (["export", REPORT, "--from", "05/01/2026"], 2, "is not a day"),
        (["export", REPORT, "--since", "2026-05-01"], 2, "Did you mean --from?"),
        (["list", "--from", "2026-05-01"], 2, "No such option '--from'. Did you mean --since?"),
        (["get", "--from", "2026-05-01"], 2, "No such option '--from'.\n"),
        ([*MAY, "--filter", "ResultFormat=XML"], 2, "pass --format instead"),
        (["export", ".."], 2, "REPORT='..' is not the id of a report"),
        ([*MAY, "--end-date", "2026-05-01"], 2, "Did you mean --to?"),
        ([*MAY, "--out", "-"], 2, "writes files only"),
        ([*MAY, "--out", "a.csv", "--parquet"], 2, "would hold Parquet: name it a.parquet, or leave out --parquet"),
        ([*MAY, "--out", "a.csv", "--format", "json"], 2, "would hold JSON: name it a.json, or leave out --format"),
        ([*SPRING, "--out", "a.json", "--join"], 2, "would hold JSON lines: name it a.jsonl"),
        ([*SPRING, "--out", "a.xml", "--join"], 2, "XML results are not joined: pass --format"),
        ([*MAY, "--join"], 2, "--join needs --split"),
        ([*MAY[:4], "--split", "day"], 2, "--split needs --from and --to: pass --to."),
        ([*MAY[:4], "--out", "{end}.csv"], 2, "names {end}: pass --to, too"),
        ([*MAY, "--max-age", "6"], 2, "'6' is not an age: write '30m', '6h'"),
        ([*MAY, "--parquet", "--out", "."], 2, "'.' is a folder"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_a_mistake_is_explained(arguments: list[str], code: int, says: str, account: Sandbox) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert says in done.stderr
    assert not account.exports


@pytest.mark.parametrize(
    ("text", "split"), [("month", "month"), ("Week", "week"), ("7d", timedelta(7)), ("2 weeks", timedelta(14))]
)
def test_the_length_of_windows_is_a_unit_or_days(text: str, split: object) -> None:
    assert parse_split(text) == split


@pytest.mark.parametrize("text", ["", "0d", "1h", "months", "-1d"])
def test_other_lengths_of_windows_are_rejected(text: str) -> None:
    with pytest.raises(BadParameter):
        parse_split(text)


def test_a_live_table_shows_every_window(account: Sandbox) -> None:
    with at_terminal(*SPRING, columns=100) as terminal:
        code, text = terminal.read_to_the_end()
    assert code == 0
    shown = plain(text)
    assert "WINDOW" in shown
    for window in ("2026-03-01 to 2026-03-31", "2026-04-01 to 2026-04-30", "2026-05-01 to 2026-05-31"):
        assert re.search(rf"{window} +DONE", shown)
    drawn = [plain(line) for line in re.split(r"\x1b\[2K|\r\n", text)]
    assert max(map(len, drawn)) <= 100 - len("^C")  # which a terminal echoes, and which must not wrap
    assert shown.rstrip().endswith("B")
    assert len(account.exports) == 3


def test_windows_are_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    news: list[Job | DownloadResult | JobsError] = [
        Job(id="1", status="QUEUED"),
        Job(id="1", status="RUNNING", percentage_complete=40),
        Job(id="1", status="COMPLETED", percentage_complete=100),
        JobsError("The disk is full."),
    ]
    with window_progress_on(CliState()) as show:
        for each in news:
            show(WINDOW, each)
    assert capsys.readouterr().err.splitlines() == [f"impact-jobs: {WINDOW}: FAILED"]
    with window_progress_on(CliState(quiet=True)) as show:
        show(WINDOW, news[0])
    assert capsys.readouterr().err == ""


def test_many_windows_are_counted_every_half_minute() -> None:
    written: list[str] = []
    now = iter([0.0, 10.0, 30.0, 30.0, 40.0])
    lines = WindowLines(written.append, lambda: next(now))
    for name, status in [("a", "QUEUED"), ("b", "QUEUED"), ("a", "RUNNING"), ("b", "DONE")]:
        lines.show(Job(id=name, status=status))
    assert written == ["1 running, 1 queued, 0 of 2 done"]


@pytest.mark.parametrize(("may_replay", "status"), [(True, "COMPLETED"), (False, "DOWNLOADING")])
def test_a_window_that_may_be_replayed_is_not_yet_downloading(*, may_replay: bool, status: str) -> None:
    assert window_row(str(WINDOW), Job(id="1", status="COMPLETED"), may_replay=may_replay).status == status


@pytest.mark.parametrize(
    ("name", "starts"),
    [("a.parquet", "PAR1"), ("a.json", "{"), ("a.jsonl", '{"Action_Id"'), ("a.XML", "<"), ("a.txt", "Action_Id,")],
)
def test_the_ending_of_the_file_says_the_format(name: str, starts: str, account: Sandbox) -> None:
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    assert run(*MAY, "--out", name).exit_code == 0
    assert Path(name).read_bytes().decode(errors="replace").startswith(starts)
    assert account.exports


def test_a_result_of_an_earlier_export_is_called_one(account: Sandbox, impact_clock: ImpactClock) -> None:
    run(*MAY)
    impact_clock.advance(7200)
    assert "the result of an earlier export; --max-age 0s --overwrite" in plain(
        run_at_terminal(*MAY, "--overwrite", columns=200)[1]
    )
    assert "earlier" not in plain(run_at_terminal(*MAY, "--overwrite", "--max-age", "0s", columns=200)[1])
    assert len(account.job_ids) == 2


def test_a_file_without_rows_is_noticed(account: Sandbox) -> None:
    none = ("--filter", "SUBAID=nobody")
    assert "0 rows: no row matches" in run(*MAY, *none, "--out", "one.csv").stderr
    assert "3 of 3 windows are there, 0 rows: no row matches" in run(*SPRING, *none).stderr
    assert "0 rows" not in run(*SPRING, *none, "--format", "json").stderr  # whose rows are not counted
    assert account.exports


def test_a_wait_that_was_too_short_is_continued_by_the_same_command(account: Sandbox) -> None:
    account.prepare_export(seconds=60)
    done = run(*MAY, "--timeout", "0")
    assert (done.exit_code, "to continue: impact-jobs export" in done.stderr) == (4, True)


def test_json_of_a_failed_window_names_it(account: Sandbox, impact_clock: ImpactClock) -> None:  # noqa: ARG001 - skips the pauses
    account.answer_next("GET", re.compile("ReportExport"), status=400, times=9)
    done = run(*SPRING, "--json")
    failures = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 2
    assert failures[0]["start_date"] == "2026-03-01"
