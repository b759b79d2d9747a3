"""Read responses: a job, a page of jobs, an error, or something that is not a result."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from impact_jobs._api.parsing import MalformedJobError, parse_job, short_repr
from impact_jobs._policy.rate_limit_headers import retry_after_seconds
from impact_jobs._redaction import redact, shorten
from impact_jobs._transport.base import Response
from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    FieldError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

_FIRST_SERVER_ERROR = 500
_MAX_BODY_CHARACTERS = 4096
_MAX_FIELD_ERRORS = 100
_MAX_WARNINGS = 100

_XML_ERROR = re.compile(rb"(?:<\?xml[^>]*>\s*)?<ImpactRadiusResponse[^>]*>\s*<Status>ERROR</Status>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]{1,1000})</Message>")
_HTML = re.compile(rb"(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_OBJECT = re.compile(rb"\{\s*(?:[\"}]|$)")
_ERROR_FIELDS = frozenset({"Status", "Message", "Errors", "message", "request_id", "RequestId"})

_KINDS: dict[int, tuple[type[ApiError], str]] = {
    401: (AuthenticationError, "Check Account SID and Auth Token."),
    402: (ApiError, "The account does not include this; ask your impact.com contact."),
    403: (PermissionDeniedError, "Check that the token is active, has the Jobs scope and belongs to this account."),
    404: (JobNotFoundError, "Check the id and that the job belongs to this account."),
    429: (RateLimitError, "The account has no requests left this hour: wait, and poll less often."),
}
_SERVER_ERROR: tuple[type[ApiError], str] = (ServerError, "The server or a gateway failed; try again later.")
_OTHER_ERROR: tuple[type[ApiError], str] = (ApiError, "")  # the server's message says what to do


@frozen
class Page:
    """The jobs of a list response that could be parsed, the next page, and the count of all entries."""

    jobs: tuple[Job, ...]
    next_uri: str | None
    entries: int = 0


def read_job(response: Response, what: str) -> Job:
    """Return the job in the body; raise UnexpectedResponseError for other JSON, and as for `read_json`."""
    data = read_json(response, what)
    try:
        return parse_job(data)
    except MalformedJobError as error:
        raise _unexpected(response, what, f"the response is not a job: {error}") from None


def read_page(response: Response, what: str, *, parse: Callable[[object], Job | None] = parse_job) -> Page:
    """Return the jobs in the body: a bare array, `{"Jobs": […]}`, or a page with `@nextpageuri`.

    Skip a job for which `parse` returns None, and a malformed one with a warning in the log. Raise
    UnexpectedResponseError for other JSON, and as for `read_json`.
    """
    data = read_json(response, what)
    items: Any = data
    next_uri = None
    if isinstance(data, dict) and ("Jobs" in data or "@total" in data):
        items, next_uri = data.get("Jobs") or [], data.get("@nextpageuri") or None
        if "Jobs" not in data and str(data["@total"]) != "0":
            items = None  # the page counts jobs but has none, so it is not an empty list
    if not isinstance(items, list) or not isinstance(next_uri, str | None):
        raise _unexpected(response, what, "the response is not a list of jobs")
    return Page(tuple(_parsed(items, what, parse)), next_uri, len(items))


def _parsed(items: list[Any], what: str, parse: Callable[[object], Job | None]) -> Iterator[Job]:
    skipped = 0
    for index, item in enumerate(items):
        try:
            job = parse(item)
        except MalformedJobError as error:
            skipped += 1
            if skipped <= _MAX_WARNINGS:
                fields = item if isinstance(item, dict) else {}
                job_id, created = short_repr(fields.get("Id")), short_repr(fields.get("CreatedDate"))
                logger.warning("%s: skipped entry %d (Id %s, created %s): %s", what, index, job_id, created, error)
        else:
            if job is not None:
                yield job
    if skipped > _MAX_WARNINGS:
        logger.warning("%s: skipped %d more entries like these", what, skipped - _MAX_WARNINGS)


def read_json(response: Response, what: str) -> dict[str, Any] | list[Any]:
    """Return the JSON object or array in the body; raise ApiError if it is the API's error object."""
    start = _trim(response.body)
    if not start:
        raise _unexpected(response, what, "the response is empty")
    if start.startswith(b"<"):
        kind = "HTML" if b"<html" in start.lower() or b"<!doctype" in start.lower() else "XML"
        raise _unexpected(response, what, f"the response is {kind} instead of JSON")
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise _unexpected(response, what, f"the response is not JSON ({error})") from None
    if not isinstance(data, dict | list):
        raise _unexpected(response, what, f"the response is a single {type(data).__name__}")
    # Some endpoints return 200 with {"Status": "ERROR", "Message": …}. A job with the status ERROR has an Id.
    if isinstance(data, dict) and data.get("Status") == "ERROR" and not data.get("Id"):
        raise error_of(response, what)
    return data


