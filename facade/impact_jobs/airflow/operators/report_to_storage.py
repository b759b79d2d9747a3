"""`ImpactReportToStorageOperator`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs.airflow._values import as_flag, as_text, optional
from impact_jobs.airflow.operators._base import Reader
from impact_jobs.airflow.operators.export import ImpactExportOperator

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


class ImpactReportToStorageOperator(ImpactExportOperator):
    """Exports a report to a file on this machine or in an object store: export, wait, download and upload as one task.

    Args:
        report_id, report_start, report_end, result_format, filters, max_age: As for `ImpactExportOperator`.
        path, storage_conn_id, overwrite, verify: As for `ImpactDownloadOperator`.
        impact_conn_id, advertiser_id, timeout, polling, deferrable, durable: As for `ImpactExportOperator`.

    Returns:
        A dict of `path`, `job_id`, `report_id`, `start_date`, `end_date`, `rows`, `bytes`, `sha256` and `unchanged`.

    Example:
        >>> pull = ImpactReportToStorageOperator.partial(
        ...     task_id="pull",
        ...     report_id="agency_action_listing",
        ...     path="s3://reports/{{ task.report_start }}.csv",
        ... ).expand_kwargs(windows("2025-01-01", "2025-12-31", "month"))
    """

    template_fields: Sequence[str] = (
        *ImpactExportOperator.template_fields,
        "path",
        "storage_conn_id",
        "overwrite",
        "verify",
    )
    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactExportOperator.readers,
        "path": as_text,
        "storage_conn_id": optional(as_text),
        "overwrite": as_flag,
        "verify": as_flag,
    }

    def __init__(
        self,
        *,
        path: str | ObjectStoragePath,
        storage_conn_id: str | None = None,
        overwrite: bool = False,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.storage_conn_id = storage_conn_id
        self.overwrite = overwrite
        self.verify = verify
