"""The task that makes one file of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve

from impact_jobs import (
    DestinationExistsError,
    DownloadResult,
    Job,
    JobNotFoundError,
    JobsClient,
    JobsError,
    RateLimitError,
    ResultExpiredError,
)
from impact_jobs.airflow import _assets
from impact_jobs.airflow._delivery import Delivered
from impact_jobs.airflow._errors import AirflowFailException, AirflowSkipException
from impact_jobs.airflow._plans.file_json import EXPORTED_AS, as_json, planned_file
from impact_jobs.airflow.operators._base import Outcome, Reader
from impact_jobs.airflow.operators.export import ImpactExportOperator
from impact_jobs.sync import FileAction, FileStep, Plan, PlannedFile
from impact_jobs.toolkit import is_current, is_out_of_exports, save_planned_file

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context


def _as_is(name: str, value: Any) -> Any:  # noqa: ANN401, ARG001 - the signature of all readers
    return value


class ImpactPlannedFileOperator(ImpactExportOperator):
    """Brings one file of a plan up to date by an export, a replay or a download, as the plan and the folder demand.

    It decides when it starts, so a retry or a clear of a task whose file is up to date does nothing, even if another
    program has made it. If the account has no exports left today, the task is skipped, and the next run of the DAG
    makes the file.

    Args:
        plan_path: The plan's file.
        account: The plan's name of the account.
        report: The plan's name of the report.
        first_day: The first day of the file, as ISO text.
        problem: Why the file cannot be made; the task fails with it.
        impact_conn_id, timeout, polling, deferrable, durable: As for `ImpactExportOperator`.

    Returns:
        A dict of `path`, `job_id`, `rows`, `bytes`, `sha256`, `unchanged`, `account`, `report`, `report_id`,
        `start_date` and `end_date`.

    Example:
        >>> partial = ImpactPlannedFileOperator.partial(task_id="file", plan_path="/opt/airflow/dags/reports.toml")
        >>> files = partial.expand_kwargs(plan.output)
    """

    readers: ClassVar[Mapping[str, Reader]] = {**ImpactExportOperator.readers, "file": _as_is}
    template_fields: Sequence[str] = ()  # because a plan's text is no template

    def __init__(
        self,
        *,
        plan_path: str,
        account: str,
        report: str,
        first_day: str,
        problem: str = "",
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(report_id=report, **kwargs)
        self.plan_path = plan_path
        self.account = account
        self.report = report
        self.first_day = first_day
        self.problem = problem
        self.wait_for_completion = True  # even if the DAG's default_args turn it off
        self.file: dict[str, Any] | None = None
        self._known_job: str | None = None
        self._delivered: Delivered | None = None
        _assets.declare(self)

    @property
    def planned(self) -> PlannedFile:
        """The file as the plan described it when the task started."""
        if self.file is None:
            raise RuntimeError("the task has not started")
        return planned_file(self.file)

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """Return the file for OpenLineage, if its provider is installed.

        Args:
            task_instance: The task instance; it is not needed.
        """
        del task_instance
        return _assets.lineage(self._delivered)

    def _start(self, context: Context) -> Outcome:
        if self.problem:
            raise AirflowFailException(self.problem)
        return super()._start(context)

    def _begin(self, context: Context, client: JobsClient) -> Outcome:
        step = self._step(client)
        self._use(step.file)
        if step.error is not None and not self._may_be_ours(step.error, context):
            raise step.error
        if step.action is FileAction.KEEP and step.result is not None:
            self.log.info("%s is up to date already: %s", step.file, step.file.path)
            return self._announce(context, evolve(step.result, unchanged=False))  # an earlier try may have made it
        self.log.info("%s: %s (%s)", step.file, step.action, step.error or step.why)
        self._known_job = None if step.action is FileAction.EXPORT else step.job_id
        return super()._begin(context, client)

    def _step(self, client: JobsClient) -> FileStep:
        """Return what the plan, as it is now, says about the file."""
        plan = Plan.load(self.plan_path)
        if any(report.name == self.report and self.account in report.accounts for report in plan.reports):
            selected = plan.select(reports=[self.report], accounts=[self.account])
            for step in selected.steps(clients={self.account: client}):
                if step.file.window.start.isoformat() == self.first_day:
                    return step
        raise AirflowSkipException(f"the plan {self.plan_path} no longer has this file")

    def _may_be_ours(self, error: JobsError, context: Context) -> bool:
        """Return whether an earlier try may have written the file, and have been killed before the manifest said so.

        If another program has written it, `save_planned_file` raises the error.
        """
        return isinstance(error, DestinationExistsError) and context["ti"].try_number > 1

    def _use(self, file: PlannedFile) -> None:
        self.file = as_json(file)
        self.report_id = file.report_id
        self.report_start, self.report_end = self.file["start"], self.file["end"]
        self.result_format, self.filters = EXPORTED_AS[file.format], self.file["filters"]

    def _submit(self, context: Context, client: JobsClient) -> Job:
        file = self.planned
        scheduler = self._scheduler(context, client, is_new=lambda job, since: is_current(file, job, now=since))
        return scheduler.export(self._request(), known=self._known_job)

    def _finish(self, context: Context, client: JobsClient, job: str) -> Outcome:
        try:
            result = save_planned_file(client, self.planned, job, timeout=self._late_seconds)
        except (ResultExpiredError, JobNotFoundError) as error:
            failure: JobsError = error
        else:
            return self._announce(context, result)
        return self._once_more(context, client, job, failure)

    def _announce(self, context: Context, result: DownloadResult) -> Outcome:
        """Emit the asset event of the file; return what the operator returns."""
        file = self.planned
        self._delivered = Delivered(
            uri=file.path.as_uri(),
            job_id=result.job_id,
            rows=result.rows,
            size=result.bytes_written,
            sha256=result.sha256 or "",
            unchanged=bool(result.unchanged),
        )
        about = {
            **self._delivered.as_dict(),
            "account": file.account,
            "report": file.report,
            "report_id": file.report_id,
            "start_date": self.report_start,
            "end_date": self.report_end,
        }
        _assets.emit(self, context, uri=self._delivered.uri, extra=about)
        return {"path": str(file.path), **about}

    def _before_pause(self, client: JobsClient, error: RateLimitError, moment: datetime) -> None:
        if is_out_of_exports(client, error):
            shown = moment.isoformat(timespec="seconds")
            raise AirflowSkipException(
                f"{self.planned} is left for the next run, because the account has no exports left until {shown}."
            )
