"""The outcome of a run of a plan: what is new, what is left and until when, what has failed and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from rich.table import Table
from rich.text import Text

from impact_jobs import JobsError, WaitTimeoutError
from impact_jobs.cli import exit_codes, output
from impact_jobs.cli.columns import distinct_width, fitted_table, number_column, text_column
from impact_jobs.cli.file_groups import by_report, counted, described, grouped, up_to_date
from impact_jobs.cli.formatting import joined, span
from impact_jobs.cli.state import CliState
from impact_jobs.sync import FileState, PlannedFile, SyncedFile, SyncReport

_NEWS: Final = {
    FileState.NEW: "new",
    FileState.CHANGED: "changed",
    FileState.UNCHANGED: "unchanged",
    FileState.STALE: "with older rows",
}
_MISSING: Final = {
    FileState.LEFT: "left for the next run",
    FileState.RUNNING: "still running",
    FileState.FAILED: "failed",
}


class WithError(Protocol):
    """A file of a plan, or a step, that may have failed."""

    @property
    def file(self) -> PlannedFile:
        """The file."""
        ...

    @property
    def error(self) -> JobsError | None:
        """Why it was not made."""
        ...


def emit_report(state: CliState, report: SyncReport) -> int:
    """Write the files that are not as before, what is left and why, and a summary; return the exit code."""
    code = exit_code(report)
    if state.json:
        for each in report.files:
            if each.state is not FileState.CURRENT:
                output.write_json(state.out, file_object(each))
        output.write_json(state.out, {"summary": summary_object(report, code=code)})
        return code
    if state.wants_tables:
        if table := report_table(report, width=state.out.width):
            state.out.print(table)
    else:
        for each in report.changed:
            if each.result is not None:
                line = str(each.result.path) if state.quiet else output.result_line(each.result)
                output.write_line(state.out, line)
    for line in (*failures(report.failed), *unfinished(report)):
        output.note(state.err, line)  # with --quiet, too
    for line in filter(None, (*remarks(report), cost(report), headline(report))):
        state.note(line)
    return code


def exit_code(report: SyncReport) -> int:
    """Return the exit code of a run; files that are left because of a limit are no failure."""
    return exit_codes.worst(each.error for each in report.files if each.error is not None)


def headline(report: SyncReport) -> str:
    """Return the outcome on one line."""
    counts = Counter(each.state for each in report.files)
    total = len(report.files)

    def described_by(texts: Mapping[FileState, str]) -> str:
        return joined(f"{counts[state]:,} {text}" for state, text in texts.items() if counts[state])

    news, missing = described_by(_NEWS), described_by(_MISSING)
    kept = up_to_date(total - sum(counts[state] for state in _MISSING), total)
    first = f"{kept}: {news}" if news else kept if missing else f"{kept}; nothing to do"
    return "; ".join(filter(None, (first, missing)))


def cost(report: SyncReport) -> str:
    """Return what the run took of the limits, and how long; "" if it sent nothing."""
    exports = sum(account.exports for account in report.accounts)
    requests = sum(account.requests for account in report.accounts)
    if not exports and not requests:
        return ""
    return joined([counted(exports, "export"), counted(requests, "request"), span(timedelta(seconds=report.seconds))])


def report_table(report: SyncReport, *, width: int) -> Table | None:
    """Return how many files of each account's report are up to date, new, left and failed; None without any news."""
    groups = by_report(report.files, lambda each: each.file).items()
    shown = {key: found for key, found in groups if any(each.state is not FileState.CURRENT for each in found)}
    if not shown:
        return None
    counts = [Counter(each.state for each in found) for found in shown.values()]
    left = [count[FileState.LEFT] + count[FileState.RUNNING] for count in counts]
    failed = [count[FileState.FAILED] for count in counts]
    totals = [(len(found), some + bad) for found, some, bad in zip(shown.values(), left, failed, strict=True)]
    rows = [sum((each.result and each.result.rows) or 0 for each in _brought(found)) for found in shown.values()]
    reports = [output.printable(name) for _, name in shown]
    columns = [
        text_column("ACCOUNT", 0, [output.printable(account) for account, _ in shown]),
        text_column("REPORT", 0, reports, min_width=distinct_width(reports, least=16)),
        number_column("UP TO DATE", 1, [f"{total - missing:,} of {total:,}" for total, missing in totals]),
    ]
    for title, rank, numbers, style in (
        ("NEW", 2, [count[FileState.NEW] for count in counts], "green"),
        ("CHANGED", 2, [count[FileState.CHANGED] for count in counts], "green"),
        ("UNCHANGED", 5, [count[FileState.UNCHANGED] for count in counts], ""),
        ("LEFT", 3, left, "yellow"),
        ("FAILED", 3, failed, "red"),
        ("NEW ROWS", 4, rows, ""),
    ):
        if any(numbers):
            columns.append(number_column(title, rank, [_number(each, style) for each in numbers]))
    return fitted_table(columns, width, header_style="bold")


