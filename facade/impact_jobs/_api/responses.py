"""What an answer says: a job, a page of jobs, or an error."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from impact_jobs._api.parsing import MalformedJobError, parse_job, shortened
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
_KEPT_BODY_CHARACTERS = 4096
_KEPT_ERRORS = 100
_MOST_WARNINGS = 100

_XML_ERROR = re.compile(rb"(?:<\?xml[^>]*>\s*)?<ImpactRadiusResponse[^>]*>\s*<Status>ERROR</Status>")
_HTML = re.compile(rb"(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_OBJECT = re.compile(rb"\{\s*(?:[\"}]|$)")
_OF_AN_ERROR = frozenset({"Status", "Message", "Errors", "message", "request_id", "RequestId"})
_XML_MESSAGE = re.compile(rb"<Message>([^<]{1,1000})</Message>")

_HINTS: dict[int, tuple[type[ApiError], str]] = {
    401: (AuthenticationError, "Check Account SID and Auth Token."),
    402: (ApiError, "The account does not include this; ask your impact.com contact."),
    403: (
        PermissionDeniedError,
        "Check that the token is active, has the Jobs scope and belongs to this account.",
    ),
    404: (JobNotFoundError, "Check the id and that the job belongs to this account."),
    429: (RateLimitError, "The hourly request budget is spent: wait, and poll less."),
}
_SERVER_HINT: tuple[type[ApiError], str] = (ServerError, "The server or a gateway before it failed; try again later.")
_OTHER_HINT: tuple[type[ApiError], str] = (ApiError, "Read the server's message.")


@frozen
class Page:
    """One answer to a list request.

    Attributes:
        jobs: What could be read of it.
        next_uri: Where the next page is, as the server writes it, or None on the last.
        entries: How many it holds, whatever became of them.
    """

    jobs: tuple[Job, ...]
    next_uri: str | None
    entries: int = 0


def read_job(response: Response, what: str) -> Job:
    """The job in the body.

    Raises:
        ApiError: The body is the API's error object, status 200 or not.
        UnexpectedResponseError: There is no job in it.
    """
    data = read_json(response, what)
    try:
        return parse_job(data)
    except MalformedJobError as error:
        raise _unexpected(response, what, f"the answer is not a job: {error}") from None


def read_page(response: Response, what: str, *, parse: Callable[[object], Job | None] = parse_job) -> Page:
    """The jobs in the body: a bare array, `{"Jobs": […]}`, or a page with `@nextpageuri`.

    A malformed job is skipped with a warning in the log; the others are kept.

    Args:
        response: The answer.
        what: The call, for messages.
        parse: Makes a job of an entry; None where it is not wanted.

    Raises:
        ApiError: The body is the API's error object.
        UnexpectedResponseError: There is no list in it.
    """
    data = read_json(response, what)
    items: Any = data
    next_uri = None
    if isinstance(data, dict) and ("Jobs" in data or "@total" in data):
        items, next_uri = data.get("Jobs") or [], data.get("@nextpageuri") or None
        if "Jobs" not in data and str(data["@total"]) != "0":
            items = None  # an empty list would be a lie
    if not isinstance(items, list) or not isinstance(next_uri, str | None):
        raise _unexpected(response, what, "the answer is not a list of jobs")
    return Page(tuple(_readable(items, what, parse)), next_uri, len(items))


def _readable(items: list[Any], what: str, parse: Callable[[object], Job | None]) -> Iterator[Job]:
    skipped = 0
    for index, item in enumerate(items):
        try:
            job = parse(item)
        except MalformedJobError as error:
            skipped += 1
            if skipped <= _MOST_WARNINGS:
                fields = item if isinstance(item, dict) else {}
                logger.warning(
                    "%s: skipped entry %d (Id %s, created %s): %s",
                    *(what, index, shortened(fields.get("Id")), shortened(fields.get("CreatedDate")), error),
                )
        else:
            if job is not None:
                yield job
    if skipped > _MOST_WARNINGS:
        logger.warning("%s: skipped %d more entries like these", what, skipped - _MOST_WARNINGS)


def error_of(response: Response, what: str) -> ApiError:
    """The error that an answer's status and body amount to."""
    status = response.head.status_code
    kind, hint = _HINTS.get(status, _SERVER_HINT if status >= _FIRST_SERVER_ERROR else _OTHER_HINT)
    text = redact(response.body[: 4 * _KEPT_BODY_CHARACTERS].decode("utf-8", "replace"))
    fields = _envelope(response.body)
    message = _shown(_first_text(fields, "Message", "message"))
    errors = tuple(_field_errors(fields.get("Errors")))
    said = message or ("no message" if not text.strip() else "no readable message")
    details = "".join(f"; {': '.join(filter(None, (error.field, error.message)))}" for error in errors)
    request_id = response.head.headers.get("x-request-id") or _first_text(fields, "request_id", "RequestId")
    error = kind(
        f"{what}: HTTP {status}: {shorten(said.rstrip('.') + details)}. {hint}",
        status_code=status,
        message=message,
        errors=errors,
        request_id=_shown(request_id) or None,
        body=text[:_KEPT_BODY_CHARACTERS],
    )
    if isinstance(error, RateLimitError | ServerError):
        error.retry_after = retry_after_seconds(response.head)
    return error


