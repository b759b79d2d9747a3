"""Announce a file as an asset event, and to OpenLineage if its provider is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from airflow.sdk import Asset, AssetAlias

from impact_jobs.airflow._delivery import Delivered

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import BaseOperator, Context

ALIAS: Final = "impact_reports"
"""The name of the asset alias to which files are added unless the task has outlets of its own."""

_KEPT: Final = "".join(character for character in map(chr, range(ord("!"), ord("~") + 1)) if character not in "?#")


def declare(operator: BaseOperator) -> None:
    """Give an operator without outlets the alias of all reports.

    It is done by the instance and not by a default of its arguments, because mapped tasks are given an empty list.
    """
    if not operator.outlets:
        operator.outlets = [AssetAlias(ALIAS)]


def emit(operator: BaseOperator, context: Context, *, uri: str, extra: Mapping[str, Any]) -> None:
    """Add the event of a file to the outlets of a task.

    Args:
        operator: The task. The file is added to each alias that is among its outlets.
        context: Airflow's context of the task instance.
        uri: The file's URL.
        extra: What the event says about the file, besides its URL.
    """
    events, whole = context["outlet_events"], {**extra, "uri": uri}
    for outlet in operator.outlets:
        if isinstance(outlet, AssetAlias):
            events[outlet].add(Asset(asset_uri(uri)), extra=whole)
        elif isinstance(outlet, Asset):
            events[outlet].extra = whole


def asset_uri(uri: str) -> str:
    """Return the URL of a file as Airflow can keep it.

    Airflow refuses a URL that is not ASCII only when the task has succeeded, and the task fails without a line in its
    log. It drops what follows a `#`, and most of what follows a `?`, so that other files would be the same asset.
    """
    return quote(uri, safe=_KEPT)


def lineage(delivered: Delivered | None) -> OperatorLineage[Any, Any] | None:
    """Return the output of a task for OpenLineage, or None if there is none, or its provider is not installed."""
    if delivered is None:
        return None
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - optional
        from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415 - optional
        from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics  # noqa: PLC0415 - optional
    except ImportError:
        return None
    namespace, name = dataset_name(delivered.uri)
    facet = statistics.OutputStatisticsOutputDatasetFacet(rowCount=delivered.rows, size=delivered.size, fileCount=1)
    dataset = OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": facet})
    return OperatorLineage(outputs=[dataset])


def dataset_name(uri: str) -> tuple[str, str]:
    """Return the namespace and the name of a file by OpenLineage's rules.

    Source: https://openlineage.io/docs/spec/naming: "s3://bucket" and the key, "file" and the absolute path.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return "file", unquote(rest)
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", path.lstrip("/")
