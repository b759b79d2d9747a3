"""What the server's refusal of a request about a report means: its error, and what to do."""

from __future__ import annotations

import logging
import re

from impact_jobs._api.context import ClientContext
from impact_jobs._api.pages import ItemIterator
from impact_jobs._api.reports import report_pages, without_jobs
from impact_jobs._api.responses import with_text
from impact_jobs._policy.rate_limit_headers import HOUR
from impact_jobs._redaction import shorten
from impact_jobs._validators import closest, shown
from impact_jobs.errors import (
    ApiError,
    InvalidParameterError,
    JobsError,
    PermissionDeniedError,
    RateLimitError,
    ReportNotFoundError,
)
from impact_jobs.report_models import Report

logger: logging.Logger = logging.getLogger("impact_jobs")

_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404

_ABOUT_REPORT = re.compile(
    r"not permitted to run|\breport\b.*\b(not found|unknown|does ?n.t exist|not exist|not available)"
    r"|\b(no such|unknown|invalid) report\b",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_VALUE = re.compile(
    r"\bdates?\b|_DATE\b|(Start|End)Date|\bvalues?\b|\bparameters?\b|\bfilters?\b|\b(Result)?Format\b|\brange\b",
    re.IGNORECASE,
)
_ABOUT_DAY = re.compile(
    r"\bdaily\b|\b(per|a|each|every) day\b|\b24 hours\b|\bexports?\b.*\blimit|\blimit\b.*\bexports?\b", re.IGNORECASE
)
_LIST_HINT = "`reports()` lists those that it may export."
_DAILY = "Exports are limited to 100 a day: export larger ranges, or wait until tomorrow."


async def explained(context: ClientContext, error: ApiError, report_id: str, what: str) -> JobsError:
    """Return the error that says why a request about a report was refused."""
    details = " ".join([error.message, *(f"{entry.field} {entry.message}" for entry in error.errors)])
    said = shorten(error.message.rstrip(".") or "no message")
    if isinstance(error, RateLimitError):
        if not is_daily(error, context.retry.max_delay):
            return error
        return with_text(error, RateLimitError, f"{what}: HTTP 429: {said}. {_DAILY}")
    if error.status_code == _NOT_FOUND or (error.status_code == _OK and _ABOUT_REPORT.search(details)):
        kind, advice = await _why_refused(context, report_id, is_missing=error.status_code == _NOT_FOUND)
        return with_text(error, kind, f"{what}: {advice} The server's answer was HTTP {error.status_code}: {said}.")
    if error.status_code in {_OK, _BAD_REQUEST} and _ABOUT_VALUE.search(details):
        return with_text(error, InvalidParameterError, str(error))
    return without_jobs(error)


async def _why_refused(context: ClientContext, report_id: str, *, is_missing: bool) -> tuple[type[ApiError], str]:
    """Look a refused report up in the account's list; return the error's class, and what to do."""
    try:
        reports = {report.id: report async for report in ItemIterator(report_pages(context, is_brief=True))}
    except JobsError as error:
        logger.info("the list of reports could not be read: %s", error)
        return ReportNotFoundError, f"it was refused. {_LIST_HINT} Check base_url and the kind of account, too."
    listed = reports.get(report_id)
    if listed is None:
        names = {name: report.id for report in reports.values() for name in (report.name, report.id)}
        close = closest(report_id, names)
        hint = f"Did you mean {_named(reports[names[close]])}? " if close else ""
        return ReportNotFoundError, f"there is no such report in the account's list. {hint}{_LIST_HINT}"
    if not listed.is_exportable:
        return ReportNotFoundError, "the report exists in the web application only. " + _LIST_HINT
    if is_missing:
        return ReportNotFoundError, "the account's list has it, so check base_url and the kind of account."
    return PermissionDeniedError, "the account's list has it, but the token or the account may not run it."


def _named(report: Report) -> str:
    """Return the id of a report, and its name."""
    return f"{shown(report.id)} ({shorten(report.name)})" if report.name else shown(report.id)


def is_daily(error: ApiError, max_delay: float) -> bool:
    """Return whether the daily limit of exports is spent, and not the hourly one of requests.

    The message does not say so if the server accepts requests again after a pause of at most `max_delay` seconds.
    """
    pause = error.retry_after
    is_short = pause is not None and pause <= max_delay
    says_so = (pause or 0.0) > HOUR or _ABOUT_DAY.search(error.message) is not None
    return isinstance(error, RateLimitError) and says_so and not is_short
