"""The sensor of a job."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from impact_jobs import JobFailedError, JobsError, WaitTimeoutError
from impact_jobs.airflow._errors import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    airflow_error,
    event_error,
    one_line,
)
from impact_jobs.airflow._settings import optional_text
from impact_jobs.airflow.hook import ImpactHook
from impact_jobs.airflow.operators._base import DEFAULT_DEFERRABLE
from impact_jobs.airflow.trigger import ImpactJobTrigger
from impact_jobs.toolkit import epoch_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

_BACKSTOP_SECONDS = 300.0  # after its deadline, a trigger has fired unless no triggerer runs


class ImpactJobSensor(BaseSensorOperator):
    """Succeeds once a job has completed, and returns its id. It fails at once if the job has failed.

    A poke is one request. A poke that gets no answer counts as "not yet", and `timeout` bounds them all. A job that
    failed is not poked again, and the task is not retried, because nothing would change: `soft_fail` skips it instead.

    Args:
        job: The job: its id, path or URL, such as the XCom of another task. Templated.
        impact_conn_id: The connection. Templated.
        advertiser_id: One brand of an agency, by the number of its account. Templated.
        polling: With `deferrable`: `minimum` and `maximum`, the pauses between polls in seconds. Otherwise
            `poke_interval` says when to poke.
        deferrable: Whether to wait in the triggerer, which holds no worker; by default as Airflow's
            `[operators] default_deferrable` says.
        kwargs: Those of every sensor, such as `timeout`, `poke_interval`, `mode` and `soft_fail`.

    Example:
        >>> wait = ImpactJobSensor(task_id="wait", job="{{ ti.xcom_pull('export') }}", deferrable=True)
    """

    template_fields: Sequence[str] = ("job", "impact_conn_id", "advertiser_id")
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        job: str,
        impact_conn_id: str = ImpactHook.default_conn_name,
        advertiser_id: int | str | None = None,
        polling: Mapping[str, float] | None = None,
        deferrable: bool = DEFAULT_DEFERRABLE,
        **kwargs: Any,  # noqa: ANN401 - they are Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.impact_conn_id = impact_conn_id
        self.advertiser_id = advertiser_id
        self.polling = polling
        self.deferrable = deferrable

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - Airflow's signature
        """Return whether the job has completed, and its id.

        Raises:
            AirflowFailException: It has failed, or the request was refused. See the message.
        """
        hook = ImpactHook(self.impact_conn_id, advertiser_id=self.advertiser_id)
        try:
            with hook.get_conn() as jobs:
                job = jobs.wait(self.job, timeout=0)  # rather than `get`, because it decides what ends a job
        except WaitTimeoutError as error:
            self.log.info("%s", one_line(str(error)))
            return PokeReturnValue(is_done=False, xcom_value=error.job and error.job.id)
        except JobFailedError as error:
            raise AirflowFailException(one_line(str(error))) from None
        except JobsError as error:
            raise airflow_error(error, f"connection {self.impact_conn_id!r}") from None
        return PokeReturnValue(is_done=True, xcom_value=job.id)

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's signature
        """Wait for the job, and return its id."""
        if not self.deferrable:
            return super().execute(context)
        deadline = epoch_seconds() + self.timeout
        try:
            result = self.poke(context)
        except AirflowFailException as error:  # BaseSensorOperator does the same for its own pokes
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from None
            raise
        if result.is_done:
            return result.xcom_value
        trigger = ImpactJobTrigger(
            self.impact_conn_id,
            result.xcom_value or self.job,  # the id, where `job` may be a path
            deadline=deadline,
            polling=self.polling,
            advertiser_id=optional_text(self.advertiser_id),
        )
        return self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + _BACKSTOP_SECONDS),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:  # noqa: ARG002 - Airflow's signature
        """Go on after the trigger's event: return the job's id, or raise what the event says."""
        if event["outcome"] == "timeout":
            raise AirflowSensorTimeout(event["message"])
        if event["outcome"] in {"failed", "cancelled"}:
            raise AirflowFailException(event["message"])
        if (error := event_error(event)) is not None:
            raise error
        return str(event["job_id"])

    def on_kill(self) -> None:
        """Log that the job goes on, because the API cannot cancel one."""
        self.log.warning(
            "job %s was not cancelled, because the API cannot do that: it goes on at impact.com.", self.job
        )
