"""Read responses: a job, a page of jobs, an error, or something that is not a result.

What reads a body returns its errors, and `value_of` raises them, because tracebacks may show variables.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from attrs import evolve, frozen

from impact_jobs._account import Account
from impact_jobs._api.documents import beginning_of, is_api_error, is_html, is_object
from impact_jobs._api.parsing import JOB_FIELDS, MalformedJobError, parse_job, short_repr
from impact_jobs._policy.rate_limit_headers import retry_after_seconds
from impact_jobs._redaction import shorten
from impact_jobs._transport.base import Response
from impact_jobs.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    FieldError,
    JobNotFoundError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job, JobStatus

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("impact_jobs")

_FIRST_SERVER_ERROR = 500
_MAX_BODY_CHARACTERS = 4096
_MAX_FIELD_ERRORS = 100
_MAX_WARNINGS = 100

_XML_MESSAGE = re.compile(rb"<Message>([^<]{1,1000})</Message>")
_ERROR_FIELDS = frozenset({"Status", "Message", "Errors", "message", "request_id", "RequestId"})
_URIS = ("QueuedUri", "Uri", "ResultUri", "ReplayUri")  # each may contain the id of the job
_NESTED_ERRORS = ("Error", "Errors", "error")  # names of entries in an object of errors
_MAX_NESTING = 4
_NEXT_PAGE = ("@nextpageuri", "@nextpageruri")  # some pages misspell the names of the other links like this

_KINDS: dict[int, tuple[type[ApiError], str]] = {
    401: (AuthenticationError, "Check Account SID and Auth Token."),
    402: (ApiError, "The account does not include this; ask your impact.com contact."),
    403: (PermissionDeniedError, "Check that the token is active, has the Jobs scope and belongs to this account."),
    404: (JobNotFoundError, "Check the id and that the job belongs to this account."),
    429: (RateLimitError, "The account has no requests left this hour: wait, and poll less often."),
}
ADVICE: dict[int, str] = {status: advice for status, (_, advice) in _KINDS.items()}
"""What to do, which ends the text of an error, by its status."""

_SERVER_ERROR: tuple[type[ApiError], str] = (ServerError, "The server or a gateway failed; try again later.")
_OTHER_ERROR: tuple[type[ApiError], str] = (ApiError, "")  # the server's message says what to do


@frozen
class Page(Generic[T]):
    """The entries of a list response that could be parsed, what identifies each entry, the next page, and the total."""

    items: tuple[T, ...]
    keys: tuple[str, ...]  # of all entries: the id, or what the entry has instead
    next_uri: object = None  # as it came
    total: int | None = None  # of all pages


def value_of(found: T | JobsError) -> T:
    """Return `found`, or raise it if it is an error."""
    if isinstance(found, JobsError):
        raise found
    return found


def read_job(response: Response, what: str, *, job_id: str) -> Job:
    """Return the job in the body; raise UnexpectedResponseError if it is not that job, and as for `read_json`."""
    return value_of(_if_asked_for(_job(response, what, read_json(response, what)), response, what, job_id))


def read_scheduled_job(response: Response, what: str, *, account: Account) -> Job:
    """Return the job that a request has scheduled: the body is the job, or a URI that contains its id, and its status.

    Raise UnexpectedResponseError for other JSON, and if no URI names a job of this account, and as for `read_json`.
    """
    return value_of(_scheduled_job(response, what, read_json(response, what), account))


def _scheduled_job(response: Response, what: str, data: object, account: Account) -> Job | JobsError:
    if not isinstance(data, dict) or data.get("Id") or not any(map(data.get, _URIS)):
        return _job(response, what, data)
    uris = [uri for uri in map(data.get, _URIS) if uri]
    for uri in uris:
        with suppress(ConfigurationError):  # a `QueuedUri` may name something else, such as a submission
            job_id = account.job_id_in_answer(uri)
            status, reason = (
                data.get("Status") or JobStatus.QUEUED.value,
                data.get("StatusMessage") or data.get("Message"),
            )
            found = _job(response, what, {**data, "Id": job_id, "Status": status, "StatusMessage": reason})
            return evolve(found, raw=data) if isinstance(found, Job) else found
    shown = short_repr(uris[0], response.redact)
    return unexpected(response, what, f"the response names {shown}, which is not a job of this account")


def _job(response: Response, what: str, data: object) -> Job | JobsError:
    try:
        return parse_job(data, response.redact)
    except MalformedJobError as error:
        return unexpected(response, what, f"the response is not a job: {error}")


def _if_asked_for(found: Job | JobsError, response: Response, what: str, job_id: str) -> Job | JobsError:
    if isinstance(found, JobsError) or found.id.lower() == job_id.lower():
        return found
    return unexpected(response, what, f"the response is about job {found.id} instead of {job_id}")


def read_page(response: Response, what: str, *, parse: Callable[[object], Job | None] | None = None) -> Page[Job]:
    """Return the jobs in the body: a bare array, `{"Jobs": […]}`, or a page with `@nextpageuri`.

    Skip a job for which `parse` returns None, and a malformed one with a warning in the log. Raise
    UnexpectedResponseError for other JSON, and as for `read_json`.
    """
    parse = parse or partial(parse_job, redact=response.redact)
    return value_of(_page(response, what, read_json(response, what), parse))


def _page(response: Response, what: str, data: object, parse: Callable[[object], Job | None]) -> Page[Job] | JobsError:
    items, fields = data, fields_of(data)
    next_uri, total = next_page(fields)
    if fields:
        items = fields.get("jobs")
        if not items and ("jobs" in fields or total == 0):  # a page that counts jobs but has none is not an empty list
            items = []
        elif isinstance(items, dict):
            items = [items]
    if not isinstance(items, list):
        return unexpected(response, what, "the response is not a list of jobs")
    keys = tuple(_key(item) for item in items)
    return Page(tuple(_parsed(items, what, parse, response.redact)), keys, next_uri, total)


def fields_of(data: object) -> dict[str, Any]:
    """Return the fields of an envelope, whose names may have any case; none for a bare array."""
    return {name.lower(): value for name, value in data.items()} | data if isinstance(data, dict) else {}


def next_page(fields: Mapping[str, Any]) -> tuple[object, int | None]:
    """Return the link to the next page, and the total of all pages, as an envelope states them."""
    return next(filter(None, map(fields.get, _NEXT_PAGE)), None), _count(fields.get("@total"))


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and re.fullmatch(r"[0-9]{1,18}", str(value)) else None


def _key(item: object) -> str:
    job_id = item.get("Id") if isinstance(item, dict) else None
    return job_id.lower() if isinstance(job_id, str) else short_repr(item, str)


def _parsed(
    items: list[Any], what: str, parse: Callable[[object], Job | None], redact: Callable[[str], str]
) -> Iterator[Job]:
    skipped = 0
    for index, item in enumerate(items):
        try:
            job = parse(item)
        except MalformedJobError as error:
            skipped += 1
            if skipped <= _MAX_WARNINGS:
                fields = item if isinstance(item, dict) else {}
                job_id, created = short_repr(fields.get("Id"), redact), short_repr(fields.get("CreatedDate"), redact)
                logger.warning("%s: skipped entry %d (Id %s, created %s): %s", what, index, job_id, created, error)
        else:
            if job is not None:
                yield job
    if skipped > _MAX_WARNINGS:
        logger.warning("%s: skipped %d more entries like these", what, skipped - _MAX_WARNINGS)


def read_json(response: Response, what: str) -> dict[str, Any] | list[Any]:
    """Return the JSON object or array in the body; raise ApiError if it is the API's error object."""
    found = _json(response, what)
    if isinstance(found, JobsError):
        raise found
    return found


