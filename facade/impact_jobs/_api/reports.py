"""Reports: the requests, the list, a report's metadata, and the job that an export returns."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from impact_agency_api.api.reports import export_report, get_report_metadata, list_reports
from impact_agency_api.models import ExportReportResultFormat

from impact_jobs._account import Account
from impact_jobs._api.context import ClientContext
from impact_jobs._api.documents import beginning_of, is_api_error
from impact_jobs._api.endpoints import build_request
from impact_jobs._api.pages import Pages
from impact_jobs._api.parsing import short_repr
from impact_jobs._api.responses import (
    ADVICE,
    Page,
    error_of,
    fields_of,
    next_page,
    read_json,
    read_scheduled_job,
    unexpected,
    value_of,
    with_text,
)
from impact_jobs._transport.base import Request, Response
from impact_jobs._validators import plain_number, shown
from impact_jobs.errors import ApiError, ConfigurationError, JobNotFoundError, UnexpectedResponseError
from impact_jobs.models import Job
from impact_jobs.report_models import DataType, Report, ReportColumn, ReportFilter, ReportMetadata

logger: logging.Logger = logging.getLogger("impact_jobs")

_MAX_ID_CHARACTERS = 200
_ID_IN_URI = re.compile(r".*/(?:ReportExport|Reports)/([^/?#]+?)(?:\.json)?(?:/MetaData(?:\.json)?)?(?:[?#].*)?")
_URIS = ("DeferredApiRunUri", "MetaDataUri", "ApiRunUri")
_JOB_URIS = ("QueuedUri", "Uri", "ResultUri")
_FORBIDDEN, _NOT_FOUND = 403, 404
_ADVICE = {
    _FORBIDDEN: "Check that the token is active, may read and export reports, and belongs to this account.",
    _NOT_FOUND: "Check base_url and the kind of account.",
}
_ERROR_FIELDS = frozenset({"Message", "message", "Errors", "Code", "RequestId", "request_id"})
_TYPE = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_TYPES: dict[str, DataType] = {data_type.lower(): data_type for data_type in DataType}


def check_report_id(report_id: object) -> str:
    """Return the id of a report that a user gave, as text."""
    number = plain_number(report_id)
    text = report_id.strip() if isinstance(report_id, str) else str(number) if isinstance(number, int) else ""
    if not _is_report_id(text):
        raise ConfigurationError(
            f"report_id={shown(report_id)} is not the id of a report: give one such as 'agency_action_listing'. "
            "`reports()` lists them."
        )
    return text


def _is_report_id(text: str) -> bool:
    has_name = text.strip(".") != "" and len(text) <= _MAX_ID_CHARACTERS
    return has_name and text.isprintable() and not {"/", "\\"} & set(text)


def export_request(
    context: ClientContext, report_id: str, *, result_format: str, parameters: Mapping[str, str]
) -> Request:
    """Build the request that exports a report."""
    kwargs = export_report._get_kwargs(  # noqa: SLF001 - see build_request
        context.account.sid, report_id, result_format=ExportReportResultFormat(result_format)
    )
    return build_request(context, {**kwargs, "params": {**kwargs["params"], **parameters}})


def metadata_request(context: ClientContext, report_id: str) -> Request:
    """Build the request for a report's metadata."""
    return build_request(context, get_report_metadata._get_kwargs(context.account.sid, report_id))  # noqa: SLF001 - see build_request


def report_pages(context: ClientContext, *, is_brief: bool = False) -> Pages[Report]:
    """Return the pages of the list of reports; without retries if `is_brief`."""
    first = build_request(context, list_reports._get_kwargs(context.account.sid))  # noqa: SLF001 - see build_request
    deadline = math.inf if is_brief else None
    return Pages(
        context,
        first,
        resource="Reports",
        read=_read_page,
        key=lambda report: report.id,
        deadline=deadline,
        explain=without_jobs,
    )


def _read_page(response: Response, what: str) -> Page[Report]:
    return value_of(_page(response, what, _checked(response, what)))


def _page(response: Response, what: str, data: object) -> Page[Report] | UnexpectedResponseError:
    fields = fields_of(data)
    next_uri, total = next_page(fields)
    items = data if isinstance(data, list) else fields.get("reports")
    if not items and ("reports" in fields or total == 0):
        items = []
    if not isinstance(items, list | dict):
        return unexpected(response, what, "the response is not a list of reports")
    entries = _entries(items, "Report")
    keys = tuple((_id_of(item) if isinstance(item, dict) else None) or short_repr(item, str) for item in entries)
    return Page(tuple(_parsed(entries, what, response.redact)), keys, next_uri, total)


def _entries(value: object, name: str) -> list[Any]:
    """Return a list that may be missing, a single entry, or wrapped in an object, as converters of XML do."""
    if isinstance(value, dict):
        value = value.get(name, [value])
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


def _parsed(items: list[Any], what: str, redact: Callable[[str], str]) -> Iterator[Report]:
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            logger.warning("%s: skipped entry %d: it is a %s, not an object", what, index, type(item).__name__)
        elif not (report_id := _id_of(item)):
            # Some reports of the web application have none, and cannot be requested.
            logger.info("%s: skipped entry %d (%s): it has no id", what, index, short_repr(item.get("Name"), redact))
        else:
            yield Report(
                id=report_id,
                name=_text(item.get("Name")) or report_id,
                category=_text(item.get("Category")),
                description=_text(item.get("Description")),
                is_exportable=str(item.get("ApiAccessible")).strip().lower() != "false",
                raw=item,
            )


