"""Read a plan: check each table and key of the file, and collect all mistakes with their lines."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import define, evolve, field

from impact_jobs._download.destination import Place
from impact_jobs._operations.planned_files.values import PlannedFile
from impact_jobs._policy.windows import MAX_WINDOWS
from impact_jobs._validators import closest
from impact_jobs.errors import ConfigurationError
from impact_jobs.sync._errors import PlanError, PlanProblem
from impact_jobs.sync._plan_lines import TomlPath, line_of, lines_by_path
from impact_jobs.sync._plan_values import ENDINGS, READERS, contradicts, format_of, toml, with_ending_of
from impact_jobs.sync._planned_report import PlannedReport, days_of, files_of, windows_of

_MAX_BYTES = 1_000_000
_REQUIRED = {
    "id": 'id = "agency_action_listing"',
    "from": 'from = "2025-01-01"',
    "into": 'into = "data/{account}/{report}/{start:%Y-%m}.csv"',
}
_HEADERS = {"report": "[[report]]", "defaults": "[defaults]"}
_DEFAULTS: dict[str, Any] = {
    "name": None,
    "accounts": ("env",),
    "to": timedelta(1),
    "split": "month",
    "refresh": timedelta(0),
    "filters": {},
    "format": "csv",
}
_WRONG = object()
AHEAD = timedelta(days=366)
"""How long before it happens a plan with too many windows, or windows of one name, is refused."""

_SYNTAX_ADVICE = {
    r"\('defaults',\) twice": "keep one [defaults]",
    r"\('report',\) twice": "write [[report]], with two brackets, above each report",
    r"Cannot|Duplicate": "a key or table has this name already; keep one, and write [[report]] above each report",
    r"Unescaped|hex value": "write / instead of \\ in a path",
    r"Unterminated|Illegal character|Expected [\"']'": "close the quotes on the same line",
    r"Expected '='|Invalid statement": "write a table such as [[report]], or key = value, or a comment after #",
    r"date or datetime": 'there is no such day; write one such as "2025-02-28"',
    r"declaration|[Uu]nclosed": "close the bracket",
    r"key part|inline table": "keep a table in braces on one line, without a comma at its end",
    r"": "put text and dates in quotes, and each key on a line of its own",
}


def read_text(place: Place) -> str:
    """Return the text of a plan's file; raise PlanError if it cannot be read."""
    try:
        with place.path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        problem = "there is no such file: check the path, or write a plan there."
    except IsADirectoryError:
        problem = "this is a folder: give the path of the plan in it, such as reports.toml."
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror or error}): check its permissions."
    else:
        if len(data) <= _MAX_BYTES:
            return _decoded(data, str(place.given))
        problem = f"the file has more than {_MAX_BYTES:,} bytes, so it is not a plan: check the path."
    raise PlanError([PlanProblem(0, problem)], plan=str(place.given))


def _decoded(data: bytes, plan: str) -> str:
    try:
        return data.decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise PlanError([PlanProblem(line, "this is not UTF-8 text: save the file as UTF-8.")], plan=plan)


