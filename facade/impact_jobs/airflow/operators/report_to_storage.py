"""`ImpactReportToStorageOperator`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs import JobNotFoundError, JobsClient, JobsError, ResultExpiredError
from impact_jobs.airflow.operators._base import Outcome, Reader
from impact_jobs.airflow.operators._files import ImpactFileOperator
from impact_jobs.airflow.operators.export import ImpactExportOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImpactReportToStorageOperator(ImpactFileOperator, ImpactExportOperator):
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

    readers: ClassVar[Mapping[str, Reader]] = {**ImpactExportOperator.readers, **ImpactFileOperator.readers}
    template_fields: Sequence[str] = tuple(readers)

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - those of the base classes, down to Airflow's own
        super().__init__(**kwargs)
        self.wait_for_completion = True  # even if the DAG's default_args turn it off, because there is no file before

    def _finish(self, context: Context, client: JobsClient, job: str) -> Outcome:
        try:
            delivered = self._delivery(context).deliver(client, job, result_format=self.result_format)
        except (ResultExpiredError, JobNotFoundError) as error:
            failure: JobsError = error
        else:
            window = {"start_date": self.report_start, "end_date": self.report_end}
            return self._announce(context, delivered, report_id=self.report_id, **window)
        return self._once_more(context, client, job, failure)
