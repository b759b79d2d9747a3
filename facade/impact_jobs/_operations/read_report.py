"""`read_report`: a report as an Arrow table, typed by its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from impact_jobs._api.context import ClientContext
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.export import ExportArguments
from impact_jobs._operations.export_and_download import export_and_download
from impact_jobs._operations.export_options import ExportOptions
from impact_jobs._operations.report_metadata import cached_metadata
from impact_jobs._operations.windows.assembling import Assemble
from impact_jobs._tables.arrow import require_pyarrow
from impact_jobs.errors import ExportIncompleteError

if TYPE_CHECKING:
    import pyarrow as pa


async def read_report(context: ClientContext, given: ExportArguments, export: ExportOptions) -> pa.Table:
    """Export a report and return its rows; see `JobsClient.read_report`.

    The results are downloaded into a temporary folder, and read from there once all have arrived.
    """
    run = context.transport.run
    await run(require_pyarrow)
    from impact_jobs._tables.parquet import read_table  # noqa: PLC0415 - few programs need it

    tables: list[pa.Table] = []
    folders: list[TemporaryDirectory[str]] = []  # filled in the thread, so that one is removed after a cancellation too

    async def prepare(context: ClientContext, report_id: str) -> Assemble:
        metadata = await cached_metadata(context, report_id)

        def assemble(sources: Mapping[Path, int | None], target: Path, /) -> int:
            table = read_table(list(sources), metadata)
            tables.append(table)
            target.touch()
            return int(table.num_rows)

        return assemble

    try:
        await run(lambda: folders.append(TemporaryDirectory(prefix="impact-jobs-")))
        path, options = Path(folders[0].name) / "table", DownloadOptions(digest=False)
        await export_and_download(context, path, options, given, export, prepare=prepare)
    except ExportIncompleteError as error:
        advice = "read_report keeps no files: call to_parquet{again}, which continues where it stopped."
        raise ExportIncompleteError(error.report, report_id=str(given.report_id), advice=advice) from None
    finally:
        for folder in folders:
            await run(folder.cleanup)
    return tables[0]
