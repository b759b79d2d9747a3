"""`JobWaiter`: one list answers for all jobs that the tasks of one event loop wait for, while jobs come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from copy import copy
from typing import Protocol

from attrs import define, field

from impact_jobs._account import JobReference
from impact_jobs._api.context import ClientContext, seconds_of
from impact_jobs._operations.job_tracker import BatchEntry, JobTracker
from impact_jobs._operations.wait_many import JobBatch, JobOutcome
from impact_jobs._policy.polling import Polling
from impact_jobs._validators import callback
from impact_jobs.errors import ConfigurationError, JobsError, WaitTimeoutError
from impact_jobs.models import Job, JobStatus


class _Client(Protocol):
    """An `AsyncJobsClient`, which is defined in a layer above."""

    _context: ClientContext


class JobWaiter:
    """Waits for jobs that come and go, for any number of tasks of one event loop, and polls them together.

    One list of jobs a tick answers for all of them, as in `AsyncJobsClient.wait_all`. A job that joins while the others
    pause is polled when it is due itself. It runs under asyncio only, and belongs to the event loop of its first wait.
    While nothing is waited for, it has no task and sends nothing.

    Args:
        client: The client that sends the requests. It stays open until you close it, after the waiter.
        polling: Replaces the client's policy.

    Raises:
        ConfigurationError: `polling` is not a `Polling`.

    Example:
        >>> waiter = JobWaiter(jobs)
        >>> done = await asyncio.gather(*[waiter.wait(job_id) for job_id in job_ids])
        >>> await waiter.aclose()
    """

    def __init__(self, client: _Client, *, polling: Polling | None = None) -> None:
        self._context = client._context.with_options(request_timeout=None, retry=None, polling=polling)  # noqa: SLF001 - our own
        self._shared: dict[str, _SharedEntry] = {}  # by the job's id in lower case
        self._batch: JobBatch | None = None
        self._runner: asyncio.Task[None] | None = None
        self._pausing: asyncio.Timeout | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def wait(
        self,
        job: JobReference,
        timeout: float | None = 3600.0,
        *,
        on_update: Callable[[Job], object] | None = None,
        hidden_seconds: float = 0.0,
    ) -> Job:
        """Wait until the job has completed, and return it.

        Several waits for one job share its polls, and each has its own deadline. If one is cancelled, only that one is
        forgotten, and the job continues on the server.

        Args:
            job: As for `AsyncJobsClient.wait`.
            timeout: Seconds for this wait. None means no limit, 0 means one poll.
            on_update: Called with every snapshot of the job from now on, including the last, in the context of this
                call. If it raises, only this wait ends, with its error.
            hidden_seconds: How long from now on a 404 does not end the wait. Pass some seconds if another process may
                have scheduled the job a moment ago, because the server may not show it at once.

        Raises:
            ConfigurationError: The waiter is closed, or belongs to another event loop: make one for each loop.
            JobsError: As for `AsyncJobsClient.wait`.

        Example:
            >>> done = await waiter.wait("3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1", timeout=600)
            >>> done.status
            <JobStatus.COMPLETED: 'COMPLETED'>
        """
        self._check_usable()
        job_id, seconds = self._context.account.job_id(job), seconds_of(timeout)
        wait = _Wait(timeout=seconds, deadline=self._context.transport.now() + seconds, on_update=on_update)
        tracker = JobTracker(
            job_id=job_id,
            polling=self._context.polling,
            kind=self._context.account.kind,
            on_update=wait.update,
            is_earlier_run=self._context.is_earlier_run,
        )
        try:
            if not (isinstance(job, Job) and job.is_terminal and tracker.update(job, waited=0.0)):
                entry = self._join(wait, tracker, job if isinstance(job, Job) else None)
                entry.hidden_until = max(entry.hidden_until, self._context.transport.now() + hidden_seconds)
            elif not wait.result.done():
                wait.end(self._result_of(job))
            return await wait.result
        except asyncio.CancelledError as error:
            error.add_note(f"job {job_id} continues on the server; wait for it again with wait({job_id!r})")
            raise
        finally:
            self._leave(wait, job_id.lower())

    async def aclose(self) -> None:
        """End the waits that are still running, with a ConfigurationError, and the poll that is in flight.

        Example:
            >>> await waiter.aclose()
        """
        self._is_closed = True
        runner = self._runner
        self._end_all(ConfigurationError("the JobWaiter was closed: make another one to wait for the job again."))
        if runner is not None:
            runner.cancel()
            await asyncio.wait([runner])

    def _check_usable(self) -> None:
        running = asyncio.get_running_loop()
        self._loop = self._loop or running
        if self._loop is not running:
            raise ConfigurationError("this JobWaiter belongs to another event loop: make one for each loop.")
        if self._is_closed:
            raise ConfigurationError("this JobWaiter is closed: make another one.")

    def _result_of(self, job: Job) -> Job | JobsError:
        return job if job.status == JobStatus.COMPLETED else self._context.job_failed(job)

    def _join(self, wait: _Wait, tracker: JobTracker, snapshot: Job | None) -> BatchEntry:
        """Wait for the job of this tracker, or share the entry of an earlier wait for it; return the entry."""
        batch, key = self._batch or self._start(), tracker.job_id.lower()
        shared = self._shared.get(key)
        if shared is None:
            now = self._context.transport.now()
            entry = BatchEntry(tracker=tracker, started=now, timeout=wait.timeout, deadline=wait.deadline)
            shared = self._shared[key] = _SharedEntry(entry=entry)
            tracker.last, tracker.on_update = snapshot, shared.update
            if snapshot is not None and tracker.delay_first_poll(snapshot):
                entry.schedule_alone(now, batch.pause_of(entry))
            batch.add(entry)
        shared.waits.append(wait)
        shared.set_deadline()
        if min(shared.entry.due_at, shared.entry.deadline) < batch.next_turn_at:
            self._interrupt_pause()
        return shared.entry

    def _leave(self, wait: _Wait, key: str) -> None:
        shared = self._shared.get(key)
        if shared is None or wait not in shared.waits:  # it has its outcome
            return
        shared.waits.remove(wait)
        if shared.waits:
            shared.set_deadline()
        else:
            del self._shared[key]
            if self._batch is not None:
                self._batch.remove(shared.entry)
        self._interrupt_pause()  # because it may end when this wait was due

    def _start(self) -> JobBatch:
        self._batch = JobBatch(
            self._context, (), timeout=None, polling=None, on_update=None, pause=self._pause_to_poll
        )  # fmt: skip
        # In an empty context, because a log handler may take the context of the first wait as that of all others.
        self._runner = asyncio.create_task(self._run(self._batch), name="JobWaiter", context=Context())
        return self._batch

    async def _run(self, batch: JobBatch) -> None:
        """Poll until nothing is waited for any more."""
        try:
            async for outcome in batch:
                self._end(batch, outcome)
        except Exception as error:  # noqa: BLE001 - such as that of a closed client, which every wait raises
            self._end_all(error)
        except BaseException:
            self._end_all(None)
            raise
        finally:
            if self._batch is batch:
                self._batch = self._runner = None

    def _end(self, batch: JobBatch, finished: JobOutcome) -> None:
        """End the waits for a job; after a timeout, only those whose own time is over."""
        key, outcome = finished.job_id.lower(), finished.outcome
        shared = self._shared.pop(key)
        if not isinstance(outcome, WaitTimeoutError):
            for wait in shared.waits:
                wait.end(outcome)
            return
        now = self._context.transport.now()
        for wait in [wait for wait in shared.waits if wait.deadline <= now]:
            shared.waits.remove(wait)
            error = WaitTimeoutError(outcome.job, job_id=finished.job_id, timeout=wait.timeout, cause=batch.cause)
            error.job_id = finished.job_id
            wait.end(error)
        if shared.waits:
            self._shared[key] = shared
            shared.set_deadline()
            batch.add(shared.entry)

    def _end_all(self, error: Exception | None) -> None:
        """End all waits: with this error, or by cancelling them."""
        shared, self._shared, self._batch, self._runner = self._shared, {}, None, None
        for wait in [wait for each in shared.values() for wait in each.waits]:
            if error is None:
                wait.result.cancel()
            else:
                wait.end(error)

    async def _pause_to_poll(self, seconds: float, *, deadline: float, requests: int) -> bool | None:
        """Pause as `ClientContext.pause_to_poll` does; return None if a job has joined that is due before."""
        try:
            async with asyncio.timeout(None) as self._pausing:
                return await self._context.pause_to_poll(seconds, deadline=deadline, requests=requests)
        except TimeoutError:
            return None
        finally:
            self._pausing = None

    def _interrupt_pause(self) -> None:
        if self._pausing is not None:
            self._pausing.reschedule(asyncio.get_running_loop().time())
            self._pausing = None


@define(kw_only=True, eq=False)
class _Wait:
    """One call of `JobWaiter.wait`; `deadline` is on the transport's clock."""

    timeout: float
    deadline: float
    on_update: Callable[[Job], object] | None = field(validator=callback)
    context: Context = field(factory=copy_context)
    result: asyncio.Future[Job] = field(factory=lambda: asyncio.get_running_loop().create_future())

    def update(self, job: Job) -> None:
        """Call `on_update`; its error ends this wait only."""
        if self.on_update is None or self.result.done():
            return
        try:
            self.context.run(self.on_update, job)
        except Exception as error:  # noqa: BLE001 - any error of the user's function
            self._raise(error)

    def end(self, outcome: Job | Exception) -> None:
        """Return the job from the call, or raise a copy of the error, because each traceback is different."""
        if self.result.done():  # cancelled just now
            return
        if isinstance(outcome, Job):
            self.result.set_result(outcome)
        else:
            self._raise(copy(outcome) if isinstance(outcome, JobsError) else outcome)

    def _raise(self, error: Exception) -> None:
        self.result.set_exception(error)
        self.result.exception()  # so that asyncio does not log it if the call is cancelled now


@define(kw_only=True, eq=False)
class _SharedEntry:
    """The entry of a job in the batch, and all waits for it."""

    entry: BatchEntry
    waits: list[_Wait] = field(factory=list)

    def set_deadline(self) -> None:
        """Give the entry the deadline of the wait that ends first."""
        first = min(self.waits, key=lambda wait: wait.deadline)
        self.entry.deadline, self.entry.timeout = first.deadline, first.timeout

    def update(self, job: Job) -> None:
        """Pass a snapshot to all waits."""
        for wait in self.waits:
            wait.update(job)