def error_of(response: Response, what: str) -> ApiError:
    """Return the error for a response's status and body."""
    status = response.head.status_code
    kind, hint = _KINDS.get(status, _SERVER_ERROR if status >= _FIRST_SERVER_ERROR else _OTHER_ERROR)
    body = redact(response.body[: 4 * _MAX_BODY_CHARACTERS].decode("utf-8", "replace"))
    fields = _error_fields(response.body)
    message = _first_text(fields, "Message", "message")
    errors = tuple(_field_errors(fields.get("Errors")))
    details = "; ".join(": ".join(filter(None, (error.field, error.message))) for error in errors)
    summary = message.rstrip(".") or ("no readable message" if body.strip() else "no message")
    text = shorten(f"{summary} ({details})" if details else summary)
    request_id = response.head.headers.get("x-request-id", "") or _first_text(fields, "request_id", "RequestId")
    error = kind(
        f"{what}: HTTP {status}: {text}. {hint}".rstrip(),
        status_code=status,
        message=message,
        errors=errors,
        request_id=redact(request_id)[:_MAX_BODY_CHARACTERS] or None,
        body=body[:_MAX_BODY_CHARACTERS],
    )
    error.retry_after = retry_after_seconds(response.head)
    return error


def _error_fields(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        found = _XML_MESSAGE.search(body)
        return {"Message": found[1].decode("utf-8", "replace")} if found else {}
    return data if isinstance(data, dict) else {}


def _field_errors(errors: object) -> list[FieldError]:
    if isinstance(errors, dict):  # some of the vendor's pages show {"Error": {…}} instead of a list
        errors = errors.get("Error")
    entries = errors if isinstance(errors, list) else [errors]
    fields = [entry for entry in entries[:_MAX_FIELD_ERRORS] if isinstance(entry, dict)]
    return [FieldError(_first_text(field, "Field"), _first_text(field, "Message")) for field in fields]


def _first_text(fields: dict[str, Any], *names: str) -> str:
    text = next((value for name in names if isinstance(value := fields.get(name), str) and value), "")
    return redact(text)[:_MAX_BODY_CHARACTERS]


def may_be_no_result(start: bytes) -> bool:
    """Return whether a body that starts like this may be an error, a job or a gateway's page instead of a result."""
    start = _trim(start)
    return not start or start.startswith(b"<") or _OBJECT.match(start) is not None


def check_result(response: Response, what: str, *, job_id: str, is_due: bool) -> Job | None:
    """Check the short body of a 200 to a download: raise if it is an error object, and return the job if it is one.

    A result may itself be JSON, XML, HTML or empty. Only if a redirect was requested, so that no result `is_due`, raise
    for an HTML page, broken JSON, or nothing.
    """
    start = _trim(response.body)
    problem = "HTML" if _HTML.match(start) else "" if start else "empty"
    if _XML_ERROR.match(start):
        raise error_of(response, what)
    if _OBJECT.match(start):
        try:
            return _job_or_error(response, what, job_id=job_id)
        except (ValueError, RecursionError) as error:
            problem = f"broken JSON ({error})"
    if problem and not is_due:
        raise _unexpected(response, what, f"the response is {problem} instead of a redirect to the result")
    return None


def _job_or_error(response: Response, what: str, *, job_id: str) -> Job | None:
    # Lenient, and only the first of several objects, because anything else is a result that must not be altered.
    text = response.body.decode("utf-8-sig", "replace").lstrip()
    data, _ = json.JSONDecoder(strict=False).raw_decode(text)
    if data.get("Status") == "ERROR" and data.keys() <= _ERROR_FIELDS:
        raise error_of(response, what)
    try:
        return parse_job(data) if data.get("Id") == job_id else None
    except MalformedJobError:
        return None


def _trim(body: bytes) -> bytes:
    """Return the first bytes after any byte order mark and white space."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:256]


def _unexpected(response: Response, what: str, problem: str) -> UnexpectedResponseError:
    status = response.head.status_code
    message = f"{what}: HTTP {status}, but {problem}. Check base_url and any proxy between."
    return UnexpectedResponseError(message, status_code=status)
