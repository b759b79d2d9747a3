"""Export a report: one job from one call, even if the response to the request is lost.

An export that equals an earlier one returns the existing job. So a request whose response was lost is looked for in the
list of jobs first, and sent again only if the list leaves it open: if it was accepted, that creates no second job.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta

from attrs import evolve, field, frozen

from impact_jobs._account_kinds import AGENCY, AccountKind
from impact_jobs._api.context import ClientContext, RetryState
from impact_jobs._api.pages import job_pages
from impact_jobs._api.reports import check_report_id, export_request, read_export
from impact_jobs._api.responses import value_of
from impact_jobs._dates import Window, parse_bound
from impact_jobs._operations.replay import may_have_been_accepted, time_of_sending
from impact_jobs._operations.report_errors import explained, is_daily
from impact_jobs._operations.report_metadata import cached_metadata
from impact_jobs._policy.daily_exports import is_export
from impact_jobs._policy.replay_claims import ReplayAttempt
from impact_jobs._policy.report_filters import check_filters, split_dates
from impact_jobs._transport.base import read_all
from impact_jobs._transport.clock import utc
from impact_jobs._validators import shown
from impact_jobs.errors import (
    ApiError,
    ConfigurationError,
    ExportUncertainError,
    JobsError,
    TransportError,
    UnexpectedResponseError,
)
from impact_jobs.models import Job

logger: logging.Logger = logging.getLogger("impact_jobs")

_FORMATS = ("CSV", "JSON", "XML")
_SUCCESSES = frozenset({200, 201, 202})
_REDIRECTS = range(300, 400)
_DAY = timedelta(days=1)

OTHERS_WITHIN = timedelta(minutes=10)
"""If a job of another origin is as near as this to an export, others export as well, and a new job may be theirs."""


@frozen(kw_only=True)
class ExportArguments:
    """What a user gave, unchecked; `JobsClient.export_report` documents each argument."""

    report_id: object
    start_date: date | str | None
    end_date: date | str | None
    filters: Mapping[str, object] | None
    result_format: str = "CSV"


@frozen(kw_only=True)
class ExportRequest:
    """A checked request to export a report.

    `start` and `end` are inclusive days; `parameters` are the filters by parameter, without the days and the format.
    """

    report_id: str
    result_format: str
    start: date | None = None
    end: date | None = None
    parameters: Mapping[str, str] = field(factory=dict)

    def for_window(self, start: date, end: date) -> ExportRequest:
        """Return the request for a part of the range."""
        return evolve(self, start=start, end=end)

    @property
    def key(self) -> str:
        """A stable text of everything that identifies the request within its account."""
        days = [None if day is None else day.isoformat() for day in (self.start, self.end)]
        return json.dumps([self.report_id, self.result_format, *days, sorted(self.parameters.items())])


def check_export(context: ClientContext, given: ExportArguments) -> tuple[ExportRequest, dict[str, object]]:
    """Check what can be checked without a request; return the request without its filters, and these."""
    report_id, result_format = check_report_id(given.report_id), checked_format(given.result_format)
    dates, others = split_dates(given.filters)
    for name, value in (("start_date", given.start_date), ("end_date", given.end_date)):
        if value is not None and name in dates:
            raise ConfigurationError(f"{name} is given twice, as an argument and in filters: give it once.")
    start = _day("start_date", dates.get("start_date", given.start_date))
    end = _day("end_date", dates.get("end_date", given.end_date))
    _check_range(start, end, context.account.kind)
    return ExportRequest(report_id=report_id, result_format=result_format, start=start, end=end), others


async def plan_export(context: ClientContext, given: ExportArguments) -> ExportRequest:
    """Check the arguments of an export. The report's metadata is requested only if there are filters to check."""
    return await with_filters(context, *check_export(context, given))


async def with_filters(context: ClientContext, request: ExportRequest, filters: Mapping[str, object]) -> ExportRequest:
    """Return the request with these filters, checked against the report's metadata."""
    if not filters:
        return request
    metadata = await cached_metadata(context, request.report_id)
    return evolve(request, parameters=check_filters(filters, metadata, takes_program=context.account.kind is AGENCY))


