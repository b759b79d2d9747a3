"""`report_metadata`: the filters and columns of a report."""

from __future__ import annotations

from impact_jobs._api.context import ClientContext
from impact_jobs._api.reports import check_report_id, metadata_request, read_metadata
from impact_jobs._operations.report_errors import explained
from impact_jobs.errors import ApiError
from impact_jobs.report_models import ReportMetadata


async def report_metadata(context: ClientContext, report_id: object) -> ReportMetadata:
    """Return a report's filters and columns; see `JobsClient.report_metadata`."""
    checked_id = check_report_id(report_id)
    what = f"metadata of report {checked_id}"
    try:
        response = await context.send(metadata_request(context, checked_id), what)
        found = read_metadata(response, what, report_id=checked_id)
    except ApiError as error:
        failure = error
    else:
        memory, path = context.report_memory, context.account.path
        memory.record_metadata(path, checked_id, found, now=context.transport.now())
        return found
    raise await explained(context, failure, checked_id, what)


async def cached_metadata(context: ClientContext, report_id: str) -> ReportMetadata:
    """Return a report's metadata, without a request if it was read within the last hour."""
    found = context.report_memory.metadata(context.account.path, report_id, now=context.transport.now())
    return found or await report_metadata(context, report_id)
