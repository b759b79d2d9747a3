"""`to_parquet`: a report as a Parquet file, typed by its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path, PurePath

from impact_jobs._api.context import ClientContext
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.export import ExportArguments
from impact_jobs._operations.export_and_download import export_and_download
from impact_jobs._operations.export_options import ExportOptions
from impact_jobs._operations.report_metadata import cached_metadata
from impact_jobs._operations.windows.assembling import Assemble
from impact_jobs._tables.arrow import require_pyarrow
from impact_jobs._validators import shown
from impact_jobs.errors import ConfigurationError, ExportReport
from impact_jobs.models import DownloadResult

_OTHERS = frozenset({".csv", ".json", ".jsonl", ".ndjson", ".xml"})  # endings of other formats


async def to_parquet(
    context: ClientContext,
    path: str | PathLike[str],
    options: DownloadOptions,
    given: ExportArguments,
    export: ExportOptions,
) -> DownloadResult | ExportReport:
    """Export a report to Parquet; see `JobsClient.to_parquet`."""
    name = PurePath(str(path))
    if name.suffix.lower() in _OTHERS:
        raise ConfigurationError(
            f"path={shown(path)} would hold Parquet: name it {name.with_suffix('.parquet').name!r}, or call "
            "export_and_download for another format."
        )
    await context.transport.run(require_pyarrow)
    return await export_and_download(context, path, options, given, export, prepare=prepare_parquet)


async def prepare_parquet(context: ClientContext, report_id: str) -> Assemble:
    """Return how to assemble the Parquet files of a report, whose metadata is requested unless it is known."""
    from impact_jobs._tables.parquet import write_parquet  # noqa: PLC0415 - few programs need it

    metadata = await cached_metadata(context, report_id)

    def assemble(sources: Mapping[Path, int | None], target: Path, /) -> int:
        return write_parquet(list(sources), target, metadata)

    return assemble