def read_reports(text: str, *, plan: str, folder: Path, today: date) -> tuple[PlannedReport, ...]:
    """Return the reports of a plan; raise PlanError with all its mistakes."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        problem = _syntax_problem(error, text)
    else:
        reader = _Reader(lines_by_path(text), today)
        reports = reader.read(data)
        samples = [evolve(report, accounts=report.accounts[:1]) for report in reports]  # because windows are alike
        reader.problems += clashes(files_of(reports, folder, today), folder=folder) or clashes(
            files_of(samples, folder, today + AHEAD), folder=folder
        )
        if not reader.problems:
            return tuple(reports)
        raise PlanError(reader.problems, plan=plan)
    raise PlanError([problem], plan=plan)


def _syntax_problem(error: Exception, text: str) -> PlanProblem:
    what, _, place = str(error).partition(" (at ")
    line = re.match(r"line (\d+)", place)
    advice = next(advice for pattern, advice in _SYNTAX_ADVICE.items() if re.search(pattern, what))
    if isinstance(error, RecursionError):
        what, advice = "too many brackets", "close the brackets"
    number = int(line[1]) if line else text.rstrip().count("\n") + 1
    return PlanProblem(number, f"this line is not TOML ({what.partition(': ')[0]}): {advice}.")


@define(eq=False)
class _Reader:
    """Reads the tables of one plan, and collects their mistakes."""

    lines: Mapping[TomlPath, int]
    today: date
    problems: list[PlanProblem] = field(factory=list)

    def read(self, data: Mapping[str, Any]) -> list[PlannedReport]:
        """Return the reports that can be used, to check them against each other."""
        root = self._check_tables(data)
        defaults, given = self._read_defaults(data.get("defaults", {})), data.get(root)
        if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
            tables: list[tuple[TomlPath, Any]] = [((root, number), each) for number, each in enumerate(given)]
        elif isinstance(given, dict):
            self._add((root,), f"[{root}] is one table: write [[report]], with two brackets, above each report.")
            tables = [((root,), given)]
        else:
            what = "there is no [[report]]" if given is None else f"{root} = {toml(given)} is not a table"
            self._add((root,), f"{what}: add a line [[report]], and below it id, from and into.")
            tables = []
        found = [self._read_report(table, path=path, defaults=defaults) for path, table in tables]
        return self._check_names([report for report in found if report is not None])

    def _check_tables(self, data: Mapping[str, Any]) -> str:
        """Check the names of the tables, and return that of the reports, which may be misspelled."""
        root = "report"
        for key, value in data.items():
            if key in _HEADERS:
                continue
            is_table = isinstance(value, dict) or (
                isinstance(value, list) and bool(value) and isinstance(value[0], dict)
            )
            close = closest(key, _HEADERS) if is_table else None
            if close == "report" and close not in data:
                root = key
            if close:
                self._add((key,), f"unknown table {toml(key)}: did you mean {_HEADERS[close]}?")
            elif is_table:
                self._add((key,), f"unknown table {toml(key)}: a plan has [defaults] and [[report]].")
            else:
                self._add((key,), f"{key} is above all tables: move it below [defaults] or a [[report]].")
        return root

    def _read_defaults(self, table: object) -> dict[str, Any]:
        path = ("defaults",)
        if not isinstance(table, dict):
            self._add(path, "defaults is not a table: write [defaults], and below it the keys of all reports.")
            return {}
        values = self._read_table(table, path=path, keys=[key for key in READERS if key not in {"id", "name"}])
        if "into" in values and "format" in values:
            self._check_ending(values, path=path)
        return values

    def _read_table(self, table: Mapping[str, Any], *, path: TomlPath, keys: Collection[str]) -> dict[str, Any]:
        """Return the value of each known key, and `_WRONG` for a wrong one."""
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key in keys:
                try:
                    values[key] = READERS[key](key, value)
                except ConfigurationError as error:
                    values[key] = _WRONG
                    self._add((*path, key), str(error))
            elif key in READERS:
                self._add((*path, key), f"{key} belongs to one report: move it below a [[report]].")
            else:
                close = closest(key, keys)
                hint = f"did you mean {toml(close)}?" if close else f"write one of {', '.join(keys)}."
                self._add((*path, key), f"unknown key {toml(key)}: {hint}")
        return values

    def _read_report(
        self, table: Mapping[str, Any], *, path: TomlPath, defaults: Mapping[str, Any]
    ) -> PlannedReport | None:
        stated = self._read_table(table, path=path, keys=READERS)
        values = {**_DEFAULTS, **defaults, **stated}
        for key, example in _REQUIRED.items():
            if key not in values:
                where = "" if key == "id" else ", here or below [defaults]"
                self._add(path, f"{key} is missing: add a line such as {example}{where}.")
        if "into" in stated:
            self._check_ending({**defaults, **stated}, path=path)
        values.update({key: _DEFAULTS[key] for key in ("format", "refresh", "filters") if values[key] is _WRONG})
        if any(values.get(key, _WRONG) is _WRONG for key in (*_REQUIRED, "name", "accounts", "to", "split")):
            return None
        if "into" not in stated and contradicts(values["into"], values["format"]):
            values["into"] = with_ending_of(values["format"], values["into"])
        report = PlannedReport(
            id=values["id"],
            name=values["name"] or values["id"],
            start=values["from"],
            end=values["to"],
            line=line_of(path, self.lines),
            **{key: values[key] for key in ("accounts", "into", "format", "split", "refresh", "filters")},
        )
        if problem := self._problem_of_days(report):
            places = [(*path, key) for key in ("from", "to", "split") if key in stated]
            self._add(places[0] if places else ("defaults", "from"), problem)
            return None
        return report

    def _check_ending(self, values: Mapping[str, Any], *, path: TomlPath) -> None:
        """Check a table that states `into`. Without `format`, the format is the default one."""
        into, file_format = values["into"], values.get("format", _DEFAULTS["format"])
        if _WRONG in {into, file_format} or not contradicts(into, file_format):
            return
        ending = PurePosixPath(into).suffix
        if (ending.lower(), file_format) == (".json", "json"):
            problem = 'into ends in .json, but the file would hold JSON lines: write ".jsonl".'
        else:
            default, add = ("", "") if "format" in values else (" (the default)", "add ")
            problem = (
                f'into ends in {ending}, but format is "{file_format}"{default}: '
                f'write {ENDINGS[file_format][0]}, or {add}format = "{format_of(ending)}".'
            )
        self._add((*path, "into"), problem)

    def _problem_of_days(self, report: PlannedReport) -> str | None:
        start, end = report.start, report.end
        first, last = days_of(report, self.today)
        if isinstance(start, date) and isinstance(end, date) and start > end:
            return f"from ({start}) is later than to ({end}): swap them."
        if isinstance(start, date):
            if start > self.today:
                return f"from ({start}) has not come yet, today is {self.today}: write a day that has begun."
        elif isinstance(end, timedelta):
            if start < end:
                return f"from ({_ago(start)}) is later than to ({_ago(end)}): write an earlier from, or a later to."
        elif first > last:
            return f"from ({_ago(start)}: {first}) is later than to ({end}): write an earlier from, or a later to."
        try:
            windows_of(report, self.today + AHEAD)
        except ConfigurationError:
            return (
                f"the days from {first} on make more than {MAX_WINDOWS:,} windows, now or within a year, and each is "
                'one export of 100 a day: write a longer split, such as "month", or a later from.'
            )
        return None

    def _check_names(self, reports: list[PlannedReport]) -> list[PlannedReport]:
        """Return the reports whose names are their own."""
        unique: dict[str, list[PlannedReport]] = {}
        for report in reports:
            others = unique.setdefault(report.name.casefold(), [])
            other = next(
                (each for each in others if each.id != report.id or {*each.accounts} & {*report.accounts}), None
            )
            if other is None:
                others.append(report)
                continue
            what = f"name = {toml(report.name)}" if report.name != report.id else f"id = {toml(report.id)}"
            problem = (
                f"{what} is that of the report on line {other.line}, too: "
                f'give this one a name of its own, such as name = "{report.name}_2".'
            )
            self.problems.append(PlanProblem(report.line, problem))
        return [report for report in reports if report in unique[report.name.casefold()]]

    def _add(self, path: TomlPath, message: str) -> None:
        self.problems.append(PlanProblem(line_of(path, self.lines), message))


def _ago(span: timedelta) -> str:
    return {0: "today", 1: "yesterday"}.get(span.days, f"{span.days} days ago")


def clashes(files: Iterable[tuple[PlannedReport, PlannedFile]], *, folder: Path) -> list[PlanProblem]:
    """Return a problem for each report, or each two, with two files of one name."""
    first: dict[str, tuple[PlannedReport, PlannedFile]] = {}
    problems: dict[tuple[int, int], PlanProblem] = {}
    for report, file in files:
        other_report, other = first.setdefault(str(file.path).casefold(), (report, file))  # some disks ignore the case
        pair = other_report.line, report.line
        if other is not file and pair not in problems:
            name = os.path.relpath(file.path, folder)
            where = f" (line {other_report.line})" if other_report is not report else ""
            fields = " or ".join(_differing_fields(file, other))
            problem = f"{name} would be the file of {other}{where}, and of {file}: add {fields} to into."
            problems[pair] = PlanProblem(report.line, problem)
    return list(problems.values())


def _differing_fields(file: PlannedFile, other: PlannedFile) -> list[str]:
    pairs = {
        "{account}": (file.account, other.account),
        "{report}": (file.report, other.report),
        "{start:%Y-%m-%d}": (file.window, other.window),
    }
    return [name for name, (one, another) in pairs.items() if one != another]
