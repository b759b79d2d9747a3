"""`ImpactDownloadOperator`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs import Job, JobsClient
from impact_jobs.airflow import _assets
from impact_jobs.airflow._delivery import Delivered
from impact_jobs.airflow._values import as_flag, as_job, as_path, as_text, optional
from impact_jobs.airflow.operators._base import ImpactOperator, Outcome, Reader
from impact_jobs.airflow.operators._files import delivery_of

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath


class ImpactDownloadOperator(ImpactOperator):
    """Downloads the result of a job to a file on this machine or in an object store, whole or not at all.

    It waits until the job has completed, if that is still to come. The file is written under its final name only when
    it is complete, and what the store has is compared by SHA-256 with what was downloaded.

    Args:
        job: The job's id, path or URL, such as the result of an `ImpactExportOperator`.
        path: The file: a local path, or a URL of an object store such as "s3://bucket/actions/{{ ds }}.csv".
        storage_conn_id: The connection of the object store; by default the store's own way to find credentials.
        result_format: "CSV", "JSON" or "XML", as the job was exported. The rows of CSV and JSON lines are counted.
        overwrite: Whether to replace a file that this task has not written.
        verify: Whether to read the object back from the store and compare its SHA-256.
        impact_conn_id, advertiser_id, timeout, polling, deferrable, durable: As for `ImpactExportOperator`.

    Returns:
        A dict of `path`, `job_id`, `rows`, `bytes`, `sha256` and `unchanged`, which says whether the same bytes were
        there before the task started, or started anew after a clear.

    Example:
        >>> download = ImpactDownloadOperator(
        ...     task_id="download", job=export.output, path="s3://reports/actions.csv", storage_conn_id="aws_default"
        ... )
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactOperator.readers,
        "job": as_job,
        "path": as_path,
        "storage_conn_id": optional(as_text),
        "result_format": as_text,
        "overwrite": as_flag,
        "verify": as_flag,
    }
    template_fields: Sequence[str] = tuple(readers)

    def __init__(
        self,
        *,
        job: str,
        path: str | ObjectStoragePath,
        storage_conn_id: str | None = None,
        result_format: str = "CSV",
        overwrite: bool = False,
        verify: bool = True,
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.path: Any = path
        self.storage_conn_id = storage_conn_id
        self.result_format = result_format
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

    def _submit(self, context: Context, client: JobsClient) -> Job:
        del context
        return client.get(self.job)

    def _finish(self, context: Context, client: JobsClient, job: str) -> Outcome:
        delivered = delivery_of(self, context).deliver(client, job, result_format=self.result_format)
        self._delivered = delivered
        _assets.emit(self, context, uri=delivered.uri, extra=delivered.as_dict())
        return {"path": self.path, **delivered.as_dict()}

    def _what(self) -> str:
        return f"job {self.job} of {super()._what()}"
