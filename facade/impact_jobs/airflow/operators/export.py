"""`ImpactExportOperator`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperatorLink

from impact_jobs import ConfigurationError, Job, JobsClient, JobsError
from impact_jobs.airflow._errors import AirflowException
from impact_jobs.airflow._scheduling import ExportRequest
from impact_jobs.airflow._values import as_day, as_filters, as_seconds, as_text, optional
from impact_jobs.airflow.links import ImpactReportLink
from impact_jobs.airflow.operators._base import ImpactOperator, Outcome, Reader

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImpactExportOperator(ImpactOperator):
    """Exports a report, waits until its job has completed, and returns the job's id.

    An equal export returns the existing job, and so does this task if it was killed, retried or cleared. A job that
    failed is replayed if possible, else exported anew.

    The days are not called start_date and end_date, because every Airflow operator has arguments of these names, which
    say when the task itself is scheduled, and which a DAG's default_args may set.

    Args:
        report_id: The report's id, as `JobsClient.reports` lists it.
        report_start: The first day, inclusive: a date, or text such as "2026-05-01" or "{{ ds }}".
        report_end: The last day, inclusive.
        result_format: "CSV", "JSON" or "XML".
        filters: Values by the filter's name or parameter, as for `JobsClient.export_report`.
        max_age: How old the result of an earlier, equal export may be, in seconds or as a timedelta; an older one is
            replayed. None takes any. It counts back from the first start of the task, or the first one after a clear,
            so that a retry does not replay what an earlier try has made.
        wait_for_completion: Whether to wait until the job has completed. Otherwise its id is returned at once.
        impact_conn_id: The connection.
        advertiser_id: One brand of an agency, by the number of its account.
        timeout: Seconds for the whole wait, from the submission on; None for no limit.
        polling: The shortest and the longest pause between two polls, in seconds: {"minimum": 1.0, "maximum": 300.0}.
        deferrable: Whether to wait in the triggerer, where no worker is held. Airflow's setting by default.
        durable: Whether a later try uses the job that an earlier one has scheduled, by Airflow's task state store.

    Example:
        >>> export = ImpactExportOperator(
        ...     task_id="export", report_id="agency_action_listing", report_start="{{ ds }}", report_end="{{ ds }}"
        ... )
    """

    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json"}
    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactOperator.readers,
        "report_id": as_text,
        "report_start": optional(as_day),
        "report_end": optional(as_day),
        "result_format": as_text,
        "filters": optional(as_filters),
        "max_age": optional(as_seconds),
    }
    template_fields: Sequence[str] = tuple(readers)
    schedules_jobs: ClassVar[bool] = True
    operator_extra_links: Collection[BaseOperatorLink] = (ImpactReportLink(),)

    def __init__(
        self,
        *,
        report_id: str,
        report_start: date | str | None = None,
        report_end: date | str | None = None,
        result_format: str = "CSV",
        filters: Mapping[str, object] | str | None = None,
        max_age: float | timedelta | str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.report_id = report_id
        self.report_start: Any = report_start
        self.report_end: Any = report_end
        self.result_format = result_format
        self.filters: Any = filters
        self.max_age: Any = max_age
        self.wait_for_completion = wait_for_completion

    def _submit(self, context: Context, client: JobsClient) -> Job:
        return self._scheduler(context, client, max_age=self.max_age).export(self._request())

    def _once_more(self, context: Context, client: JobsClient, job: str, failure: JobsError) -> Outcome:
        """Make the result of a job anew, which is gone as `failure` says, and wait for it; do so once."""
        if self._is_renewed or failure.is_too_early:
            raise failure
        self.log.warning("The result of job %s is gone, so it is made once more: %s", job, failure)
        new = self._scheduler(context, client, max_age=self.max_age).export_again(self._request(), job)
        if new is None:
            raise failure
        self._job_id, self._is_renewed = new.id, True
        return self._wait(context, client, new)

    def _request(self) -> ExportRequest:
        return ExportRequest(
            report_id=self.report_id,
            start=self.report_start,
            end=self.report_end,
            result_format=self.result_format,
            filters=self.filters or {},
        )

    def _exception(self, error: JobsError) -> AirflowException:
        exception = super()._exception(error)
        if not isinstance(error, ConfigurationError):
            return exception
        # The client's names of the days are, in a DAG, arguments of Airflow itself, which accepts them silently.
        text = str(exception).replace("start_date", "report_start").replace("end_date", "report_end")
        return type(exception)(text)

    def _what(self) -> str:
        return f"report {self.report_id!r} of {super()._what()}"