def _id_of(item: Mapping[str, Any]) -> str | None:
    """Return the id of an entry, or the one in its URIs."""
    found = _text(item.get("Id"))
    if found and _is_report_id(found):
        return found
    uris = (uri.strip() for uri in map(item.get, _URIS) if isinstance(uri, str))
    matches = (_ID_IN_URI.fullmatch(uri) for uri in uris)
    return next((text for match in matches if match and _is_report_id(text := unquote(match[1]))), None)


def read_metadata(response: Response, what: str, *, report_id: str) -> ReportMetadata:
    """Return the metadata in the body; raise UnexpectedResponseError if it is none, and as for `read_json`."""
    return value_of(_metadata(response, what, _checked(response, what), report_id))


def _metadata(response: Response, what: str, data: object, report_id: str) -> ReportMetadata | UnexpectedResponseError:
    if not isinstance(data, dict) or not {"Filters", "Attributes", "Columns"} & data.keys():
        return unexpected(response, what, "the response is not a report's metadata")
    filters = _named(_entries(data.get("Filters"), "Filter"), what, response.redact)
    columns = _entries(data.get("Attributes"), "Attribute") or _entries(data.get("Columns"), "Column")
    own_id = _text(data.get("Id")) or report_id
    return ReportMetadata(
        id=own_id,
        name=_text(data.get("Name")) or own_id,
        description=_text(data.get("Description")),
        filters=tuple(map(_filter, filters)),
        columns=tuple(map(_column, _named(columns, what, response.redact))),
        raw=data,
    )


def _named(items: list[Any], what: str, redact: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    for index, item in enumerate(items):
        if isinstance(item, dict) and _text(item.get("Name")):
            yield item
        else:
            logger.warning("%s: skipped entry %d: %s has no name", what, index, short_repr(item, redact))


def _filter(item: Mapping[str, Any]) -> ReportFilter:
    name = _text(item["Name"]) or ""
    data_type, pattern = _data_type(item.get("DataType"))
    return ReportFilter(
        name=_text(item.get("DisplayName")) or name,
        parameter="_".join(name.split()).upper(),
        data_type=data_type,
        format=_text(item.get("Format")) or pattern,
    )


def _column(item: Mapping[str, Any]) -> ReportColumn:
    data_type, _ = _data_type(item.get("DataType"))
    name = _text(item["Name"]) or ""
    return ReportColumn(name=name, data_type=data_type, description=_text(item.get("Description")))


def _data_type(value: object) -> tuple[DataType | str, str | None]:
    """Return the type, and the form that it states, as in "Date (yyyy-MM-dd)"; without a type, text is the safe one."""
    text = _text(value)
    match = _TYPE.fullmatch(text) if text else None
    if match is None or match[1].lower() not in _TYPES:
        return text or DataType.STRING, None
    return _TYPES[match[1].lower()], match[2] or None


def _text(value: object) -> str | None:
    """Return text or a number as text; None for anything else, and for blank text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value).strip() or None if is_number or isinstance(value, str) else None


def read_export(response: Response, what: str, account: Account) -> Job | UnexpectedResponseError:
    """Return the job that an export has scheduled, or the error if its URIs name something else, which is final.

    Raise UnexpectedResponseError if the response cannot be read, and as for `read_json`.
    """
    if is_api_error(beginning_of(response.body)):  # in XML
        raise error_of(response, what)
    try:
        _checked(response, what)
        return read_scheduled_job(response, what, account=account)
    except UnexpectedResponseError as error:
        failure = error
    reason = _why_not_a_job(response, account)
    if reason is None:
        raise failure
    status = response.head.status_code
    text = f"{what}: HTTP {status}, but the response does not name a job that this client can use: {reason}"
    return UnexpectedResponseError(text, status_code=status)


def _why_not_a_job(response: Response, account: Account) -> str | None:
    """Return why the first URI of a response does not name a job of the account; None if it has none, or does."""
    try:
        data = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    uris = filter(None, map(data.get, _JOB_URIS)) if isinstance(data, dict) else iter(())
    uri = next(uris, None)
    if uri is None:
        return None
    if not isinstance(uri, str):
        return f"its URI is {short_repr(uri, response.redact)}"
    try:
        account.job_id_in_answer(uri)
    except ConfigurationError as error:
        return str(error)
    return None


def _checked(response: Response, what: str) -> dict[str, Any] | list[Any]:
    """Return the JSON; raise ApiError for an error with a 200 in any form, and as for `read_json`."""
    found = _data_or_error(response, what, read_json(response, what))
    if isinstance(found, ApiError):
        raise found
    return found


def _data_or_error(
    response: Response, what: str, data: dict[str, Any] | list[Any]
) -> dict[str, Any] | list[Any] | ApiError:
    fields = data if isinstance(data, dict) else {}
    is_message = any(map(fields.get, ("Message", "message"))) and fields.keys() <= _ERROR_FIELDS
    is_error = is_message or str(fields.get("Status")).strip().upper() == "ERROR"
    return error_of(response, what) if is_error and not (fields.get("Id") or fields.get("QueuedUri")) else data


def without_jobs(error: ApiError) -> ApiError:
    """Return the error of a request about reports with advice about these instead of jobs."""
    advice = _ADVICE.get(error.status_code)
    if advice is None:
        return error
    kind = ApiError if isinstance(error, JobNotFoundError) else type(error)
    return with_text(error, kind, str(error).removesuffix(ADVICE[error.status_code]) + advice)
