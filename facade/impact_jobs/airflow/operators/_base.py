"""What the operators share: their common arguments, deferral and its resumption, and their errors."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf
from attrs import evolve

from impact_jobs import (
    Job,
    JobFailedError,
    JobNotFoundError,
    JobsClient,
    JobsError,
    JobStatus,
    Polling,
    RateLimitError,
    ResultNotReadyError,
    Retry,
    WaitTimeoutError,
)
from impact_jobs.airflow._errors import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    airflow_error,
    event_error,
    one_line,
)
from impact_jobs.airflow._scheduling import JOB_KEY, JobScheduler, rerun
from impact_jobs.airflow._settings import polling_of
from impact_jobs.airflow._task_state import Memory, MemoryState, task_state
from impact_jobs.airflow._values import as_polling, as_seconds, as_text, optional
from impact_jobs.airflow.hook import ImpactHook
from impact_jobs.airflow.trigger import ImpactJobTrigger, ImpactQuotaTrigger, spread_seconds
from impact_jobs.toolkit import epoch_seconds, quota_resets_at

if TYPE_CHECKING:
    from airflow.sdk import Context

DEFAULT_DEFERRABLE: Final[bool] = conf.getboolean("operators", "default_deferrable", fallback=False)

Reader: TypeAlias = Callable[[str, object], Any]
"""Reads the value of an argument, which may be text that a template has rendered, into a plain JSON value."""

Outcome: TypeAlias = "str | dict[str, Any]"
"""What an operator returns: a job's id, or what it says about a file."""

LATEST_SECONDS: Final = 600.0
"""How long after its job the result may be there."""

_LATE_SECONDS: Final = 5.0  # in which a deferrable task waits for a late result on a worker

_LATE_PAUSE: Final = 30.0  # seconds until a result that is late is asked for again
_RETRY: Final = Retry(stops_at_quota=True)  # because the task gives its slot back until the quota is reset
_LONGEST_PAUSE: Final = 5.0  # seconds before a deferrable task sends a request again; a longer wait is a deferral
_SHORTEST_PAUSE: Final = timedelta(seconds=30)  # before a refused request, because Retry-After may be 0 each time
_SETTLING_PAUSE: Final = 10.0  # seconds until a server that shows an earlier run is asked again


