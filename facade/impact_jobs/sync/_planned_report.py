"""One report of a plan, and the files that it stands for on a day."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from string import Formatter
from typing import TypeAlias

from attrs import field, frozen

from impact_jobs._download.name_templates import NameTemplate
from impact_jobs._operations.planned_files.values import FileFormat, PlannedFile
from impact_jobs._policy.windows import Split, split_range
from impact_jobs.report_models import ExportWindow

Day: TypeAlias = date | timedelta
"""A day, or how long before today it is."""

FIELDS = ("report", "account", "start", "end")
"""The fields of the template of the files' names."""

_DAY = timedelta(days=1)
_A_MONDAY = date(1970, 1, 5)  # windows of a number of days are counted from it, so that they do not move every day


@frozen(kw_only=True)
class PlannedReport:
    """One `[[report]]` of a plan, with the plan's defaults.

    Attributes:
        id: The report's id.
        name: The plan's name of it, which is the id unless the plan gives another.
        accounts: The plan's names of the accounts.
        start: The first day, or how long before today it is; that counts from the start of its window.
        end: The last day, or how long before today it is.
        into: The template of the files' names.
        format: "csv", "json" (JSON lines) or "parquet".
        split: How long a window is; None for one file with all days.
        refresh: For how long after a window's last day its rows may still be corrected.
        filters: The values by the filter's name.
        line: The number of the line of the plan that it begins in.

    Example:
        >>> [(report.name, report.format) for report in Plan.load("reports.toml").reports]
        [('agency_action_listing', 'csv')]
    """

    id: str
    name: str
    accounts: tuple[str, ...]
    start: Day
    end: Day
    into: str
    format: FileFormat = "csv"
    split: Split | None = "month"
    refresh: timedelta = timedelta(0)
    filters: Mapping[str, object] = field(factory=dict, hash=False)
    line: int = 0


def days_of(report: PlannedReport, today: date) -> tuple[date, date]:
    """Return the first and the last day of a report; the latter is the earlier one if there are none yet.

    Days that are not over are left out, unless the report ends today.
    """
    start = report.start
    first = start if isinstance(start, date) else _window_start(today - start, report.split)
    last = today - report.end if isinstance(report.end, timedelta) else min(report.end, today - _DAY)
    return first, last


def windows_of(report: PlannedReport, today: date) -> tuple[ExportWindow, ...]:
    """Return the windows of a report in order; raise ConfigurationError if they are too many."""
    first, last = days_of(report, today)
    if first > last:
        return ()
    return (ExportWindow(first, last),) if report.split is None else split_range(first, last, report.split)


def files_of(
    reports: Iterable[PlannedReport], folder: Path, today: date
) -> Iterator[tuple[PlannedReport, PlannedFile]]:
    """Yield the files of all reports, each with its report; relative paths count from `folder`."""
    for report in reports:
        template = NameTemplate.create(report.into, FIELDS)
        area = _absolute(folder, os.path.dirname(fixed_part(report.into)))  # noqa: PTH120 - Path drops the slash of "data/"
        windows = windows_of(report, today)
        for account, window in itertools.product(report.accounts, windows):
            name = template.format(report=report.name, account=account, start=window.start, end=window.end)
            file = PlannedFile(
                account=account,
                report=report.name,
                report_id=report.id,
                window=window,
                path=_absolute(folder, name),
                area=area,
                format=report.format,
                filters=report.filters,
                refresh=report.refresh,
            )
            yield report, file


def fixed_part(template: str) -> str:
    """Return the text before the first field of a template."""
    fixed = ""
    for literal, name, _, _ in Formatter().parse(template):
        fixed += literal
        if name is not None:
            break
    return fixed


def _window_start(day: date, split: Split | None) -> date:
    """Return the first day of the window that a day is in."""
    if split == "month":
        return day.replace(day=1)
    if split == "week":
        return day - timedelta(days=day.weekday())
    return day - (day - _A_MONDAY) % split if isinstance(split, timedelta) else day


def _absolute(folder: Path, path: str) -> Path:
    """Return the normalized path, because files are compared by it."""
    return Path(os.path.normpath(os.path.join(folder, path)))  # noqa: PTH118 - about three times as fast as Path
