"""What a night is to ask for, by a model of its own, and what it has asked for, by the sandbox's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TypeAlias

from attrs import frozen
from impact_jobs.sandbox import RecordedRequest, Sandbox
from impact_jobs.sync import PlannedFile

Window: TypeAlias = tuple[str, date, date]
"""A report's id, and the first and the last day."""


@frozen
class Asked:
    """An export or a replay that an account was asked for, at a time in epoch seconds."""

    time: float
    window: Window
    is_replay: bool


def window_of(file: PlannedFile) -> Window:
    return file.report_id, file.window.start, file.window.end


def needed(files: Sequence[PlannedFile], made: Mapping[Window, date], today: date) -> list[Window]:
    """Return the windows that are not right, in the plan's order.

    Args:
        files: The files of an account.
        made: The day of the data of each window that was made.
        today: The day of the night.
    """
    return [window_of(file) for file in files if _is_due(file, made.get(window_of(file)), today)]


def due_on(file: PlannedFile, today: date) -> date:
    """Return the day whose data a file has at least."""
    return min(today, file.window.end + max(file.refresh, timedelta(days=1)))


def _is_due(file: PlannedFile, made: date | None, today: date) -> bool:
    return made is None or made < due_on(file, today)


def asked_since(sandbox: Sandbox, start: float) -> list[Asked]:
    """Return the exports and replays since a time, in their order."""
    exports = [
        Asked(export.time, (export.report_id, export.start, export.end), is_replay=False)
        for export in sandbox.exports
        if export.time >= start
    ]
    replays = [
        Asked(request.time, window_of_job(sandbox, request.path.split("/")[-2]), is_replay=True)
        for request in requests_since(sandbox, start)
        if request.method == "PUT"
    ]
    return sorted([*exports, *replays], key=lambda asked: asked.time)


def requests_since(sandbox: Sandbox, start: float) -> list[RecordedRequest]:
    """Return the requests to the API since a time."""
    return [request for request in sandbox.requests if request.origin == "api" and request.time >= start]


def window_of_job(sandbox: Sandbox, job_id: str) -> Window:
    data = sandbox.result(job_id).data  # type: ignore[attr-defined]
    return data.report_id, data.start.date(), data.end.date()


def most_within(times: Sequence[float], seconds: float) -> int:
    """Return how many of these times are within any such span at most."""
    most = first = 0
    for number, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        most = max(most, number - first + 1)
    return most