def checked_format(result_format: object) -> str:
    """Return the format of a result in upper case; raise ConfigurationError if the API has no such format."""
    found = result_format.strip().upper() if isinstance(result_format, str) else ""
    if found not in _FORMATS:
        raise ConfigurationError(f"result_format={shown(result_format)}: give 'CSV', 'JSON' or 'XML'.")
    return found


def _day(name: str, value: object) -> date | None:
    bound = parse_bound(name, value)  # type: ignore[arg-type]  # it checks the type
    return bound.date() if isinstance(bound, datetime) else bound


def _check_range(start: date | None, end: date | None, kind: AccountKind) -> None:
    if start and end and start > end:
        raise ConfigurationError(f"start_date ({start}) is later than end_date ({end}): swap them.")
    today = utc().date()
    if start and start - today > _DAY:
        raise ConfigurationError(f"start_date ({start}) is in the future: today is {today}, and there are no data yet.")
    if kind.requires_export_dates and not (start and end):
        raise ConfigurationError(
            f"an export of a {kind.name} account needs both start_date and end_date: give the first and the last day."
        )


async def send_export(context: ClientContext, request: ExportRequest, *, claimed: Collection[str] = ()) -> Job:
    """Return the job of an export; `claimed` are the ids of jobs that cannot be it, because other exports made them."""
    what = f"export of report {request.report_id}"
    with context.replay_claims.attempt(f"export {request.key}", now=context.transport.now) as attempt:
        try:
            job = await _send(context, request, what, attempt, claimed)
        except ExportUncertainError:
            raise
        except JobsError as error:
            if not attempt.is_lost:
                raise
            failure = error
        else:
            logger.info("%s: job %s is %s", what, job.id, job.status)
            return job
        # What refuses the second request says nothing about the first one.
        raise ExportUncertainError(request.report_id, cause=f"no readable response; sent again: {failure}")


async def _send(
    context: ClientContext, request: ExportRequest, what: str, attempt: ReplayAttempt, claimed: Collection[str]
) -> Job:
    retries, sent_at = RetryState(context, what), context.transport.now()
    while True:
        await context.wait_for_quota()
        if not attempt.is_lost:
            sent_at = context.transport.now()  # of the first request that may have been accepted
        counted = utc()
        context.daily_exports.on_sent(counted)
        try:
            outcome = await _send_once(context, request, what, sent_at=sent_at)
        except (TransportError, ApiError, UnexpectedResponseError) as error:
            failure = error
        else:
            return value_of(outcome)
        if not _is_lost(failure):
            context.daily_exports.on_not_accepted(counted)
            await _pause_or_raise(context, retries, failure, request.report_id)
            continue
        attempt.is_lost = True
        job = await _find_job(context, request, attempt, claimed, sent_at=sent_at, failure=failure)
        if job is not None:
            return job
        retries.failures += 1
        if retries.failures >= context.retry.attempts:
            raise ExportUncertainError(request.report_id, cause=str(failure))
        logger.info("%s: the list of jobs leaves it open, so it is sent again (%s)", what, failure)


def _is_lost(failure: JobsError) -> bool:
    """Return whether the request may have been accepted, unlike one that is redirected."""
    is_redirect = isinstance(failure, UnexpectedResponseError) and failure.status_code in _REDIRECTS
    return not is_redirect and may_have_been_accepted(failure)


async def _send_once(
    context: ClientContext, request: ExportRequest, what: str, *, sent_at: float
) -> Job | UnexpectedResponseError:
    """Send the request once; return its job, or the error that the response names no job, which is final."""
    parameters = {**_range_parameters(request, context.account.kind), **request.parameters}
    http_request = export_request(
        context, request.report_id, result_format=request.result_format, parameters=parameters
    )
    response = await read_all(await context.open(http_request), http_request)
    is_success = response.head.status_code in _SUCCESSES
    checked = context.redacted(response) if is_success else context.raise_for_status(response, what)
    outcome = read_export(checked, what, context.account)
    if isinstance(outcome, Job):
        sent = time_of_sending(context, response.head, sent_at)
        context.replay_claims.record(evolve(outcome, created_date=sent))
        _remember(context, outcome, sent)
    return outcome


