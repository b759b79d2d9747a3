"""Run the example DAGs on a cluster, with kills, and record what they have left."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from impact_jobs.sandbox import RecordedRequest

from tests.airflow.cluster import kills
from tests.airflow.cluster.accounts import weeks
from tests.airflow.cluster.kills import Kill, Moment
from tests.airflow.cluster.metadata import Stretch
from tests.airflow.cluster.plan_run import PlanOutcome, run_planned
from tests.airflow.cluster.processes import ClusterError, wait_until
from tests.airflow.cluster.run import DAG_ID, LOADER, NAIVE, NIGHTLY, TASK_ID, Run
from tests.airflow.cluster.scene import scene

_ENDED: Final = frozenset({"success", "failed"})
_TICK_SECONDS: Final = 0.1


@frozen(kw_only=True)
class Plan:
    """The size of a run.

    Attributes:
        accounts: How many accounts there are.
        windows: How many windows, and so exports, each account has.
        job_seconds: How long a job takes.
        slow_jobs: How many jobs of the second account take three times as long.
        naive_jobs: How many jobs the naive DAG has.
        moments: When something is killed.
        longest_hold_seconds: For how long a task may hold a slot while its job runs. In the small run, which also has
            to pass on a busy machine, it is the length of a job: no worker waits for one.
        timeout: Seconds until the run is given up.
    """

    accounts: int
    windows: int
    job_seconds: float
    slow_jobs: int
    naive_jobs: int
    moments: Sequence[Moment]
    longest_hold_seconds: float
    timeout: float


PLANS: Final = {
    "full": Plan(
        accounts=4, windows=50, job_seconds=60.0, slow_jobs=5, naive_jobs=8, moments=kills.ALL,
        longest_hold_seconds=10.0, timeout=1800.0,
    ),
    "small": Plan(
        accounts=2, windows=10, job_seconds=20.0, slow_jobs=1, naive_jobs=3,
        moments=(kills.WorkerBeforeIdIsRecorded,), longest_hold_seconds=20.0, timeout=400.0,
    ),
}  # fmt: skip


@frozen(kw_only=True)
class Outcome:
    """What a run has left.

    Attributes:
        folder: The logs and all other files.
        states: The state of the last run of each DAG.
        killed: What was killed, in order, with the second of the run.
        expected: The SHA-256 by key of what has to be in the store.
        found: The SHA-256 by key of what is there.
        unfinished: How many multipart uploads are left in the store.
        jobs: How many jobs each account has.
        requests: The requests to the API for the run, by account.
        kinds: How many requests of each kind the run made, in all.
        naive_requests: The requests to the API by the naive DAG.
        stretches: When the tasks were running.
        naive_stretches: When the tasks of the naive DAG were running.
        spans: From when to when the job of each mapped task ran, in epoch seconds.
        results: How many results are in XCom.
        tries: How many tasks took how many tries.
        events: The asset events: URI and extra.
        planned: What the DAG from a plan has left.
        leaks: Where a secret was found.
        seconds: How long the parts took.
    """

    plan: Plan
    folder: Path
    states: dict[str, str | None]
    killed: list[tuple[str, float]]
    expected: dict[str, str]
    found: dict[str, str]
    unfinished: int
    jobs: list[int]
    requests: list[int]
    kinds: dict[str, int]
    naive_requests: int
    stretches: list[Stretch]
    naive_stretches: list[Stretch]
    spans: dict[int, tuple[float, float]]
    results: int
    tries: dict[int, int]
    events: list[tuple[str, dict[str, Any]]]
    planned: PlanOutcome
    leaks: list[str]
    seconds: dict[str, float]


def run_plan(plan: Plan) -> Outcome:
    """Start everything, run the DAGs, and stop everything. The logs stay in the outcome's folder, or the error's."""
    folder = Path(tempfile.mkdtemp(prefix="airflow-run-"))
    try:
        return _run(plan, folder)
    except Exception as error:
        raise ClusterError(f"{error}\nThe logs are in {folder}.") from error


def _run(plan: Plan, folder: Path) -> Outcome:
    names = [f"impact_{number}" for number in range(1, plan.accounts + 1)]
    clock = _Stopwatch()
    with scene(
        folder,
        account_names=names,
        windows=weeks(plan.windows),
        job_seconds=plan.job_seconds,
        parallelism=plan.naive_jobs + 4,
    ) as run:
        run.metadata.record_states()
        clock.lap("start of Airflow")
        _prepare_jobs(plan, run)
        killed = _execute(plan, run)
        clock.lap("the run")
        records = _records(run)
        _wait_for(run, NAIVE, timeout=plan.timeout)
        _wait_for(run, LOADER, timeout=plan.timeout)
        clock.lap("the naive DAG's rest, and the DAG scheduled on the asset")
        for account in run.accounts:
            account.sandbox.prepare_export(seconds=2)
        run.cluster.api.unpause(NIGHTLY)
        _wait_for(run, NIGHTLY, timeout=plan.timeout)
        clock.lap("the nightly DAG")
        planned = run_planned(run, folder)
        clock.lap("the DAG from a plan, twice")
        states = {name: run.metadata.run_state(name) for name in (DAG_ID, LOADER, NAIVE, NIGHTLY)}
        naive: dict[str, Any] = {
            "naive_requests": sum(request.origin == "api" for request in run.naive.sandbox.requests),
            "naive_stretches": run.metadata.stretches(NAIVE, TASK_ID),
        }
        leaks = _leaks(run)
    clock.lap("checks and stop")
    return Outcome(
        plan=plan,
        folder=folder,
        states=states,
        killed=killed,
        planned=planned,
        leaks=leaks,
        seconds=clock.laps,
        **records,
        **naive,
    )


def _prepare_jobs(plan: Plan, run: Run) -> None:
    first, second, *_ = run.accounts
    if kills.WorkerInTheMiddleOfAnUpload in plan.moments:
        first.sandbox.prepare_export(content=b"Action,Amount\n" + b"1,2.50\n" * (kills.LARGE_BYTES // 7 + 1))
    for _ in range(plan.slow_jobs):
        second.sandbox.prepare_export(seconds=3 * plan.job_seconds)


def _execute(plan: Plan, run: Run) -> list[tuple[str, float]]:
    """Run the backfill, and the naive DAG beside it; kill what the plan says; return what was killed, and when."""
    pending: list[Kill] = [moment(run) for moment in plan.moments]
    naive = [{"start": str(start), "end": str(end)} for start, end in weeks(plan.naive_jobs)]
    run.cluster.api.unpause(LOADER)
    run.cluster.api.trigger(NAIVE, {"windows": naive})
    days = {"first_day": str(run.windows[0][0]), "last_day": str(run.windows[-1][1])}
    run.cluster.api.trigger(DAG_ID, {**days, "split": "week"})
    began = time.monotonic()
    killed: list[tuple[str, float]] = []
    while run.metadata.run_state(DAG_ID) not in _ENDED:
        happened = [kill for kill in pending if kill.happens()]
        pending = [kill for kill in pending if kill not in happened]
        killed += [(kill.moment, time.monotonic() - began) for kill in happened]
        if time.monotonic() - began > plan.timeout:
            raise ClusterError(f"the run has not ended in {plan.timeout:.0f} s; it was interrupted by {killed}")
        time.sleep(_TICK_SECONDS)
    if pending:
        raise ClusterError(f"the run ended before these moments came: {[kill.moment for kill in pending]}")
    return killed


def _records(run: Run) -> dict[str, Any]:
    """Return what the run has left, before other DAGs use the same accounts."""
    requests = [[request.origin for request in account.sandbox.requests] for account in run.accounts]
    return {
        "expected": run.expected(),
        "found": run.store.digests("year"),
        "unfinished": run.store.unfinished(),
        "jobs": [len(account.sandbox.job_ids) for account in run.accounts],
        "kinds": dict(Counter(_kind(each) for account in run.accounts for each in account.sandbox.requests)),
        "requests": [origins.count("api") for origins in requests],
        "stretches": run.metadata.stretches(DAG_ID, TASK_ID),
        "spans": run.spans(),
        "results": run.metadata.results(DAG_ID, TASK_ID),
        "tries": run.metadata.tries(DAG_ID, TASK_ID),
        "events": run.metadata.asset_events(DAG_ID, TASK_ID),
    }


def _kind(request: RecordedRequest) -> str:
    """Return what a request asks for: the last part of its path that is not an id."""
    if request.origin == "storage":
        return "files"
    parts = request.path.removesuffix(".json").split("/")[3:]
    names = {"ReportExport": "exports", "Jobs": "jobs" if len(parts) > 1 else "lists of jobs"}
    return parts[-1].lower() if len(parts) > 2 else names.get(parts[0], parts[0].lower())


def _wait_for(run: Run, dag_id: str, *, timeout: float) -> None:
    wait_until(lambda: run.metadata.run_state(dag_id) in _ENDED, f"{dag_id} has ended", timeout=timeout)


def _leaks(run: Run) -> list[str]:
    """Return the tables and the logs of tasks that have a secret."""
    secrets = [account.sandbox.auth_token for account in (*run.accounts, run.naive)]
    secrets += [run.store.keys.secret, "Signature="]
    logs = [path for path in (run.cluster.home / "logs").rglob("*.log") if "dag_processor" not in path.parts]
    found = {str(path) for path in logs for secret in secrets if secret in path.read_text(errors="replace")}
    found |= {table for secret in secrets for table in run.metadata.tables_with(secret)}
    return sorted(found)


class _Stopwatch:
    """Measures one part after another, in seconds."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = now - self._last
        self._last = now
