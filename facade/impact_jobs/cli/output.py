"""The three forms of output: JSON for programs, tab-separated lines for pipes, tables for people.

Data goes to stdout, everything else to stderr. Text from a server is shown without the queries of URLs and without
control characters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import IO, Any

from attrs import AttrsInstance, asdict
from click import ClickException
from rich.console import Console

from impact_jobs import DownloadResult, Job, JobsError
from impact_jobs.errors import redact, shorten

# The library's messages name Python arguments; at a prompt, they must name options instead.
_ADVICE_AT_A_PROMPT = {
    "pass overwrite=True": "pass --overwrite",
    "pass join=True": "pass --join",
    "export it, or pass the value to the client": "export it, or make a profile with `impact-jobs profile add default`",
    "wait for it, then download": "pass --wait",
    "created_after": "--since",
    "created_before": "--until",
    "`reports()`": "`impact-jobs reports`",
    "path='": "'",
    "report_id='": "REPORT='",
    "split='": "--split='",
    "pass result_format instead": "pass --format instead",
    "advertiser_id=": "--advertiser ",
    "for_advertiser needs the client of an agency": "--advertiser needs an agency's account",
    "call it on JobsClient(…, account='agency')": "pass --account-kind agency",
    "start_date": "--from",
    "end_date": "--to",
    "Make the same call again": "Run the same command again",
}


def console_for(stream: IO[str]) -> Console:
    """Create a console that replaces characters that `stream` cannot encode with "?".

    On a terminal of the C locale, these are all characters beyond ASCII. Rich itself follows NO_COLOR, FORCE_COLOR,
    TERM=dumb and COLUMNS. Lines are wrapped on terminals only.
    """
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        # Not LC_CTYPE, which Python itself sets in place of "C".
        locale = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
        is_plain = stream.isatty() and locale in {"C", "POSIX"}
        reconfigure(errors="replace", **({"encoding": "ascii"} if is_plain else {}))
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=not stream.isatty())


def is_live(console: Console) -> bool:
    """Return whether the console is a terminal that can redraw lines."""
    return console.file.isatty() and not console.is_dumb_terminal


def one_line(text: object) -> str:
    """Return `text` on one line, redacted, shortened and safe for a terminal."""
    return printable(" ".join(shorten(str(text)).split()))


def printable(text: Path | str) -> str:
    """Replace characters that would move the cursor, break the line or change the writing direction."""
    return "".join(character if character.isprintable() else "\ufffd" for character in str(text))


def write_line(console: Console, line: str) -> None:
    """Write a line as it is: never wrapped, never coloured."""
    console.file.write(f"{line}\n")
    console.file.flush()


def write_json(console: Console, value: Mapping[str, Any]) -> None:
    """Write one object as one line of JSON; dates become ISO 8601, other values that are not JSON become text."""
    write_line(console, json.dumps(value, ensure_ascii=console.options.ascii_only, default=_to_text))


def _to_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def attributes(value: AttrsInstance, *, without: Collection[str] = ("raw",)) -> dict[str, Any]:
    """Return the attributes of a value as JSON, redacted, without those named."""
    return asdict(
        value,
        filter=lambda attribute, _: attribute.name not in without,
        value_serializer=lambda _owner, _attribute, found: _redacted(found),
    )


def job_object(job: Job) -> dict[str, Any]:
    """Return a job as JSON: the attributes of `impact_jobs.Job` except `raw`, and `is_terminal`."""
    return attributes(job) | {"is_terminal": job.is_terminal}


def result_object(result: DownloadResult) -> dict[str, Any]:
    """Return a file as JSON: the job's `id`, and the attributes of `impact_jobs.DownloadResult` except `job`."""
    found = attributes(result, without=("job", "job_id"))
    return {"id": result.job_id} | found | {"path": str(result.path)}  # never redacted, because scripts open it


def error_object(error: BaseException, *, code: int) -> dict[str, Any]:
    """Return a failure as JSON: the `id` of the job, if it concerns one, and `error`."""
    snapshot = getattr(error, "job", None)
    candidates = getattr(error, "candidates", ())
    found: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error_message(error),
        "exit_code": code,
        "status_code": getattr(error, "status_code", None),
        "request_id": _redacted(getattr(error, "request_id", None)),
        "retry_after": getattr(error, "retry_after", None),
        "candidates": [candidate.id for candidate in candidates],
        "job": job_object(snapshot) if isinstance(snapshot, Job) else None,
    }
    known = {name: value for name, value in found.items() if value not in (None, [])}
    job_id = getattr(error, "job_id", None)
    return ({"id": _redacted(job_id)} if job_id else {}) | {"error": known}


def _redacted(value: object) -> object:
    return redact(str(value)) if isinstance(value, str) else value  # of an enum, its value


def error_message(error: BaseException) -> str:
    """Return the message of an error on one line, with advice that fits a prompt."""
    message = one_line(error)
    if not isinstance(error, JobsError | OSError | ClickException):
        return f"{type(error).__name__}: {message}; this is a bug"
    for advice, at_a_prompt in _ADVICE_AT_A_PROMPT.items():
        message = message.replace(advice, at_a_prompt)
    return message


def write_error(console: Console, error: BaseException, *, code: int, as_json: bool) -> None:
    """Write an error as one line, or as one JSON object."""
    if as_json:
        write_json(console, error_object(error, code=code))
    else:
        note(console, error_message(error))


def note(console: Console, text: str, *, about: str | None = None) -> None:
    """Write a note, above any progress bar; `about` is the job it concerns."""
    prefix = f"{one_line(about)}: " if about and about.lower() not in text.lower() else ""
    line = f"impact-jobs: {prefix}{text}"
    with suppress(OSError):  # a full or closed stderr does not stop the command
        if is_live(console):
            console.print(line, soft_wrap=True)
        else:
            write_line(console, line)


def job_line(job: Job) -> str:
    """Return id, status, percentage, records, type, creation and message, separated by tabs; "-" where unknown."""
    progress = "-" if job.percentage_complete is None else f"{job.percentage_complete}%"
    created = "-" if job.created_date is None else job.created_date.isoformat()
    records = "-" if job.records_processed is None else str(job.records_processed)
    words = (job.id, job.status, progress, records, job.type or "-", created, job.status_message or "-")
    return "\t".join(one_line(word) for word in words)


def result_line(result: DownloadResult) -> str:
    """Return id, path, bytes and SHA-256, separated by tabs."""
    return "\t".join((result.job_id, printable(result.path), str(result.bytes_written), result.sha256 or "-"))
