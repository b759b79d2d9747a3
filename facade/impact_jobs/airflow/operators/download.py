"""`ImpactDownloadOperator`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs import Job, JobsClient
from impact_jobs.airflow._values import as_job, as_text
from impact_jobs.airflow.operators._base import Outcome, Reader
from impact_jobs.airflow.operators._files import ImpactFileOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImpactDownloadOperator(ImpactFileOperator):
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
        there when the task last succeeded, or else when it first started. It is False if no note says so.

    Example:
        >>> download = ImpactDownloadOperator(
        ...     task_id="download", job=export.output, path="s3://reports/actions.csv", storage_conn_id="aws_default"
        ... )
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactFileOperator.readers,
        "job": as_job,
        "result_format": as_text,
    }
    template_fields: Sequence[str] = tuple(readers)

    def __init__(
        self,
        *,
        job: str,
        result_format: str = "CSV",
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.result_format = result_format

    def _submit(self, context: Context, client: JobsClient) -> Job:
        del context
        return client.get(self.job)

    def _finish(self, context: Context, client: JobsClient, job: str) -> Outcome:
        return self._announce(context, self._delivery(context).deliver(client, job, result_format=self.result_format))

    def _what(self) -> str:
        return f"job {self.job} of {super()._what()}"
