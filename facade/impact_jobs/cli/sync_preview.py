"""What a run of a plan would do: groups of windows, why, and what they take of both limits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from impact_jobs.cli import exit_codes, output
from impact_jobs.cli.columns import distinct_width, fitted_table, number_column, text_column
from impact_jobs.cli.file_groups import consecutive, counted, days_of, up_to_date
from impact_jobs.cli.formatting import joined
from impact_jobs.cli.state import CliState
from impact_jobs.cli.sync_report import failures, leftover_files, planned_object
from impact_jobs.sync import FileAction, FileStep, PlannedFile, SyncPreview

_LAST_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d$")


def emit_preview(state: CliState, preview: SyncPreview) -> int:
    """Write what is to be done, what it takes, and a summary; return the exit code of the steps that would fail."""
    later = {step.file for step in preview.left}
    due = [step for step in preview.due if step.error is None]
    code = exit_codes.worst(step.error for step in preview.failed if step.error is not None)
    if state.json:
        for step in preview.due:
            output.write_json(state.out, step_object(step, is_later=step.file in later))
        accounts = [output.attributes(account) for account in preview.accounts]
        counts = Counter(step.action for step in preview.steps if step.error is None)
        files = {str(action): counts[action] for action in FileAction} | {"failed": len(preview.failed)}
        leftovers = [str(path) for path in preview.leftovers]
        summary = {"files": files, "accounts": accounts, "leftovers": leftovers}
        output.write_json(state.out, {"summary": summary | {"exit_code": code}})
        return code
    if state.quiet:
        for step in due:
            output.write_line(state.out, str(step.file.path))
    elif state.wants_tables and due:
        state.out.print(preview_table(due, later, width=state.out.width))
    else:
        for group in _groups(due, later):
            output.write_line(state.out, "\t".join(_cells(group, later)))
    for line in failures(preview.failed):
        output.note(state.err, line)
    for line in (*limits(preview), *leftover_files(preview.leftovers)):
        state.note(line)
    state.note(headline(preview))
    return code


def preview_table(steps: Sequence[FileStep], later: Collection[PlannedFile], *, width: int) -> Table:
    """Return the steps as a table, a row for consecutive windows of a report about which the same is to be done."""
    rows = [_cells(group, later) for group in _groups(steps, later)]
    accounts, reports, days, files, exports, requests, when, why = zip(*rows, strict=True)
    columns = [
        text_column("ACCOUNT", 0, accounts),
        text_column("REPORT", 0, reports, min_width=distinct_width(reports, least=16)),
        text_column("DAYS", 0, days),
        number_column("FILES", 1, files),
        number_column("EXPORTS", 4, exports),
        number_column("REQUESTS", 5, requests),
        text_column("WHEN", 2, [Text(each, style="yellow" if each == "later" else "") for each in when]),
        text_column("WHY", 3, why, min_width=20),
    ]
    if not later:
        columns = [column for column in columns if column.title != "WHEN"]
    return fitted_table(columns, width, header_style="bold")


def limits(preview: SyncPreview) -> Iterator[str]:
    """Yield what the run takes of each account's limits: exports of a day, and requests of an hour."""
    for account in preview.accounts:
        if not account.exports and not account.requests:
            continue
        exports = (
            counted(account.exports, "export") + _left(account.exports_left, "left today") if account.exports else ""
        )
        requests = f"about {counted(account.requests, 'request')}{_left(account.requests_left, 'left')}"
        yield f"{output.printable(account.account)}: {joined([exports, requests])}"


def _left(count: int | None, until: str) -> str:
    return "" if count is None else f" ({count:,} {until})"


def headline(preview: SyncPreview) -> str:
    """Return on one line how many files are up to date, and what a run would do."""
    later = {step.file for step in preview.left}
    counts = Counter(step.action for step in preview.steps if step.error is None and step.file not in later)
    work = {
        "export": counts[FileAction.EXPORT],
        "replay": counts[FileAction.REFRESH],
        "download": counts[FileAction.DOWNLOAD],
        "leave": len(later),
    }
    would = joined(f"{verb} {count:,}" for verb, count in work.items() if count) or "do nothing"
    failing = f"; {len(preview.failed):,} would fail" if preview.failed else ""
    kept = up_to_date(counts[FileAction.KEEP], len(preview.steps))
    return f"{kept}; a run would {would}{failing}"


def step_object(step: FileStep, *, is_later: bool) -> dict[str, Any]:
    """Return a step as JSON."""
    found = planned_object(step.file) | {
        "action": step.action,
        "why": step.why,
        "id": step.job_id,
        "exports": step.exports,
        "requests": step.requests,
        "is_left": is_later,
    }
    if step.error is not None:
        found |= output.error_object(step.error, code=exit_codes.code_of(step.error))
    return found


def _groups(steps: Sequence[FileStep], later: Collection[PlannedFile]) -> list[list[FileStep]]:
    return consecutive(
        steps,
        lambda step: step.file,
        lambda step: (step.action, _LAST_DAY.sub("", step.why), step.file in later),
    )


def _cells(group: Sequence[FileStep], later: Collection[PlannedFile]) -> tuple[str, ...]:
    first, last = group[0], group[-1]
    # The reasons of a group differ in a day at their end at most, which is later in its later windows.
    why = first.why if first.why == last.why else f"{first.why} or later"
    return (
        output.printable(first.file.account),
        output.printable(first.file.report),
        days_of([step.file for step in group]),
        f"{len(group):,}",
        f"{sum(step.exports for step in group):,}",
        f"{sum(step.requests for step in group):,}",
        "later" if first.file in later else "now",
        output.one_line(why),
    )
