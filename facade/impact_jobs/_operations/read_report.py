"""`read_report` and `to_parquet`: a report as an Arrow table, or as a Parquet file, typed by its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from impact_jobs._api.context import ClientContext
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.assembling import Assemble
from impact_jobs._operations.export import cached_metadata
from impact_jobs._operations.export_and_download import export_and_download
from impact_jobs._operations.export_options import ExportOptions
from impact_jobs._tables.arrow import require_pyarrow
from impact_jobs.errors import ExportIncompleteError, ExportReport
from impact_jobs.models import DownloadResult

if TYPE_CHECKING:
    import pyarrow as pa


async def to_parquet(
    context: ClientContext,
    report_id: object,
    path: str | PathLike[str],
    options: DownloadOptions,
    *,
    start_date: date | str | None,
    end_date: date | str | None,
    filters: Mapping[str, object] | None,
    export: ExportOptions,
) -> DownloadResult | ExportReport:
    """Export a report to Parquet; see `JobsClient.to_parquet`."""
    await context.transport.run(require_pyarrow)
    return await export_and_download(
        context,
        report_id,
        path,
        options,
        start_date=start_date,
        end_date=end_date,
        result_format="CSV",
        filters=filters,
        export=export,
        prepare=_prepare_parquet,
    )


async def _prepare_parquet(context: ClientContext, report_id: str) -> Assemble:
    from impact_jobs._tables.parquet import write_parquet  # noqa: PLC0415 - few programs need it

    metadata = await cached_metadata(context, report_id)

    def assemble(sources: Sequence[Path], target: Path, /) -> int:
        return write_parquet(sources, target, metadata)

    return assemble


async def read_report(
    context: ClientContext,
    report_id: object,
    *,
    start_date: date | str | None,
    end_date: date | str | None,
    filters: Mapping[str, object] | None,
    export: ExportOptions,
) -> pa.Table:
    """Export a report and return its rows; see `JobsClient.read_report`.

    The results are downloaded into a temporary folder, and read from there once all have arrived.
    """
    run = context.transport.run
    await run(require_pyarrow)
    from impact_jobs._tables.parquet import read_table  # noqa: PLC0415 - few programs need it

    tables: list[pa.Table] = []
    folders: list[
        TemporaryDirectory[str]
    ] = []  # filled in the thread, so that one is removed after a cancellation, too

    async def prepare(context: ClientContext, report_id: str) -> Assemble:
        metadata = await cached_metadata(context, report_id)

        def assemble(sources: Sequence[Path], target: Path, /) -> int:
            table = read_table(sources, metadata)
            tables.append(table)
            target.touch()
            return int(table.num_rows)

        return assemble

    try:
        await run(lambda: folders.append(TemporaryDirectory(prefix="impact-jobs-")))
        await export_and_download(
            context,
            report_id,
            Path(folders[0].name) / "table",
            DownloadOptions(digest=False),
            start_date=start_date,
            end_date=end_date,
            result_format="CSV",
            filters=filters,
            export=export,
            prepare=prepare,
        )
    except ExportIncompleteError as error:
        advice = "read_report keeps no files: call to_parquet, which continues where it stopped."
        raise ExportIncompleteError(error.report, report_id=str(report_id), advice=advice) from None
    finally:
        for folder in folders:
            await run(folder.cleanup)
    return tables[0]
