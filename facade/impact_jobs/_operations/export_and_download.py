"""`export_and_download`: from a report's name to a file, as one job or as one for each window of a long range."""

from __future__ import annotations

from os import PathLike

from attrs import evolve

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext
from impact_jobs._api.endpoints import get
from impact_jobs._download.destination import Place, check_target, is_folder, make_folder
from impact_jobs._download.joining import csv_rows
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.download import download, wait_and_save
from impact_jobs._operations.export import (
    ExportArguments,
    ExportRequest,
    check_export,
    checked_format,
    send_export,
    with_filters,
)
from impact_jobs._operations.export_names import ExportNames
from impact_jobs._operations.export_options import ExportOptions
from impact_jobs._operations.result_age import refreshed
from impact_jobs._operations.result_pages import download_all_pages, takes_json_lines
from impact_jobs._operations.windows.assembling import PrepareAssembly, assembly_in
from impact_jobs._operations.windows.run import ExportRun
from impact_jobs._policy.windows import split_range
from impact_jobs.errors import ConfigurationError, ExportReport, JobsError, ResultNotReadyError
from impact_jobs.models import DownloadResult, Job, JobStatus
from impact_jobs.report_models import ExportWindow


async def export_and_download(
    context: ClientContext,
    path: str | PathLike[str],
    options: DownloadOptions,
    given: ExportArguments,
    export: ExportOptions,
    *,
    prepare: PrepareAssembly | None = None,
) -> DownloadResult | ExportReport:
    """Export a report and download its result; see `JobsClient.export_and_download`.

    With `prepare`, the files are assembled from the results, in another format than theirs.
    """
    request, others = check_export(context, given)
    is_single = export.split is None
    if export.on_window is not None and not (request.start and request.end):
        raise ConfigurationError("on_window needs both start_date and end_date: without them, there is no window.")
    windows = split_range(request.start, request.end, export.split) if export.split is not None else ()
    if export.join and windows and request.result_format == "XML":
        raise ConfigurationError("XML results are not joined: pass result_format='CSV' or 'JSON', or join=False.")
    names = ExportNames.create(path, request, account=context.account)
    is_joined = export.join or is_single
    places = [names.place(request.start, request.end)] if is_joined else names.places(windows)
    is_run = not is_single or prepare is not None  # whose journal shows which files are its own
    await context.transport.run(lambda: names.check(places, overwrite=options.overwrite, is_run=is_run))
    request = await with_filters(context, request, others)
    assemble = await prepare(context, request.report_id) if prepare is not None else None
    if not is_run:
        return await _export_one_window(context, request, places[0], options, export)
    run = ExportRun(
        context=context,
        request=request,
        windows=windows,
        names=names,
        places=places,
        options=options,
        export=export,
        assemble=assemble or (assembly_in(request.result_format) if is_joined else None),
    )
    return await run.run()


async def _export_one_window(
    context: ClientContext,
    request: ExportRequest,
    place: Place,
    options: DownloadOptions,
    export: ExportOptions,
) -> DownloadResult:
    on_update, on_window = export.on_update, export.on_window
    if on_window is None or request.start is None or request.end is None:
        return await _export_one(context, request, place, options, export)
    window = ExportWindow(request.start, request.end)

    def update(job: Job) -> None:
        on_window(window, job)
        if on_update is not None:
            on_update(job)

    try:
        result = await _export_one(context, request, place, options, evolve(export, on_update=update))
    except JobsError as error:
        on_window(window, error)
        raise
    on_window(window, result)
    return result


async def _export_one(
    context: ClientContext,
    request: ExportRequest,
    place: Place,
    options: DownloadOptions,
    export: ExportOptions,
) -> DownloadResult:
    exported = await send_export(context, request)
    await context.transport.run(lambda: make_folder(place.path.parent))
    job, fresh = await refreshed(context, exported, export.max_age)
    result = await _wait_and_save(context, job, place, options, export, result_format=request.result_format)
    return evolve(result, fresh=fresh)


async def _wait_and_save(
    context: ClientContext,
    job: Job,
    place: Place,
    options: DownloadOptions,
    export: ExportOptions,
    *,
    result_format: str,
) -> DownloadResult:
    """Wait for the job, and save its result: all pages of a JSON result if the file takes JSON lines."""
    run, is_paged = context.transport.run, result_format == "JSON" and takes_json_lines(place.path)
    into_folder = await run(lambda: is_folder(place.path))
    result = await wait_and_save(
        context,
        job,
        lambda job: (download_all_pages if is_paged else download)(context, job, place.path, options),
        timeout=export.timeout,
        polling=export.polling,
        on_update=export.on_update,
    )
    if result_format == "CSV":
        result = evolve(result, rows=await run(lambda: csv_rows(result.path)))
    return evolve(result, path=place.shown / result.path.name if into_folder else place.shown)


async def save_result(
    context: ClientContext,
    reference: JobReference,
    path: str | PathLike[str],
    options: DownloadOptions,
    *,
    result_format: str,
    timeout: float,
) -> DownloadResult:
    """Save the result of a completed job as `export_and_download` does; see `impact_jobs.toolkit.save_result`."""
    place, found = Place.of_target(path), checked_format(result_format)
    await context.transport.run(lambda: check_target(place.path, overwrite=options.overwrite))
    job = reference if isinstance(reference, Job) else await get(context, reference)
    if job.status != JobStatus.COMPLETED:
        raise context.job_failed(job) if context.is_final(job) else ResultNotReadyError(job)
    export = ExportOptions(split=None, join=False, max_age=None, timeout=timeout, polling=None, on_update=None)
    return await _wait_and_save(context, job, place, options, export, result_format=found)