class ImpactOperator(BaseOperator):
    """The base of the operators: it submits on a worker, waits in the triggerer, and finishes on a worker.

    Templates may render differently when a deferred task resumes. So the values of the first rendering travel with the
    deferral, as plain JSON, and replace those of the second one. Nothing is pushed to XCom before the end, and what a
    later try needs is in the task's state: Airflow clears XComs whenever a task starts anew.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "impact_conn_id": as_text,
        "advertiser_id": optional(as_text),
        "timeout": optional(as_seconds),
        "polling": optional(as_polling),
    }
    template_fields: Sequence[str] = tuple(readers)
    schedules_jobs: ClassVar[bool] = False
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
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.impact_conn_id = impact_conn_id
        self.advertiser_id: Any = advertiser_id
        self.timeout: Any = timeout
        self.polling: Any = polling
        self.deferrable = deferrable
        self.durable = durable
        self.wait_for_completion = True
        self._job_id: str | None = None
        self._is_renewed = False
        self._deadline: float | None = None
        self._late_since: float | None = None
        self._try_state = MemoryState()

    def execute(self, context: Context) -> Outcome:
        """Submit what the operator submits, and wait for its job or defer.

        Args:
            context: Airflow's context of the task instance.

        Raises:
            AirflowFailException: A retry cannot help: an argument, the connection or the destination is wrong.
            AirflowException: The job failed, or the API did not answer. A retry goes on where this try ended.
        """
        self._restore()
        return self._start(context)

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any],
        **kept: Any,  # noqa: ANN401 - plain JSON
    ) -> Outcome:
        """Go on after `ImpactJobTrigger` has fired.

        Args:
            context: Airflow's context of the task instance.
            event: The trigger's event.
            kept: What the deferral has kept. `dag.test()` keeps nothing.

        Raises:
            AirflowException: As for `execute`, or the job did not complete in time.
        """
        job_id: str = event["job_id"]
        self._restore(**{"job": job_id, **kept})
        error = event_error(event)
        if error is not None:
            is_gone = event.get("error") == JobNotFoundError.__name__ and self.schedules_jobs
            raise AirflowException(str(error)) if is_gone else error
        with self._session(job_id) as client:
            return self._complete(context, client, job_id)

    def execute_after_pause(
        self,
        context: Context,
        event: Mapping[str, Any],
        *,
        job: str | None = None,
        **kept: Any,  # noqa: ANN401 - plain JSON
    ) -> Outcome:
        """Go on after `ImpactQuotaTrigger` has fired: the account has requests or exports again, or a result was late.

        Args:
            context: Airflow's context of the task instance.
            event: The trigger's event.
            job: The id of the completed job, or None if none was submitted.
            kept: What else the deferral has kept.

        Raises:
            AirflowException: As for `execute`.
        """
        del event
        self._restore(**kept, job=job)
        if job is None:
            return self._start(context)
        with self._session(job) as client:
            return self._complete(context, client, job)

    def on_kill(self) -> None:
        """Log that the job goes on, because the API cannot cancel it."""
        if self._job_id is None:
            self.log.warning("Killed before the id of a job was known. If one was scheduled, a retry finds it.")
        else:
            self.log.warning(
                "Killed, but job %s goes on at impact.com, whose API cannot cancel it. A retry or a clear of this task "
                "finds it.",
                self._job_id,
            )

    @abstractmethod
    def _submit(self, context: Context, client: JobsClient) -> Job:
        """Return the job to wait for."""

    def _finish(self, context: Context, client: JobsClient, job: str) -> Outcome:
        """Return the operator's result, once the job has completed."""
        del context, client
        return job

    def _start(self, context: Context) -> Outcome:
        with self._session() as client:
            return self._begin(context, client)

    def _begin(self, context: Context, client: JobsClient) -> Outcome:
        job = self._submit(context, client)
        self._job_id = job.id
        return self._wait(context, client, job) if self.wait_for_completion else job.id

    def _wait(self, context: Context, client: JobsClient, job: Job) -> Outcome:
        """Defer until the job has ended, or wait in the worker; then finish."""
        self._deadline = None if self.timeout is None else epoch_seconds() + self.timeout
        if job.status != JobStatus.COMPLETED:
            self._wait_or_defer(client, job)
        with self._errors(client, job=job.id):
            return self._complete(context, client, job.id)

    def _wait_or_defer(self, client: JobsClient, job: Job) -> None:
        if self.deferrable:
            self._defer_until_ended(job.id)
        client.wait(job, None if self._deadline is None else max(self._deadline - epoch_seconds(), 0.0))

    def _complete(self, context: Context, client: JobsClient, job: str) -> Outcome:
        while (found := rerun(client, self._memory(context, JOB_KEY), job)) is not None:
            current, may_be_earlier = found
            if current.status == JobStatus.COMPLETED:
                break
            if current.is_terminal:
                raise JobFailedError.of(current)
            if current.status != JobStatus.QUEUED or not may_be_earlier:
                self._wait_or_defer(client, current)
            elif self.deferrable:
                self._defer_for(job, until=epoch_seconds() + _SETTLING_PAUSE)
            else:
                time.sleep(_SETTLING_PAUSE)
        try:
            return self._finish(context, client, job)
        except WaitTimeoutError as error:
            if self.deferrable and error.job is not None:
                self._defer_if_late(error.job)
            raise

    @property
    def _late_seconds(self) -> float:
        """Seconds to wait for a late result on the worker."""
        return _LATE_SECONDS if self.deferrable else LATEST_SECONDS

    def _defer_if_late(self, job: Job) -> None:
        """Defer until the result of a completed job may be there, unless it has been late for long."""
        self._late_since = self._late_since or epoch_seconds()
        if epoch_seconds() - self._late_since >= LATEST_SECONDS:
            raise ResultNotReadyError(job) from None
        self.log.info("Deferring, because job %s is COMPLETED, but its result is not there yet.", job.id)
        self._defer_for(job.id, until=epoch_seconds() + _LATE_PAUSE)

    def _defer_until_ended(self, job: str) -> None:
        self.log.info("Deferring until job %s has ended.", job)
        self.defer(
            trigger=ImpactJobTrigger(
                self.impact_conn_id,
                job,
                deadline=self._deadline,
                polling=self.polling,
                advertiser_id=self.advertiser_id,
            ),
            method_name="execute_complete",
            kwargs=self._kept(job),
        )

    def _defer_for(self, job: str | None, *, until: float, seed: str | None = None) -> None:
        trigger = ImpactQuotaTrigger(until, seed=seed)
        self.defer(trigger=trigger, method_name="execute_after_pause", kwargs=self._kept(job))

    def _kept(self, job: str | None) -> dict[str, Any]:
        """Return what goes through a deferral, in plain JSON."""
        arguments = {name: getattr(self, name) for name in self.readers}
        return {
            "arguments": arguments,
            "job": job,
            "is_renewed": self._is_renewed,
            "deadline": self._deadline,
            "late_since": self._late_since,
            "note": self._try_state.get(JOB_KEY),  # if Airflow has no store for the task's state
        }

    @contextmanager
    def _session(self, job: str | None = None) -> Iterator[JobsClient]:
        """Open a client; `job` is the one to go on with after a pause."""
        with self._errors():
            client = self._client(is_first=job is None)
        with client, self._errors(client, job=job):
            yield client

    def _client(self, *, is_first: bool) -> JobsClient:
        try:
            return ImpactHook(self.impact_conn_id, advertiser_id=self.advertiser_id).get_conn(
                polling=polling_of(self.polling) or Polling(),
                retry=evolve(_RETRY, max_delay=_LONGEST_PAUSE) if self.deferrable else _RETRY,
            )
        except AirflowFailException as error:
            if is_first:
                raise
            # The connection was used before, and Airflow calls it undefined, too, if its own API does not answer.
            raise AirflowException(str(error)) from None

    @contextmanager
    def _errors(self, client: JobsClient | None = None, *, job: str | None = None) -> Iterator[None]:
        """Turn errors of this library into Airflow's, and a used-up budget into a pause without a lost try."""
        try:
            yield
        except JobsError as error:
            if client is None or not isinstance(error, RateLimitError) or error.is_from_storage:
                raise self._exception(error) from None
            moment = max(quota_resets_at(client, error), datetime.now(UTC) + _SHORTEST_PAUSE)
            shown = moment.isoformat(timespec="seconds")
            self._before_pause(client, error, moment)
            self.log.warning("%s: goes on at %s: %s", self._what(), shown, one_line(str(error)))
        else:
            return
        seed = token_hex(4)  # so that not all tasks go on at once
        if not self.deferrable:
            raise AirflowRescheduleException(moment + timedelta(seconds=spread_seconds(seed)))
        self._defer_for(job, until=moment.timestamp(), seed=seed)

    def _before_pause(self, client: JobsClient, error: RateLimitError, moment: datetime) -> None:
        """Raise to end the task, instead of the pause until `moment` that `error` leads to."""

    def _exception(self, error: JobsError) -> AirflowException:
        exception = airflow_error(error, self._what())
        is_gone = isinstance(error, JobNotFoundError) and self.schedules_jobs
        return AirflowException(str(exception)) if is_gone else exception  # a retry schedules another

    def _what(self) -> str:
        return f"connection {self.impact_conn_id!r}"

    def _restore(
        self,
        *,
        arguments: Mapping[str, Any] | None = None,
        job: str | None = None,
        is_renewed: bool = False,
        deadline: float | None = None,
        late_since: float | None = None,
        note: Mapping[str, Any] | None = None,
    ) -> None:
        """Set the arguments to those of the first start, or at that start, read what the templates have rendered.

        `is_renewed` says whether the job replaces one whose result was gone. In epoch seconds, `deadline` says until
        when to wait, and `late_since` from when on the result has been late. `note` is what the task's state says about
        the job, if Airflow has no store for it.
        """
        if arguments is None:
            with self._errors():
                arguments = {name: read(name, getattr(self, name)) for name, read in self.readers.items()}
        for name, value in arguments.items():
            setattr(self, name, value)
        self._job_id, self._is_renewed = job, is_renewed
        self._deadline, self._late_since = deadline, late_since
        self._try_state = MemoryState({} if note is None else {JOB_KEY: note})

    def _memory(self, context: Context, key: str) -> Memory:
        # A state of this try, if there is no other, keeps the flow the same.
        return Memory(task_state(context, is_durable=self.durable) or self._try_state, key)

    def _scheduler(
        self,
        context: Context,
        client: JobsClient,
        *,
        max_age: float | None = None,
        is_new: Callable[[Job, datetime], bool] | None = None,
    ) -> JobScheduler:
        return JobScheduler(
            client=client,
            memory=self._memory(context, JOB_KEY),
            max_age=None if max_age is None else timedelta(seconds=max_age),
            is_new=is_new,
            clears=context["ti"].max_tries,
            scope=f"{self.impact_conn_id}/{self.advertiser_id or ''}",
            defer_until=(lambda moment: self._defer_for(None, until=moment)) if self.deferrable else None,
        )
