"""A job from its JSON object: strict about what makes it a job, lenient about the rest."""

from __future__ import annotations

import logging
import re
import reprlib
from collections.abc import Callable
from typing import Any

from impact_jobs._account import is_job_id
from impact_jobs._dates import read_datetime
from impact_jobs._redaction import redact
from impact_jobs.models import Job, JobStatus, JobType

logger: logging.Logger = logging.getLogger("impact_jobs")

_WORDS = re.compile(r"[\w .:-]{1,100}")  # for a status that is newer than we are, and part of messages
_LARGEST = 10**18  # of what fits into 64 bits, wherever it is put
_TYPES: dict[str, JobType | str] = {kind.value: kind for kind in JobType}
_STATUSES: dict[str, JobStatus | str] = {status.value: status for status in JobStatus}
_BOOLEANS = {"true": True, "false": False}

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring = 2, 80  # a UUID and a date are shown whole


def shortened(value: object) -> str:
    """The `repr` of a JSON value, cut to a few lines whatever its size and depth, and without secrets."""
    return redact(_repr.repr(value))


class MalformedJobError(ValueError):
    """An object that cannot be taken for a job; the message says why."""


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
    if not isinstance(status, str) or not (status in _STATUSES or _WORDS.fullmatch(status)):
        raise MalformedJobError(f"its Status is {shortened(status)}, not a word")
    fields: dict[str, Any] = {}
    for name, value in raw.items():
        # Run for every field of every job, so without a call where none is needed.
        if value is None or value == "" or name not in _FIELDS:
            continue
        attribute, kind, convert = _FIELDS[name]
        try:
            fields[attribute] = value if value.__class__ is kind else convert(value)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            logger.warning("job %s: %s is %s, which cannot be read; taken as unset", job_id, name, shortened(value))
    return Job(id=job_id, status=_STATUSES.get(status, status), raw=raw, **fields)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)  # ids arrive as numbers, too
    raise TypeError


def _integer(value: Any) -> int:
    if value.__class__ is int and -_LARGEST <= value <= _LARGEST:  # as nearly always
        return value
    number = float(value)
    if not -_LARGEST <= number <= _LARGEST:
        raise ValueError
    try:
        return int(value)
    except ValueError:
        return int(number)


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        return _BOOLEANS[value.lower()]
    raise TypeError


def _kind(value: Any) -> JobType | str:
    text = _text(value)
    return _TYPES.get(text, text)


# What the server calls it: our name, the JSON type that is taken as it is, and the way to read any other.
_FIELDS: dict[str, tuple[str, type | None, Callable[[Any], Any]]] = {
    "Type": ("type", None, _kind),
    "ProgramId": ("program_id", str, _text),
    "CreatedBy": ("created_by", str, _text),
    "CreatedDate": ("created_date", None, read_datetime),
    "StartedDate": ("started_date", None, read_datetime),
    "CompletedDate": ("completed_date", None, read_datetime),
    "AbandonedDate": ("abandoned_date", None, read_datetime),
    "CancelledDate": ("cancelled_date", None, read_datetime),
    "FailedDate": ("failed_date", None, read_datetime),
    "LastProgressUpdateDate": ("last_progress_update_date", None, read_datetime),
    "StatusMessage": ("status_message", str, _text),
    "RecordsProcessed": ("records_processed", None, _integer),
    "PercentageComplete": ("percentage_complete", None, _integer),
    "Replayable": ("replayable", bool, _boolean),
    "ResultUri": ("result_uri", str, _text),
}