def read_json(response: Response, what: str) -> dict[str, Any] | list[Any]:
    """The JSON object or array in the body.

    Raises:
        ApiError: It is the API's error object.
        UnexpectedResponseError: It is XML, HTML, empty, broken or a mere value; the message says which.
    """
    start = _start(response.body)
    if not start:
        raise _unexpected(response, what, "the answer is empty")
    if start.startswith(b"<"):
        kind = "HTML" if b"<html" in start.lower() or b"<!doctype" in start.lower() else "XML"
        raise _unexpected(response, what, f"the answer is {kind}, though JSON was asked for")
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise _unexpected(response, what, f"the answer is not JSON ({error})") from None
    if not isinstance(data, dict | list):
        raise _unexpected(response, what, f"the answer is a mere {type(data).__name__}")
    # Some endpoints answer 200 with {"Status": "ERROR", "Message": …}; a job in state ERROR has an Id.
    if isinstance(data, dict) and data.get("Status") == "ERROR" and not data.get("Id"):
        raise error_of(response, what)
    return data


def may_be_no_result(begin: bytes) -> bool:
    """Whether what begins like this may be the API's own answer or a gateway's, instead of a result."""
    start = _start(begin)
    return not start or start.startswith(b"<") or _OBJECT.match(start) is not None


def check_result(response: Response, what: str, *, job_id: str, is_due: bool) -> Job | None:
    """Look whether a short body is no result, though it came with a 200 where one was asked for.

    Results may be JSON or XML themselves, so only what cannot be one is refused: the API's error object and, unless
    a 200 is how the API sends results to who asks like that, a page of a gateway, half an object, and nothing at all.

    Args:
        response: The answer, whole.
        what: The call, for messages.
        job_id: Whose result it should be.
        is_due: Whether a result was due with a 200, rather than with a redirect to it.

    Returns:
        The job, where it is that in place of its result.

    Raises:
        ApiError: It is the API's error object, in JSON or XML.
        UnexpectedResponseError: It is no result of any kind.
    """
    start = _start(response.body)
    problem = ""
    if _XML_ERROR.match(start):
        raise error_of(response, what)
    if _OBJECT.match(start):
        try:
            return _job_or_error(response, what, job_id=job_id)
        except (ValueError, RecursionError) as error:
            problem = f"broken JSON ({error})"
    elif _HTML.match(start):
        problem = "HTML"
    elif not start:
        problem = "empty"
    if problem and not is_due:
        raise _unexpected(response, what, f"the answer is {problem}, where a redirect to the result was due")
    return None


def _job_or_error(response: Response, what: str, *, job_id: str) -> Job | None:
    # Leniently, and the first object of several in a row: what is not refused is given as it is.
    text = response.body.decode("utf-8-sig", "replace").lstrip()
    data, _ = json.JSONDecoder(strict=False).raw_decode(text)
    if data.get("Status") == "ERROR" and data.keys() <= _OF_AN_ERROR:
        raise error_of(response, what)
    try:
        return parse_job(data) if data.get("Id") == job_id else None
    except MalformedJobError:
        return None


def _start(body: bytes) -> bytes:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:256]


def _unexpected(response: Response, what: str, problem: str) -> UnexpectedResponseError:
    status = response.head.status_code
    return UnexpectedResponseError(
        f"{what}: HTTP {status}, but {problem}. Check base_url and any proxy between.", status_code=status
    )


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        found = _XML_MESSAGE.search(body)
        return {"Message": found[1].decode("utf-8", "replace")} if found else {}
    return data if isinstance(data, dict) else {}


def _first_text(fields: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")


def _field_errors(entries: object) -> list[FieldError]:
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [
        FieldError(_shown(_first_text(entry, "Field")), _shown(_first_text(entry, "Message")))
        for entry in found[:_KEPT_ERRORS]
    ]


def _shown(text: str) -> str:
    return redact(text)[:_KEPT_BODY_CHARACTERS]
