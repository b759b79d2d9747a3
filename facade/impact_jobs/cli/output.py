"""What is written where, and in which form: JSON for programs, lines for pipes, tables for people.

Data goes to stdout, everything else to stderr. Texts that come from a server are shown without the queries of URLs and
without what would steer a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from click import ClickException
from rich.console import Console

from impact_jobs import DownloadResult, Job, JobsError
from impact_jobs._redaction import redact, shorten

if TYPE_CHECKING:
    from impact_jobs.cli.state import Session

_JOB_FIELDS = (
    "id",
    "type",
    "status",
    "program_id",
    "created_by",
    "created_date",
    "started_date",
    "completed_date",
    "abandoned_date",
    "cancelled_date",
    "failed_date",
    "last_progress_update_date",
    "status_message",
    "records_processed",
    "percentage_complete",
    "replayable",
    "result_uri",
    "is_terminal",
)
_RESULT_FIELDS = (
    "path",
    "bytes_written",
    "sha256",
    "content_type",
    "filename",
    "resumed_from",
    "connections",
    "seconds",
)
# The library speaks to programs; at a prompt the same advice is spelled otherwise.
_AT_A_PROMPT = {
    "pass overwrite=True": "give --overwrite",
    "export it, or pass the value to the client": "export it, or make a profile with `impact-jobs profile add default`",
    "wait for it, then download": "give --wait",
    "created_after": "--since",
    "created_before": "--until",
}


def console_for(stream: IO[str], *, environ: Mapping[str, str] = os.environ) -> Console:
    """A console that writes to `stream` what it can take.

    A character that the stream cannot encode becomes "?"; on a terminal of the C locale, all beyond ASCII do. NO_COLOR,
    FORCE_COLOR, TERM=dumb and COLUMNS are rich's to heed. A line is never broken where no terminal is.
    """
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        is_plain = stream.isatty() and _locale(environ) in {"C", "POSIX"}
        reconfigure(errors="replace", **({"encoding": "ascii"} if is_plain else {}))
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=not stream.isatty())


def _locale(environ: Mapping[str, str]) -> str:
    # Not LC_CTYPE, which Python itself sets in place of "C".
    return environ.get("LC_ALL") or environ.get("LANG") or ""


def has_unicode(console: Console) -> bool:
    """Whether bars, arrows and the like can be shown."""
    return not console.options.ascii_only


def is_live(console: Console) -> bool:
    """Whether a person looks at a terminal that can redraw lines."""
    return console.file.isatty() and not console.is_dumb_terminal


def shown(text: object) -> str:
    """`text` on one line, fit for a terminal."""
    return visible(" ".join(shorten(str(text)).split()))


def visible(text: Path | str) -> str:
    """A text of this machine as it is, but for what would steer a terminal, break a line or turn its direction."""
    return "".join(character if character.isprintable() else "\ufffd" for character in str(text))


def write_line(console: Console, line: str) -> None:
    """Write a line as it is: never wrapped, never coloured."""
    console.file.write(f"{line}\n")
    console.file.flush()


def write_json(console: Console, value: Mapping[str, Any]) -> None:
    """Write one object as one line of JSON; whatever is not JSON becomes text, dates ISO 8601."""
    is_unicode = has_unicode(console)
    write_line(console, json.dumps(value, ensure_ascii=not is_unicode, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def job_object(job: Job) -> dict[str, Any]:
    """A job as JSON: the attributes of `impact_jobs.Job`, but for `raw`; null where unknown."""
    return {name: _clean(getattr(job, name)) for name in _JOB_FIELDS}


def result_object(result: DownloadResult) -> dict[str, Any]:
    """A file as JSON: the job's `id`, and the attributes of `impact_jobs.DownloadResult`, but for `job`."""
    found = {name: _clean(getattr(result, name)) for name in _RESULT_FIELDS}
    return {"id": result.job_id} | found | {"path": str(result.path)}  # as it is, whatever it looks like


def error_object(error: BaseException, *, code: int, job_id: str | None = None) -> dict[str, Any]:
    """A failure as JSON: the job's `id` where it is one job's, and `error`."""
    snapshot = getattr(error, "job", None)
    candidates = getattr(error, "candidates", ())
    found: dict[str, Any] = {
        "type": type(error).__name__,
        "message": message_of(error),
        "exit_code": code,
        "status_code": getattr(error, "status_code", None),
        "request_id": _clean(getattr(error, "request_id", None)),
        "retry_after": getattr(error, "retry_after", None),
        "candidates": [candidate.id for candidate in candidates],
        "job": job_object(snapshot) if isinstance(snapshot, Job) else None,
    }
    kept = {name: value for name, value in found.items() if value not in (None, [])}
    whose = job_id or getattr(error, "job_id", None)
    return ({"id": _clean(whose)} if whose else {}) | {"error": kept}


def _clean(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | datetime):
        return value
    return redact(str(value))  # of an enum, its value


def message_of(error: BaseException) -> str:
    """What is told of a failure, on one line, in the words of a prompt."""
    message = shown(error)
    if not isinstance(error, JobsError | OSError | ClickException):
        return f"{type(error).__name__}: {message}; this is a bug"
    for said, meant in _AT_A_PROMPT.items():
        message = message.replace(said, meant)
    return message


def write_error(console: Console, error: BaseException, *, code: int, as_json: bool, job_id: str | None = None) -> None:
    """Tell of a failure: one line, or one JSON object."""
    if as_json:
        write_json(console, error_object(error, code=code, job_id=job_id))
        return
    note(console, message_of(error), about=job_id)


def note(console: Console, text: str, *, about: str | None = None) -> None:
    """Say something on stderr, above whatever bar is there."""
    whose = f"{shown(about)}: " if about and about.lower() not in text.lower() else ""
    line = f"impact-jobs: {whose}{text}"
    with suppress(OSError):  # a log that is full, or not read any more, is no reason to stop
        if is_live(console):
            console.print(line, soft_wrap=True)
        else:
            write_line(console, line)


def is_for_people(session: Session) -> bool:
    """Whether stdout is a terminal that wants tables."""
    return session.out.file.isatty() and not session.json and not session.quiet


def job_line(job: Job) -> str:
    """Id, status, percentage, records, type, creation and message, parted by tabs; "-" where unknown."""
    progress = "-" if job.percentage_complete is None else f"{job.percentage_complete}%"
    created = "-" if job.created_date is None else job.created_date.isoformat()
    records = "-" if job.records_processed is None else str(job.records_processed)
    words = (job.id, job.status, progress, records, job.type or "-", created, job.status_message or "-")
    return "\t".join(shown(word) for word in words)


def result_line(result: DownloadResult) -> str:
    """Id, path, bytes and sha256, parted by tabs."""
    return "\t".join((result.job_id, visible(result.path), str(result.bytes_written), result.sha256 or "-"))


def flush_or_forget() -> None:
    """Write out what is left, or have Python forget it: it complains of a gone reader when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            os.close(sink)
