"""The file of a plan that a task makes, as plain JSON, which travels through its deferral."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from impact_jobs.report_models import ExportWindow
from impact_jobs.sync import PlannedFile

EXPORTED_AS: Final = {"csv": "CSV", "json": "JSON", "parquet": "CSV"}
"""The format of the export from which each format of a file is made."""


def as_json(file: PlannedFile) -> dict[str, Any]:
    """Return a planned file as plain JSON, which has no credentials.

    Args:
        file: The file.
    """
    return {
        "account": file.account,
        "report": file.report,
        "report_id": file.report_id,
        "start": file.window.start.isoformat(),
        "end": file.window.end.isoformat(),
        "path": str(file.path),
        "area": str(file.area),
        "format": file.format,
        "filters": {name: _plain(value) for name, value in file.filters.items()},
        "refresh_days": file.refresh.days,
    }


def planned_file(value: Mapping[str, Any]) -> PlannedFile:
    """Return the file that `as_json` has described.

    Args:
        value: What `as_json` has returned.
    """
    return PlannedFile(
        account=value["account"],
        report=value["report"],
        report_id=value["report_id"],
        window=ExportWindow(date.fromisoformat(value["start"]), date.fromisoformat(value["end"])),
        path=Path(value["path"]),
        area=Path(value["area"]),
        format=value["format"],
        filters=dict(value["filters"]),
        refresh=timedelta(days=value["refresh_days"]),
    )


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
