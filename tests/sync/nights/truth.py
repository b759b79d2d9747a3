"""Whether a file is right: the same as what the sandbox's data say of its days."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime, time
from pathlib import Path

from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._account_rules import LAST_SECOND
from impact_jobs.sandbox._report_data import CORRECTED_WITHIN, ReportData
from impact_jobs.sandbox._report_result import ReportResult
from impact_jobs.sync import PlannedFile

from tests.sync.nights.expected import due_on


def made_on(path: Path, sandbox: Sandbox) -> date | None:
    """Return the day of the data of a file, by the job that the manifest names; None without a file."""
    if not path.exists():
        return None
    lines = (path.parent / "manifest.jsonl").read_text().splitlines()
    entries = {entry["file"]: entry for entry in map(json.loads, lines)}
    day: date = sandbox.result(entries[path.name]["job"]).data.as_of  # type: ignore[attr-defined]
    return day


def wrong(file: PlannedFile, source: str, made: date, *, today: date, rows_per_day: int) -> str:
    """Return what is wrong with a file that has the data of the day `made`; "" if nothing is."""
    if made < due_on(file, today):
        return f"{file.path} is of {made}, and was due on {due_on(file, today)}"
    # Its rows change no more, so what was made once is still what a report of today would show.
    as_of = today if file.refresh.days >= CORRECTED_WITHIN else made
    data = ReportData(
        source=source,
        report_id=file.report_id,
        rows_per_day=rows_per_day,
        start=datetime.combine(file.window.start, time()),
        end=datetime.combine(file.window.end, LAST_SECOND),
        as_of=as_of,
    )
    return "" if _agrees(file, data) else f"{file.path} of {made} differs from the data of {as_of}"


def _agrees(file: PlannedFile, data: ReportData) -> bool:
    if file.format == "csv":
        return file.path.read_bytes() == b"".join(ReportResult(data=data).read())
    if file.format == "json":
        expected = json.loads(b"".join(ReportResult(data=data, format="JSON").read()))["Records"]
        return list(map(json.loads, file.path.read_text().splitlines())) == list(expected)
    return _agrees_with_table(file.path, data)


def _agrees_with_table(path: Path, data: ReportData) -> bool:
    import pyarrow.parquet as pq  # noqa: PLC0415 - it takes a second

    table = pq.read_table(path)
    text = b"".join(ReportResult(data=data).read()).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    names = ("Action_Id", "Status")
    return all([row[name] for row in rows] == list(table.column(name).to_pylist()) for name in names)
