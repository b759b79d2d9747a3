"""A DAG from a plan, run twice on the cluster, and `impact-jobs sync` in the same folder after it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from impact_jobs import profiles
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile

from tests.airflow.cluster.accounts import Account
from tests.airflow.cluster.processes import ClusterError, wait_until
from tests.airflow.cluster.run import PLANNED, Run

MONTHS: Final = ("2025-01", "2025-02", "2025-03")
_NAME: Final = "months"
_FILE_TASK: Final = "file"
_SECONDS: Final = 120.0
_DAG: Final = f"""from impact_jobs.airflow import dags_from_plan

dags_from_plan("{_NAME}.toml", schedule=None, pool="impact")
"""
_PLAN: Final = """[[report]]
id = "agency_action_listing"
name = "actions"
accounts = [{accounts}]
from = "{first}-01"
to = "{last}-31"
into = "{folder}/{{account}}/{{start:%Y-%m}}.csv"
"""


@frozen(kw_only=True)
class PlanOutcome:
    """What the runs have left.

    Attributes:
        states: How both runs of the DAG have ended.
        labels: The names of the mapped tasks of the first run, in their order.
        expected: The SHA-256 of each file by account and month, from the sandboxes' own results.
        found: The same of the files.
        jobs: How many jobs all accounts had for the plan after each of the runs.
        requests: How many requests the second run of the DAG, and the command, have made.
        manifests: The text of the manifests after the DAG, and after the command.
        printed: What the command has printed, as JSON.
    """

    states: Sequence[str | None]
    labels: Sequence[str]
    expected: Mapping[str, str]
    found: Mapping[str, str]
    jobs: Sequence[int]
    requests: Sequence[int]
    manifests: Sequence[str]
    printed: Sequence[Mapping[str, Any]]


def write_dag(folder: Path, accounts: Sequence[str]) -> Path:
    """Write a DAG file and its plan; return their folder."""
    dags = folder / "plans"
    dags.mkdir()
    text = _PLAN.format(
        accounts=", ".join(f'"{each}"' for each in accounts),
        first=MONTHS[0],
        last=MONTHS[-1],
        folder=folder / "planned",
    )
    (dags / f"{_NAME}.toml").write_text(text)
    (dags / "months.py").write_text(_DAG)
    return dags


def run_planned(run: Run, folder: Path) -> PlanOutcome:
    """Run the DAG twice, and the plan once."""
    before = {account.connection: len(account.sandbox.job_ids) for account in run.accounts}
    for account in run.accounts:
        account.sandbox.prepare_export(seconds=5)
    states, jobs, requests = [], [], []
    for number in (1, 2):
        sent = _requests(run)
        run.cluster.api.trigger(PLANNED)
        states.append(_end_of(run, number))
        jobs.append(sum(len(account.sandbox.job_ids) - before[account.connection] for account in run.accounts))
        requests.append(_requests(run) - sent)
    manifests = [_manifests(folder)]
    sent = _requests(run)
    printed = _sync(run, folder)
    return PlanOutcome(
        states=states,
        labels=run.metadata.labels(PLANNED, _FILE_TASK),
        expected={
            key: digest
            for account in run.accounts
            for key, digest in _expected(account, skip=before[account.connection]).items()
        },
        found={
            f"{path.parent.name}/{path.stem}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (folder / "planned").rglob("*.csv")
        },
        jobs=jobs,
        requests=[requests[-1], _requests(run) - sent],
        manifests=[*manifests, _manifests(folder)],
        printed=printed,
    )


def _sync(run: Run, folder: Path) -> list[dict[str, Any]]:
    """Run `impact-jobs sync` with a profile for each connection; return what it prints."""
    environ = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
    for account in run.accounts:
        sandbox = account.sandbox
        profile = Profile(account.connection, sandbox.account_sid, Secret(sandbox.auth_token), sandbox.base_url)
        profiles.save(profile, folder=folder / "config" / "impact-jobs")
    command = [sys.executable, "-m", "impact_jobs.cli", "sync", str(folder / "plans" / f"{_NAME}.toml"), "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise ClusterError(f"impact-jobs sync failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _expected(account: Account, *, skip: int) -> dict[str, str]:
    ours = account.sandbox.job_ids[skip:]
    return {
        f"{account.connection}/{export.start:%Y-%m}": account.sandbox.result(export.job_id).sha256
        for export in account.sandbox.exports
        if export.job_id in ours
    }


def _end_of(run: Run, number: int) -> str | None:
    """Wait for the end of a run of the DAG; return its state."""
    wait_until(
        lambda: run.metadata.ended_runs(PLANNED) == number, f"run {number} of {PLANNED} has ended", timeout=_SECONDS
    )
    return run.metadata.run_state(PLANNED)


def _requests(run: Run) -> int:
    return sum(len(account.sandbox.requests) for account in run.accounts)


def _manifests(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted((folder / "planned").rglob("manifest.jsonl")))