def failures(files: Sequence[WithError]) -> Iterator[str]:
    """Yield a line for each kind of failure: of which account and files, what has happened, and what to do.

    Files that fail alike have one line: those of an account with one message, or those of a report with one class of
    error.
    """
    messages = Counter((each.file.account, _message(each.error)) for each in files)

    def kind_of(each: WithError) -> tuple[str, ...]:
        account, message = each.file.account, _message(each.error)
        is_common = messages[account, message] > 1
        return (account, message) if is_common else (account, each.file.report, type(each.error).__name__)

    for found in grouped(files, kind_of).values():
        others = len({_message(each.error) for each in found}) - 1
        more = f" ({others} more like it; --json shows each)" if others else ""
        yield f"{_where(each.file for each in found)}: {_message(found[0].error)}{more}"


def unfinished(report: SyncReport) -> Iterator[str]:
    """Yield a line for each account whose jobs have not ended in time; if none was seen, the error says why."""
    running = [each for each in report.files if each.state is FileState.RUNNING]
    unseen = [each for each in running if isinstance(each.error, WaitTimeoutError) and each.error.job is None]
    yield from failures(unseen)
    for files in _by_account(each for each in running if each not in unseen):
        yield f"{_where(files)}: the jobs have not ended in time; run it again to continue"


def remarks(report: SyncReport) -> Iterator[str]:
    """Yield lines about files with older rows, files that are left, and files that the plan does not name."""
    for files in _by_account(each for each in report.files if each.state is FileState.STALE):
        yield f"{_where(files)}: older rows stay, because the server does not replay the jobs"
    why = {account.account: account for account in report.accounts}
    for files in _by_account(each for each in report.files if each.state is FileState.LEFT):
        account = why.get(files[0].account)
        until = f" until {account.again_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if account and account.again_at else ""
        because = f", because {account.why_left.partition(',')[0]}" if account and account.why_left else ""
        yield f"{_where(files)}: left{until}{because}"
    yield from leftover_files(report.leftovers)


def leftover_files(paths: Sequence[Path]) -> Iterator[str]:
    """Yield a line about the files that the plan does not name, if there are any."""
    if paths:
        example, them = (": ", "it") if len(paths) == 1 else (", such as ", "them (--json lists them)")
        yield (
            f"{counted(len(paths))} that this plan does not name{example}{output.printable(paths[0])}; "
            f"unless another plan does, move or delete {them}"
        )


def file_object(each: SyncedFile) -> dict[str, Any]:
    """Return a file as JSON: what is in its place, and the error if it has one."""
    found = planned_object(each.file) | {"state": each.state, "action": each.action, "why": each.why}
    if each.result is not None:
        found |= output.result_object(each.result)
    if each.error is not None:
        found |= output.error_object(each.error, code=exit_codes.code_of(each.error))
    return found


def planned_object(file: PlannedFile) -> dict[str, Any]:
    """Return as JSON which file of the plan it is."""
    return {
        "account": file.account,
        "report": file.report,
        "report_id": file.report_id,
        "start_date": file.window.start,
        "end_date": file.window.end,
        "path": str(file.path),
    }


def summary_object(report: SyncReport, *, code: int) -> dict[str, Any]:
    """Return the outcome as JSON."""
    counts = Counter(each.state for each in report.files)
    return {
        "files": {str(state): counts[state] for state in FileState},
        "accounts": [output.attributes(account) for account in report.accounts],
        "leftovers": [str(path) for path in report.leftovers],
        "seconds": round(report.seconds, 3),
        "is_complete": report.is_complete,
        "exit_code": code,
    }


def _by_account(found: Iterable[SyncedFile]) -> Iterable[list[PlannedFile]]:
    return grouped((each.file for each in found), lambda file: file.account).values()


def _where(files: Iterable[PlannedFile]) -> str:
    found = list(files)
    return f"{output.printable(found[0].account)}, {counted(len(found))} ({described(found)})"


def _message(error: JobsError | None) -> str:
    return "" if error is None else output.error_message(error)


def _brought(found: Iterable[SyncedFile]) -> Iterator[SyncedFile]:
    return (each for each in found if each.state in {FileState.NEW, FileState.CHANGED})


def _number(value: int, style: str) -> Text:
    return Text(f"{value:,}", style=style) if value else Text("-", style="dim")
