"""Parse a job from its JSON object: its id and status strictly, all other fields leniently."""

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

_WORDS = re.compile(r"[\w .:-]{1,100}")  # for a status that is newer than this release, because messages show it
_MAX_INTEGER = 10**18  # fits into 64 bits, wherever users store it
_TYPES: dict[str, JobType | str] = {kind.value: kind for kind in JobType}
_STATUSES: dict[str, JobStatus | str] = {status.value: status for status in JobStatus}
_BOOLEANS = {"true": True, "false": False}

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxstring = 2, 4096
_MAX_SHOWN = 100  # a UUID and a date fit


def short_repr(value: object, redact: Callable[[str], str] = redact) -> str:
    """Return the `repr` of a JSON value in a few lines, without secrets."""
    text = redact(_repr.repr(value))  # before it is cut, so that no part of a secret is left
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


class MalformedJobError(ValueError):
    """An object is not a job; the message says why."""


def parse_job(raw: object, redact: Callable[[str], str] = redact) -> Job:
    """Parse a job, which needs a valid `Id` and `Status`. Any other unreadable field becomes None, with a warning.

    What messages and warnings show of it is passed through `redact`.
    """
    if not isinstance(raw, dict):
        raise MalformedJobError(f"it is a {type(raw).__name__}, not an object")
    job_id, status = raw.get("Id"), raw.get("Status")
    if not isinstance(job_id, str) or not is_job_id(job_id):
        raise MalformedJobError(f"its Id is {short_repr(job_id, redact)}, not a UUID")
    if not isinstance(status, str) or not (status in _STATUSES or _WORDS.fullmatch(status)):
        raise MalformedJobError(f"its Status is {short_repr(status, redact)}, not a word")
    fields: dict[str, Any] = {}
    for name, value in raw.items():
        # This runs for every field of every job, so it avoids calls.
        if value is None or value == "" or name not in _FIELDS:
            continue
        attribute, json_type, convert = _FIELDS[name]
        try:
            fields[attribute] = value if value.__class__ is json_type else convert(value)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            shown = short_repr(value, redact)
            logger.warning("job %s: %s is %s, which cannot be read; using None", job_id, name, shown)
    return Job(id=job_id, status=_STATUSES.get(status, status), raw=raw, **fields)


def _text(value: Any) -> str:
    if isinstance(value, str | int | float):  # some ids arrive as numbers
        return str(value)
    raise TypeError


def _integer(value: Any) -> int:
    try:
        number = int(value)
    except ValueError:  # such as "12.0"
        number = int(float(value))
    if abs(number) > _MAX_INTEGER:
        raise ValueError
    return number


def _boolean(value: Any) -> bool:
    return _BOOLEANS[_text(value).lower()]


def _type(value: Any) -> JobType | str:
    text = _text(value)
    return _TYPES.get(text, text)


# By the server's name: our name, the JSON type that is used unchanged, and the function that converts any other.
_FIELDS: dict[str, tuple[str, type | None, Callable[[Any], Any]]] = {
    "Type": ("type", None, _type),
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
JOB_FIELDS = frozenset({"Id", "Status", *_FIELDS})
"""The fields of a job, by the server's names."""
