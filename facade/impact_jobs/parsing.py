"""A job from its JSON object: strict about what makes it a job, lenient about the rest."""

from __future__ import annotations

import logging
import re
import reprlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from impact_jobs.dates import read_datetime
from impact_jobs.models import Job, JobStatus, JobType

logger: logging.Logger = logging.getLogger("impact_jobs")

T = TypeVar("T")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TYPES: dict[str, JobType | str] = {kind.value: kind for kind in JobType}
_STATUSES: dict[str, JobStatus | str] = {status.value: status for status in JobStatus}
_BOOLEANS = {"true": True, "false": False}

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring = 2, 80  # a UUID and a date are shown whole


def shortened(value: object) -> str:
    """The `repr` of a JSON value, cut to a few lines whatever its size and depth."""
    return _repr.repr(value)


class MalformedJobError(ValueError):
    """An object that cannot be taken for a job; the message says why."""


def is_job_id(text: str) -> bool:
    """Whether `text` is a UUID in its usual writing."""
    return _UUID.fullmatch(text) is not None


def parse_job(raw: object) -> Job:
    """A job from its JSON object.

    Raises:
        MalformedJobError: It is no object, or has no usable `Id` or `Status`. Any other field that cannot be
            read becomes None, with a warning in the log.
    """
    if not isinstance(raw, dict):
        raise MalformedJobError(f"it is a {type(raw).__name__}, not an object")
    job_id, status = raw.get("Id"), raw.get("Status")
    if not isinstance(job_id, str) or not is_job_id(job_id):
        raise MalformedJobError(f"its Id is {shortened(job_id)}, not a UUID")
    if not isinstance(status, str) or not status:
        raise MalformedJobError(f"its Status is {shortened(status)}, not a text")
    kind = _read(raw, "Type", _text)
    return Job(
        id=job_id,
        type=_TYPES.get(kind, kind) if kind else None,
        status=_STATUSES.get(status, status),
        program_id=_read(raw, "ProgramId", _text),
        created_by=_read(raw, "CreatedBy", _text),
        created_date=_read(raw, "CreatedDate", _moment),
        started_date=_read(raw, "StartedDate", _moment),
        completed_date=_read(raw, "CompletedDate", _moment),
        abandoned_date=_read(raw, "AbandonedDate", _moment),
        cancelled_date=_read(raw, "CancelledDate", _moment),
        failed_date=_read(raw, "FailedDate", _moment),
        last_progress_update_date=_read(raw, "LastProgressUpdateDate", _moment),
        status_message=_read(raw, "StatusMessage", _text),
        records_processed=_read(raw, "RecordsProcessed", _integer),
        percentage_complete=_read(raw, "PercentageComplete", _integer),
        replayable=_read(raw, "Replayable", _boolean) or False,
        result_uri=_read(raw, "ResultUri", _text),
        raw=raw,
    )


def _read(raw: Mapping[str, Any], name: str, convert: Callable[[Any], T]) -> T | None:
    value = raw.get(name)
    if value is None or value == "":
        return None
    try:
        return convert(value)
    except (ValueError, TypeError, LookupError, OverflowError):
        logger.warning("job %s: %s is %s, which cannot be read; taken as unset", raw["Id"], name, shortened(value))
        return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)  # ids arrive as numbers, too
    raise TypeError


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return read_datetime(value)
    raise TypeError


def _integer(value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        return int(float(value))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _BOOLEANS[value.lower()]
    raise TypeError
