"""The life of a job, computed from the current time: no timers, no threads, no mutable state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from attrs import Factory, converters, field, frozen, validators

from impact_jobs.sandbox._account_rules import ZONE
from impact_jobs.sandbox._numbers import real, whole
from impact_jobs.sandbox._result import Result

TERMINAL: Final = frozenset({"COMPLETED", "CANCELLED", "ERROR", "FAILED"})
_NEVER_ENDING: Final = frozenset({"QUEUED", "RUNNING"})
_QUEUED_SHARE: Final = 0.2  # of a job's duration
_FAILS_AT: Final = 60  # percent: where the progress of a failing job ends
_RETRY_AFTER: Final = 15 * 60  # seconds that a job stays in ERROR, if the server retries it
_RETRIES: Final = 5
_REASONS: Final = {
    "FAILED": "The job ran but did not produce a usable result.",
    "ERROR": "The job stopped due to an unrecoverable system error.",
    "CANCELLED": "The job was cancelled before completion.",
}


@frozen(kw_only=True)
class Job:
    """A job's options, from which its state at any moment follows."""

    id: str
    type: str
    program_id: str
    created_by: str
    created: float = field(converter=real)
    seconds: float = field(converter=real, validator=validators.ge(0))
    final_status: str
    message: str = ""
    replayable: bool = True
    result: Result
    stuck_at: int | None = field(default=None, converter=converters.optional(whole))  # percent
    recovers_after: float | None = field(default=None, converter=converters.optional(real))
    retries_errors: bool = False
    advertiser: int | None = None  # the brand to which it belongs, if it is one of an agency's
    fields: Mapping[str, object] = Factory(dict)

    @property
    def created_at(self) -> datetime:
        """The moment of creation, in whole seconds and in the time zone of the API's dates."""
        return datetime.fromtimestamp(self.created, tz=ZONE).replace(microsecond=0)

    @property
    def file_name(self) -> str:
        """The name under which the result file is offered."""
        return f"report-{self.id[:8]}.{self.result.extension}"


@frozen(kw_only=True)
class Snapshot:
    """The state of a job at one moment; times are in epoch seconds, or None for what has not happened yet."""

    status: str
    percentage: int = 0
    started: float | None = None
    progressed: float | None = None
    ended: float | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the status is one of the four that are documented as final."""
        return self.status in TERMINAL


def snapshot(job: Job, now: float) -> Snapshot:
    """Compute the state of a job at a moment, given in epoch seconds."""
    starts = job.created + job.seconds * _QUEUED_SHARE
    ends = job.created + job.seconds
    if now < starts or job.final_status == "QUEUED":
        return Snapshot(status="QUEUED")
    if now < ends or job.final_status in _NEVER_ENDING or job.stuck_at is not None:
        return _running(job, starts=starts, share=(now - starts) / (ends - starts) if ends > starts else 1.0)
    return _ended(job, now, starts=starts, ends=ends)


def _running(job: Job, *, starts: float, share: float) -> Snapshot:
    limit = 99 if job.final_status in {"COMPLETED", *_NEVER_ENDING} else _FAILS_AT
    if job.stuck_at is not None:
        limit = min(limit, job.stuck_at)
    percentage = min(int(share * 100), limit)
    length = job.seconds * (1 - _QUEUED_SHARE)
    progressed = starts + length * percentage / 100 if percentage else None
    return Snapshot(status="RUNNING", percentage=percentage, started=starts, progressed=progressed)


def _ended(job: Job, now: float, *, starts: float, ends: float) -> Snapshot:
    if job.final_status == "ERROR" and job.recovers_after is not None and now >= ends + job.recovers_after:
        ended = ends + job.recovers_after
        return Snapshot(status="COMPLETED", percentage=100, started=starts, progressed=ended, ended=ended)
    if job.final_status == "COMPLETED":
        return Snapshot(status="COMPLETED", percentage=100, started=starts, progressed=ends, ended=ends)
    status = job.final_status
    if status == "ERROR" and job.retries_errors and job.recovers_after is None:
        length = ends - starts
        retries, waited = divmod(now - ends, _RETRY_AFTER + length)
        if retries < _RETRIES and waited >= _RETRY_AFTER:
            starts += (retries + 1) * (_RETRY_AFTER + length)
            return _running(job, starts=starts, share=(waited - _RETRY_AFTER) / length)
        starts += min(retries, _RETRIES) * (_RETRY_AFTER + length)
        ends = starts + length
        status = "FAILED" if retries >= _RETRIES else status
    reached = starts + (ends - starts) * _FAILS_AT / 100
    return Snapshot(status=status, percentage=_FAILS_AT, started=starts, progressed=reached, ended=ends)


def is_replayable(job: Job, now: float) -> bool:
    """Return whether the API would accept a replay of the job at a moment."""
    return job.replayable and snapshot(job, now).is_terminal


def to_json(job: Job, *, now: float, prefix: str, stringly: bool = False) -> dict[str, object]:
    """Return a job as the API shows it; if `stringly`, numbers and booleans are strings, as on some vendor pages.

    ``job.fields`` replace fields as they are, even if `stringly`. The URI of the result begins with `prefix`.
    """
    state = snapshot(job, now)
    shown: dict[str, object] = {
        "Id": job.id,
        "Type": job.type,
        "ProgramId": job.program_id,
        "CreatedBy": job.created_by,
        "CreatedDate": _text(job.created),
        "StartedDate": _text(state.started),
        "CompletedDate": _text(state.ended if state.status == "COMPLETED" else None),
        "AbandonedDate": "",
        "CancelledDate": _text(state.ended if state.status == "CANCELLED" else None),
        "FailedDate": _text(state.ended if state.status in {"FAILED", "ERROR"} else None),
        "LastProgressUpdateDate": _text(state.progressed),
        "Status": state.status,
        "StatusMessage": _message(job, state),
        # Rows are counted only if they are shown, because counting generates the report.
        "RecordsProcessed": job.result.rows * state.percentage // 100 if state.percentage else 0,
        "PercentageComplete": state.percentage,
        "Replayable": is_replayable(job, now),
    }
    if state.status == "COMPLETED":
        shown["ResultUri"] = f"{prefix}/Jobs/{job.id}/Download"
    if stringly:
        shown = {name: _stringly(value) for name, value in shown.items()}
    return shown | dict(job.fields)


def _message(job: Job, state: Snapshot) -> str:
    if state.ended is None or (state.status == "COMPLETED" and job.final_status != "COMPLETED"):
        return ""
    return job.message or _REASONS.get(state.status, "")


def _text(moment: float | None) -> str:
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment, tz=UTC).astimezone(ZONE).isoformat(timespec="seconds")


def _stringly(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
