"""`ImpactWaitOperator` and `ImpactReplayOperator`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs import Job, JobsClient
from impact_jobs.airflow._values import as_job, as_seconds, optional
from impact_jobs.airflow.operators._base import ImpactOperator, Reader

if TYPE_CHECKING:
    from airflow.sdk import Context


class ImpactWaitOperator(ImpactOperator):
    """Waits until a job has completed, and returns its id.

    Args:
        job: The job's id, path or URL, such as the result of an `ImpactExportOperator` that did not wait.
        impact_conn_id, advertiser_id, timeout, polling, deferrable, durable: As for `ImpactExportOperator`.

    Example:
        >>> wait = ImpactWaitOperator(task_id="wait", job=export.output)
    """

    readers: ClassVar[Mapping[str, Reader]] = {**ImpactOperator.readers, "job": as_job}
    template_fields: Sequence[str] = tuple(readers)

    def __init__(self, *, job: str, **kwargs: Any) -> None:  # noqa: ANN401 - those of the base classes, down to Airflow's own
        super().__init__(**kwargs)
        self.job = job

    def _submit(self, context: Context, client: JobsClient) -> Job:
        del context
        return client.get(self.job)

    def _what(self) -> str:
        return f"job {self.job} of {super()._what()}"


class ImpactReplayOperator(ImpactOperator):
    """Runs a job again for fresh data, waits until the new job has completed, and returns its id.

    A task that was killed, retried or cleared uses the job that it has made. On brand and partner accounts, a replay
    keeps the job's id.

    Args:
        job: The job's id, path or URL.
        max_age: How old the result may be if the task is cleared, in seconds or as a timedelta; an older one is
            replayed once more. None takes any.
        wait_for_completion: Whether to wait until the new job has completed.
        impact_conn_id, advertiser_id, timeout, polling, deferrable, durable: As for `ImpactExportOperator`.

    Example:
        >>> replay = ImpactReplayOperator(task_id="replay", job="3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1")
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactOperator.readers,
        "job": as_job,
        "max_age": optional(as_seconds),
    }
    template_fields: Sequence[str] = tuple(readers)

    def __init__(
        self,
        *,
        job: str,
        max_age: float | timedelta | str | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.max_age: Any = max_age
        self.wait_for_completion = wait_for_completion

    def _submit(self, context: Context, client: JobsClient) -> Job:
        return self._scheduler(context, client, max_age=self.max_age).replay(self.job)

    def _what(self) -> str:
        return f"replay of job {self.job} of {super()._what()}"
