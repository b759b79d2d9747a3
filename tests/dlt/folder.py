"""A plan whose files are written here rather than exported, and what a table of the warehouse holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from attrs import define, evolve, field, frozen
from impact_jobs import DownloadError, DownloadResult, ExportWindow
from impact_jobs.dlt._windows import LandedFile
from impact_jobs.sync import FileAction, FileState, FileStep, PlannedFile, SyncedFile, SyncReport
from pyarrow import parquet

AMOUNT = Decimal("12345678901234567890.123456789012345678")
SCHEMA = pa.schema(
    [
        ("Action_Id", pa.string()),
        ("Action_Date", pa.timestamp("us", "UTC")),
        ("Payout", pa.decimal128(38, 18)),
        ("Items", pa.int64()),
        ("New_Customer", pa.bool_()),
    ]
)


def rows(count: int, **more: Any) -> pa.Table:
    """Return rows of all types; `more` has the values of further columns."""
    row = {
        "Action_Id": "007",
        "Action_Date": datetime(2026, 5, 1, tzinfo=UTC),
        "Payout": AMOUNT,
        "Items": 2**62,
        "New_Customer": True,
    }
    table = pa.Table.from_pylist([row] * count, SCHEMA)
    for name, value in more.items():
        table = table.append_column(name, pa.array([value] * count))
    return table


def planned(folder: Path, start: str, end: str, account: str = "north", report: str = "actions") -> PlannedFile:
    window = ExportWindow(date.fromisoformat(start), date.fromisoformat(end))
    path = folder / account / f"{report}-{start}-{end}.parquet"
    return PlannedFile(
        account=account, report=report, report_id=report, window=window, path=path, area=folder, format="parquet"
    )


def result(file: PlannedFile, digest: str) -> DownloadResult:
    return DownloadResult(
        path=file.path,
        job_id="job",
        job=None,
        bytes_written=0,
        sha256=digest,
        content_type=None,
        filename=None,
        resumed_from=0,
        connections=0,
        seconds=0.0,
    )


def landed(file: PlannedFile, digest: str | None = "") -> LandedFile:
    return LandedFile(file=file, result=None if digest is None else result(file, digest))


@frozen
class Entry:
    """The part of a planned report that the source reads."""

    name: str
    format: str = "parquet"


@define
class FolderPlan:
    """Stands in for a `Plan`: its files are those that were written with `write`."""

    folder: Path
    states: dict[PlannedFile, FileState] = field(factory=dict)
    runs: list[frozenset[str]] = field(factory=list)
    names: frozenset[str] = frozenset({"actions"})

    @property
    def reports(self) -> list[Entry]:
        return [Entry(name) for name in sorted(self.names)]

    def write(self, start: str, end: str, table: pa.Table, *, state: FileState = FileState.NEW, **more: str) -> None:
        file = planned(self.folder, start, end, **more)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, file.path)
        self.states[file] = state

    def fail(self, start: str, end: str, state: FileState = FileState.FAILED) -> None:
        self.states[planned(self.folder, start, end)] = state

    def select(self, *, reports: Iterable[str]) -> FolderPlan:
        return evolve(self, names=frozenset(reports))

    def run(self, *, clients: Mapping[str, Any] | None, on_update: Any) -> SyncReport:
        assert clients is None
        assert on_update is None
        self.runs.append(self.names)
        return SyncReport(files=tuple(map(self._synced, self._files())))

    def steps(self, *, clients: Mapping[str, Any] | None) -> tuple[FileStep, ...]:
        assert clients is None
        return tuple(
            FileStep(file=each.file, action=FileAction.KEEP, result=each.result, error=each.error)
            for each in map(self._synced, self._files())
        )

    def _files(self) -> list[PlannedFile]:
        return [file for file in self.states if file.report in self.names]

    def _synced(self, file: PlannedFile) -> SyncedFile:
        state = self.states[file]
        error = DownloadError(f"no {file.window.start}") if state is FileState.FAILED else None
        found = result(file, sha256(file.path.read_bytes()).hexdigest()) if file.path.exists() else None
        return SyncedFile(file=file, state=state, action=FileAction.EXPORT, result=found, error=error)
