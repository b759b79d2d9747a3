"""Plans without a plan file, and runs of them without a server: each writes the files and the manifest of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from attrs import evolve
from impact_jobs._account import Account
from impact_jobs._download.manifest import MANIFEST_NAME, ManifestEntry
from impact_jobs._operations.planned_files.steps import FORMAT_NAMES, asked_filters, decide
from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs._redaction import Secret
from impact_jobs.report_models import ExportWindow

ACCOUNT = Account.create("IRnorth", Secret("token"), Secret("https://api.impact.com"))
REPORT = "agency_action_listing"
DAY = timedelta(days=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def planned(folder: Path, start: str, end: str, **values: Any) -> PlannedFile:
    known: dict[str, Any] = {
        "account": "north", "report": "actions", "report_id": REPORT, "area": folder,
        "window": ExportWindow(date.fromisoformat(start), date.fromisoformat(end)),
        "path": folder / f"{start[:7]}.csv",
    }  # fmt: skip
    return PlannedFile(**known | values)


def months(folder: Path, first: date, last: date, **values: Any) -> list[PlannedFile]:
    """Return the files of the months between two days, the newest first."""
    found, start = list[PlannedFile](), first
    while start <= last:
        after = (start.replace(day=1) + 31 * DAY).replace(day=1)
        found.insert(0, planned(folder, start.isoformat(), min(after - DAY, last).isoformat(), **values))
        start = after
    return found


def entry_of(file: PlannedFile, created: datetime, **values: Any) -> ManifestEntry:
    content = content_of(file, created)
    entry = ManifestEntry(
        file=file.path.name,
        job=str(uuid5(NAMESPACE_OID, f"{file.window} {created}")),
        report=file.report_id,
        asked=asked_filters(file),
        start=file.window.start,
        end=file.window.end,
        account=ACCOUNT.name,
        format=FORMAT_NAMES[file.format],
        created=created,
        completed=created + timedelta(minutes=5),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return evolve(entry, **values)


def content_of(file: PlannedFile, created: datetime) -> bytes:
    return f"{file.window} as of {created:%Y-%m-%d}\n".encode()


def make(file: PlannedFile, created: datetime, **values: Any) -> ManifestEntry:
    """Write a file as a run does, and its entry."""
    file.path.parent.mkdir(exist_ok=True)
    file.path.write_bytes(content_of(file, created))
    entry = entry_of(file, created, **values)
    with (file.path.parent / MANIFEST_NAME).open("a") as manifest:
        manifest.write(f"{entry.line()}\n")
    return entry


def run(files: Sequence[PlannedFile], now: datetime) -> list[FileStep]:
    """Do what is to be done, and return that."""
    steps = [step for step in decide(ACCOUNT, files, now=now) if step.action is not FileAction.KEEP]
    for step in steps:
        assert step.error is None
        make(step.file, now)
    return steps
