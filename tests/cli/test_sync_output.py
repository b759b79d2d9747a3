"""What `sync` writes: the headline, the table, what is left, what has failed, and the groups of a dry run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from attrs import evolve
from impact_jobs import AlreadyRunningError, DestinationExistsError, JobsError, TransportError, WaitTimeoutError
from impact_jobs.cli.commands.sync import file_names
from impact_jobs.cli.file_groups import consecutive, days_of, described
from impact_jobs.cli.sync_preview import headline as preview_headline
from impact_jobs.cli.sync_preview import limits, preview_table, step_object
from impact_jobs.cli.sync_report import (
    cost,
    exit_code,
    failures,
    file_object,
    headline,
    leftover_files,
    remarks,
    report_table,
    summary_object,
    unfinished,
)
from impact_jobs.sync import (
    AccountPreview,
    AccountUse,
    FileAction,
    FileState,
    FileStep,
    SyncedFile,
    SyncPreview,
    SyncReport,
)
from rich.console import Console
from rich.table import Table

from tests.sync.samples import planned, synced

ACCOUNTS, REPORTS = ("north", "south", "west"), ("actions", "partners", "performance", "invoices")
MONTHS = [f"{year}-{month:02}" for year in (2026, 2025) for month in range(12, 0, -1)][1:]
AGAIN = datetime(2026, 12, 1, 9, 31, tzinfo=UTC)
WHY = "the account has no exports left, by this client's count or the server's answer"


def report(state_of: Callable[[str, str, str], FileState | SyncedFile], **facts: object) -> SyncReport:
    """Return the report of three accounts with four reports of 23 months each."""
    files: list[SyncedFile] = []
    for month in MONTHS:
        for name in REPORTS:
            for account in ACCOUNTS:
                found = state_of(account, name, month)
                file = planned(month, account=account, report=name)
                files.append(found if isinstance(found, SyncedFile) else synced(file, found))
    return evolve(SyncReport(files=tuple(files), seconds=754.0), **facts)  # type: ignore[arg-type] # of the fields


def lines(table: Table | None, *, width: int = 80) -> list[str]:
    assert table is not None
    console = Console(file=StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def failed(month: str, error: JobsError, *, name: str = "actions", account: str = "north") -> SyncedFile:
    return synced(planned(month, account=account, report=name), FileState.FAILED, error=error)


def test_a_first_run_says_what_is_new_and_until_when_the_rest_is_left() -> None:
    uses = tuple(AccountUse(account=name, exports=88, requests=180, again_at=AGAIN, why_left=WHY) for name in ACCOUNTS)
    found = report(lambda _a, _r, month: FileState.NEW if month > "2025-01" else FileState.LEFT, accounts=uses)
    assert headline(found) == "264 of 276 files are up to date: 264 new; 12 left for the next run"
    assert cost(found) == "264 exports, 540 requests, 12m"
    assert exit_code(found) == 0
    shown = lines(report_table(found, width=80))
    assert shown[:2] == [
        "ACCOUNT  REPORT       UP TO DATE  NEW  LEFT  NEW ROWS",
        "north    actions        22 of 23   22     1       220",
    ]
    assert len(shown) == 13
    assert list(remarks(found)) == [
        f"{name}, 4 files (4 reports 2025-01): left until 2026-12-01 09:31 UTC, because the account has no exports left"
        for name in ACCOUNTS
    ]


def test_a_run_with_nothing_to_do_is_one_line() -> None:
    found = report(lambda *_: FileState.CURRENT, seconds=0.3)
    assert headline(found) == "276 of 276 files are up to date; nothing to do"
    assert report_table(found, width=80) is None
    assert ([*remarks(found), *failures(found.failed)], cost(found)) == ([], "")
    one = SyncReport(files=(synced(planned("2026-05"), FileState.NEW),))
    assert headline(one) == "1 of 1 file is up to date: 1 new"


def test_reports_without_news_are_not_shown() -> None:
    def state_of(account: str, name: str, month: str) -> FileState:
        return FileState.CHANGED if (account, name, month) == ("south", "actions", "2026-11") else FileState.CURRENT

    assert lines(report_table(report(state_of), width=80)) == [
        "ACCOUNT  REPORT   UP TO DATE  CHANGED  NEW ROWS",
        "south    actions    23 of 23        1        10",
    ]


def test_states_are_counted_in_the_headline_and_explained() -> None:
    states = {"2026-11": FileState.UNCHANGED, "2026-10": FileState.STALE, "2026-09": FileState.RUNNING}
    found = report(lambda account, _r, month: states.get(month, FileState.CURRENT) if account == "west" else (
        FileState.CURRENT), leftovers=tuple(Path(f"/d/{number}.csv") for number in range(5)))  # fmt: skip
    assert headline(found) == "272 of 276 files are up to date: 4 unchanged, 4 with older rows; 4 still running"
    assert list(remarks(found)) == [
        "west, 4 files (4 reports 2026-10): older rows stay, because the server does not replay the jobs",
        (
            "5 files that this plan does not name, such as /d/0.csv; unless another plan does, move or delete them "
            "(--json lists them)"
        ),
    ]
    assert list(unfinished(found)) == [
        "west, 4 files (4 reports 2026-09): the jobs have not ended in time; run it again to continue"
    ]
    assert list(leftover_files([Path("/d/0.csv")])) == [
        "1 file that this plan does not name: /d/0.csv; unless another plan does, move or delete it"
    ]


def test_if_no_job_could_be_seen_the_error_says_why() -> None:
    error = WaitTimeoutError(None, job_id="a", timeout=3.0, cause="Connection refused")
    found = SyncReport(files=(synced(planned("2026-05"), FileState.RUNNING, error=error),))
    (line,) = unfinished(found)
    assert line.startswith("north, 1 file (actions 2026-05): job a did not complete")
    assert "Connection refused" in line


def test_files_that_fail_alike_have_one_line() -> None:
    common = TransportError("the network is down. Try again.")
    taken = [DestinationExistsError(f"{name!r} exists. Move it.") for name in "ab"]
    found = [
        *(failed(month, common, name=name) for month in MONTHS for name in REPORTS[:2]),
        failed("2026-04", taken[0], account="south"),
        failed("2026-05", taken[1], account="south"),
        failed("2026-05", taken[1], account="west"),
    ]
    assert list(failures(found)) == [
        "north, 46 files (actions and partners 2025-01 to 2026-11): the network is down. Try again.",
        "south, 2 files (actions 2026-04 to 2026-05): 'a' exists. Move it. (1 more like it; --json shows each)",
        "west, 1 file (actions 2026-05): 'b' exists. Move it.",
    ]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], 0),
        ([WaitTimeoutError(None)], 4),
        ([AlreadyRunningError("")], 4),
        ([TransportError(""), WaitTimeoutError(None)], 5),
        ([TransportError(""), DestinationExistsError("")], 2),
    ],
)
def test_the_exit_code_is_that_of_the_worst_failure(errors: Iterable[JobsError], code: int) -> None:
    files = [failed("2026-05", error) for error in errors]
    assert exit_code(SyncReport(files=(*files, synced(planned("2026-04"), FileState.LEFT)))) == code


def test_json_has_what_a_program_needs() -> None:
    new = json.loads(json.dumps(file_object(synced(planned("2026-05"), FileState.NEW)), default=str))
    assert {
        "account": "north", "report": "actions", "report_id": "agency_action_listing", "start_date": "2026-05-01",
        "end_date": "2026-05-31", "state": "new", "action": "export", "why": "missing",
        "path": "/srv/data/north/actions/2026-05.csv", "rows": 10, "bytes_written": 1000,
    }.items() <= new.items()  # fmt: skip
    broken = file_object(failed("2026-05", TransportError("broken.")))
    assert (broken["state"], broken["path"]) == ("failed", "/srv/data/north/actions/2026-05.csv")
    assert broken["error"] == {"type": "TransportError", "message": "broken.", "exit_code": 5}
    use = AccountUse(account="north", exports=1, requests=3, again_at=AGAIN, why_left=WHY)
    summary = summary_object(SyncReport(files=(failed("2026-05", TransportError("")),), accounts=(use,)), code=5)
    assert (summary["files"]["failed"], summary["files"]["current"], summary["exit_code"]) == (1, 0, 5)
    assert summary["accounts"][0]["again_at"] == AGAIN


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (planned("2026-05"), planned("2026-05"), "2026-05"),
        (planned("2025-01"), planned("2026-05"), "2025-01 to 2026-05"),
        (planned("2026-05"), planned("2026-05", last_day=28), "2026-05-01 to 28"),
        (planned("2025-01"), planned("2026-05", last_day=28), "2025-01 to 2026-05-28"),
        (planned("2026-05", last_day=1), planned("2026-05", last_day=1), "2026-05-01"),
        (planned("9999-12"), planned("9999-12"), "9999-12"),
    ],
)
def test_days_are_as_short_as_they_can_be(first: object, last: object, days: str) -> None:
    assert days_of([first, last]) == days  # type: ignore[list-item] # they are planned files


def test_a_gap_ends_a_group() -> None:
    files = [planned(month) for month in ("2026-05", "2026-04", "2026-02", "2025-12", "2025-10", "2025-08")]
    assert [days_of(group) for group in consecutive(files, lambda file: file)][:2] == ["2026-04 to 2026-05", "2026-02"]
    assert described(files) == "actions 2026-04 to 2026-05, actions 2026-02, actions 2025-12, and 2 more"


def step(
    month: str, action: FileAction, why: str, *, error: JobsError | None = None, account: str = "north"
) -> FileStep:
    return FileStep(file=planned(month, account=account), action=action, why=why, error=error)


def test_a_dry_run_groups_windows_by_what_is_to_be_done() -> None:
    steps = (
        step("2026-11", FileAction.EXPORT, "ends later: it holds one day less"),
        step("2026-10", FileAction.REFRESH, "may change until 2026-11-30"),
        step("2026-09", FileAction.REFRESH, "may change until 2026-10-30"),
        step("2026-08", FileAction.KEEP, ""),
        step("2026-07", FileAction.EXPORT, "missing"),
        step("2026-06", FileAction.EXPORT, "missing"),
        step("2026-05", FileAction.EXPORT, "missing"),
        step("2026-04", FileAction.DOWNLOAD, "its job is known", account="south"),
        step("2026-04", FileAction.EXPORT, "", error=TransportError("broken."), account="west"),
    )
    accounts = (
        AccountPreview(account="north", exports=6, exports_left=4, requests=11, requests_left=998),
        AccountPreview(account="south", requests=1),
        AccountPreview(account="west"),
    )
    preview = SyncPreview(steps=steps, accounts=accounts, left=steps[5:7])
    later = {each.file for each in preview.left}
    due = [each for each in preview.due if each.error is None]
    assert lines(preview_table(due, later, width=120), width=120) == [
        "ACCOUNT  REPORT   DAYS                FILES  EXPORTS  REQUESTS  WHEN   WHY",
        "north    actions  2026-11                 1        1         2  now    ends later: it holds one day less",
        "north    actions  2026-09 to 2026-10      2        2         6  now    may change until 2026-10-30 or later",
        "north    actions  2026-07                 1        1         2  now    missing",
        "north    actions  2026-05 to 2026-06      2        2         4  later  missing",
        "south    actions  2026-04                 1        0         1  now    its job is known",
    ]
    assert max(map(len, lines(preview_table(due, later, width=80)))) <= 80
    assert list(limits(preview)) == [
        "north: 6 exports (4 left today), about 11 requests (998 left)",
        "south: about 1 request",
    ]
    assert preview_headline(preview) == (
        "1 of 9 files are up to date; a run would export 2, replay 2, download 1, leave 2; 1 would fail"
    )
    assert step_object(steps[5], is_later=True).items() >= {"why": "missing", "exports": 1, "is_left": True}.items()


def test_rows_of_the_live_table_are_aligned() -> None:
    files = [planned("2026-05"), planned("2026-05", last_day=28, account="a-long-one", report="partners")]
    names = file_names(files, width=80)
    assert [names.title, *map(names.name, files)] == [
        "ACCOUNT     REPORT    DAYS",
        "north       actions   2026-05",
        "a-long-one  partners  2026-05-01 to 28",
    ]


def test_names_of_reports_are_cut_in_a_narrow_terminal_if_they_still_differ() -> None:
    files = [planned("2026-05", report=name) for name in ("partner_listing", "partner_performance")]
    assert file_names(files, width=28).title == "ACCOUNT  REPORT      DAYS"
    assert list(map(file_names(files, width=28).name, files)) == [
        "north    partner_l…  2026-05",
        "north    partner_p…  2026-05",
    ]
    assert list(map(file_names(files, width=20).name, files)) == list(map(file_names(files, width=28).name, files))
