"""The triggers, which wait in the triggerer while no worker is held.

Airflow stores their module path and arguments in its database, and creates them from these again after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from airflow.triggers.base import BaseTrigger, TriggerEvent

from impact_jobs import AuthenticationError, Job, JobCancelledError, JobFailedError, JobsError, WaitTimeoutError
from impact_jobs.airflow._errors import AirflowException, is_final, one_line
from impact_jobs.airflow._settings import polling_of
from impact_jobs.airflow._waiters import shared_waiter
from impact_jobs.airflow.hook import ImpactHook
from impact_jobs.toolkit import epoch_seconds

_HIDDEN_SECONDS = 60.0  # for which the server may not show a job that the task has just scheduled
_SPREAD_SECONDS = 180.0  # in which the tasks go on that have waited for the same moment
_CLOCK_CHECK_SECONDS = 60.0  # a sleep does not notice that the clock was set, or that the machine was suspended
_CRC32_VALUES = 2**32


def spread_seconds(seed: str) -> float:
    """Return how much later a task with this seed goes on than the moment for which several wait.

    Args:
        seed: Text that differs between tasks.

    Example:
        >>> 0 <= spread_seconds("5f2c") < 180
        True
    """
    return crc32(seed.encode()) / _CRC32_VALUES * _SPREAD_SECONDS


class ImpactJobTrigger(BaseTrigger):
    """Waits until a job has ended or the deadline has passed, and fires one event.

    The triggers of one connection in a triggerer share their polls: one list answers for all of their jobs. Running
    twice is harmless, because it only reads. It never ends the task itself, and an error of the API is an event, too,
    so that the task's retries count.

    The event's payload has `job_id`, `outcome` ("completed", "failed", "cancelled", "timeout" or "error"), `message`
    (one line without secrets), `is_final` (whether a retry of the task cannot help), and `error` (the class of the
    error, or None). A 404 in the first minute does not end the wait, because the task may just have scheduled the job.
    A connection that cannot be used is not final, because the task could use it before.

    Args:
        impact_conn_id: The connection. It is read in the triggerer.
        job_id: The job.
        deadline: When to give up, in seconds since the epoch, so that it holds over restarts; None for never.
        polling: `minimum` and `maximum`, the pauses between polls in seconds; None for the client's own.
        advertiser_id: One brand of an agency, by the number of its account.

    Example:
        >>> self.defer(
        ...     trigger=ImpactJobTrigger("impact_default", job_id, deadline=time.time() + 3600),
        ...     method_name="execute_complete",
        ... )
    """

    def __init__(
        self,
        impact_conn_id: str,
        job_id: str,
        *,
        deadline: float | None,
        polling: Mapping[str, float] | None = None,
        advertiser_id: str | None = None,
    ) -> None:
        super().__init__()
        self.impact_conn_id = impact_conn_id
        self.job_id = job_id
        self.deadline = deadline
        self.polling = polling
        self.advertiser_id = advertiser_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, none of which is a secret.

        Example:
            >>> trigger.serialize()[1]["job_id"]
            '3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1'
        """
        return f"{__name__}.{type(self).__name__}", {
            "impact_conn_id": self.impact_conn_id,
            "job_id": self.job_id,
            "deadline": self.deadline,
            "polling": None if self.polling is None else dict(self.polling),
            "advertiser_id": self.advertiser_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the event.

        Example:
            >>> async for event in trigger.run():
            ...     print(event.payload["outcome"])
            completed
        """
        try:
            event = await self._outcome()
        except asyncio.CancelledError:  # by a user or a shutdown; before Airflow 3.3, `on_kill` is not called
            self.log.info("the wait for job %s ends here; the job itself goes on at impact.com", self.job_id)
            raise
        yield TriggerEvent(event)

    async def on_kill(self) -> None:
        """Log that the job goes on, because the API cannot cancel one.

        Example:
            >>> await trigger.on_kill()
        """
        self.log.warning(
            "job %s was not cancelled, because the API cannot do that: it goes on at impact.com. "
            "To have its result, wait for it with ImpactWaitOperator(job=%r).",
            self.job_id,
            self.job_id,
        )

    async def _outcome(self) -> dict[str, Any]:
        try:
            await self._wait()
        except (JobsError, AirflowException) as error:
            return self._failure(error)
        except Exception as error:
            self.log.exception("the wait for job %s failed", self.job_id)
            return self._failure(error)  # rather than none, because the task would fail without a reason
        return self._event("completed", f"job {self.job_id} is COMPLETED")

    def _failure(self, error: Exception) -> dict[str, Any]:
        match error:
            case JobCancelledError():
                return self._event("cancelled", str(error), error=error)
            case JobFailedError():
                return self._event("failed", str(error), error=error)
            case WaitTimeoutError():
                moment = datetime.fromtimestamp(self.deadline or 0.0, UTC).isoformat(" ", "seconds")
                return self._event("timeout", f"the deadline {moment} has passed: {error}", error=error)
            case AirflowException():  # of the connection, which Airflow calls undefined if its API does not answer
                return self._event("error", str(error), error=error)
        final = isinstance(error, JobsError) and is_final(error)
        what = f"the wait for job {self.job_id} (connection {self.impact_conn_id!r}) failed"
        return self._event("error", f"{what}: {error}", error=error, final=final)

    def _event(
        self, outcome: str, message: str, *, error: Exception | None = None, final: bool = False
    ) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "outcome": outcome,
            "message": one_line(message),
            "is_final": final,
            "error": None if error is None else type(error).__name__,
        }

    async def _wait(self) -> Job:
        """Wait for the job. If the API refuses the credentials, read the connection once more before giving up."""
        hook, polling = ImpactHook(self.impact_conn_id, advertiser_id=self.advertiser_id), polling_of(self.polling)
        refusals, seen = 0, ""

        def on_update(job: Job) -> None:
            nonlocal refusals, seen
            refusals = 0
            progress = "" if job.percentage_complete is None else f" at {job.percentage_complete} %"
            if seen != (seen := f"{job.status}{progress}"):
                self.log.info("job %s is %s", job.id, seen)

        while True:
            timeout = None if self.deadline is None else max(round(self.deadline - epoch_seconds(), 1), 0.0)
            try:
                async with shared_waiter(hook, polling) as waiter:
                    return await waiter.wait(self.job_id, timeout, on_update=on_update, hidden_seconds=_HIDDEN_SECONDS)
            except AuthenticationError:
                refusals += 1
                if refusals > 1:
                    raise
                self.log.warning(
                    "the API refused the credentials of connection %r; reading it once more", self.impact_conn_id
                )


class ImpactQuotaTrigger(BaseTrigger):
    """Fires one event, with the payload `{"outcome": "quota"}`, once the account has requests or exports again.

    Args:
        moment: When that is, in seconds since the epoch.
        seed: Text that differs between tasks, such as the id of the task instance. It fires up to three minutes later
            then, so that the tasks that wait for the same moment do not all start at once. The seed determines how much
            later, so that a restart changes nothing. None fires at the moment itself.

    Example:
        >>> self.defer(trigger=ImpactQuotaTrigger(moment.timestamp(), seed=str(ti.id)), method_name="execute")
    """

    def __init__(self, moment: float, *, seed: str | None = None) -> None:
        super().__init__()
        self.moment = moment
        self.seed = seed

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments.

        Example:
            >>> ImpactQuotaTrigger(1780282800.0).serialize()[1]
            {'moment': 1780282800.0, 'seed': None}
        """
        return f"{__name__}.{type(self).__name__}", {"moment": self.moment, "seed": self.seed}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the event.

        Example:
            >>> async for event in ImpactQuotaTrigger(time.time()).run():
            ...     print(event.payload)
            {'outcome': 'quota'}
        """
        spread = 0.0 if self.seed is None else spread_seconds(self.seed)
        while (left := self.moment + spread - epoch_seconds()) > 0:  # noqa: ASYNC110 - nothing but the time passes
            await asyncio.sleep(min(left, _CLOCK_CHECK_SECONDS))
        yield TriggerEvent({"outcome": "quota"})
