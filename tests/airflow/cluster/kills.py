"""Kill processes of the cluster at chosen moments of a run."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from attrs import define, field

from tests.airflow.cluster.processes import ClusterError, parent_of
from tests.airflow.cluster.run import DAG_ID, NAIVE, Run

JOB_KEY = "impact_jobs"
LARGE_BYTES = 40 * 1024 * 1024  # more than one part of an upload
_DEFERRED = 0.15  # the share of tasks that wait when their triggerer is killed
_DONE = 0.25  # the share of tasks that are done when the scheduler is killed
_LATE = 0.4  # the share of tasks that are done when the triggerer is killed once more
_HELD_SECONDS = 25.0  # less than a request may take, so that the worker is killed before its client gives up


class Kill(Protocol):
    """A kill that is still to come."""

    @property
    def moment(self) -> str:
        """What is killed, and when."""

    def happens(self) -> bool:
        """Kill if the moment has come, and return whether it has."""


@define
class TriggererWhileJobsRun:
    """Many tasks wait in the triggerer."""

    run: Run
    moment: str = "the triggerer, while jobs run"

    def happens(self) -> bool:
        if self.run.metadata.count(DAG_ID, "deferred") < _DEFERRED * self.run.size:
            return False
        _replace(self.run, "triggerer")
        return True


@define
class SchedulerWhileTasksRun:
    """Both slots are held; the workers die with the scheduler, as at the end of their machine."""

    run: Run
    moment: str = "the scheduler with its workers, which hold both slots"

    def happens(self) -> bool:
        metadata = self.run.metadata
        is_due = metadata.count(DAG_ID, "success") > _DONE * self.run.size and metadata.count(DAG_ID, "running") > 1
        # The tasks of the naive DAG would not survive it.
        if not is_due or metadata.run_state(NAIVE) != "success":
            return False
        _replace(self.run, "scheduler")
        return True


@define
class TriggererAsJobsEnd:
    """The triggerer has just asked for jobs of which one has ended since the list before."""

    run: Run
    moment: str = "the triggerer, as a job ends"
    _seen: dict[str, int] = field(factory=dict)

    def happens(self) -> bool:
        is_due = self.run.metadata.count(DAG_ID, "success") > _LATE * self.run.size
        for account in self.run.accounts:
            sandbox = account.sandbox
            ends = [account.end_of(export.job_id) for export in sandbox.exports]
            lists = [request.time for request in sandbox.requests if request.path.endswith("/Jobs")]
            seen = self._seen.setdefault(account.connection, len(lists))
            self._seen[account.connection] = len(lists)
            if is_due and seen and seen < len(lists) and any(lists[seen - 1] < end <= lists[-1] for end in ends):
                _replace(self.run, "triggerer")
                return True
        return False


@define
class WorkerBeforeIdIsRecorded:
    """The server has created the job, and its answer is on the way."""

    run: Run
    moment: str = "a worker, between an export and the record of its id"
    _known: int | None = None

    def happens(self) -> bool:
        account = self.run.accounts[-1]
        if self._known is None:
            self._known = len(account.sandbox.exports)
            path = re.compile("/ReportExport/")
            account.sandbox.answer_next("GET", path, status=None, delay=_HELD_SECONDS, perform=True)
        exports = account.sandbox.exports[self._known :]
        if not exports:
            return False
        map_index = self.run.map_index(account, exports[0].start)
        _kill_worker(self.run, map_index)
        stored = self.run.metadata.stored_state(DAG_ID, map_index, JOB_KEY)
        if stored is None or _find(json.loads(stored), "job") is not None:
            raise ClusterError(f"the worker was not killed before it recorded its job: {stored}")
        return True


@define
class WorkerInTheMiddleOfAnUpload:
    """The first part of a multipart upload is in the store, and half of the second one."""

    run: Run
    moment: str = "a worker, in the middle of an upload"
    _is_armed: bool = False

    def happens(self) -> bool:
        relay = self.run.store.relay
        if not self._is_armed:
            relay.hold(rb"PUT /\S+partNumber=2\D")
            self._is_armed = True
        if not relay.held.is_set():
            return False
        account = self.run.accounts[0]
        export = account.large_export(LARGE_BYTES)
        if export is None:
            raise ClusterError("an upload is held, but it is not that of the large file")
        _kill_worker(self.run, self.run.map_index(account, export.start))
        relay.release()
        return True


Moment = Callable[[Run], Kill]
ALL: Sequence[Moment] = (
    WorkerBeforeIdIsRecorded,
    TriggererWhileJobsRun,
    WorkerInTheMiddleOfAnUpload,
    SchedulerWhileTasksRun,
    TriggererAsJobsEnd,
)


def _replace(run: Run, name: str) -> None:
    run.cluster.kill(name)
    run.cluster.restart(name)


def _kill_worker(run: Run, map_index: int) -> None:
    """Kill the executor's worker that supervises a task, and the process of the task."""
    pid = run.metadata.process_of(DAG_ID, map_index)
    if pid is None:
        raise ClusterError(f"task {map_index} is not running")
    for victim in (parent_of(pid), pid):
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


def _find(value: object, key: str) -> object:
    """Return a value of the state, which the backend may wrap."""
    while isinstance(value, str):
        value = json.loads(value)
    return value.get(key) if isinstance(value, dict) else None