def _json(response: Response, what: str) -> dict[str, Any] | list[Any] | JobsError:
    start = beginning_of(response.body)
    if not start:
        return unexpected(response, what, "the response is empty")
    if start.startswith("<"):
        kind = "HTML" if is_html(start) else "XML"
        return unexpected(response, what, f"the response is {kind} instead of JSON")
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        return unexpected(response, what, f"the response is not JSON ({error})")
    if not isinstance(data, dict | list):
        return unexpected(response, what, f"the response is a single {type(data).__name__}")
    # Some endpoints return 200 with {"Status": "ERROR", "Message": …}. A job with the status ERROR has an Id or a URI.
    if isinstance(data, dict) and data.get("Status") == "ERROR" and not (data.get("Id") or data.get("QueuedUri")):
        return error_of(response, what)
    return data


def error_of(response: Response, what: str) -> ApiError:
    """Return the error for a response's status and body."""
    status = response.head.status_code
    kind, hint = _KINDS.get(status, _SERVER_ERROR if status >= _FIRST_SERVER_ERROR else _OTHER_ERROR)
    start = response.body[: 16 * _MAX_BODY_CHARACTERS]
    body = response.redact(start.decode(json.detect_encoding(start), "replace"))
    fields = _error_fields(response.body)
    message = _shown_text(response, fields, "Message", "message")
    errors = tuple(_field_errors(response, fields.get("Errors")))
    details = "; ".join(": ".join(filter(None, (error.field, error.message))) for error in errors)
    summary = message.rstrip(".") or ("no readable message" if body.strip() else "no message")
    text = shorten(f"{summary} ({details})" if details else summary)
    request_id = response.redact(response.head.headers.get("x-request-id", ""))[:_MAX_BODY_CHARACTERS]
    error = kind(
        f"{what}: HTTP {status}: {text}. {hint}".rstrip(),
        status_code=status,
        message=message,
        errors=errors,
        request_id=request_id or _shown_text(response, fields, "request_id", "RequestId") or None,
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


def _field_errors(response: Response, errors: object) -> list[FieldError]:
    fields = islice(_error_entries(errors), _MAX_FIELD_ERRORS)
    texts = [
        (_shown_text(response, each, "Field", "field"), _shown_text(response, each, "Message", "message"))
        for each in fields
    ]
    return [FieldError(*pair) for pair in texts if any(pair)]


def _error_entries(errors: object, nesting: int = 0) -> Iterator[dict[str, Any]]:
    """Yield objects with `Field` and `Message`; some of the vendor's pages show `{"Error": …}` instead of a list."""
    nested = errors if isinstance(errors, list) else []
    if isinstance(errors, str):
        yield {"Message": errors}
    elif isinstance(errors, dict):
        nested = [errors[name] for name in _NESTED_ERRORS if errors.get(name)]
        if not nested:
            yield errors
    for entry in nested if nesting < _MAX_NESTING else ():
        yield from _error_entries(entry, nesting + 1)


def server_message(response: Response) -> str:
    """Return the server's message about an error as it came, for decisions: it may contain secrets."""
    return _first_text(_error_fields(response.body), "Message", "message")[:_MAX_BODY_CHARACTERS]


def _shown_text(response: Response, fields: dict[str, Any], *names: str) -> str:
    return response.redact(_first_text(fields, *names))[:_MAX_BODY_CHARACTERS]


def _first_text(fields: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")


def may_be_no_result(start: bytes) -> bool:
    """Return whether a body that starts like this may be an error, a job or a gateway's page instead of a result."""
    text = beginning_of(start)
    return not text or text.startswith("<") or is_object(text)


def check_result(response: Response, what: str, *, job_id: str, is_due: bool) -> Job | None:
    """Check the short body of a 200 to a download: raise if it is an error object, and return the job if it is one.

    A result may itself be JSON, XML, HTML or empty. Only if a redirect was requested, so that no result `is_due`, raise
    for an HTML page, broken JSON, or nothing. Raise UnexpectedResponseError if it is another job.
    """
    found = value_of(_instead_of_result(response, what, job_id))
    if isinstance(found, Job):
        return found
    if found and not is_due:
        raise unexpected(response, what, f"the response is {found} instead of a redirect to the result")
    return None


def _instead_of_result(response: Response, what: str, job_id: str) -> Job | str | JobsError:
    """Return the job, the error or the kind of page that a body is; "" if it is a result."""
    start = beginning_of(response.body)
    if is_api_error(start):
        return error_of(response, what)
    if not is_object(start):
        return "HTML" if is_html(start) else "" if start else "empty"
    return _object_instead_of_result(response, what, job_id)


def _object_instead_of_result(response: Response, what: str, job_id: str) -> Job | str | JobsError:
    # Lenient, and only the first of several objects, because anything else is a result that must not be altered.
    text = response.body.decode(json.detect_encoding(response.body), "replace").lstrip("\ufeff \t\r\n")
    try:
        data, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError) as error:
        return f"broken JSON ({error})"
    if data.get("Status") == "ERROR" and data.keys() <= _ERROR_FIELDS:
        return error_of(response, what)
    # A record of a result may have an id and a status, too: another job is recognised by all its fields.
    is_any_job = not text[end:].strip() and (data.keys() <= JOB_FIELDS or "Replayable" in data)
    if not is_any_job and str(data.get("Id")).lower() != job_id.lower():
        return ""
    try:
        return _if_asked_for(parse_job(data, response.redact), response, what, job_id)
    except MalformedJobError:
        return ""


def with_text(error: ApiError, kind: type[ApiError], text: str) -> ApiError:
    """Return the same error with another class and text."""
    other = kind(
        text,
        status_code=error.status_code,
        message=error.message,
        errors=error.errors,
        request_id=error.request_id,
        body=error.body,
    )
    other.retry_after = error.retry_after
    return other


def unexpected(response: Response, what: str, problem: str) -> UnexpectedResponseError:
    """Return the error for a response that is something else than it should be."""
    status = response.head.status_code
    message = f"{what}: HTTP {status}, but {problem}. Check base_url and any proxy between."
    return UnexpectedResponseError(message, status_code=status)
