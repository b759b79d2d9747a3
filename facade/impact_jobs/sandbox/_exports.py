"""Exports: what a request asks for, what is wrong with it, and the daily limit."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final, cast

from attrs import frozen

from impact_jobs.sandbox._account_rules import LAST_SECOND, AccountRules, parse_day, parse_moment
from impact_jobs.sandbox._catalogue import EXPORTABLE, FILTER_TYPES
from impact_jobs.sandbox._report_data import ReportData
from impact_jobs.sandbox._report_result import JsonShape, ReportResult, ResultFormat
from impact_jobs.sandbox._responses import HttpError

_FORMATS: Final = frozenset({"CSV", "JSON", "XML"})
_FUTURE: Final = timedelta(days=366)  # later days are refused
_DEFAULT_DAYS: Final = 30  # without a start
_DAY_SECONDS: Final = 86_400.0
_MOST_RECORDS: Final = 100_000


@frozen(kw_only=True)
class RecordedExport:
    """A request for an export that was answered with a job.

    Args:
        time: When it arrived, in epoch seconds of the sandbox's clock.
        report_id: The report.
        parameters: The parameters of the request.
        start: The first day of the window.
        end: The last day of the window.
        job_id: The job that the answer named.
        is_new: Whether the request created the job; otherwise an earlier, equal request did.
        advertiser: The number of the brand for which an agency asked, or None.

    Example:
        >>> from impact_jobs.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.exports
        ()
    """

    time: float
    report_id: str
    parameters: Mapping[str, str]
    start: date
    end: date
    job_id: str
    is_new: bool
    advertiser: int | None = None


@frozen(kw_only=True)
class ExportQuery:
    """What a valid request asks for; `start` and `end` are inclusive, in local time."""

    report_id: str
    start: datetime
    end: datetime
    has_open_end: bool
    filters: tuple[tuple[str, str], ...]
    result_format: ResultFormat

    def result(
        self, *, source: str, rows_per_day: int, as_of: date, json_shape: JsonShape, json_page_rows: int
    ) -> ReportResult:
        """Return the file that the export produces on a day."""
        data = ReportData(
            source=source,
            report_id=self.report_id,
            rows_per_day=rows_per_day,
            start=self.start,
            end=self.end,
            as_of=as_of,
            filters=self.filters,
        )
        return ReportResult(
            data=data,
            format=self.result_format,
            json_shape=json_shape,
            json_page_rows=json_page_rows,
            has_open_end=self.has_open_end,
        )


def parse_export(report_id: str, parameters: Mapping[str, str], *, rules: AccountRules, today: date) -> ExportQuery:
    """Read a request for an export; raise HttpError if it cannot be run.

    Unknown filters are accepted and change nothing, as the API accepts them.
    """
    if report_id not in EXPORTABLE:
        if rules.refuses_by_status:
            raise HttpError(HTTPStatus.NOT_FOUND, "Report not found.")
        raise HttpError(HTTPStatus.OK, f"Not permitted to run report {report_id}")
    start, end = (_bound(name, parameters, rules, today) for name in (rules.start_parameter, rules.end_parameter))
    if start and end and start > end:
        reason = f"{rules.start_parameter} must not be after {rules.end_parameter}"
        raise _refusal(rules, rules.start_parameter, reason, message=reason)
    result_format = parameters.get("ResultFormat", "CSV").upper()
    if result_format not in _FORMATS:
        raise _refusal(rules, "ResultFormat", "expected CSV, JSON or XML")
    filters = {name: value for name, value in parameters.items() if name in FILTER_TYPES}
    for name, value in filters.items():
        if not _fits(value, FILTER_TYPES[name]):
            raise _refusal(rules, name, f"expected {FILTER_TYPES[name]}")
    last = end or datetime.combine(today, LAST_SECOND)
    return ExportQuery(
        report_id=report_id,
        start=start or datetime.combine(last.date() - timedelta(days=_DEFAULT_DAYS - 1), time()),
        end=last if rules.exports_by_moment else datetime.combine(last.date(), LAST_SECOND),
        has_open_end=end is None,
        filters=tuple(sorted(filters.items())),
        result_format=cast("ResultFormat", result_format),
    )


def _bound(name: str, parameters: Mapping[str, str], rules: AccountRules, today: date) -> datetime | None:
    """Return the start or the end, in local time."""
    text = parameters.get(name)
    if text is None:
        if rules.refuses_by_status:
            raise _refusal(rules, name, "is required")
        return None
    moment = parse_moment(text) if rules.exports_by_moment else parse_day(text)
    if moment is None:
        form = "YYYY-MM-DDThh:mm:ss and an offset" if rules.exports_by_moment else "YYYY-MM-DD"
        raise _refusal(rules, name, f"expected {form}")
    local = moment.replace(tzinfo=None)  # the day as given, because the zone that the API applies is not documented
    if local.date() > today + _FUTURE:
        raise _refusal(rules, name, "too far in the future")
    return local


def _refusal(rules: AccountRules, field: str, reason: str, *, message: str = "") -> HttpError:
    if rules.refuses_by_status:
        return HttpError(HTTPStatus.BAD_REQUEST, "Validation Failed", errors=[(field, reason)])
    return HttpError(HTTPStatus.OK, message or f"Invalid value for {field}: {reason}")


def _fits(value: str, data_type: str) -> bool:
    match data_type:
        case "Boolean":
            return value.lower() in {"true", "false"}
        case "Integer":
            return value.isascii() and value.removeprefix("-").isdigit()
        case "Decimal":
            try:
                return Decimal(value).is_finite()
            except InvalidOperation:
                return False
    return True


class ExportLog:
    """The exports of the account, and its limit of exports in any 24 hours. Every method is safe in any thread."""

    def __init__(self, limit: int | None, *, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._records: deque[RecordedExport] = deque(maxlen=_MOST_RECORDS)
        self._prepared: deque[Mapping[str, Any]] = deque()
        self._lock = threading.Lock()

    def require_quota(self) -> None:
        """Raise HttpError if the limit of the last 24 hours is reached."""
        if self._limit is None:
            return
        now = self._clock()
        with self._lock:
            recent = [record.time for record in self._records if record.time > now - _DAY_SECONDS]
        if len(recent) >= self._limit:
            waits = [time + _DAY_SECONDS - now for time in recent[len(recent) - self._limit :]]
            wait = str(math.ceil(waits[0] if waits else _DAY_SECONDS))
            message = f"The limit of {self._limit} report exports a day is reached. Try again later."
            raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, message, headers={"Retry-After": wait})

    def add(self, record: RecordedExport) -> None:
        """Record an export."""
        with self._lock:
            self._records.append(record)

    def all(self) -> tuple[RecordedExport, ...]:
        """Return the exports, oldest first."""
        with self._lock:
            return tuple(self._records)

    def prepare(self, changes: Mapping[str, Any]) -> None:
        """Keep what differs in a job that an export is yet to create."""
        with self._lock:
            self._prepared.append(changes)

    def pop_prepared(self) -> Mapping[str, Any]:
        """Remove and return what differs in the next job."""
        with self._lock:
            return self._prepared.popleft() if self._prepared else {}
