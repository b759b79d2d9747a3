"""`ImpactReportToStorageOperator`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs import JobNotFoundError, JobsClient, JobsError, ResultExpiredError
from impact_jobs.airflow import _assets
from impact_jobs.airflow._delivery import Delivered
from impact_jobs.airflow._values import as_flag, as_path, as_text, optional
from impact_jobs.airflow.operators._base import Outcome, Reader
from impact_jobs.airflow.operators._files import delivery_of
from impact_jobs.airflow.operators.export import ImpactExportOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath


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

    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactExportOperator.readers,
        "path": as_path,
        "storage_conn_id": optional(as_text),
        "overwrite": as_flag,
        "verify": as_flag,
    }
    template_fields: Sequence[str] = tuple(readers)

    def __init__(
        self,
        *,
        path: str | ObjectStoragePath,
        storage_conn_id: str | None = None,
        overwrite: bool = False,
        verify: bool = True,
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion = True  # whatever the DAG's default_args say
        self.path: Any = path
        self.storage_conn_id = storage_conn_id
        self.overwrite = overwrite
        self.verify = verify
        self._delivered: Delivered | None = None
        _assets.declare(self)

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """Return the file for OpenLineage, if its provider is installed.

        Args:
            task_instance: The task instance; it is not needed.
        """
        del task_instance
        return _assets.lineage(self._delivered)

    def _start(self, context: Context) -> Outcome:
        with self._errors():
            delivery_of(self, context).check()
        return super()._start(context)

    def _finish(self, context: Context, client: JobsClient, job: str) -> Outcome:
        try:
            delivered = delivery_of(self, context).deliver(client, job, result_format=self.result_format)
        except (ResultExpiredError, JobNotFoundError) as error:
            if self._is_renewed or error.is_too_early:
                raise
            failure: JobsError = error
        else:
            return self._report(context, delivered)
        self.log.warning("The result of job %s is gone, so it is made once more: %s", job, failure)
        new = self._scheduler(context, client, max_age=self.max_age).export_again(self._request(), job)
        if new is None:
            raise failure
        self._job_id, self._is_renewed = new.id, True
        return self._wait(context, client, new)

    def _report(self, context: Context, delivered: Delivered) -> dict[str, Any]:
        self._delivered = delivered
        window = {"start_date": self.report_start, "end_date": self.report_end}
        extra = {**delivered.as_dict(), "report_id": self.report_id, **window}
        _assets.emit(self, context, uri=delivered.uri, extra=extra)
        return {"path": self.path, **extra}
