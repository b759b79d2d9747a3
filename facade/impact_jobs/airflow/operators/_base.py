"""What the operators share: their common arguments, deferral and its resumption, and their errors."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from airflow.sdk import BaseOperator

from impact_jobs import ConfigurationError, Job, JobsClient, JobsError, JobStatus, Polling, RateLimitError, Retry
from impact_jobs.airflow._errors import AirflowRescheduleException, airflow_error, event_error
from impact_jobs.airflow._scheduling import JOB_KEY, JobScheduler
from impact_jobs.airflow._task_state import Memory, MemoryState, TaskState, task_state
from impact_jobs.airflow._values import as_polling, as_seconds, as_text, optional
from impact_jobs.airflow.hook import ImpactHook
from impact_jobs.airflow.trigger import ImpactJobTrigger, ImpactQuotaTrigger
from impact_jobs.client import quota_resets_at

try:
    from airflow.sdk.configuration import conf
except ImportError:  # before Airflow 3.2
    from airflow.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import Context

DEFAULT_DEFERRABLE: Final[bool] = conf.getboolean("operators", "default_deferrable", fallback=False)

_LONGEST_PAUSE: Final = 5.0
"""Seconds that a deferrable task waits in its worker before it sends a request again; a longer wait is a deferral."""

Reader = Callable[[str, object], Any]


class ImpactOperator(BaseOperator):
    """The base of the operators: it submits on a worker, waits in the triggerer, and finishes on a worker.

    Templates may render differently when a deferred task resumes. So the values of the first rendering travel with the
    deferral, as plain JSON, and replace those of the second one.
    """

    template_fields: Sequence[str] = ("impact_conn_id", "advertiser_id", "timeout", "polling")
    readers: ClassVar[Mapping[str, Reader]] = {
        "impact_conn_id": as_text,
        "advertiser_id": optional(as_text),
        "timeout": optional(as_seconds),
        "polling": optional(as_polling),
    }
    ui_color = "#e3ecff"
    overwrite_rtif_after_execution = True  # so that the web interface shows the values that were used

    def __init__(
        self,
        *,
        impact_conn_id: str = ImpactHook.default_conn_name,
        advertiser_id: int | str | None = None,
        timeout: float | timedelta | str | None = 3600.0,
        polling: Mapping[str, float] | None = None,
        deferrable: bool = DEFAULT_DEFERRABLE,
        durable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.impact_conn_id = impact_conn_id
        self.advertiser_id = advertiser_id
        self.timeout = timeout
        self.polling = polling
        self.deferrable = deferrable
        self.durable = durable
        self._job_id: str | None = None
        self._memory_state = MemoryState()

    def execute(self, context: Context) -> Any:
        """Submit what the operator submits, and wait for its job or defer.

        Args:
            context: Airflow's context of the task instance.

        Raises:
            AirflowFailException: A retry cannot help: an argument, the connection or the destination is wrong.
            AirflowException: The job failed, or the API did not answer. A retry goes on where this try ended.
        """
        with self._errors():
            self._read_arguments()
        return self._start(context)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], *, arguments: Mapping[str, Any], job: str
    ) -> Any:
        """Go on after `ImpactJobTrigger` has fired.

        Args:
            context: Airflow's context of the task instance.
            event: The trigger's event.
            arguments: The values of the template fields at the first start.
            job: The id of the job.

        Raises:
            AirflowException: As for `execute`, or the job did not complete in time.
        """
        self._restore(arguments)
        self._job_id = job
        error = event_error(event)
        if error is not None:
            raise error
        with self._client() as client, self._errors(client, job=job):
            return self._resume(context, client, job)

    def execute_after_quota(
        self, context: Context, event: Mapping[str, Any], *, arguments: Mapping[str, Any], job: str | None
    ) -> Any:
        """Go on when the account has requests or exports again.

        Args:
            context: Airflow's context of the task instance.
            event: The trigger's event.
            arguments: The values of the template fields at the first start.
            job: The id of the job whose result was to be fetched, or None if none was submitted yet.

        Raises:
            AirflowException: As for `execute`.
        """
        del event
        self._restore(arguments)
        if job is None:
            return self._start(context)
        self._job_id = job
        with self._client() as client, self._errors(client, job=job):
            return self._resume(context, client, job)

    def on_kill(self) -> None:
        """Log that the job goes on, because the API cannot cancel it."""
        if self._job_id is None:
            self.log.warning("Killed before the id of a job was known. A retry finds the job if one was scheduled.")
        else:
            self.log.warning(
                "Killed, but job %s goes on at impact.com, whose API cannot cancel it. A retry or a clear of this task "
                "uses it.",
                self._job_id,
            )

    @abstractmethod
    def _submit(self, context: Context, client: JobsClient) -> Job:
        """Return the job to wait for."""

    def _finish(self, context: Context, client: JobsClient, job: str) -> Any:
        """Return the operator's result, once the job has completed."""
        del context, client
        return job

    def _start(self, context: Context) -> Any:
        with self._client() as client, self._errors(client):
            job = self._submit(context, client)
            self._job_id = job.id
            return self._wait(context, client, job)

    def _wait(self, context: Context, client: JobsClient, job: Job) -> Any:
        """Defer until the job has ended, or wait in the worker; then finish."""
        if job.status != JobStatus.COMPLETED:
            if self.deferrable:
                self._defer_until_ended(job.id)
            client.wait(job, self.timeout)
        with self._errors(client, job=job.id):
            return self._finish(context, client, job.id)

    def _resume(self, context: Context, client: JobsClient, job: str) -> Any:
        return self._finish(context, client, job)

    def _defer_until_ended(self, job_id: str) -> NoReturn:
        self.log.info("Deferring until job %s has ended.", job_id)
        self.defer(
            trigger=ImpactJobTrigger(
                self.impact_conn_id,
                job_id,
                deadline=None if self.timeout is None else time.time() + self.timeout,
                polling=self.polling,
                advertiser_id=self.advertiser_id,
            ),
            method_name="execute_complete",
            kwargs={"arguments": self._arguments(), "job": job_id},
        )

    def _client(self) -> JobsClient:
        options: dict[str, Any] = {"polling": Polling(**(self.polling or {}))}
        if self.deferrable:
            options["retry"] = Retry(max_delay=_LONGEST_PAUSE)
        return ImpactHook(self.impact_conn_id, advertiser_id=self.advertiser_id).get_conn(**options)

    @contextmanager
    def _errors(self, client: JobsClient | None = None, *, job: str | None = None) -> Iterator[None]:
        """Turn errors of this library into Airflow's, and a used-up budget into a pause without a lost try."""
        try:
            yield
        except RateLimitError as error:
            if client is None or error.is_from_storage:
                raise airflow_error(error, self._what()) from None
            self._pause_for_quota(client, error, job)
        except JobsError as error:
            raise airflow_error(error, self._what()) from None

    def _pause_for_quota(self, client: JobsClient, error: RateLimitError, job: str | None) -> NoReturn:
        moment = quota_resets_at(client, error)
        self.log.warning("%s: the account's budget is used up until %s: %s", self._what(), moment.isoformat(), error)
        if not self.deferrable:
            raise AirflowRescheduleException(moment) from None
        self.defer(
            trigger=ImpactQuotaTrigger(moment.timestamp()),
            method_name="execute_after_quota",
            kwargs={"arguments": self._arguments(), "job": job},
        )

    def _what(self) -> str:
        return f"connection {self.impact_conn_id!r}"

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.readers}

    def _restore(self, arguments: Mapping[str, Any]) -> None:
        for name, value in arguments.items():
            setattr(self, name, value)

    def _read_arguments(self) -> None:
        for name, read in self.readers.items():
            setattr(self, name, read(name, getattr(self, name)))

    def _state(self, context: Context) -> TaskState:
        return task_state(context, is_durable=self.durable) or self._memory_state

    def _scheduler(self, context: Context, client: JobsClient, *, max_age: float | None) -> JobScheduler:
        return JobScheduler(
            client=client,
            memory=Memory(self._state(context), JOB_KEY),
            max_age=None if max_age is None else timedelta(seconds=max_age),
            clears=context["ti"].max_tries,
            scope=f"{self.impact_conn_id}/{self.advertiser_id or ''}",
        )


__all__ = ["DEFAULT_DEFERRABLE", "ConfigurationError", "ImpactOperator", "Reader"]