def _range_parameters(request: ExportRequest, kind: AccountKind) -> dict[str, str]:
    first, last = ("T00:00:00Z", "T23:59:59Z") if kind.exports_by_moment else ("", "")
    start = {kind.start_parameter: f"{request.start.isoformat()}{first}"} if request.start else {}
    end = {kind.end_parameter: f"{request.end.isoformat()}{last}"} if request.end else {}
    return start | end


def _remember(context: ClientContext, job: Job, sent: datetime) -> None:
    # A new job may be unknown to other servers for a moment.
    context.recent_replays.record(job.id, now=context.transport.now())
    context.report_memory.record_export(job.id, sent)
    context.daily_exports.on_answer(job.id, utc())


async def _pause_or_raise(context: ClientContext, retries: RetryState, failure: JobsError, report_id: str) -> None:
    """Pause before an export that was certainly not accepted is sent again, or raise what the failure means."""
    if isinstance(failure, ApiError):
        max_delay = context.retry.max_delay
        is_long = (failure.retry_after or 0.0) > max_delay or is_daily(failure, max_delay)
        if is_long or context.retry.delay(failure, retries.failures + 1, random=context.random) is None:
            raise await explained(context, failure, report_id, retries.what)
    await retries.pause_after(failure)


async def _find_job(
    context: ClientContext,
    request: ExportRequest,
    attempt: ReplayAttempt,
    claimed: Collection[str],
    *,
    sent_at: float,
    failure: JobsError,
) -> Job | None:
    """Return the job that an export without a response made, if the list leaves no doubt.

    The list is read up to `retry.attempts` times, because it may lag; once, if it shows several candidates, or that
    others export, too. Whether the request was accepted then shows when it is sent again.
    """
    for reads in range(context.retry.attempts):
        if reads:
            await context.transport.sleep(context.retry.pause(failure, reads, random=context.random))
        try:
            jobs, since = await _recent_jobs(context, sent_at)
        except JobsError as error:
            unread = f"{failure}; and the list could not be read: {error}"
            raise ExportUncertainError(request.report_id, cause=unread) from None
        free = context.replay_claims.unclaimed(candidates(jobs, request, claimed))
        new = [job for job in free if _is_since(job, since)]
        if len(new) > 1 or (new and any(_is_since(job, since - OTHERS_WITHIN) for job in free if job not in new)):
            return None
        own, _ = context.replay_claims.claim(attempt, new, now=context.transport.now())
        if own is not None:
            _remember(context, own, since)
            logger.info("the export of report %s was found in the list: job %s", request.report_id, own.id)
            return own
    return None


async def _recent_jobs(context: ClientContext, sent_at: float) -> tuple[list[Job], datetime]:
    """Return the jobs of at least a day, and the time by the server's clock that a request was not sent before."""
    first_day = utc().date() - 2 * _DAY
    while True:
        jobs: list[Job] = []
        pages = job_pages(context, Window.create(first_day, None, context.account.kind))
        async for page in pages:
            jobs += page
        since = whole_second(time_of_sending(context, pages.head, sent_at))
        if first_day < since.date():
            return jobs, since
        first_day = since.date() - _DAY  # this machine's clock is ahead of the server's


def whole_second(moment: datetime) -> datetime:
    """Round a moment down, as the server does in `Date` and in the dates of jobs: no later job has an earlier date."""
    return moment.replace(microsecond=0)


def _is_since(job: Job, moment: datetime) -> bool:
    return job.created_date is not None and job.created_date >= moment


def candidates(jobs: Iterable[Job], request: ExportRequest, claimed: Collection[str]) -> list[Job]:
    """Return the jobs that may be an export's, by their type and program. Any doubt excludes a job."""
    taken = {job_id.lower() for job_id in claimed}
    programs = {None, request.parameters.get("SUBAID")}
    return [job for job in jobs if job.id.lower() not in taken and is_export(job) and job.program_id in programs]


async def export_report(context: ClientContext, given: ExportArguments) -> Job:
    """Return the job of an export; see `JobsClient.export_report`."""
    return await send_export(context, await plan_export(context, given))
